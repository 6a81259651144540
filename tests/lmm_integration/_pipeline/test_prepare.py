"""Calls and models that are pruned or refused by name, and never answered without being pruned."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from lmm_integration import prune  # noqa: E402
from lmm_integration.exceptions import UnsupportedModelError  # noqa: E402
from lmm_integration.families import Family  # noqa: E402
from lmm_integration.selectors import Selector  # noqa: E402
from lmm_integration.stats import Stats  # noqa: E402
from mmdp.exceptions import InvalidOptionError, InvalidProblemError, SolverContractError  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

NEW = 2


@pytest.mark.parametrize("options", [{}, {"modalities": ("image",)}])
def test_embeddings_of_a_merged_prompt_are_refused(options: dict[str, Any]) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    embeddings = model.get_input_embeddings()(inputs["input_ids"]).detach()
    with prune(model, **options):
        for given in ({}, {"input_ids": inputs["input_ids"]}):
            with pytest.raises(UnsupportedModelError, match="inputs_embeds"):
                model.generate(inputs_embeds=embeddings, **given, max_new_tokens=NEW)
        with pytest.raises(UnsupportedModelError, match="inputs_embeds"):
            model(inputs_embeds=embeddings)


@pytest.mark.parametrize(
    "options",
    [{"modalities": ("video",)}, {"family": Family(image=None)}],  # type: ignore[arg-type]
)
def test_nothing_to_prune_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModelError, match=r"'llava' model has no.*select_tokens"):
        prune(tiny.build("llava"), **options)


@pytest.mark.parametrize("model_type", ["git", "pix2struct", "udop"])
def test_a_model_without_a_feature_getter_is_refused(model_type: str) -> None:
    config = {
        "git": lambda: transformers.GitConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, vocab_size=99),
        "pix2struct": lambda: transformers.Pix2StructConfig(
            text_config={"hidden_size": 8, "num_layers": 1, "num_heads": 2, "d_ff": 8, "vocab_size": 99},
            vision_config={"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "d_ff": 8},
        ),
        "udop": lambda: transformers.UdopConfig(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, vocab_size=99),
    }[model_type]()
    name = {"git": "GitForCausalLM", "udop": "UdopForConditionalGeneration"}.get(
        model_type, "Pix2StructForConditionalGeneration"
    )
    with pytest.raises(UnsupportedModelError, match="select_tokens"):
        prune(getattr(transformers, name)(config), family=Family())


def test_videos_that_cannot_be_pruned_are_not_let_through() -> None:
    model, inputs = tiny.build("llava_next_video:video"), tiny.batch("llava_next_video:video")
    with (
        prune(model, family=Family(video=None)),
        pytest.raises(UnsupportedModelError, match=r"videos.*modalities=\('image',\)"),
    ):
        model(**inputs)
    with torch.no_grad():
        plain = model(**inputs).logits
        with prune(model, family=Family(video=None), modalities=("image",)):
            assert torch.equal(model(**inputs).logits, plain)


@pytest.mark.skipif(tiny.VERSION < 5, reason="needs transformers 5")
def test_encoded_videos_that_cannot_be_pruned_are_refused_unless_there_are_none() -> None:
    name = "llava_next_video"
    model, inputs = tiny.build(name), tiny.batch(name, (1,))
    pixels = {n: inputs.pop(n) for n in ("pixel_values", "image_sizes")}
    with torch.no_grad(), prune(model, keep=0.3, family=Family(video=None)) as pruning:
        encoded = model.model.get_image_features(**pixels, return_dict=True)
        expected = model(**inputs, **pixels).logits
        given = model(**inputs, mm_encoder_outputs={"image": encoded, "video": None}).logits
        assert torch.equal(given, expected)
        assert pruning.stats.calls == 2
        with pytest.raises(UnsupportedModelError, match="cannot prune the videos"):
            model(**inputs, mm_encoder_outputs={"image": encoded, "video": encoded})


@pytest.mark.parametrize("scope", ["image", "sample"])
def test_images_within_the_budget_are_kept_whole_and_counted(scope: str) -> None:
    model, inputs = tiny.build("qwen2_5_vl"), tiny.batch("qwen2_5_vl")
    sizes = [int(t * h * w) // 4 for t, h, w in inputs["image_grid_thw"].tolist()]  # two samples, of 1 and 2 images
    sizes = sizes if scope == "image" else [sizes[0], sizes[1] + sizes[2]]
    budget = sorted(sizes)[0]
    with torch.no_grad(), prune(model, keep=budget, scope=scope) as pruning:
        model(**inputs)
    assert [len(kept.indices) for kept in pruning.last] == [min(budget, n) for n in sizes]
    within = sum(n <= budget for n in sizes)
    assert (pruning.stats.images, pruning.stats.images_within_budget) == (len(sizes), within)
    assert f"{within} of {len(sizes)} images within the budget" in str(pruning.stats)


def test_features_that_overflow_name_the_encoder_and_the_dtype() -> None:
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava")
    with torch.no_grad():
        next(model.model.multi_modal_projector.parameters()).fill_(torch.nan)
    message = r"CLIPVisionModel.*NaN.*float64.*sample 0.*bfloat16"
    with prune(model, keep=0.3), pytest.raises(InvalidProblemError, match=message) as caught:
        model(**inputs)
    assert "drop" not in str(caught.value)


def test_placeholders_of_videos_that_stay_whole_are_no_text() -> None:
    name, words = "qwen2_5_vl", []
    model, image, video = tiny.build(name), tiny.batch(name, (1,)), tiny.batch(f"{name}:video", (1,))
    both = image | video
    for along in ("input_ids", "attention_mask", "mm_token_type_ids"):
        if along in image:
            both[along] = torch.cat((image[along], video[along]), 1)

    @dataclass(frozen=True)
    class Reader(Selector):
        needs = ("prompt",)

        def choose(self, features: Any, k: int, context: Any) -> Any:
            words.append(len(context.prompt))
            return torch.arange(k)

    with torch.no_grad(), prune(model, Reader(), keep=0.5, modalities=("image",)):
        model(**both)
    assert words == [int((both["input_ids"] < tiny.VIDEO).sum())]


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_one_row_of_the_mask_may_stand_for_all(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name, (1, 1))
    mask = inputs.pop("attention_mask")
    step = {"input_ids": torch.tensor([[5], [6]])}
    longer = torch.cat((mask, torch.ones_like(mask[:, :1])), 1)
    with torch.no_grad(), prune(model, keep=0.3):
        expected = model(**inputs, attention_mask=mask, use_cache=True)
        output = model(**inputs, attention_mask=mask[:1], use_cache=True)
        assert torch.equal(output.logits, expected.logits)
        answer = model.generate(**inputs, attention_mask=mask[:1], max_new_tokens=NEW, do_sample=False)
        assert torch.equal(answer, model.generate(**inputs, attention_mask=mask, max_new_tokens=NEW, do_sample=False))
        if name == "llava":  # a step of Qwen's takes no mask without positions, pruned or not
            after = model(**step, attention_mask=longer, past_key_values=expected.past_key_values).logits
            assert torch.equal(
                model(**step, attention_mask=longer[:1], past_key_values=output.past_key_values).logits, after
            )


def test_packed_samples_are_refused() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava", (2,))
    ids, pixels = inputs["input_ids"], inputs["pixel_values"]
    once = torch.arange(ids.shape[1])
    with torch.no_grad(), prune(model, keep=0.3):
        for packed in ({"position_ids": (once % 50)[None]}, {"cu_seq_lens_q": torch.tensor([0, 50, ids.shape[1]])}):
            with pytest.raises(UnsupportedModelError, match=r"packed into one row.*attention mask"):
                model(input_ids=ids, pixel_values=pixels, use_cache=False, **packed)
        model(input_ids=ids, pixel_values=pixels, use_cache=False, position_ids=once[None])
        with pytest.raises(UnsupportedModelError, match=r"shift_labels.*pass labels"):
            model(**inputs, shift_labels=ids.roll(-1, 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
@pytest.mark.parametrize("rule", ["greedy", "visionzip"])
def test_the_encoder_may_be_on_another_device_than_the_prompt(rule: str) -> None:
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava")
    with torch.no_grad(), prune(model, rule, keep=0.3) as pruning:
        expected, kept = model(**inputs).logits, [image.indices.tolist() for image in pruning.last]
        model.model.vision_tower.cuda()
        model.model.multi_modal_projector.cuda()
        logits = model(**inputs | {"pixel_values": inputs["pixel_values"].cuda()}).logits
        assert [image.indices.tolist() for image in pruning.last] == kept
    assert (logits - expected).abs().max() < 1e-9


@pytest.mark.parametrize("rule", ["evs", "dycoke"])
def test_a_rule_that_compares_frames_refuses_images(rule: str) -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with prune(model, rule, keep=0.5), pytest.raises(InvalidOptionError, match="this image has one: give modalities"):
        model(**inputs)
    with prune(model, rule, keep=1.0):
        model(**inputs)


def test_a_call_that_fails_counts_for_nothing() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with prune(model, lambda features, k: [0] * k, keep=3) as pruning, pytest.raises(SolverContractError):
        model(**inputs)
    assert vars(pruning.stats) == vars(Stats())


@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])
def test_one_row_of_positions_may_stand_for_all(name: str, positions: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name, (1, 1))
    axes = (3,) if name == "qwen2_5_vl" else ()
    where = torch.arange(inputs["input_ids"].shape[1]).expand(*axes, 1, -1)
    with torch.no_grad(), prune(model, keep=0.3, positions=positions):
        expected = model(**inputs, position_ids=where.expand(*axes, 2, -1)).logits
        assert torch.equal(model(**inputs, position_ids=where).logits, expected)


def test_a_family_of_ones_own_keeps_what_is_known_of_the_merger() -> None:
    model, inputs = tiny.build("llava"), tiny.batch("llava")
    with torch.no_grad(), prune(model, "vispruner", keep=0.3) as pruning:
        model(**inputs)
    expected = [kept.indices.tolist() for kept in pruning.last]
    with torch.no_grad(), prune(model, "vispruner", keep=0.3, family=Family(square=True)) as pruning:
        model(**inputs)
    assert [kept.indices.tolist() for kept in pruning.last] == expected
