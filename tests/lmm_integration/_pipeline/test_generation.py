"""What the parts of ``generate`` see: the caller's prompt, and the mask that transformers would infer."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from transformers import (  # noqa: E402
    DynamicCache,
    EosTokenCriteria,
    GenerationConfig,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
)

from lmm_integration import prune  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

NEW = 4
BOTH = pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
modern = pytest.mark.skipif(tiny.VERSION < 5, reason="needs transformers 5")


def generated(model: Any, inputs: dict[str, Any], **options: Any) -> Any:
    return model.generate(**inputs, **({"max_new_tokens": NEW, "do_sample": False} | options))


@BOTH
@pytest.mark.parametrize("keep", [1.0, 0.3])
def test_without_a_mask_padding_is_masked_as_transformers_does(name: str, keep: float) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    bare = {n: v for n, v in inputs.items() if n != "attention_mask"}
    plain = generated(model, inputs)
    with prune(model, keep=keep):
        answer = generated(model, bare)
        assert torch.equal(answer, generated(model, inputs))
    assert torch.equal(answer, plain) == (keep == 1.0)


def test_without_a_mask_padding_that_ends_texts_is_attended_to_as_transformers_does() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    bare = {n: v for n, v in inputs.items() if n != "attention_mask"}
    plain = generated(model, bare, eos_token_id=tiny.PAD)
    with prune(model, keep=1.0):
        assert torch.equal(generated(model, bare, eos_token_id=tiny.PAD), plain)


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}])
def test_a_prefix_constraint_sees_the_callers_prompt(options: dict[str, Any]) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    prompt, per_prompt, shown = inputs["input_ids"], options.get("num_return_sequences", 1), []

    def allowed(row: int, ids: Any) -> list[int]:
        shown.append(torch.equal(ids[: prompt.shape[1]], prompt[row // per_prompt]))
        return [13 + ids.shape[0] % 2]

    with prune(model, keep=0.3):
        answer = generated(model, inputs, prefix_allowed_tokens_fn=allowed, **options)
    assert all(shown)
    assert len(shown) >= NEW * len(prompt)
    length = prompt.shape[1]
    assert answer[:, length:].tolist() == [[13 + (length + i) % 2 for i in range(NEW)]] * len(answer)


@modern
@BOTH
@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_a_loop_of_ones_own_sees_the_callers_prompt(name: str, positions: str, use_cache: bool) -> None:
    model, inputs, shown = tiny.build(name), tiny.batch(name), []

    def greedy(
        model: Any, input_ids: Any, logits_processor: Any, stopping_criteria: Any, generation_config: Any, **kwargs: Any
    ) -> Any:
        shown.append(input_ids)
        first = True
        for _ in range(NEW):
            step = input_ids.shape[1] if first or not use_cache else 1
            given = model.prepare_inputs_for_generation(
                input_ids, next_sequence_length=step, is_first_iteration=first or not use_cache, **kwargs
            )
            output = model(**given, return_dict=True)
            kwargs = model._update_model_kwargs_for_generation(output, kwargs)
            input_ids = torch.cat((input_ids, output.logits[:, -1:].argmax(-1)), 1)
            first = False
        return input_ids

    with prune(model, keep=0.3, positions=positions) as pruning:
        expected = generated(model, inputs)
        before = pruning.stats.calls
        answer = generated(model, inputs, custom_generate=greedy, use_cache=use_cache)
    assert torch.equal(shown[0], inputs["input_ids"])
    assert pruning.stats.calls > before
    assert torch.equal(answer, expected)


def test_a_negative_prompt_as_long_as_the_prompt_is_none_of_it() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    negative = torch.randint(3, 80, inputs["input_ids"].shape, generator=torch.Generator().manual_seed(3))
    longer = torch.cat((torch.tensor([[tiny.PAD]]), negative), 1)
    with prune(model, keep=0.3):
        answers = [
            generated(
                model,
                inputs,
                guidance_scale=5.0,
                negative_prompt_ids=ids,
                negative_prompt_attention_mask=(ids != tiny.PAD).long(),
            )
            for ids in (negative, longer)
        ]
    assert torch.equal(*answers)


@modern
def test_encoded_images_are_pruned_like_pixels() -> None:
    for name in ("llava", "qwen2_5_vl"):
        model, inputs = tiny.build(name), tiny.batch(name)
        pixels = {n: inputs[n] for n in ("pixel_values", "image_grid_thw") if n in inputs}
        text = {n: v for n, v in inputs.items() if n != "pixel_values"}

        def encoded(model: Any = model, pixels: Any = pixels) -> dict[str, Any]:
            with torch.no_grad():
                return {"image": model.model.get_image_features(**pixels, return_dict=True)}

        with torch.no_grad(), prune(model, keep=0.3) as pruning:
            expected, logits = generated(model, inputs), model(**inputs).logits
            counts = pruning.stats.tokens_before, pruning.stats.tokens_after
            given = encoded()
            shape = getattr(given["image"].pooler_output, "shape", None)
            assert torch.equal(model(**text, mm_encoder_outputs=given).logits, logits)
            assert getattr(given["image"].pooler_output, "shape", None) == shape
            assert torch.equal(generated(model, text, mm_encoder_outputs=encoded()), expected)
            beams = generated(model, inputs, num_beams=2)
            assert torch.equal(generated(model, text, mm_encoder_outputs=encoded(), num_beams=2), beams)
        assert (pruning.stats.tokens_before, pruning.stats.tokens_after) == tuple(3 * count for count in counts)


def test_a_cache_given_to_a_pruned_prompt_is_filled_with_it() -> None:
    model, inputs, cache = tiny.build("llava"), tiny.batch("llava", (1,)), DynamicCache()
    with prune(model, keep=10):
        generated(model, inputs, past_key_values=cache)
    assert cache.get_seq_length() == inputs["input_ids"].shape[1] - 26 + NEW - 1


LENGTH = tiny.batch("llava", (1,))["input_ids"].shape[1]


@pytest.mark.parametrize(
    ("own", "given", "arguments"),
    [
        ({"max_length": LENGTH + 3}, {}, {}),
        ({"max_length": LENGTH + 3}, {"max_length": LENGTH + 2}, {}),
        ({"max_length": LENGTH + 3}, None, {"max_new_tokens": 5}),
        ({"max_length": LENGTH + 3}, {"max_new_tokens": 5}, {}),
        ({"max_new_tokens": 5}, {"max_length": LENGTH + 3}, {}),
        ({"max_new_tokens": 5}, None, {"max_length": LENGTH + 3}),
        ({"max_new_tokens": 5}, None, {"max_new_tokens": None, "max_length": LENGTH + 3}),
        ({"min_length": LENGTH + 4}, {"max_new_tokens": 6}, {}),
        ({"min_length": LENGTH + 4, "max_length": LENGTH + 5}, {"min_length": LENGTH + 2}, {}),
        ({"min_length": LENGTH + 4, "max_length": LENGTH + 5}, {}, {"min_length": 0}),
    ],
)
def test_limits_of_both_configurations_count_the_callers_prompt(own: Any, given: Any, arguments: Any) -> None:
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava", (1,))
    ends = {
        "eos_token_id": list(range(tiny.START)),
        "pad_token_id": tiny.PAD,
    }  # so that a text is as short as it may be
    if "min_length" not in own:
        ends["eos_token_id"] = None
    model.generation_config = GenerationConfig(**own, **ends)
    if given is not None:
        arguments = {**arguments, "generation_config": GenerationConfig(**given)}
    plain = model.generate(**inputs, **arguments)
    for keep in (1.0, 0.3):
        with prune(model, keep=keep):
            assert model.generate(**inputs, **arguments).shape == plain.shape


def test_a_configuration_that_the_model_gets_later_counts() -> None:
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava", (1,))
    with prune(model, keep=0.3):
        model.generation_config = GenerationConfig(max_length=LENGTH + 3, pad_token_id=tiny.PAD)
        assert model.generate(**inputs).shape[1] == LENGTH + 3


def test_a_processor_of_the_caller_takes_the_place_of_one_of_transformers() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    mild = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(1.01)])
    options = {"repetition_penalty": 5.0, "max_new_tokens": 12}
    plain = generated(model, inputs, logits_processor=mild, **options)
    assert not torch.equal(plain, generated(model, inputs, **options))
    with prune(model, keep=1.0):
        assert torch.equal(generated(model, inputs, logits_processor=mild, **options), plain)


def test_rows_that_a_criterion_of_the_caller_ended_are_padded() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1, 1))
    length = inputs["input_ids"].shape[1]
    (_, end), (first, _) = generated(model, inputs)[:, length : length + 2].tolist()
    assert first == end  # so the second row ends one token before the first
    options = {"stopping_criteria": StoppingCriteriaList([EosTokenCriteria(end)])}
    plain = generated(model, inputs, **options)
    assert plain[1, -1] == tiny.PAD or transformers.__version__ < "5"  # which pads after its own ends alone
    with prune(model, keep=1.0):
        assert torch.equal(generated(model, inputs, **options), plain)


class Ask(StoppingCriteria):
    """Asks the model something else at every step, and notes the answers."""

    def __init__(self, ask: Any) -> None:
        self.ask, self.answers = ask, []

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self.answers.append(self.ask())
        return torch.zeros(len(input_ids), dtype=torch.bool)


@BOTH
@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("keep", [1.0, 0.3])
@pytest.mark.parametrize("beams", [1, 2])
def test_a_call_of_the_model_inside_of_generate_is_a_call_of_its_own(
    name: str, positions: str, keep: float, beams: int
) -> None:
    """The same prompt with another image, as in contrastive decoding, alone and step by step; and text."""
    model, inputs = tiny.build(name), tiny.batch(name, (1,))
    other = inputs | {"pixel_values": torch.randn_like(inputs["pixel_values"])}
    text = {"input_ids": torch.tensor([[4, 5, 6]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}

    def two_steps() -> Any:
        cache = model(**other, use_cache=True).past_key_values
        return model(input_ids=inputs["input_ids"][:, :1], past_key_values=cache).logits

    for ask in (
        lambda: model(**other).logits,
        two_steps,
        lambda: model(**text).logits,
        lambda: model(input_ids=inputs["input_ids"][:, :1], use_cache=True).logits,
        lambda: generated(model, text),
    ):
        with torch.no_grad(), prune(model, keep=keep, positions=positions):
            expected, asked = ask(), Ask(ask)
            plain = generated(model, inputs, num_beams=beams)
            answer = generated(model, inputs, num_beams=beams, stopping_criteria=StoppingCriteriaList([asked]))
        assert torch.equal(answer, plain)
        assert len(asked.answers) == NEW
        assert all(torch.equal(found, expected) for found in asked.answers)
