"""Caches of pruned prompts that come back: the same object, copies, copies by hand, and caches of other prompts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch.nn.functional import pad  # noqa: E402
from transformers import DynamicCache, StaticCache  # noqa: E402

from lmm_integration import prune  # noqa: E402
from lmm_integration.exceptions import PruningStateError  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

NEW = 4
modern = pytest.mark.skipif(tiny.VERSION < 5, reason="needs transformers 5")
BOTH = pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
QUESTIONS = (torch.tensor([[13, 14, 15]]), torch.tensor([[16, 13]]))


def generated(model: Any, inputs: dict[str, Any], **options: Any) -> Any:
    return model.generate(**inputs, **({"max_new_tokens": NEW, "do_sample": False} | options))


def followed(inputs: dict[str, Any], more: Any) -> dict[str, Any]:
    """The inputs with more text behind, images and all."""
    n = more.shape[1]
    ids = torch.cat((inputs["input_ids"], more), 1)
    mask = pad(inputs["attention_mask"], (0, n), value=1)
    types = {name: pad(v, (0, n)) for name, v in inputs.items() if name.endswith("type_ids")}
    return inputs | types | {"input_ids": ids, "attention_mask": mask}


@BOTH
@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("with_pixels", [False, True])
def test_a_prefix_is_reused_by_copies(name: str, positions: str, with_pixels: bool) -> None:
    """As transformers recommends for many questions about one prefix."""
    model, inputs = tiny.build(name), tiny.batch(name, (1,))
    scores = {"return_dict_in_generate": True, "output_logits": True}
    with torch.no_grad(), prune(model, keep=0.3, positions=positions):
        prefix = model(**inputs, past_key_values=DynamicCache(), use_cache=True).past_key_values
        for question in QUESTIONS:
            whole = followed(inputs, question)
            expected = generated(model, whole, **scores)
            text = whole if with_pixels else {n: v for n, v in whole.items() if n in ("input_ids", "attention_mask")}
            generated(model, tiny.batch(name, (2,)))  # whose offset of positions another prompt must not take
            answer = generated(model, text, past_key_values=copy.deepcopy(prefix), **scores)
            assert torch.equal(answer.sequences, expected.sequences)
            for ours, theirs in zip(answer.logits, expected.logits, strict=True):
                assert (ours - theirs).abs().max() < 1e-9 * theirs.abs().max()


@BOTH
def test_images_may_come_along_in_the_second_turn_of_a_batch(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    with prune(model, keep=0.3):
        turn = generated(model, inputs, return_dict_in_generate=True)
        whole = followed(inputs, torch.cat((turn.sequences[:, -NEW:], torch.tensor([[13, 14], [15, 16]])), 1))
        text = {n: v for n, v in whole.items() if n in ("input_ids", "attention_mask")}
        answers = [
            generated(model, given, past_key_values=copy.deepcopy(turn.past_key_values)) for given in (text, whole)
        ]
    assert torch.equal(*answers)


@pytest.mark.parametrize("positions", ["compact", "original"])
def test_the_mask_of_a_step_is_of_the_whole_text_or_of_what_the_model_has_seen(positions: str) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    step, one = torch.tensor([[9], [10]]), torch.ones(2, 1, dtype=torch.int64)
    whole = torch.cat((inputs["attention_mask"], one), 1)
    with torch.no_grad(), prune(model, keep=0.3, positions=positions) as pruning:
        cache = model(**inputs, use_cache=True).past_key_values
        seen = torch.cat((pruning.last_call.shorten(inputs["attention_mask"]), one), 1)
        expected = model(input_ids=step, attention_mask=whole, past_key_values=copy.deepcopy(cache)).logits
        given = model(input_ids=step, attention_mask=seen, past_key_values=copy.deepcopy(cache)).logits
        assert torch.equal(given, expected)
        for wrong in (one, whole[:, 1:], seen[:, 1:]):
            with pytest.raises(PruningStateError, match=f"of {wrong.shape[1]} columns.*give {whole.shape[1]} columns"):
                model(input_ids=step, attention_mask=wrong, past_key_values=cache)


@BOTH
@pytest.mark.parametrize("positions", ["compact", "original"])
def test_steps_without_a_mask_equal_those_with_one(name: str, positions: str) -> None:
    """Prompts of equal lengths without padding, of which more is dropped in the second."""
    model, inputs = tiny.build(name), tiny.batch(name)
    inputs["input_ids"] = inputs["input_ids"].where(inputs.pop("attention_mask") > 0, 5)
    with torch.no_grad(), prune(model, keep=0.3, positions=positions):
        expected = generated(model, inputs)
        output, tokens = model(**inputs, use_cache=True), []
        while True:
            tokens.append(output.logits[:, -1:].argmax(-1))
            if len(tokens) == NEW:
                break
            generated(model, tiny.batch(name, (2,)))  # whose offset of positions another prompt must not take
            output = model(input_ids=tokens[-1], past_key_values=output.past_key_values)
    assert torch.equal(torch.cat(tokens, 1), expected[:, -NEW:])


@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("given", [True, False])
def test_a_cache_that_came_in_a_tuple_is_known(positions: str, given: bool) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    step = {n: v for n, v in followed(inputs, torch.tensor([[9], [10]])).items() if n == "attention_mask"}
    step["input_ids"] = torch.tensor([[9], [10]])
    with torch.no_grad(), prune(model, keep=0.3, positions=positions):
        expected = model(**step, past_key_values=model(**inputs, use_cache=True).past_key_values).logits
        cache = DynamicCache() if given else None
        output = model(**inputs, past_key_values=cache, use_cache=True, return_dict=False)
        assert torch.equal(model(**step, past_key_values=cache if given else output[1]).logits, expected)


@modern
@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("kind", [DynamicCache, StaticCache])
def test_a_cache_that_was_reset_is_a_new_one(positions: str, kind: Any) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    text, more = torch.arange(20, 60)[None], torch.tensor([[61, 62]])
    with torch.no_grad():
        cache = model(input_ids=text, use_cache=True).past_key_values
        expected = model(input_ids=more, past_key_values=cache).logits
        with prune(model, keep=0.3, positions=positions):
            options = {} if kind is DynamicCache else {"max_cache_len": 100}
            cache = kind(config=model.config.get_text_config(), **options)
            model(**inputs, past_key_values=cache)
            cache.reset()
            model(input_ids=text, past_key_values=cache)
            assert (model(input_ids=more, past_key_values=cache).logits - expected).abs().max() < 1e-9


MOVES = {
    "reordered": (lambda cache: cache.reorder_cache(torch.tensor([1, 0])), [1, 0]),
    "selected": (lambda cache: cache.batch_select_indices(torch.tensor([1])), [1]),
    "repeated": (lambda cache: cache.batch_repeat_interleave(2), [0, 0, 1, 1]),
    "repeated and reordered": (
        lambda cache: (cache.batch_repeat_interleave(2), cache.reorder_cache(torch.tensor([3, 0, 2, 1]))),
        [1, 0, 1, 0],
    ),
    "reordered and repeated": (
        lambda cache: (cache.reorder_cache(beam_idx=torch.tensor([1, 0])), cache.batch_repeat_interleave(2)),
        [1, 1, 0, 0],
    ),
}


@BOTH
@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("with_mask", [True, False])
@pytest.mark.parametrize("move", MOVES)
def test_a_cache_whose_rows_moved_is_continued_row_by_row(
    name: str, positions: str, with_mask: bool, move: str
) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    (move_rows, rows), question = MOVES[move], torch.tensor([[9], [10]])
    mask = followed(inputs, question)["attention_mask"]
    if not with_mask:
        inputs["input_ids"] = inputs["input_ids"].where(inputs.pop("attention_mask") > 0, 5)
    with torch.no_grad(), prune(model, keep=0.3, positions=positions):
        cache = model(**inputs, use_cache=True).past_key_values

        def step(cache: Any, rows: list[int]) -> Any:
            more = {"attention_mask": mask[rows]} if with_mask and name == "llava" else {}
            return model(input_ids=question[rows], past_key_values=cache, **more).logits

        moved = copy.deepcopy(cache)
        move_rows(moved)
        expected = step(copy.deepcopy(cache), [0, 1])[rows]
        assert (step(moved, rows) - expected).abs().max() < 1e-9 * expected.abs().max()
        assert torch.equal(step(cache, [0, 1])[rows], expected)  # moving a copy leaves the cache as it was


@modern
@pytest.mark.parametrize("copied", [copy.copy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_moving_the_rows_of_a_copy_leaves_the_cache_as_it_was(copied: Any) -> None:
    """A shallow copy with layers of its own is the cheapest way to branch a conversation."""
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    turn = followed(inputs, torch.tensor([[9], [10]]))
    step = {"input_ids": turn["input_ids"][:, -1:], "attention_mask": turn["attention_mask"]}
    with torch.no_grad(), prune(model, keep=0.3):
        cache = model(**inputs, use_cache=True).past_key_values
        branch = copied(cache)
        branch.layers = [copy.copy(layer) for layer in branch.layers]
        branch.batch_select_indices(torch.tensor([1]))
        expected = model(**step, past_key_values=cache).logits  # both of its rows are there
        answer = model(**{n: v[1:] for n, v in step.items()}, past_key_values=branch).logits
    assert (answer - expected[1:]).abs().max() < 1e-9
    assert isinstance(cache, DynamicCache)
    assert repr(cache).startswith("DynamicCache(")


def test_fewer_rows_than_the_cache_has_are_refused() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with torch.no_grad(), prune(model, keep=0.3):
        cache = model(**inputs, use_cache=True).past_key_values
        with pytest.raises(PruningStateError, match="1 rows of ids on the cache of a pruned prompt of 2 rows"):
            model(input_ids=torch.tensor([[9]]), past_key_values=cache)


def test_a_step_without_ids_gets_the_models_own_error() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    with torch.no_grad(), prune(model, keep=0.3):
        cache = model(**inputs, use_cache=True).past_key_values
        with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
            model(past_key_values=cache)


def test_a_cache_outlives_its_pruning() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    with torch.no_grad(), prune(model, keep=0.3):
        cache = model(**inputs, use_cache=True).past_key_values
        expected = generated(model, followed(inputs, QUESTIONS[0]))
    with torch.no_grad(), prune(model, keep=0.9):
        assert torch.equal(generated(model, followed(inputs, QUESTIONS[0]), past_key_values=cache), expected)


def test_an_unknown_cache_behind_placeholders_is_refused() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    text = {n: v for n, v in followed(inputs, QUESTIONS[0]).items() if n != "pixel_values"}
    with torch.no_grad(), prune(model, keep=0.1):
        known = model(**inputs, use_cache=True).past_key_values
        unknown = DynamicCache()
        for layer, (keys, values) in enumerate((layer.keys, layer.values) for layer in known.layers):
            unknown.update(keys, values, layer)
        with pytest.raises(PruningStateError, match="does not know"):
            generated(model, text, past_key_values=unknown)


def test_images_behind_a_cache_of_text_are_refused() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    with torch.no_grad(), prune(model, keep=0.3):
        cache = model(input_ids=inputs["input_ids"][:, :2], use_cache=True).past_key_values
        with pytest.raises(PruningStateError, match="new images"):
            generated(model, inputs, past_key_values=cache)


def test_a_cache_with_another_prompt_is_refused() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    with torch.no_grad(), prune(model, keep=0.3):
        cache = model(**inputs, use_cache=True).past_key_values
        other = followed(inputs, QUESTIONS[0])
        other["input_ids"][0, 0] += 1
        with pytest.raises(PruningStateError, match="do not begin with the prompt"):
            generated(model, other, past_key_values=cache)
        cache.crop(-8)  # more than the text behind the image
        with pytest.raises(PruningStateError, match="cropped"):
            generated(model, followed(inputs, QUESTIONS[0]), past_key_values=cache)


@BOTH
def test_an_answer_that_holds_the_image_token_is_no_new_image(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name, (1,))

    def the_image_token(row: int, ids: Any) -> list[int]:
        return [tiny.IMAGE]

    with prune(model, keep=0.3):
        first = generated(model, inputs, prefix_allowed_tokens_fn=the_image_token, return_dict_in_generate=True)
        assert (first.sequences[0, -NEW:] == tiny.IMAGE).all()
        whole = torch.cat((first.sequences, QUESTIONS[0]), 1)
        text = {"input_ids": whole, "attention_mask": torch.ones_like(whole)}
        second = generated(model, text, past_key_values=first.past_key_values)
    assert second.shape[1] == whole.shape[1] + NEW
