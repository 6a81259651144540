"""Original positions with a bias that restores attention, against the formula on the bare language model."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch import Tensor  # noqa: E402

from lmm_integration import prune  # noqa: E402
from lmm_integration.exceptions import UnsupportedModelError  # noqa: E402
from tests.lmm_integration.families import oracle, tiny  # noqa: E402

NEW, KEEP = 3, 0.3
ONE_AXIS = pytest.mark.parametrize("name", ["llava", "llava_onevision", "internvl"])
MERGES = pytest.mark.parametrize("rule", ["greedy", "visionzip"])


def masks(model: Any, positions: list[int], sizes: list[float], prompt: int) -> Tensor:
    """Causal, plus log size of the key, plus between tokens of the prompt log(2 - mean cos(f (p - q)))."""
    width = model.model.language_model.config.head_dim
    frequencies = [10000 ** (-2 * i / width) for i in range(width // 2)]
    m = len(positions)
    mask = torch.full((m, m), torch.finfo(torch.float64).min, dtype=torch.float64)
    for i in range(m):
        for j in range(i + 1):
            mask[i, j] = math.log(sizes[j])
            if i < prompt:
                apart = positions[i] - positions[j]
                mask[i, j] += math.log(2 - sum(math.cos(f * apart) for f in frequencies) / len(frequencies))
    return mask[None, None]


def expected(name: str, one: dict[str, Any], pruning: Any, new: int) -> tuple[Tensor, list[int]]:
    """Logits of the prompt, and the answer, of one sample whose kept rows and weights the pruning tells."""
    model = tiny.build(name)
    seen = oracle.observe(model, one, (tiny.IMAGE, tiny.VIDEO), 0)
    embeddings, sizes = seen.embeddings.clone(), torch.ones(seen.embeddings.shape[1])
    stays = seen.image < 0
    for number, kept in enumerate(pruning.last):
        columns = (seen.image == number).nonzero()[:, 0]
        stays[columns[kept.indices]] = True
        if kept.weights is not None:
            embeddings[0, columns[kept.indices]] = kept.weights @ seen.embeddings[0, columns]
            sizes[columns[kept.indices]] = (kept.weights > 0).sum(1).float()
    columns = stays.nonzero()[:, 0]
    short = oracle.Seen(embeddings, seen.positions, seen.image).keeping(columns, False, 0)
    tokens, prompt, result = [], len(columns), None
    for _ in range(new):
        counts = sizes[columns].tolist() + [1.0] * len(tokens)
        hidden = oracle.language_model(model)(
            inputs_embeds=short.embeddings,
            position_ids=short.positions,
            attention_mask=masks(model, short.positions[0].tolist(), counts, prompt),
            use_cache=False,
        ).last_hidden_state
        logits = model.lm_head(hidden)[0]
        result = logits if result is None else result
        tokens.append(int(logits[-1].argmax()))
        short = short.with_token(model.get_input_embeddings()(torch.tensor([[tokens[-1]]])))
    assert result is not None
    return result, tokens


@ONE_AXIS
@MERGES
def test_logits_and_answers_equal_the_formula(name: str, rule: str) -> None:
    if name == "llava_onevision" and rule == "visionzip":
        pytest.skip("how it merges patches is not known")
    model, inputs = tiny.build(name), tiny.batch(name)
    with torch.no_grad():
        with prune(model, rule, keep=KEEP, positions="restore"):
            cached = model.generate(**inputs, max_new_tokens=NEW, do_sample=False)
            assert torch.equal(model.generate(**inputs, max_new_tokens=NEW, do_sample=False, use_cache=False), cached)
            beams = model.generate(**inputs, max_new_tokens=NEW, do_sample=False, num_beams=2)
            assert beams.shape == cached.shape
        for sample in range(2):
            one = tiny.alone(name, inputs, (1, 2), sample)
            with prune(model, rule, keep=KEEP, positions="restore") as pruning:
                found = model(**one).logits[0]
            logits, tokens = expected(name, one, pruning, NEW)
            assert (found - logits).abs().max() < 1e-5 * logits.abs().max()
            assert cached[sample, -NEW:].tolist() == tokens
            with prune(model, rule, keep=KEEP, positions="original"):
                assert (model(**one).logits[0] - logits).abs().max() > 1e-3 * logits.abs().max()


@MERGES
def test_a_loop_of_ones_own_keeps_the_bias(rule: str) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with torch.no_grad(), prune(model, rule, keep=KEEP, positions="restore"):
        expected = model.generate(**inputs, max_new_tokens=NEW, do_sample=False)[:, -NEW:]
        output, mask, tokens = model(**inputs, use_cache=True), inputs["attention_mask"], []
        while True:
            tokens.append(output.logits[:, -1:].argmax(-1))
            if len(tokens) == NEW:
                break
            mask = torch.cat((mask, torch.ones_like(tokens[-1])), 1)
            output = model(input_ids=tokens[-1], attention_mask=mask, past_key_values=output.past_key_values)
    assert torch.equal(torch.cat(tokens, 1), expected)


@pytest.mark.skipif(tiny.VERSION < 5, reason="needs transformers 5")
def test_chunked_prefill_has_the_same_bias() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with torch.no_grad(), prune(model, keep=KEEP, positions="restore"):
        whole = model.generate(**inputs, max_new_tokens=NEW, do_sample=False)
        chunks = model.generate(**inputs, max_new_tokens=NEW, do_sample=False, prefill_chunk_size=7)
    assert torch.equal(whole, chunks)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "gemma3", "paligemma"])
def test_models_with_other_positions_or_masks_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=r"'restore' needs a text model.*positions='original'"):
        prune(tiny.build(name), positions="restore")


def test_a_sliding_window_is_refused() -> None:
    """Mistral has one in every layer, and does not list its layers."""
    text = tiny.MODELS["llava:pixtral"].config["text_config"]
    for window in (8, None):
        config = transformers.LlavaConfig(
            **tiny.MODELS["llava"].config | {"text_config": text | {"sliding_window": window}}
        )
        model = transformers.LlavaForConditionalGeneration(config)
        if window is None:
            prune(model, positions="restore").remove()
        else:
            with pytest.raises(UnsupportedModelError, match="'mistral' with a sliding window; give positions='orig"):
                prune(model, positions="restore")


def test_kernels_without_a_bias_and_static_caches_are_refused() -> None:
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava")
    with (
        prune(model, keep=KEEP, positions="restore"),
        pytest.raises(UnsupportedModelError, match="static caches"),
    ):
        model.generate(**inputs, max_new_tokens=NEW, cache_implementation="static")
    model.config.get_text_config()._attn_implementation = "flex_attention"
    with pytest.raises(UnsupportedModelError, match="'flex_attention' does not take"):
        prune(model, positions="restore")
