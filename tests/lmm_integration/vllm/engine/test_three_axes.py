"""Positions on three axes: those of the whole prompt, without the tokens that went, through both of vLLM's runners."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vllm")

import torch
from vllm.multimodal.inputs import (
    MultiModalBatchedField,
    MultiModalFeatureSpec,
    MultiModalFieldElem,
    MultiModalKwargsItem,
    PlaceholderRange,
)
from vllm.v1.worker.gpu.model_states.mm_pruning import MultiModalPruner

from lmm_integration.vllm.families.qwen2_5_vl import PrunedQwen2_5_VLForConditionalGeneration as Qwen25
from lmm_integration.vllm.families.qwen3_vl import PrunedQwen3VLForConditionalGeneration as Qwen3
from lmm_integration.vllm.processor import SIZES

TEXT, START, END, IMAGE, VIDEO = 1, 5, 6, 7, 8
WIDTH = 4


def model_of(kind):
    """A model without weights, whose rule keeps even steps."""
    model = object.__new__(kind)
    vision = SimpleNamespace(spatial_merge_size=2, tokens_per_second=2)
    tokens = {"vision_start_token_id": START, "vision_end_token_id": END}
    model.config = SimpleNamespace(vision_config=vision, image_token_id=IMAGE, video_token_id=VIDEO, **tokens)
    return model


def field(value):
    return MultiModalFieldElem(data=torch.as_tensor(value), field=MultiModalBatchedField())


def prompts(kind):
    """A prompt before and after pruning, its items, and which of its columns stay."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        whole, short, stays, features, items = [TEXT], [TEXT], [True], [], []
        for _ in range(rng.integers(1, 4)):
            video = bool(rng.integers(2))
            t, h, w = (int(rng.integers(1, 4)) if video else 1), int(rng.integers(1, 6)), int(rng.integers(1, 9))
            frames = t if video and kind is Qwen3 else 1
            n = t * h * w // frames
            k = int(rng.integers(1, n + 1))
            rows, mask, at = [], [], len(short)
            for frame in range(frames):
                text = [TEXT] * int(rng.integers(1, 3)) if kind is Qwen3 and video else []
                kept = np.sort(rng.choice(n, k, replace=False))
                placeholder = VIDEO if video else IMAGE
                whole += [*text, START, *[placeholder] * n, END]
                short += [*text, START, *[placeholder] * k, END]
                stays += [*[True] * (len(text) + 1), *(i in kept for i in range(n)), True]
                mask += [*[False] * (len(text) + 1), *[True] * k, False]
                rows += [frame * n + i for i in kept]
            within = kind is Qwen3 and video
            offset, length = (at, len(mask)) if within else (at + 1, k)
            name = "video" if video else "image"
            data = {f"{name}_grid_thw": field([t, 2 * h, 2 * w]), SIZES: field([[n, k]] * frames)}
            if video and kind is Qwen25:
                data["second_per_grid_ts"] = field(1.7)
            place = PlaceholderRange(offset, length, torch.tensor(mask) if within else None)
            features.append(MultiModalFeatureSpec(MultiModalKwargsItem(data), name, str(len(items)), place))
            items.append((torch.tensor(rows), [(n, k)] * frames, data))
        for tokens in (whole, short):
            tokens += [TEXT] * 3
        yield whole, short, [*stays, True, True, True], features, items


def embeddings(model, items):
    """What the encoder's cache holds: features, and positions behind them."""
    made = []
    for rows, sizes, data in items:
        kwargs = {name: value.data[None] for name, value in data.items() if name != SIZES}
        whole = torch.randn(sum(n for n, _ in sizes), WIDTH, dtype=torch.bfloat16)
        made += model._kept([whole], [rows], [sizes], kwargs)
    return made


