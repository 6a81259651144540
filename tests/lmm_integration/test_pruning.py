"""The ways people run a pruned model, each against the plain way, which the oracle tests vouch for."""

from __future__ import annotations

import copy
import functools
import pickle
import re
import threading
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import DynamicCache, LogitsProcessor, LogitsProcessorList, StoppingCriteria  # noqa: E402

import solvers  # noqa: E402
from lmm_integration import prune, select_tokens, selectors  # noqa: E402
from lmm_integration.exceptions import PruningStateError, UnsupportedModelError  # noqa: E402
from lmm_integration.families import Family  # noqa: E402
from mmdp.exceptions import InvalidOptionError, SolverContractError, UnknownNameError  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

NEW = 4
OF_VIDEOS = [name for name in selectors.names() if selectors.load(name).least_frames > 1]
BOTH = pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
modern = pytest.mark.skipif(tiny.VERSION < 5, reason="needs transformers 5")


def generated(model: Any, inputs: dict[str, Any], **options: Any) -> Any:
    return model.generate(**inputs, **({"max_new_tokens": NEW, "do_sample": False} | options))


def rules() -> list[str]:
    """Those for images; EVS and DyCoke compare the frames of a video."""
    names = [*(info.name for info in solvers.available() if not info.missing), *selectors.names()]
    return [name for name in names if name not in OF_VIDEOS]


@pytest.mark.parametrize("rule", OF_VIDEOS)
def test_a_rule_for_videos_prunes_them_and_refuses_images(rule: str) -> None:
    with (
        pytest.raises(InvalidOptionError, match=r"modalities=\('video',\)"),
        prune(tiny.build("llava"), solver=rule, keep=3),
    ):
        tiny.build("llava")(**tiny.batch("llava"))
    model, inputs = tiny.build("qwen2_5_vl:video"), tiny.batch("qwen2_5_vl:video", (1,))
    with prune(model, solver=rule, keep=0.3, scope="sample", modalities=("video",)) as pruning:
        generated(model, inputs)
    assert pruning.last[0].grid[0] == 3


@BOTH
@pytest.mark.parametrize("rule", rules())
def test_every_rule_prunes(name: str, rule: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name, (1,))
    with prune(model, solver=rule, keep=3) as pruning:
        answer = generated(model, inputs)
    assert answer.shape[1] == inputs["input_ids"].shape[1] + NEW
    assert [len(kept.indices.unique()) for kept in pruning.last] == [3]


def test_compiling_is_not_in_the_seconds_of_solving(monkeypatch: Any) -> None:
    """A solver that spends its first call on compiling: the clock stands still for it."""
    now, asked = [0.0], []

    @dataclass(frozen=True)
    class Compiled(solvers.load("greedy")):  # type: ignore[misc]
        def select(self, points: Any, k: int, metric: str = "cosine") -> Any:
            now[0] += 1.0 if asked else 100.0
            asked.append(tuple(points.shape[:-1]))
            return super().select(points, k, metric)

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with torch.no_grad(), prune(model, Compiled(), keep=3) as pruning:
        model(**inputs)
        model(**inputs)
    images, patches = 3, 36
    assert asked[1:] == [(images, patches)] * 2  # behind a warm-up: images of one size are one batch
    assert pruning.stats.solve_seconds == 2.0


@BOTH
def test_the_rows_kept_are_those_of_select_tokens(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name, (1, 1))
    with torch.no_grad():
        pixels = {n: v for n, v in inputs.items() if n in ("pixel_values", "image_grid_thw")}
        output = model.model.get_image_features(**pixels)
    features = getattr(output, "pooler_output", output)
    with prune(model, keep=0.3) as pruning:
        model(**inputs)
    for kept, rows in zip(pruning.last, features, strict=True):
        assert torch.equal(kept.indices, select_tokens(rows, 0.3))


@BOTH
def test_centring_is_for_the_rule_and_not_for_the_model(name: str) -> None:
    model, inputs, seen = tiny.build(name), tiny.batch(name, (1,)), []

    def watch(features: Any, k: int) -> range:
        seen.append(features)
        return range(k)

    with torch.no_grad():
        with prune(model, watch, keep=5):
            plain = model(**inputs).logits
        with prune(model, watch, keep=5, centre=True):
            assert torch.equal(model(**inputs).logits, plain)
    assert (seen[1] - (seen[0] - seen[0].mean(0))).abs().max() < 1e-12


