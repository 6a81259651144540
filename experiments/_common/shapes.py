"""Sizes of published multimodal models, with random weights: as they are, or all of one model scaled alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

IMAGE_TOKEN = 31999


@dataclass(frozen=True)
class Stack:
    """Layers of a transformer; their width is ``heads * head``."""

    layers: int
    heads: int
    head: int
    inner: int

    def scaled(self, depth: float, width: float) -> Stack:
        """Fewer layers, and fewer heads of the same width."""
        layers, heads = max(2, round(self.layers * depth)), max(1, round(self.heads * width))
        return Stack(layers, heads, self.head, round(self.inner * width))

    def config(self) -> dict[str, Any]:
        """In the words of transformers."""
        return {
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "hidden_size": self.heads * self.head,
            "intermediate_size": self.inner,
        }


@dataclass(frozen=True)
class Scale:
    """What is left of the layers and of the width, in the encoder and the language model alike."""

    depth: float
    width: float


SCALES = {"full": Scale(1, 1), "quarter": Scale(3 / 8, 1 / 4), "tiny": Scale(1 / 16, 1 / 32)}
_CLIP_L = Stack(24, 16, 64, 4096)
_VICUNA_7B, _VICUNA_13B = Stack(32, 32, 128, 11008), Stack(40, 40, 128, 13824)
_QWEN_VISION, _QWEN_7B = Stack(32, 16, 80, 3420), Stack(28, 28, 128, 18944)


@dataclass(frozen=True)
class Shape:
    """A published model: its two halves, the configuration around them, and the encoder's arguments for one image."""

    vision: Stack
    text: Stack
    config: Callable[[Stack, Stack], dict[str, Any]]
    image: Callable[[], dict[str, torch.Tensor]]

    def build(self, scale: Scale, device: str, dtype: torch.dtype) -> Any:
        """Make the model, with random weights."""
        from transformers import AutoConfig, AutoModelForImageTextToText

        halves = (half.scaled(scale.depth, scale.width) for half in (self.vision, self.text))
        torch.manual_seed(0)
        with torch.device(device):
            config = AutoConfig.for_model(**self.config(*halves))
            model = AutoModelForImageTextToText.from_config(config, dtype=dtype).eval()
        model.generation_config.eos_token_id = None
        return model

    def prompt(self, model: Any, text: int, batch: int = 1) -> dict[str, torch.Tensor]:
        """Prompts of one image each between ``text`` tokens, four of them before it."""
        device, dtype = model.device, model.dtype
        images = [self.image() for _ in range(batch)]
        whole = {name: torch.cat([image[name] for image in images]) for name in images[0]}
        pixels = {n: v.to(device, dtype if v.is_floating_point() else None) for n, v in whole.items()}
        with torch.no_grad():
            output = model.model.get_image_features(**pixels)
        visual = sum(map(len, getattr(output, "pooler_output", output))) // batch
        ids = torch.tensor([[*range(3, 7), *[IMAGE_TOKEN] * visual, *range(7, 3 + text)]] * batch, device=device)
        typed = "mm_token_type_ids" in inspect.signature(model.forward).parameters
        types = {"mm_token_type_ids": (ids == IMAGE_TOKEN).long()} if typed else {}
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **types, **pixels}


def _clip(stack: Stack) -> dict[str, Any]:
    return {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14, **stack.config()}


def _llama(stack: Stack) -> dict[str, Any]:
    return {"model_type": "llama", "vocab_size": 32064, "pad_token_id": 0, **stack.config()}


def _llava(vision: Stack, text: Stack) -> dict[str, Any]:
    halves = {"vision_config": _clip(vision), "text_config": _llama(text)}
    return {"model_type": "llava", "image_token_index": IMAGE_TOKEN, **halves}


def _llava_next(vision: Stack, text: Stack) -> dict[str, Any]:
    return _llava(vision, text) | {"model_type": "llava_next"}


def _qwen(vision: Stack, text: Stack) -> dict[str, Any]:
    quarters = [vision.layers * (i + 1) // 4 - 1 for i in range(4)]
    encoder = {
        "depth": vision.layers,
        "hidden_size": vision.heads * vision.head,
        "num_heads": vision.heads,
        "intermediate_size": vision.inner,
        "out_hidden_size": text.heads * text.head,
        "fullatt_block_indexes": quarters,
    }
    rope = {"rope_type": "default", "type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
    decoder = {
        **text.config(),
        "model_type": "qwen2_5_vl_text",
        "num_key_value_heads": max(1, text.heads // 7),
        "vocab_size": 152064,
        "rope_scaling": rope,
    }
    return {
        "model_type": "qwen2_5_vl",
        "vision_config": encoder,
        "text_config": decoder,
        "image_token_id": IMAGE_TOKEN,
    }


def _square() -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(1, 3, 336, 336)}


def _tiles() -> dict[str, torch.Tensor]:
    """672 x 672 pixels: the whole image and its four quarters."""
    return {"pixel_values": torch.randn(1, 5, 3, 336, 336), "image_sizes": torch.tensor([[672, 672]])}


def _patches() -> dict[str, torch.Tensor]:
    """1008 x 1008 pixels: 72 x 72 patches, two frames of each, that become 36 x 36 tokens."""
    return {"pixel_values": torch.randn(72 * 72, 3 * 2 * 14 * 14), "image_grid_thw": torch.tensor([[1, 72, 72]])}


SHAPES = {
    "LLaVA-1.5-7B": Shape(_CLIP_L, _VICUNA_7B, _llava, _square),
    "LLaVA-1.5-13B": Shape(_CLIP_L, _VICUNA_13B, _llava, _square),
    "LLaVA-NeXT-7B": Shape(_CLIP_L, _VICUNA_7B, _llava_next, _tiles),
    "Qwen2.5-VL-7B": Shape(_QWEN_VISION, _QWEN_7B, _qwen, _patches),
}