def expected(model, whole, stays, features):
    """The model's own positions of the whole prompt, at the columns that stay."""
    moved, shift = [], 0
    for feature in features:
        sizes = feature.data[SIZES].data.tolist()
        growth = sum(n - k for n, k in sizes)
        place = PlaceholderRange(feature.mm_position.offset + shift, feature.mm_position.length + growth)
        moved.append(MultiModalFeatureSpec(feature.data, feature.modality, "", place))
        shift += growth
    positions, delta = super(type(model).__mro__[1], model).get_mrope_input_positions(whole, moved)
    return positions[:, torch.tensor(stays)], delta + len(whole) - sum(stays)


def chunk(features, made, start, end):
    """What a runner gathers for the columns of one step."""
    gathered = []
    for feature, embedding in zip(features, made, strict=True):
        at = feature.mm_position
        if at.offset < end and at.offset + at.length > start:
            first, last = at.get_embeds_indices_in_range(max(start - at.offset, 0), min(end - at.offset, at.length))
            if first < last:
                gathered.append(embedding[first:last])
    return gathered


@pytest.mark.parametrize("kind", [Qwen25, Qwen3])
@pytest.mark.parametrize("step", [3, 7, 1000])
def test_first_runner(kind, step):
    """Step by step, twice, as after a preemption; features come back without their digits."""
    model = model_of(kind)
    for whole, short, stays, features, items in prompts(kind):
        made = embeddings(model, items)
        positions, delta = model.get_mrope_input_positions(short, features)
        true_positions, true_delta = expected(model, whole, stays, features)
        text = torch.tensor([token not in (IMAGE, VIDEO) for token in short])
        assert torch.equal(positions[:, text], true_positions[:, text])  # before anything is encoded
        assert delta == true_delta
        for _ in range(2):
            for start in range(0, len(short), step):
                gathered = chunk(features, made, start, start + step)
                rows, positions, delta = model.recompute_mrope_positions(short, gathered, positions, start)
                assert [tuple(row.shape) for row in rows] == [(len(row), WIDTH) for row in gathered]
                assert delta == true_delta
        assert torch.equal(positions, true_positions)


@pytest.mark.parametrize("kind", [Qwen25, Qwen3])
def test_second_runner(kind):
    """vLLM's own pruner of its second runner, which has no CPU build, with the parts that it asks around it."""
    model, step = model_of(kind), 7
    for whole, short, stays, features, items in prompts(kind):
        made = embeddings(model, items)
        positions, _ = model.get_mrope_input_positions(short, features)
        state = SimpleNamespace(
            read_prefill_positions=lambda request, length, at=positions: at[:, :length].int(),
            update_prefill_positions=lambda request, new, delta, at=positions: at.copy_(new),
        )
        cache = SimpleNamespace(mm_features={"a": features})
        pruner = MultiModalPruner(model, state, cache, WIDTH)
        states = SimpleNamespace(all_token_ids=SimpleNamespace(gpu=torch.tensor([short])))
        for start in range(0, len(short), step):
            size = min(step, len(short) - start)
            batch = SimpleNamespace(
                req_ids=["a"],
                idx_mapping_np=np.array([0]),
                prefill_len_np=np.array([len(short)]),
                num_computed_prefill_tokens_np=np.array([start]),
                num_scheduled_tokens=np.array([size]),
            )
            cleaned = pruner.recompute(chunk(features, made, start, start + size), batch, states)
            assert all(row.shape[1] == WIDTH for row in cleaned)
        assert torch.equal(positions, expected(model, whole, stays, features)[0])


def test_grids_of_runs():
    assert Qwen25._grids(model_of(Qwen25), [[(24, 3)]], {"video_grid_thw": torch.tensor([[2, 6, 8]])}) == [[(2, 3, 4)]]
    assert Qwen3._grids(model_of(Qwen3), [[(12, 3)] * 2], {"video_grid_thw": torch.tensor([[2, 6, 8]])}) == [
        [(1, 3, 4), (1, 3, 4)]
    ]
