"""One tiny model of random weights for each family and modality, and ragged batches for it, without a processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import transformers
from torch import Tensor

PAD, START, END, BREAK, TILE, VIDEO, IMAGE = 0, 90, 91, 92, 93, 97, 98
WIDTH = 32
VERSION = int(transformers.__version__.partition(".")[0])
Pixels = dict[str, Tensor]


@dataclass(frozen=True)
class Tiny:
    """How to build a model and its images.

    ``pixels(i)`` are the encoder's arguments for the i-th image; ``layout(n, pixels)`` the token ids that stand for
    its n feature rows in a prompt; ``per_sample`` says that the encoder wants a sample's images stacked.
    """

    architecture: str
    config: dict[str, Any]
    pixels: Callable[[int], Pixels]
    layout: Callable[[int, Pixels], list[int]]
    modality: str = "image"
    token_types: str | None = None
    per_sample: bool = False
    newer: bool = False
    """Only with transformers 5: before, the model adds a token that its encoder does not return."""


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _run(n: int, _: Pixels) -> list[int]:
    return [START, *[IMAGE] * n, END]


def _video_run(n: int, _: Pixels) -> list[int]:
    return [START, *[VIDEO] * n, END]


def _pieces(token: int, pieces: int) -> Callable[[int, Pixels], list[int]]:
    return lambda n, _: [t for part in range(pieces) for t in (TILE, 3 + part, START, *[token] * (n // pieces), END)]


def _rows_with_breaks(size: int) -> Callable[[int, Pixels], list[int]]:
    """A break behind each row of image tokens of ``size`` by ``size`` pixels."""

    def layout(n: int, pixels: Pixels) -> list[int]:
        columns = int(pixels["image_sizes"][0, 1]) // size
        rows = n // columns
        return [t for row in range(rows) for t in (*[IMAGE] * columns, BREAK if row < rows - 1 else END)]

    return layout


def _text(model_type: str, **more: Any) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "vocab_size": 100,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 512,
        "pad_token_id": PAD,
        "bos_token_id": 1,
        "eos_token_id": 2,
    } | more


def _vision(model_type: str, **more: Any) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_heads": 2,
        "image_size": 24,
        "patch_size": 4,
    } | more


def _mrope(model_type: str, **more: Any) -> dict[str, Any]:
    return _text(model_type, rope_scaling={"rope_type": "default", "type": "mrope", "mrope_section": [2, 1, 1]}, **more)


def _square(seed: int) -> Pixels:
    return {"pixel_values": noise(1, 3, 24, 24, seed=seed)}


def _square_of_video_llava(seed: int) -> Pixels:
    return {"pixel_values" if VERSION >= 5 else "pixel_values_images": noise(1, 3, 24, 24, seed=seed)}


def _tiles(seed: int) -> Pixels:
    return {"pixel_values": noise(2, 3, 24, 24, seed=seed)}


def _stacked_tiles(seed: int) -> Pixels:
    return {"pixel_values": noise(1, 2, 3, 24, 24, seed=seed)}


def _anyres(seed: int) -> Pixels:
    height, width = ((16, 32), (32, 16), (30, 32))[seed % 3]
    crops = 1 + (4 if height == 30 else 2)
    pixels = torch.cat((noise(1, crops, 3, 16, 16, seed=seed), torch.zeros(1, 5 - crops, 3, 16, 16)), 1)
    return {"pixel_values": pixels, "image_sizes": torch.tensor([[height, width]])}


def _sized(seed: int) -> Pixels:
    height, width = ((24, 32), (32, 24), (32, 32))[seed % 3]
    pixels = torch.zeros(1, 3, 32, 32)
    pixels[..., :height, :width] = noise(1, 3, height, width, seed=seed)
    return {"pixel_values": pixels, "image_sizes": torch.tensor([[height, width]])}


def _patches(seed: int) -> Pixels:
    rows, columns = ((8, 12), (12, 8), (8, 8))[seed % 3]
    return {
        "pixel_values": noise(rows * columns, 3 * 2 * 4 * 4, seed=seed),
        "image_grid_thw": torch.tensor([[1, rows, columns]]),
    }


def _video_patches(seed: int) -> Pixels:
    frames, rows, columns = 3, 8, (4, 8)[seed % 2]
    return {
        "pixel_values_videos": noise(frames * rows * columns, 3 * 2 * 4 * 4, seed=seed),
        "video_grid_thw": torch.tensor([[frames, rows, columns]]),
    }


def _frames(size: int, count: int = 3) -> Callable[[int], Pixels]:
    return lambda seed: {"pixel_values_videos": noise(1, count, 3, size, size, seed=seed)}


_ANYRES = {"image_grid_pinpoints": [[16, 32], [32, 16], [32, 32]]}
_IDS = {"image_token_id": IMAGE, "video_token_id": VIDEO, "vision_start_token_id": START, "vision_end_token_id": END}
_INDEX = {"image_token_index": IMAGE}
_QWEN = {"patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2}
_CLIP16 = _vision("clip_vision_model", image_size=16)
_LLAVA_NEXT_VIDEO = {
    "vision_config": _CLIP16,
    "text_config": _text("llama"),
    "spatial_pool_stride": 2,
    "video_token_index": VIDEO,
    **_INDEX,
    **_ANYRES,
}
_ONEVISION = {
    "vision_config": _vision("siglip_vision_model", image_size=16),
    "text_config": _text("qwen2"),
    "video_token_index": VIDEO,
    "vision_feature_select_strategy": "full",
    **_INDEX,
    **_ANYRES,
}
_VIDEO_LLAVA = {
    "vision_config": _vision("clip_vision_model"),
    "text_config": _text("llama"),
    "video_token_index": VIDEO,
    **_INDEX,
}
_QWEN2 = {
    "vision_config": {"depth": 2, "embed_dim": WIDTH, "hidden_size": WIDTH, "num_heads": 2, "mlp_ratio": 2, **_QWEN},
    "text_config": _mrope("qwen2_vl_text"),
    **_IDS,
}
_QWEN25 = {
    "vision_config": _vision(
        "qwen2_5_vl",
        depth=2,
        out_hidden_size=WIDTH,
        fullatt_block_indexes=[1],
        window_size=16,
        tokens_per_second=2,
        **_QWEN,
    ),
    "text_config": _mrope("qwen2_5_vl_text"),
    **_IDS,
}
_QWEN3 = {
    "vision_config": _vision(
        "qwen3_vl",
        depth=3,
        out_hidden_size=WIDTH,
        num_position_embeddings=64,
        deepstack_visual_indexes=[0, 1],
        **_QWEN,
    ),
    "text_config": _mrope("qwen3_vl_text"),
    **_IDS,
}
_GLM = {
    "vision_config": _vision("glm4v_vision", depth=2, out_hidden_size=WIDTH, **_QWEN),
    "text_config": _text(
        "glm4v_text",
        rope_scaling={"rope_type": "default", "mrope_section": [2, 1, 1], "partial_rotary_factor": 1.0},
        partial_rotary_factor=1.0,
    ),
    "image_token_id": IMAGE,
    "video_token_id": VIDEO,
    "image_start_token_id": START,
    "image_end_token_id": END,
    "video_start_token_id": TILE,
    "video_end_token_id": BREAK,
}
_IDEFICS = {
    "vision_config": _vision("idefics3_vision"),
    "text_config": _text("llama"),
    "scale_factor": 2,
    "image_token_id": IMAGE,
    "pad_token_id": PAD,
}
_SMOL = _IDEFICS | {"vision_config": _vision("smolvlm_vision")}

MODELS = {
    "llava": Tiny(
        "LlavaForConditionalGeneration",
        {"vision_config": _vision("clip_vision_model"), "text_config": _text("llama"), **_INDEX},
        _square,
        _run,
    ),
    "llava:pixtral": Tiny(
        "LlavaForConditionalGeneration",
        {
            "vision_config": _vision("pixtral", image_size=32, head_dim=16),
            "text_config": _text("mistral", sliding_window=None),
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "full",
            **_INDEX,
        },
        _sized,
        _rows_with_breaks(4),
    ),
    "llava_next": Tiny(
        "LlavaNextForConditionalGeneration",
        {"vision_config": _CLIP16, "text_config": _text("llama"), **_INDEX, **_ANYRES},
        _anyres,
        _run,
    ),
    "llava_next_video": Tiny("LlavaNextVideoForConditionalGeneration", _LLAVA_NEXT_VIDEO, _anyres, _run),
    "llava_next_video:video": Tiny(
        "LlavaNextVideoForConditionalGeneration", _LLAVA_NEXT_VIDEO, _frames(16), _video_run, "video"
    ),
    "llava_onevision": Tiny("LlavaOnevisionForConditionalGeneration", _ONEVISION, _anyres, _run),
    "llava_onevision:video": Tiny(
        "LlavaOnevisionForConditionalGeneration", _ONEVISION, _frames(16, 5), _video_run, "video", newer=True
    ),
    "video_llava": Tiny("VideoLlavaForConditionalGeneration", _VIDEO_LLAVA, _square_of_video_llava, _run),
    "video_llava:video": Tiny("VideoLlavaForConditionalGeneration", _VIDEO_LLAVA, _frames(24, 2), _video_run, "video"),
    "qwen2_vl": Tiny("Qwen2VLForConditionalGeneration", _QWEN2, _patches, _run, token_types="mm_token_type_ids"),
    "qwen2_vl:video": Tiny(
        "Qwen2VLForConditionalGeneration", _QWEN2, _video_patches, _video_run, "video", "mm_token_type_ids"
    ),
    "qwen2_5_vl": Tiny("Qwen2_5_VLForConditionalGeneration", _QWEN25, _patches, _run, token_types="mm_token_type_ids"),
    "qwen2_5_vl:video": Tiny(
        "Qwen2_5_VLForConditionalGeneration", _QWEN25, _video_patches, _video_run, "video", "mm_token_type_ids"
    ),
    "qwen3_vl": Tiny("Qwen3VLForConditionalGeneration", _QWEN3, _patches, _run, token_types="mm_token_type_ids"),
    "qwen3_vl:video": Tiny(
        "Qwen3VLForConditionalGeneration", _QWEN3, _video_patches, _pieces(VIDEO, 3), "video", "mm_token_type_ids"
    ),
    "internvl": Tiny(
        "InternVLForConditionalGeneration",
        {
            "vision_config": _vision("internvl_vision", image_size=[24, 24], patch_size=[4, 4]),
            "text_config": _text("qwen2"),
            "image_token_id": IMAGE,
        },
        _tiles,
        _run,
    ),
    "gemma3": Tiny(
        "Gemma3ForConditionalGeneration",
        {
            "vision_config": _vision("siglip_vision_model", vision_use_head=False),
            "text_config": _text("gemma3_text", sliding_window=8, layer_types=["sliding_attention", "full_attention"]),
            "mm_tokens_per_image": 36,
            **_INDEX,
        },
        _square,
        _run,
        token_types="token_type_ids",
    ),
    "paligemma": Tiny(
        "PaliGemmaForConditionalGeneration",
        {
            "vision_config": _vision("siglip_vision_model", vision_use_head=False, projection_dim=WIDTH),
            "text_config": _text("gemma"),
            "projection_dim": WIDTH,
            **_INDEX,
        },
        _square,
        _run,
        token_types="token_type_ids",
    ),
    "idefics3": Tiny("Idefics3ForConditionalGeneration", _IDEFICS, _stacked_tiles, _pieces(IMAGE, 2), per_sample=True),
    "smolvlm": Tiny("SmolVLMForConditionalGeneration", _SMOL, _stacked_tiles, _pieces(IMAGE, 2), per_sample=True),
    "mistral3": Tiny(
        "Mistral3ForConditionalGeneration",
        {
            "vision_config": _vision("pixtral", image_size=32, head_dim=16),
            "text_config": _text("mistral"),
            "spatial_merge_size": 2,
            **_INDEX,
        },
        _sized,
        _rows_with_breaks(8),
    ),
    "glm4v": Tiny("Glm4vForConditionalGeneration", _GLM, _patches, _run, token_types="mm_token_type_ids"),
    "glm4v:video": Tiny(
        "Glm4vForConditionalGeneration",
        _GLM,
        _video_patches,
        lambda n, _: [TILE, *(t for _ in range(3) for t in (START, *[IMAGE] * (n // 3), END, 5)), BREAK],
        "video",
        "mm_token_type_ids",
    ),
    "aya_vision": Tiny(
        "AyaVisionForConditionalGeneration",
        {
            "vision_config": _vision("siglip_vision_model"),
            "text_config": _text("cohere2", sliding_window=512),
            "downsample_factor": 2,
            **_INDEX,
        },
        _tiles,
        _pieces(IMAGE, 2),
    ),
}


@cache
def build(name: str) -> Any:
    """The model, in float64 and with every weight random."""
    tiny = MODELS[name]
    architecture = getattr(transformers, tiny.architecture)
    torch.manual_seed(1)
    model = architecture(architecture.config_class(**tiny.config)).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        model.lm_head.weight[START:] = 0  # an image in the answer would be one in the prompt of the next step
    if hasattr(model.model, "text_config_dtype"):  # in which PaliGemma writes its masks
        model.model.text_config_dtype = torch.float64
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = PAD
    return model


def batch(name: str, samples: tuple[int, ...] = (1, 2)) -> dict[str, Tensor]:
    """Arguments of a left-padded batch in which the s-th sample has ``samples[s]`` images, all different."""
    tiny, model = MODELS[name], build(name)
    rows: list[list[int]] = []
    images: list[list[Pixels]] = []
    for count in samples:
        ids, row = [4, 7 + len(rows), 9], []
        for _ in range(count):
            pixels = {
                n: v.double() if v.is_floating_point() else v for n, v in tiny.pixels(_number(images, row)).items()
            }
            ids += [*tiny.layout(_rows_of(model, tiny, pixels), pixels), 11 + len(row), 12]
            row.append(pixels)
        rows.append([*ids, 20 + len(rows), 21])
        images.append(row)
    length = max(map(len, rows))
    ids = torch.tensor([[PAD] * (length - len(row)) + row for row in rows])
    inputs = {"input_ids": ids, "attention_mask": (ids != PAD).long(), **_collated(tiny, images)}
    if tiny.token_types and (tiny.token_types == "token_type_ids" or VERSION >= 5):
        video = tiny.modality == "video"
        inputs[tiny.token_types] = (ids == IMAGE) * (2 if video else 1) + (ids == VIDEO) * 2
        if name == "paligemma":  # zero says prompt, attended in both directions; one says answer
            inputs[tiny.token_types] *= 0
    return inputs


def alone(name: str, inputs: dict[str, Tensor], samples: tuple[int, ...], which: int) -> dict[str, Tensor]:
    """One sample of :func:`batch` by itself, without its padding."""
    first = sum(samples[:which])
    tiny = MODELS[name]
    real = inputs["attention_mask"][which].bool()
    sequences = {
        n: v[which : which + 1, real] for n, v in inputs.items() if v.shape == real.expand_as(inputs["input_ids"]).shape
    }
    images = [
        {n: v.double() if v.is_floating_point() else v for n, v in tiny.pixels(i).items()}
        for i in range(first, first + samples[which])
    ]
    return sequences | _collated(tiny, [images])


def _number(images: list[list[Pixels]], row: list[Pixels]) -> int:
    return sum(map(len, images)) + len(row)


def _rows_of(model: Any, tiny: Tiny, pixels: Pixels) -> int:
    with torch.no_grad():
        (_, first), *others = pixels.items()
        output = getattr(model.model, f"get_{tiny.modality}_features")(first, **dict(others))
    features = getattr(output, "pooler_output", output)
    if isinstance(features, tuple) and len(features) == 2 and not all(isinstance(part, Tensor) for part in features):
        features = features[0]  # before transformers 5: (features, something else)
    return sum(part.numel() for part in features) // WIDTH


def _collated(tiny: Tiny, images: list[list[Pixels]]) -> Pixels:
    names = images[0][0]
    if not tiny.per_sample:
        return {n: torch.cat([pixels[n] for row in images for pixels in row]) for n in names}
    most = max(map(len, images))
    blank = torch.zeros_like(images[0][0]["pixel_values"])
    rows = [torch.cat([p["pixel_values"] for p in row] + [blank] * (most - len(row)), 1) for row in images]
    return {"pixel_values": torch.cat(rows)}
