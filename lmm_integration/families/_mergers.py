"""Model types by the way in which patches of their encoder become feature rows; the tests find it by gradients."""

from __future__ import annotations

from typing import Literal

Merger = Literal["rows", "groups", "squares"]

MERGERS: dict[Merger, tuple[str, ...]] = {
    "rows": ("deepseek_vl", "deepseek_vl_hybrid", "janus", "llava", "paligemma", "vipllava"),
    "groups": (
        "cohere_compass",
        "cosmos3_edge",
        "cosmos3_omni",
        "ernie4_5_vl_moe",
        "exaone4_5",
        "glm46v",
        "glm4v",
        "glm4v_moe",
        "glm5_next",
        "glm_ocr",
        "glmga",
        "hyperclovax_vision_v2",
        "minimax_m3_vl",
        "qwen2_5_omni_thinker",
        "qwen2_5_vl",
        "qwen2_vl",
        "qwen3_5",
        "qwen3_5_moe",
        "qwen3_omni_moe_thinker",
        "qwen3_vl",
        "qwen3_vl_moe",
        "qwen4_exp",
        "video_llama_3",
    ),
    "squares": (
        "aya_vision",
        "cohere2_vision",
        "gemma3",
        "idefics3",
        "internvl",
        "ovis2",
        "qianfan_ocr",
        "shieldgemma2",
        "smolvlm",
    ),
}


PACKED = ("pixtral",)
"""Encoders that read all images as one sequence, where attention is a share of all of them."""


def merger_of(model_type: str, encoder_type: str | None = None) -> Merger | None:
    """How a model type with such an encoder merges patches; None if nobody has looked, or the encoder packs images."""
    if encoder_type in PACKED:
        return None
    return next((merger for merger, types in MERGERS.items() if model_type in types), None)
