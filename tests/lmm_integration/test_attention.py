"""Attention inside of the vision encoder, against queries and keys caught elsewhere and patches found by gradients."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import Tensor  # noqa: E402

from lmm_integration import EncoderAttention, prune  # noqa: E402
from lmm_integration._pipeline import encoder_attention  # noqa: E402
from lmm_integration._pipeline.encoder_output import Encoded  # noqa: E402
from lmm_integration.exceptions import UnsupportedModelError  # noqa: E402
from lmm_integration.families import family_of, supported_models  # noqa: E402
from lmm_integration.selectors import Context, Selector  # noqa: E402
from mmdp.exceptions import InvalidOptionError  # noqa: E402
from tests.lmm_integration.families import oracle, shrunk, tiny  # noqa: E402
from tests.lmm_integration.selectors import rules  # noqa: E402

NAMES = [name for name, case in tiny.MODELS.items() if family_of(*name.split(":")).merger]
NAMES = [name for name in NAMES if tiny.VERSION >= 5 or not tiny.MODELS[name].newer]
OTHERS = [name for name in supported_models() if name not in tiny.MODELS and family_of(name).merger]
BOTH = pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
LAYERS = {"llava": -2}  # of the encoder, where the features come from: the last elsewhere
MERGED = pytest.mark.parametrize("name", ["llava", "qwen2_5_vl", "qwen3_vl"])


@dataclass(frozen=True)
class Spy(Selector):
    """The first tokens, and a note of what it was given."""

    needs = ("attention", "keys")
    seen: ClassVar[list[Context]] = []

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        self.seen.append(context)
        return torch.arange(k)


def built(name: str) -> Any:
    return tiny.build(name) if name in tiny.MODELS else shrunk.build(name)


def batch(name: str) -> dict[str, Any]:
    """Two samples, of one and two images."""
    if name in tiny.MODELS:
        return tiny.batch(name)
    return shrunk.batch(name, "image", (1, 2), shrunk.placeholders(name, "image")[0])


def spied(name: str, **options: Any) -> tuple[Tensor, Tensor]:
    """Scores and keys of all feature rows of a batch."""
    Spy.seen.clear()
    with torch.no_grad(), prune(built(name), Spy(), keep=2, **options):
        built(name)(**batch(name))
    return torch.cat([one.attention for one in Spy.seen]), torch.cat([one.keys for one in Spy.seen])


def tower_of(model: Any) -> Any:
    inner = model.model
    return next(getattr(inner, name) for name in ("vision_tower", "visual", "vision_model") if hasattr(inner, name))


def layers_of(model: Any) -> Any:
    lists = [part for part in tower_of(model).modules() if isinstance(part, torch.nn.ModuleList)]
    return max((part for part in lists if any("ttention" in type(m).__name__ for m in part.modules())), key=len)


def encode(model: Any, name: str) -> Tensor:
    """All feature rows of the batch."""
    text = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
    pixels = {n: v for n, v in batch(name).items() if n not in text}
    output = shrunk.getter(model, "video" if "pixel_values_videos" in pixels else "image")(**pixels)
    features = getattr(output, "pooler_output", output)
    if isinstance(features, tuple) and len(features) == 2 and not all(isinstance(part, Tensor) for part in features):
        features = features[0]  # before transformers 5: (features, deeper ones)
    parts = features if isinstance(features, (tuple, list)) else [features]
    return torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])


def caught(name: str, layer: int, monkeypatch: Any, score: str) -> tuple[Tensor, Tensor]:
    """Scores and keys of all tokens of the encoder, from what torch's attention is called with in one layer."""
    model, scores, keys = built(name), list[Tensor](), list[Tensor]()
    plain, inside = torch.nn.functional.scaled_dot_product_attention, list[bool]()
    block = layers_of(model)[layer]

    def spy(query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, scale: Any = None, **more: Any) -> Any:
        if inside:
            weights = (query @ key.transpose(-1, -2) * scale + (0 if attn_mask is None else attn_mask)).softmax(-1)
            row = weights[:, :, 0] if score == "cls" else weights.mean(2)
            scores.append(row.mean(1).flatten().detach())
            keys.append(key.mean(1).flatten(0, 1).detach())
        return plain(query, key, value, attn_mask=attn_mask, scale=scale, **more)

    hooks = [
        block.register_forward_pre_hook(lambda *_: inside.append(True)),
        block.register_forward_hook(lambda *_: inside.clear()),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
        encode(model, name)
    for hook in hooks:
        hook.remove()
    return torch.cat(scores), torch.cat(keys)


@cache
def patches_of_rows(name: str) -> list[list[int]]:
    """Which tokens of the encoder a feature row is made of: its gradient reaches them, where no token sees another."""
    model, given = copy.deepcopy(built(name)), list[Tensor]()
    for module in tower_of(model).modules():
        for output in ("out_proj", "o_proj", "proj", "projection_layer"):
            if "ttention" in type(module).__name__ and isinstance(getattr(module, output, None), torch.nn.Linear):
                getattr(module, output).weight.data.zero_()

    def note(_: Any, args: Any, named: dict[str, Any]) -> Any:
        given.append((args[0] if args else named["hidden_states"]).detach().requires_grad_())
        return ((given[0], *args[1:]), named) if args else (args, {**named, "hidden_states": given[0]})

    layers_of(model)[0].register_forward_pre_hook(note, with_kwargs=True)
    rows = encode(model, name)
    members = []
    for row in rows @ torch.linspace(-1, 2, rows.shape[1], dtype=rows.dtype):
        (gradient,) = torch.autograd.grad(row, given[0], retain_graph=True)
        members.append((gradient.flatten(0, -2).abs().amax(-1) > 1e-12).nonzero()[:, 0].tolist())
    return members


@pytest.mark.parametrize("name", [*NAMES, *(OTHERS if tiny.VERSION >= 5 else [])])
def test_a_rows_score_and_key_are_the_means_of_its_patches(name: str, monkeypatch: Any) -> None:
    members = patches_of_rows(name)
    assert all(members)
    weights = dict(tower_of(built(name)).named_parameters())
    has_class_token = any(weight.endswith(("class_embedding", "cls_token")) for weight in weights)
    layer = LAYERS.get(name, -1)
    for score in ("received", "cls") if has_class_token else ("received",):
        tokens, keys = caught(name, layer, monkeypatch, score)
        expected = torch.stack([tokens[rows].mean() for rows in members])
        found, found_keys = spied(name, attention=score)
        assert (found - expected).abs().max() < 1e-9 * expected.abs().max()
        assert (found_keys - torch.stack([keys[rows].mean(0) for rows in members])).abs().max() < 1e-9
        assert (found_keys[0] - found_keys[1]).abs().max() > 1e-3
    automatic = "cls" if has_class_token else "received"
    assert torch.equal(spied(name)[0], spied(name, attention=automatic)[0])


@BOTH
@pytest.mark.parametrize("layer", [0, 1])
def test_any_layer_can_be_asked_for(name: str, layer: int, monkeypatch: Any) -> None:
    members = patches_of_rows(name)
    tokens, _ = caught(name, layer, monkeypatch, "received")
    expected = torch.stack([tokens[rows].mean() for rows in members])
    found = spied(name, attention=EncoderAttention("received", layer))[0]
    assert (found - expected).abs().max() < 1e-9 * expected.abs().max()
    if name == "qwen2_5_vl":
        assert torch.equal(spied(name, attention=layer)[0], found)


def eager_scores(name: str) -> list[Tensor]:
    """Of each image: read from eager attention for llava, computed from the layer's weights for Qwen2.5-VL."""
    model, inputs = copy.deepcopy(tiny.build(name)), tiny.batch(name)
    if name == "llava":
        model.set_attn_implementation("eager")
        with torch.no_grad():
            output = model.model.vision_tower(inputs["pixel_values"], output_attentions=True)
        weights = output.attentions[-2]  # (images, heads, 1 + patches, 1 + patches)
        return list(weights[:, :, 0, 1:].sum(1))
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision

    seen: dict[str, Any] = {}
    attention = model.model.visual.blocks[-1].attn
    attention.register_forward_pre_hook(lambda _, args, given: seen.update(given, hidden=args[0]), with_kwargs=True)
    encode(model, name)
    with torch.no_grad():
        qkv = attention.qkv(seen["hidden"]).reshape(len(seen["hidden"]), 3, attention.num_heads, -1)
        query, key = apply_rotary_pos_emb_vision(qkv[:, 0], qkv[:, 1], *seen["position_embeddings"])
    grids = inputs["image_grid_thw"]
    if tiny.VERSION >= 5:
        from transformers.vision_utils import get_vision_window_index

        order, _ = get_vision_window_index(grids, spatial_merge_size=2, window_size=16, patch_size=4)
    else:
        order, _ = model.model.visual.get_window_index(grids)
    ends = seen["cu_seqlens"].tolist()
    tokens = torch.empty(len(query), dtype=query.dtype)
    for start, end in pairwise(ends):
        for i in range(start, end):
            rows = [
                ((query[j, head] @ key[start:end, head].T) * attention.scaling).softmax(-1)[i - start]
                for head in range(attention.num_heads)
                for j in range(start, end)
            ]
            tokens[i] = torch.stack(rows).mean()
    by_row = torch.empty(len(query) // 4, dtype=query.dtype)
    by_row[order] = tokens.reshape(-1, 4).mean(1)
    return list(by_row.split((grids.prod(1) // 4).tolist()))


@BOTH
def test_vispruner_and_cls_attention_equal_their_rules_on_eager_attention(name: str) -> None:
    model, inputs, scores = tiny.build(name), tiny.batch(name), eager_scores(name)
    features = encode(model, name).detach().split([len(of_image) for of_image in scores])
    with torch.no_grad():
        for rule in ("cls_attention", "vispruner"):
            with prune(model, rule, keep=7) as pruning:
                model(**inputs)
            for kept, rows, of_image in zip(pruning.last, features, scores, strict=True):
                if rule == "cls_attention":
                    expected = rules.cls_attention(of_image.tolist(), 7)
                else:
                    expected = rules.vispruner(rows.tolist(), 7, of_image.tolist(), 0.5, 8)
                assert kept.indices.tolist() == sorted(expected)


@BOTH
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_recording_leaves_the_model_as_it_is(name: str, kernel: str) -> None:
    model, inputs = copy.deepcopy(tiny.build(name)), tiny.batch(name)
    model.set_attn_implementation(kernel)
    with torch.no_grad():
        model(**inputs)
        before = [dict(module._forward_hooks) for module in model.modules()]  # transformers has its own
        with prune(model, "cls_attention", keep=7) as pruning:
            recorded = model(**inputs).logits
            indices = iter([kept.indices for kept in pruning.last])
        with prune(model, lambda features, k: next(indices), keep=7):
            assert torch.equal(model(**inputs).logits.nan_to_num(), recorded.nan_to_num())  # eager: NaN in padding
        with prune(tiny.build(name), "cls_attention", keep=7) as other:
            tiny.build(name)(**inputs)
    assert [kept.indices.tolist() for kept in other.last] == [kept.indices.tolist() for kept in pruning.last]
    assert [dict(module._forward_hooks) for module in model.modules()] == before
    configs = [part.config for part in tower_of(model).modules() if hasattr(part, "config")]
    assert {config._attn_implementation for config in configs} == {kernel}


@MERGED
def test_visionzip_equals_its_formula(name: str) -> None:
    """The weighted sums of the features, and of the deeper ones, in front of the bare language model."""
    model, inputs = tiny.build(name), tiny.batch(name)
    with torch.no_grad(), prune(model, "visionzip", keep=9, contextual=1 / 3) as pruning:
        found, answers = model(**inputs).logits, model.generate(**inputs, max_new_tokens=3, do_sample=False)
    scores, keys = spied(name)
    sizes = [kept.n for kept in pruning.last]
    per_image = list(zip(scores.split(sizes), keys.split(sizes), strict=True))
    for sample, count in enumerate((1, 2)):
        one = tiny.alone(name, inputs, (1, 2), sample)
        seen = oracle.observe(model, one, (tiny.IMAGE, tiny.VIDEO), 0)
        embeddings, deep, stays = seen.embeddings.clone(), [layer.clone() for layer in seen.deep], seen.image < 0
        visual = seen.image >= 0
        for number in range(count):
            of_image, key = per_image[sample + number]
            weights = torch.tensor(rules.visionzip(of_image.tolist(), key.tolist(), 9, 3), dtype=torch.float64)
            columns = (seen.image == number).nonzero()[:, 0]
            ranks = (visual.cumsum(0) - 1)[columns]
            places = weights.argmax(-1)
            assert places.sort().values.tolist() == pruning.last[sample + number].indices.tolist()
            embeddings[0, columns[places]] = weights @ seen.embeddings[0, columns]
            for ours, whole in zip(deep, seen.deep, strict=True):
                ours[ranks[places]] = weights @ whole[ranks]
            stays[columns[places]] = True
        merged = oracle.Seen(embeddings, seen.positions, seen.image, tuple(deep))
        short = merged.keeping(stays.nonzero()[:, 0], name == "llava", 0)
        expected = oracle.logits(model, short, short.embeddings.shape[1])
        assert (found[sample, -len(expected) :] - expected).abs().max() < 1e-6 * expected.abs().max()  # float32 angles
        assert answers[sample, -3:].tolist() == oracle.answer(model, short, 3)


def test_gradients_reach_all_merged_tokens() -> None:
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava", (1,))
    caught: list[Tensor] = []

    def keep_gradient(_: Any, __: Any, output: Tensor) -> None:
        output.retain_grad()
        caught.append(output)

    model.model.multi_modal_projector.register_forward_hook(keep_gradient)
    with prune(model, "visionzip", keep=4, contextual=0.5) as pruning:
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
    (gradient,) = [output.grad.abs().sum(-1).flatten() for output in caught]
    used = pruning.last[0].weights.sum(0) > 0
    assert torch.equal(gradient > 0, used)
    assert used.sum() > 30


REFUSED = {
    "images in one sequence": ("llava:pixtral", {}, UnsupportedModelError, "how a 'llava' model merges.*not known"),
    "a score of no encoder": ("qwen2_5_vl", {"attention": "cls"}, UnsupportedModelError, "no class token.*'received'"),
    "a layer too high": ("llava", {"attention": 2}, UnsupportedModelError, "the encoder has 2 layers"),
    "a layer too low": ("llava", {"attention": -3}, UnsupportedModelError, "the encoder has 2 layers"),
    "an unknown merger": ("llava_next", {}, UnsupportedModelError, r"'llava_next' model merges.*attention=f"),
    "another score": ("llava", {"attention": "mean"}, InvalidOptionError, "'mean'.*auto, cls, received"),
    "nothing": ("llava", {"attention": None}, InvalidOptionError, "attention=None"),
    "a flag": ("llava", {"attention": True}, InvalidOptionError, "layer=True"),
    "no keys": ("llava", {"attention": len, "solver": "visionzip"}, InvalidOptionError, "VisionZip compares.*keys"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_recorded_is_refused(case: str) -> None:
    name, options, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        prune(tiny.build(name), **{"solver": "vispruner", **options})


@pytest.mark.parametrize(("name", "merger"), [("llava_next", "rows"), ("llava_next", "squares"), ("llava", "groups")])
def test_a_family_that_says_something_else_is_found_out(name: str, merger: Any) -> None:
    from lmm_integration.families import Family

    with (
        prune(tiny.build(name), "cls_attention", keep=3, family=Family(merger=merger)),
        pytest.raises(UnsupportedModelError, match=f"merger='{merger}'"),
    ):
        tiny.build(name)(**tiny.batch(name))


@pytest.mark.skipif(tiny.VERSION < 5, reason="needs transformers 5")
def test_encoded_images_have_no_attention() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    encoded = model.model.get_image_features(inputs.pop("pixel_values"), return_dict=True)
    with prune(model, "cls_attention", keep=3), pytest.raises(UnsupportedModelError, match="give pixels"):
        model(**inputs, mm_encoder_outputs={"image": encoded})
    with torch.no_grad(), prune(model, "cls_attention", keep=3, attention=lambda x: x.norm(dim=-1)) as pruning:
        model(**inputs, mm_encoder_outputs={"image": encoded})
    assert [len(kept.indices) for kept in pruning.last] == [3, 3, 3]


@dataclass
class Unreachable:
    """A model whose encoder has no layers with attention."""

    vision_tower: Any = field(default_factory=lambda: torch.nn.Linear(2, 2))


def test_an_encoder_without_attention_is_named() -> None:
    with pytest.raises(UnsupportedModelError, match="encoder of Unreachable cannot be recorded"):
        encoder_attention.Tower(Unreachable(), None, EncoderAttention())


@pytest.mark.parametrize(("given", "layer"), [(-1, -1), (-2, -2), (1, 0), (2, 1), ([1, 2], 1), ([-2, 1], 0)])
def test_the_layer_is_the_one_whose_output_the_call_asks_for(given: Any, layer: int) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    tower = encoder_attention.Tower(model.model, model.config, EncoderAttention())
    with torch.no_grad(), tower.recording({"vision_feature_layer": given}) as chosen:
        model.model.vision_tower(inputs["pixel_values"])
    tower = encoder_attention.Tower(model.model, model.config, EncoderAttention(layer=layer))
    with torch.no_grad(), tower.recording({}) as expected:
        model.model.vision_tower(inputs["pixel_values"])
    assert torch.equal(chosen.scores[0], expected.scores[0])


@pytest.mark.parametrize("of_class_token", [True, False])
@pytest.mark.parametrize("mask", ["none", "boolean", "additive", "of keys", "of one row"])
@pytest.mark.parametrize("entries", [2**25, 40])
def test_masks_and_shared_keys(of_class_token: bool, mask: str, entries: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(encoder_attention, "_ENTRIES", entries)
    query, key = tiny.noise(2, 4, 5, 3).double(), tiny.noise(2, 2, 5, 3, seed=1).double()
    allowed = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    allowed[1, :, :, 3:] = False
    if mask in ("boolean", "additive"):
        allowed[0, :, 2:, 0] = False
    given = {
        "none": None,
        "boolean": allowed,
        "additive": torch.zeros(2, 1, 5, 5, dtype=torch.float64).masked_fill(~allowed, -torch.inf),
        "of keys": allowed[:, 0, 0].long(),
        "of one row": allowed[:, :, :1],
    }[mask]
    recording = encoder_attention.Recording(of_class_token)
    recording.add(query, key, given, 0.7)
    if mask == "none":
        allowed[:] = True
    for b in range(2):
        rows = [
            torch.tensor(
                [
                    float(query[b, h, i] @ key[b, h // 2, j]) * 0.7 if allowed[b, 0, i, j] else -torch.inf
                    for j in range(5)
                ]
            ).softmax(0)
            for h in range(4)
            for i in ([0] if of_class_token else range(5))
        ]
        assert (recording.scores[0][b] - torch.stack(rows).mean(0)).abs().max() < 1e-6
    assert torch.equal(recording.keys[0], key.mean(1))


def test_images_packed_for_flash_attention_are_refused() -> None:
    model = tiny.build("llava")
    tower = encoder_attention.Tower(model.model, model.config, EncoderAttention())
    recorded = encoder_attention.Recording(False, "flash_attention_2", [torch.rand(1, 8)], [torch.rand(1, 8, 2)])
    with pytest.raises(UnsupportedModelError, match="packs images into one sequence"):
        tower.of_rows(recorded, Encoded.of([torch.rand(4, 2), torch.rand(4, 2)]), "rows", None)
    assert tower.of_rows(recorded, Encoded.of([torch.rand(8, 2)]), "rows", None).scores.shape == (8,)
