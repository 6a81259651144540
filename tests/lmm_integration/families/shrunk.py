"""A tiny model of random weights for any type of transformers' mapping, made from its own default configuration.

Sizes are cut wherever a configuration has them, by the names of its fields; ``FIXES`` has what one type needs besides.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as MAPPING

from tests.lmm_integration.families.tiny import IMAGE, PAD, VIDEO, noise

VOCABULARY, WIDTH, LAYERS, HEADS, PATCH, SIDE = 128, 32, 2, 4, 4, 24
PIXELS = {"image": "pixel_values", "video": "pixel_values_videos"}
_SIZES = (
    (
        WIDTH,
        "hidden_size embed_dim d_model dim n_embd projection_dim out_hidden_size output_dim text_hidden_size "
        "projector_input_dim projector_output_dim vision_hidden_size output_hidden_size projection_hidden_size "
        "adapter_out_dim projector_hidden_size encoder_hidden_size decoder_hidden_size patch_embed_hidden_size "
        "image_token_embed_dim word_embed_proj_dim projection_hidden_dim downsample_hidden_size output_channels",
    ),
    (
        64,
        "intermediate_size mlp_dim moe_intermediate_size shared_expert_intermediate_size ffn_dim encoder_ffn_dim "
        "intermediate_size_mlp merger_intermediate_size moe_shared_expert_intermediate_size dense_intermediate_size "
        "shared_intermediate_size d_ff alignment_intermediate_size projection_intermediate_size adapter_in_dim "
        "shared_experts_intermediate_size decoder_ffn_dim share_expert_dim codebook_size num_embeddings",
    ),
    (
        LAYERS,
        "num_hidden_layers depth num_layers n_layer layers encoder_layers n_layers decoder_layers resampler_depth "
        "conf_num_hidden_layers num_decoder_layers",
    ),
    (
        HEADS,
        "num_attention_heads n_head encoder_attention_heads attention_heads decoder_attention_heads num_experts "
        "n_routed_experts num_local_experts moe_num_experts linear_num_key_heads linear_num_value_heads "
        "mamba_num_heads "
        "swa_num_attention_heads conf_num_attention_heads num_sliding_attention_heads index_n_heads linear_num_heads "
        "resampler_heads resampler_n_heads",
    ),
    (2, "num_key_value_heads num_experts_per_tok moe_k moe_topk swa_num_key_value_heads n_groups num_heads"),
    (
        8,
        "head_dim qk_rope_head_dim qk_nope_head_dim v_head_dim linear_key_head_dim linear_value_head_dim swa_head_dim "
        "mamba_head_dim index_head_dim linear_head_dim hidden_size_per_layer_input resampler_head_dim "
        "resampler_dim_head d_kv global_head_dim",
    ),
    (16, "kv_lora_rank q_lora_rank qk_head_dim ssm_state_size"),
    (SIDE, "image_size"),
    (PATCH, "patch_size"),
    (1, "n_group topk_group first_k_dense_replace num_nextn_predict_layers num_kv_shared_layers"),
    (VOCABULARY, "vocab_size vocab_size_per_layer_input unpadded_vocab_size"),
)
SIZE_OF = {name: size for size, names in _SIZES for name in names.split()}
_VALUES: dict[str, Any] = {
    "num_kv_shared_layers": 0,
    "num_nextn_predict_layers": 0,
    "deepstack_visual_indexes": [0, 1],
    "fullatt_block_indexes": [1],
    "window_size": 2 * PATCH * 2,
    "sliding_window": 4096,
    "num_position_embeddings": 64,
    "query_pre_attn_scalar": 8,
    "mm_tokens_per_image": 36,
    "image_grid_pinpoints": [[24, 48], [48, 24], [48, 48]],
    "merged_hidden_size": 4 * WIDTH,
    "num_patches": 36,
    "global_attn_indexes": [1],
    "base_channels": 32,
}


def shrink(config: Any) -> None:
    """Cut the sizes of a configuration and of those in it."""
    for name, value in list(vars(config).items()):
        if isinstance(value, transformers.PreTrainedConfig):
            shrink(value)
        elif (short := _shortened(name, value)) is not None:
            setattr(config, name, short)


def _shortened(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return None
    if name in _VALUES:
        return type(value)(_VALUES[name]) if isinstance(value, (list, tuple)) else _VALUES[name]
    if name in SIZE_OF:
        return type(value)([SIZE_OF[name]] * len(value)) if isinstance(value, (list, tuple)) else SIZE_OF[name]
    if name == "layer_types":
        kinds = list(dict.fromkeys(value))
        return [kinds[i % len(kinds)] for i in range(LAYERS)]
    if name in ("mlp_layer_types", "layers_block_type", "indexer_types"):
        return list(value[-LAYERS:])
    if isinstance(value, dict):
        return _short_rope(value)
    if name.endswith(("_token_id", "_token_index")) and isinstance(value, int):
        special = {
            "image": IMAGE,
            "video": VIDEO,
            "pad": PAD,
            "bos": 1,
            "eos": 2,
            "audio": 96,
            "audio_start": 95,
            "audio_end": 94,
        }
        return special.get(name.rpartition("_token_")[0], 90)
    return None


def _short_rope(rope: dict[str, Any]) -> dict[str, Any] | None:
    if not any(name in str(rope) for name in ("rope", "mrope_section")):
        return None
    if "mrope_section" in rope:
        return {**rope, "mrope_section": [2, 1, 1]}
    return {k: (_short_rope(v) or v) if isinstance(v, dict) else v for k, v in rope.items()}


def _qwen4_exp(config: Any) -> None:
    config.text_config.indexer_n_heads, config.text_config.indexer_kv_heads = 2, 1
    config.text_config.indexer_head_dim = 8
    config.text_config.indexer_budget, config.text_config.indexer_compress_ratio = 512, 4


def _llama4(config: Any) -> None:
    vision = config.vision_config
    vision.intermediate_size, vision.projector_input_dim = 4 * WIDTH, 64
    vision.projector_output_dim = vision.vision_output_dim = 64
    config.text_config.attention_chunk_size = 4096
    config.text_config.moe_layers, config.text_config.no_rope_layers = [1], [1, 0]


def _granite4_vision(config: Any) -> None:
    config.deepstack_layer_map, config.downsample_rate = [[-1, 0], [-2, 1]], "1/2"
    config.spatial_target_layers = [1]


def _gemma4(config: Any) -> None:
    config.text_config.num_kv_shared_layers = 0
    config.vision_config.pooling_kernel_size = 3
    config.vision_config.default_output_length = 4


def _chameleon(config: Any) -> None:
    config.vq_config.num_embeddings, config.vq_config.resolution = 16, SIDE
    config.vq_config.base_channels, config.vq_config.channel_multiplier, config.vq_config.num_res_blocks = 32, (1, 1), 1
    config.vq_config.latent_channels = config.vq_config.embed_dim
    letters = "".maketrans("0123456789", "ABCDEFGHIJ")
    config.vocabulary_map = {"<image>": IMAGE} | {f"IMGIMG{str(i).translate(letters)}Z": 100 + i for i in range(16)}


def _emu3(config: Any) -> None:
    vq = config.vq_config
    vq.base_channels, vq.channel_multiplier, vq.num_res_blocks, vq.codebook_size = 32, (1, 1), 1, 16
    vq.embed_dim = vq.latent_channels = 4
    vq.attn_resolutions = ()
    config.vocabulary_map = {"<image>": IMAGE, "<|extra_200|>": 99}
    config.vocabulary_map |= {f"<|visual token {i:06d}|>": 100 + i for i in range(16)}


def _molmo2(config: Any) -> None:
    config.vision_config.num_position_embeddings = 36
    config.adapter_config.vision_feature_layer = [-1, -2]


def _aria(config: Any) -> None:
    config.projector_patch_to_query_dict = {36: 9}
    config.max_value_projector_patch_to_query_dict = 9


def _ernie(config: Any) -> None:
    config.text_config.rope_parameters["mrope_section"] = [1, 1, 2]


def _deepseek_ocr(config: Any) -> None:
    config.text_config.mlp_layer_types = ["dense", "sparse"]


def _cohere_compass(config: Any) -> None:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    config.text_config.rope_parameters = {kind: dict(rope) for kind in set(config.text_config.layer_types)}


def _hunyuan(config: Any) -> None:
    config.text_config.rope_parameters.update(alpha=1.0, rope_type="default")


def _sliding(config: Any) -> None:
    config.text_config.sliding_window = 4096


def _vipllava(config: Any) -> None:
    config.vision_feature_layers = (-1, -2)


def _muse(config: Any) -> None:
    config.vision_config.out_hidden_size = config.out_hidden_size = 4 * WIDTH


def _nemotron(config: Any) -> None:
    config.vision_config.patch_dim, config.vision_config.video_patch_dim = 3 * PATCH**2, 6 * PATCH**2


FIXES: dict[str, Callable[[Any], None]] = {
    "qwen4_exp": _qwen4_exp,
    "llama4": _llama4,
    "granite4_vision": _granite4_vision,
    "gemma4": _gemma4,
    "chameleon": _chameleon,
    "aria": _aria,
    "emu3": _emu3,
    "molmo2": _molmo2,
    "ernie4_5_vl_moe": _ernie,
    "deepseek_ocr2": _deepseek_ocr,
    "unlimited_ocr": _deepseek_ocr,
    "cohere_compass": _cohere_compass,
    "hunyuan_vl": _hunyuan,
    "step3p7": _sliding,
    "vipllava": _vipllava,
    "muse_spark": _muse,
    "muse_glimmer": _muse,
    "nemotron_h_omni": _nemotron,
}


@cache
def build(model_type: str) -> Any:
    """The model, in float64 and with every weight random."""
    architecture = getattr(transformers, MAPPING[model_type])
    config = architecture.config_class()
    for name, kind in getattr(config, "sub_configs", {}).items():
        if "vision" in name and getattr(config, name, None) is None and kind is not transformers.AutoConfig:
            setattr(config, name, kind())
    shrink(config)
    _complete(config, _counts_axes(architecture))
    FIXES.get(model_type, lambda config: None)(config)
    config._experts_implementation = "eager"
    torch.manual_seed(1)
    model = architecture(config).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    if hasattr(model, "generation_config"):
        model.generation_config.eos_token_id = None
        model.generation_config.pad_token_id = PAD
    return model


def _counts_axes(architecture: Any) -> bool:
    return "def get_rope_index" in inspect.getsource(inspect.getmodule(architecture))


def _complete(config: Any, counts_axes: bool) -> None:
    """Fields that the default configuration lacks, and checkpoints have."""
    for name, token in {"image_token_id": IMAGE, "video_token_id": VIDEO, "vision_start_token_id": 90}.items():
        if getattr(config, name, None) is None and (name in vars(config) or name.startswith("vision")):
            setattr(config, name, token)
    text = config.get_text_config()
    if vars(text).get("head_dim", 0) is None:
        text.head_dim = WIDTH // HEADS
    if "kv_lora_rank" in vars(text):
        text.num_key_value_heads = HEADS
    rope = getattr(text, "rope_parameters", None)
    if isinstance(rope, dict):
        for one in [part for part in rope.values() if isinstance(part, dict)] or [rope]:
            if counts_axes:
                one["mrope_section"] = [2, 1, 1]
            if "partial_rotary_factor" in one:
                one["partial_rotary_factor"] = 1.0
    if hasattr(text, "partial_rotary_factor"):
        text.partial_rotary_factor = 1.0


Pixels = dict[str, Tensor]
MODALITIES = ("image", "video")


def getter(model: Any, modality: str) -> Any:
    """The method that encodes a modality, of the innermost module that has it; None if none does."""
    name = f"get_{modality}_features"
    inner = [*(getattr(model, part, None) for part in ("model", "base_model")), model]
    return next((getattr(part, name) for part in inner if hasattr(part, name)), None)


def _candidates(model: Any, modality: str, seed: int) -> list[Pixels]:
    """Arguments that a getter may want for one image or video, by the names of its parameters."""
    wanted = list(inspect.signature(getter(model, modality)).parameters)
    vision = getattr(model.config, "vision_config", None) or model.config
    name, side, channels = wanted[0], SIDE, 3
    if f"{modality}_grid_thw" in wanted:
        frames = 1 if modality == "image" else 4
        rows, columns = ((8, 12), (12, 8), (8, 8))[seed % 3]
        n = frames * rows * columns
        grid = {f"{modality}_grid_thw": torch.tensor([[frames, rows, columns]])}
        merge = {f"{modality}_merge_sizes": torch.tensor([2])} if f"{modality}_merge_sizes" in wanted else {}
        temporal = getattr(vision, "temporal_patch_size", None) or 1
        depths = dict.fromkeys((temporal, 2, 1))
        shapes: list[tuple[int, ...]] = [(n, channels * depth * PATCH * PATCH) for depth in depths]
        shapes += [(n, channels, PATCH, PATCH), (1, n, channels, PATCH, PATCH)]
        side = PATCH * (getattr(vision, "spatial_merge_size", None) or 1)
        return [
            *({name: noise(*shape, seed=seed), **grid, **merge} for shape in shapes),
            {name: noise(n, side, side, channels, seed=seed), **grid},
        ]
    if "image_sizes" in wanted and modality == "image":
        height, width = ((24, 48), (48, 24), (46, 48))[seed % 3]
        crops = 1 + (4 if height == 46 else 2)
        tiled = torch.cat((noise(1, crops, 3, side, side, seed=seed), torch.zeros(1, 5 - crops, 3, side, side)), 1)
        square = noise(1, 3, side, side, seed=seed)
        height_2, width_2 = ((24, 32), (32, 24), (32, 32))[seed % 3]
        whole = torch.zeros(1, 3, 32, 32)
        whole[..., :height_2, :width_2] = noise(1, 3, height_2, width_2, seed=seed)
        return [
            {name: tiled, "image_sizes": torch.tensor([[height, width]])},
            {name: whole, "image_sizes": torch.tensor([[height_2, width_2]])},
            {name: square, "image_sizes": torch.tensor([[side, side]])},
            {name: square},
        ]
    if "spatial_shapes" in wanted:
        rows, columns = ((4, 6), (6, 4), (4, 4))[seed % 3]
        pixels = torch.zeros(1, 24, channels * PATCH * PATCH)
        pixels[:, : rows * columns] = noise(1, rows * columns, channels * PATCH * PATCH, seed=seed)
        mask = (torch.arange(24) < rows * columns).long()[None]
        return [{name: pixels, "spatial_shapes": torch.tensor([[rows, columns]]), "pixel_attention_mask": mask}]
    square = noise(1, channels, side, side, seed=seed)
    if {"image_token_pooling", "video_token_pooling"} & set(wanted):
        pooling = torch.arange(36).reshape(3, 2, 3, 2).transpose(1, 2).reshape(9, 4)
        return [
            {
                name: noise(1, 36, 3 * PATCH * PATCH, seed=seed),
                f"{modality}_token_pooling": pooling,
                f"{modality}_grids": torch.tensor([[3, 3, 0, 0]]),
            }
        ]
    if modality == "video":
        places = torch.stack(torch.meshgrid(torch.arange(6), torch.arange(6), indexing="xy"), -1).reshape(1, -1, 2)
        if "video_position_ids" in wanted:
            return [
                {
                    name: noise(2, 36, channels * size * size, seed=seed).sigmoid(),
                    "video_position_ids": places.repeat(2, 1, 1),
                    "num_frames_per_video": torch.tensor([2]),
                }
                for size in (PATCH, 12)
            ]
        if "target_sizes_videos" in wanted:
            strip = noise(2, channels, PATCH, 16 * PATCH, seed=seed)
            return [{name: strip, "target_sizes_videos": torch.tensor([[4, 4]])}]
        return [
            *({name: noise(1, frames, channels, side, side, seed=seed)} for frames in (3, 2, 4, 5)),
            {name: noise(4, channels, side, side, seed=seed)},
        ]
    if "high_res_pixel_values" in wanted:
        return [{name: square, "high_res_pixel_values": noise(1, 3, side, side, seed=seed + 50)}]
    if "image_position_ids" in wanted:
        rows, columns = 6, 6
        places = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy"), -1).reshape(
            1, -1, 2
        )
        return [
            {name: noise(1, rows * columns, channels * size * size, seed=seed).sigmoid(), "image_position_ids": places}
            for size in (PATCH, 12)
        ]
    if "target_sizes" in wanted:
        rows, columns = ((8, 16), (16, 8), (8, 8))[seed % 3]
        strip = noise(1, channels, PATCH, rows * columns * PATCH, seed=seed)
        return [{name: strip, "target_sizes": torch.tensor([[rows, columns]])}]
    if "image_grid_hw" in wanted:
        rows, columns = ((4, 6), (6, 4), (4, 4))[seed % 3]
        patches = noise(rows * columns, channels * PATCH * PATCH, seed=seed)
        return [{name: patches, "image_grid_hw": torch.tensor([[rows, columns]])}]
    stacked: list[Pixels] = []
    if "pixel_attention_mask" in wanted:
        tile = square[:, None]
        stacked = [{name: tile}, {name: tile, "pixel_attention_mask": torch.ones(1, 1, dtype=torch.bool)}]
    return [*stacked, {name: square}]


@cache
def _which(model_type: str, modality: str) -> int:
    """Which of the candidates the getter takes."""
    model, reasons = build(model_type), []
    for which, pixels in enumerate(_candidates(model, modality, 0)):
        try:
            rows_of(model_type, modality, pixels)
        except Exception as error:
            reasons.append(f"{type(error).__name__}: {error}".splitlines()[0])
        else:
            return which
    raise ValueError(" / ".join(reasons))


def pixels_of(model_type: str, modality: str, seed: int) -> Pixels:
    """Arguments for the encoder, of one image or video, all different by seed."""
    pixels = _candidates(build(model_type), modality, seed)[_which(model_type, modality)]
    return {name: value.double() if value.is_floating_point() else value for name, value in pixels.items()}


def rows_of(model_type: str, modality: str, pixels: Pixels) -> int:
    """How many feature rows the encoder returns for them."""
    doubles = {name: value.double() if value.is_floating_point() else value for name, value in pixels.items()}
    with torch.no_grad():
        output = getter(build(model_type), modality)(**doubles, return_dict=True)
    features = getattr(output, "pooler_output", None)
    features = getattr(output, "last_hidden_state", output) if features is None else features
    parts = features if isinstance(features, (list, tuple)) else [features]
    return sum(part.numel() // part.shape[-1] for part in parts)


def placeholders(model_type: str, modality: str) -> list[int]:
    """Tokens that may stand for a row in a prompt."""
    config = build(model_type).config
    names = (f"{modality}_token_id", f"{modality}_token_index", "image_token_id", "image_token_index")
    return list(dict.fromkeys(int(token) for name in names if (token := getattr(config, name, None)) is not None))


def _start(model_type: str, modality: str) -> list[int]:
    """Token in front of an image or a frame, which index positions by it."""
    config = build(model_type).config
    names = ("vision_start_token_id", f"{modality}_start_token_id", "image_start_token_id")
    return [next((int(token) for name in names if (token := getattr(config, name, None)) is not None), 90)]


def batch(model_type: str, modality: str, samples: tuple[int, ...], token: int, pieces: int = 1) -> dict[str, Tensor]:
    """Arguments of a left-padded batch in which the s-th sample has ``samples[s]`` images or videos, all different.

    ``pieces``: runs of placeholders that text separates, of each image or video.
    """
    rows, pixels = [], []
    for count in samples:
        ids = [4, 7 + len(rows), 9]
        for _ in range(count):
            pixels.append(pixels_of(model_type, modality, len(pixels)))
            n = rows_of(model_type, modality, pixels[-1])
            for _ in range(pieces):
                ids += [*_start(model_type, modality), *[token] * (n // pieces), 91, 11]
            ids += [12]
        rows.append([*ids, 20 + len(rows), 21])
    for i, row in enumerate(rows):  # lengths that differ from each other and from every other size
        row += [13] * (WIDTH * (len(row) // WIDTH + 1) + 3 + 2 * i - len(row))
    length = max(map(len, rows))
    ids = torch.tensor([[PAD] * (length - len(row)) + row for row in rows])
    inputs = {"input_ids": ids, "attention_mask": (ids != PAD).long(), **_collated(pixels, samples)}
    names = inspect.signature(build(model_type).forward).parameters
    if "video_second_per_grid" in names and modality == "video":
        inputs["video_second_per_grid"] = torch.ones(sum(samples))
    if "mm_token_type_ids" in names:
        inputs["mm_token_type_ids"] = (ids == token).long() * (2 if modality == "video" else 1)
    elif "token_type_ids" in names:
        inputs["token_type_ids"] = (ids == token).long() * (model_type != "paligemma")
    return inputs


def alone(
    model_type: str, modality: str, samples: tuple[int, ...], which: int, token: int, pieces: int = 1
) -> dict[str, Tensor]:
    """One sample of :func:`batch` by itself, without its padding."""
    inputs = batch(model_type, modality, samples, token, pieces)
    real = inputs["attention_mask"][which].bool()
    shape = inputs["input_ids"].shape
    first = sum(samples[:which])
    pixels = [pixels_of(model_type, modality, i) for i in range(first, first + samples[which])]
    if "video_second_per_grid" in inputs:
        pixels = [one | {"video_second_per_grid": torch.ones(1)} for one in pixels]
    text = {name: value[which : which + 1, real] for name, value in inputs.items() if value.shape == shape}
    return text | _collated(pixels, (samples[which],))


def _collated(pixels: list[Pixels], samples: tuple[int, ...]) -> Pixels:
    first = next(iter(pixels[0].values()))
    if first.ndim == 5 and "image_sizes" not in pixels[0] and "pixel_values_videos" not in pixels[0]:
        stacked, offset = [], 0
        for count in samples:
            row = torch.cat([one["pixel_values"] for one in pixels[offset : offset + count]], 1)
            stacked.append(torch.cat((row, row.new_zeros(1, max(samples) - count, *row.shape[2:])), 1))
            offset += count
        return {"pixel_values": torch.cat(stacked)}
    strip = "target_sizes" in pixels[0]  # patches of all images in one row
    dimension = {name: 3 if strip and name == "pixel_values" else 0 for name in pixels[0]}
    return {name: torch.cat([one[name] for one in pixels], dimension[name]) for name in pixels[0]}