@BOTH
def test_any_callable(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    with prune(model, solver=lambda features, k: range(k), keep=5) as pruning:
        model(**inputs)
    assert all(kept.indices.tolist() == [0, 1, 2, 3, 4] for kept in pruning.last)


@pytest.mark.parametrize("answer", [[0, 0, 1], [0, 1, 99], [0.0, 1.0, 2.0], [0, 1]])
def test_a_callable_that_breaks_its_contract_leaves_no_trace(answer: list[float]) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    before = set(vars(model))
    with pytest.raises(SolverContractError), prune(model, solver=lambda features, k: answer, keep=3):
        model(**inputs)
    assert set(vars(model)) == before


@BOTH
@pytest.mark.parametrize("scope", ["image", "sample"])
@pytest.mark.parametrize("positions", ["compact", "original"])
def test_scopes_and_positions_agree_with_and_without_cache(name: str, scope: str, positions: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    with prune(model, keep=0.3, scope=scope, positions=positions) as pruning:
        assert torch.equal(generated(model, inputs), generated(model, inputs, use_cache=False))
    assert len(pruning.last) == (3 if scope == "image" else 2)


def test_decoding_by_hand() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with torch.no_grad(), prune(model, keep=0.3):
        expected = generated(model, inputs)[:, -NEW:]
        output = model(**inputs, past_key_values=DynamicCache(), use_cache=True)
        mask, tokens = inputs["attention_mask"], []
        for _ in range(NEW):
            tokens.append(output.logits[:, -1].argmax(-1, keepdim=True))
            mask = torch.cat((mask, torch.ones_like(tokens[-1])), 1)
            output = model(input_ids=tokens[-1], attention_mask=mask, past_key_values=output.past_key_values)
    assert torch.equal(torch.cat(tokens, 1), expected)


@BOTH
@pytest.mark.parametrize("positions", ["compact", "original"])
def test_a_second_turn_on_the_returned_cache(name: str, positions: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name, (1,))
    question = torch.tensor([[13, 14, 15]])
    with prune(model, keep=0.3, positions=positions):
        first = generated(model, inputs, return_dict_in_generate=True)
        whole = torch.cat((first.sequences, question), 1)
        text = {"input_ids": whole, "attention_mask": torch.ones_like(whole)}
        types = {n: torch.nn.functional.pad(v, (0, NEW + 3)) for n, v in inputs.items() if n.endswith("type_ids")}
        second = generated(model, text, past_key_values=first.past_key_values)
        again = generated(model, inputs | text | types)
    assert torch.equal(second, again)


@BOTH
def test_sampling_is_reproducible(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    with prune(model, keep=0.3):
        answers = []
        for _ in range(2):
            torch.manual_seed(5)
            answers.append(generated(model, inputs, do_sample=True, num_return_sequences=2))
    assert torch.equal(*answers)


@BOTH
def test_static_cache(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    with prune(model, keep=0.3):
        assert torch.equal(generated(model, inputs, cache_implementation="static"), generated(model, inputs))


@modern
@BOTH
def test_chunked_prefill(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    with prune(model, keep=0.3):
        assert torch.equal(generated(model, inputs, prefill_chunk_size=7), generated(model, inputs))


@BOTH
def test_prompt_lookup(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name, (1,))
    with prune(model, keep=0.3):
        assert torch.equal(
            generated(model, inputs, prompt_lookup_num_tokens=2, eos_token_id=99),  # 4.57 cannot do without one
            generated(model, inputs),
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what torch runs to compile
def test_torch_compile_of_forward() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    with torch.no_grad(), prune(model, keep=0.3):
        eager = model(**inputs).logits
        compiled = torch.compile(model.forward, backend="eager")
        assert (compiled(**inputs).logits - eager).abs().max() < 1e-10
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what torch runs to compile
def test_a_compiled_model_is_pruned_and_given_back() -> None:
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava", (1,))
    compiled: Any = torch.compile(model, backend="eager")
    with torch.no_grad():
        plain = compiled(**inputs).logits  # compiled before it is pruned
        with prune(model, keep=0.3):
            short, answer = model(**inputs).logits, generated(model, inputs)
        with prune(compiled, keep=0.3) as pruning:
            assert (compiled(**inputs).logits - short).abs().max() < 1e-10
            assert torch.equal(generated(compiled, inputs), answer)
        assert pruning.stats.calls == 2
        assert torch.equal(compiled(**inputs).logits, plain)
    torch._dynamo.reset()


def test_eager_attention_equals_sdpa() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    with torch.no_grad(), prune(model, keep=0.3):
        sdpa = model(**inputs).logits
        try:
            model.set_attn_implementation("eager")
            eager = model(**inputs).logits
        finally:
            model.set_attn_implementation("sdpa")
    assert (sdpa - eager).abs().max() < 1e-5  # eager takes its softmax in float32


def test_lengths_are_the_callers() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    length = inputs["input_ids"].shape[1]
    with prune(model, keep=0.3):
        assert generated(model, inputs, max_new_tokens=None, max_length=length + 3).shape[1] == length + 3
        config = copy.deepcopy(model.generation_config)
        config.max_length, config.max_new_tokens = length + 2, None
        assert model.generate(**inputs, generation_config=config, do_sample=False).shape[1] == length + 2


def test_processors_and_criteria_see_the_callers_prompt() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    prompt, shown = inputs["input_ids"], []

    class Watch(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            shown.append(input_ids)
            return scores

    class StopSoon(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            return torch.full((len(input_ids),), input_ids.shape[1] == prompt.shape[1] + 2)

    with prune(model, keep=0.3):
        answer = generated(
            model, inputs, logits_processor=LogitsProcessorList([Watch()]), stopping_criteria=[StopSoon()]
        )
    assert answer.shape[1] == prompt.shape[1] + 2
    assert len(shown) == 2
    assert all(torch.equal(ids[:, : prompt.shape[1]], prompt) for ids in shown)


def test_loss_and_gradient_reach_the_vision_tower() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    labels = inputs["input_ids"].masked_fill(inputs["input_ids"] >= tiny.START, -100)
    weight = next(p for n, p in model.model.vision_tower.named_parameters() if "patch_embedding" in n)
    with prune(model, keep=0.3):
        model(**inputs, labels=labels).loss.backward()
    assert float(weight.grad.abs().sum()) > 0
    model.zero_grad()


@BOTH
def test_text_alone_works_and_prunes_nothing(name: str) -> None:
    model = tiny.build(name)
    inputs = {"input_ids": torch.tensor([[4, 5, 6]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
    plain = generated(model, inputs)
    with prune(model, keep=0.3) as pruning:
        assert torch.equal(generated(model, inputs), plain)
    assert pruning.stats.calls == 0
    assert pruning.last == ()


def test_threads_do_not_mix_their_prompts() -> None:
    model = tiny.build("llava")
    inputs = [tiny.batch("llava", samples) for samples in ((1,), (2,), (1, 2), (2, 1))]
    with prune(model, keep=0.3):
        expected = [generated(model, one) for one in inputs]
        answers: dict[int, Any] = {}
        threads = [
            threading.Thread(target=lambda i=i: answers.__setitem__(i, generated(model, inputs[i]))) for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(torch.equal(answers[i], expected[i]) for i in range(4))


def test_saving_and_loading_a_pruned_model(tmp_path: Any) -> None:
    model = tiny.build("llava")
    with prune(model, keep=0.3):
        model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path, dtype=torch.float64)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())


def test_a_handle_removes_once_and_again() -> None:
    model = tiny.build("llava")
    handle = prune(model)
    handle.remove()
    handle.remove()
    with prune(model):
        pass


def test_double_pruning_and_copies_are_refused() -> None:
    model = tiny.build("llava")
    with prune(model):
        with pytest.raises(PruningStateError, match="already"):
            prune(model)
        with pytest.raises(PruningStateError, match="copied"):
            copy.deepcopy(model)
    copy.deepcopy(model)


def test_pickling_is_refused() -> None:
    model = tiny.build.__wrapped__("llava")  # a new one: transformers puts hooks into a used one that cannot be pickled
    with prune(model), pytest.raises(PruningStateError, match="pickled"):
        pickle.dumps(model)
    assert type(pickle.loads(pickle.dumps(model))) is type(model)


def test_leaving_the_block_reaches_a_forward_that_was_wrapped_in_it() -> None:
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava", (1,))
    with torch.no_grad():
        plain = model(**inputs).logits
        with prune(model, keep=0.3):
            short, pruned = model(**inputs).logits, model.forward
            model.forward = lambda *args, **kwargs: pruned(*args, **kwargs)
            assert torch.equal(model(**inputs).logits, short)
        assert torch.equal(model(**inputs).logits, plain)
        with prune(model, keep=0.3):
            assert torch.equal(model(**inputs).logits, short)
        assert torch.equal(model(**inputs).logits, plain)


def test_a_hook_that_is_bound_to_its_module_again_drops_the_module() -> None:
    """As accelerate does to what it finds as ``forward`` when it takes its wrapper off."""
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava", (1,))
    with torch.no_grad():
        plain = model(**inputs).logits
        with prune(model, keep=0.3):
            short = model(**inputs).logits
            model.forward = types.MethodType(model.forward, model)
            assert torch.equal(model(**inputs).logits, short)
            with pytest.raises(PruningStateError, match="already"):
                prune(model)
        assert torch.equal(model(**inputs).logits, plain)


def test_a_forward_that_was_hooked_before_is_kept_and_comes_back() -> None:
    model, inputs, calls = tiny.build("llava"), tiny.batch("llava", (1,)), []
    plain = model.forward

    @functools.wraps(plain)
    def watched(*args: Any, **kwargs: Any) -> Any:  # as accelerate does to a model that it spreads over devices
        calls.append(kwargs)
        return plain(*args, **kwargs)

    with prune(model, keep=0.3):
        wanted = generated(model, inputs)
    model.forward = watched
    with prune(model, keep=0.3):
        assert torch.equal(generated(model, inputs), wanted)
    assert len(calls) == NEW
    assert vars(model).pop("forward") is watched


def test_new_images_on_a_pruned_cache_are_refused() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    with prune(model, keep=0.3):
        first = generated(model, inputs, return_dict_in_generate=True)
        whole = torch.cat((first.sequences, inputs["input_ids"]), 1)
        with pytest.raises(PruningStateError, match="new images"):
            generated(
                model,
                {"input_ids": whole, "pixel_values": inputs["pixel_values"]},
                past_key_values=first.past_key_values,
            )


@BOTH
def test_new_images_on_a_pruned_cache_are_refused_by_forward_too(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name, (1,))
    with torch.no_grad(), prune(model, keep=0.3):
        cache = model(**inputs, use_cache=True).past_key_values
        with pytest.raises(PruningStateError, match="new images"):
            model(**inputs, past_key_values=cache)


def test_a_wrapper_of_a_model_is_told_apart() -> None:
    with pytest.raises(UnsupportedModelError, match=r"DataParallel is a wrapper.*prune its .module"):
        prune(torch.nn.DataParallel(tiny.build("llava")))


def test_one_token_and_all_of_them_are_told_apart() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (1,))
    with pytest.warns(UserWarning, match="keep=1 keeps one token.*keep=1.0 keeps them all"):
        handle = prune(model, keep=1)
    with handle:
        model(**inputs)
    assert handle.stats.tokens_after == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with prune(model, keep=1.0) as pruning:
            model(**inputs)
    assert pruning.stats.tokens_after == 36


@pytest.mark.parametrize("keep", [0, 0.0, -0.1, -3, 58.0, 1.01, float("nan"), True, "half"])
def test_budgets_that_are_none(keep: Any) -> None:
    with pytest.raises(InvalidOptionError, match="keep"):
        prune(tiny.build("llava"), keep=keep)


@pytest.mark.parametrize(
    "options", [{"scope": "batch"}, {"positions": "new"}, {"modalities": ("audio",)}, {"modalities": ()}]
)
def test_options_that_do_not_exist(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptionError, match=next(iter(options))):
        prune(tiny.build("llava"), **options)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="greedy"):
        prune(tiny.build("llava"), solver="gredy")


@pytest.mark.parametrize("model_type", ["mllama", "blip-2", "a_new_model"])
def test_an_unsupported_architecture_says_why_and_what_else(model_type: str) -> None:
    class Model:
        generate = None

        class config:  # noqa: N801
            pass

    Model.config.model_type = model_type  # type: ignore[attr-defined]
    with pytest.raises(UnsupportedModelError, match=f"{model_type}.*select_tokens"):
        prune(Model())  # type: ignore[arg-type]


def test_a_configuration_without_a_placeholder_is_named() -> None:
    model, family = tiny.build("llava"), Family(video="run", video_token="film_token_id")
    model.model.get_video_features = model.model.get_image_features
    try:
        with pytest.raises(UnsupportedModelError, match=r"'llava' model has no film_token_id.*modalities"):
            prune(model, family=family)
    finally:
        del model.model.get_video_features
    with prune(model, family=family, modalities=("image",)):
        pass


def test_the_pages_code_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pruning.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(block, names)
    assert (names["pruning"].stats.tokens_before, names["pruning"].stats.tokens_after) == (576, 58)


def test_what_is_no_model() -> None:
    with pytest.raises(UnsupportedModelError, match="select_tokens"):
        prune(torch.nn.Linear(2, 2))


def test_embeddings_with_pixels_are_refused() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    embeddings = model.get_input_embeddings()(inputs["input_ids"]).detach()
    with pytest.raises(UnsupportedModelError, match="input_ids"), prune(model):
        model(inputs_embeds=embeddings, pixel_values=inputs["pixel_values"])
