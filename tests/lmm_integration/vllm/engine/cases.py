"""Prompts with images and videos, and what a model of each kind calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

VISION = "<|vision_start|><|{}_pad|><|vision_end|>"
IMAGE = {"llava": "<image>", "llava_next": "<image>", "llava_onevision": "<image>", "internvl": "<IMG_CONTEXT>"}
IMAGE |= {"gemma3": "<start_of_image>"} | dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), VISION.format("image"))
VIDEO = {"llava_onevision": "<video>", "internvl": "<video>"}
VIDEO |= dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), VISION.format("video"))
SIZES = [(280, 336), (336, 196), (168, 420), (308, 308)]
FRAMES = 8


@dataclass(frozen=True)
class Case:
    """A text with ``{image}`` and ``{video}`` in it, and the seeds of what stands there."""

    text: str
    images: tuple[int, ...] = ()
    videos: tuple[int, ...] = ()

    def prompt(self, kind: str) -> str:
        """The text as a model reads it."""
        return self.text.replace("{image}", IMAGE[kind]).replace("{video}", VIDEO.get(kind, ""))


IMAGES = [
    Case("USER: {image} what is number 0?", (0,)),
    Case("USER: {image} what is number 1? and so on", (1,)),
    Case("USER: {image} what is number 2? and so on and so on", (2,)),
    Case("USER: {image} first, {image} second: compare them", (1, 3)),
    Case("USER: {image} another question about an image that was there before", (0,)),
    Case("a long start of text only, {image} then {image} and {image} last", (3, 3, 2)),
    Case("no image at all"),
]
VIDEOS = [
    Case("USER: {video} what happens here?", (), (0,)),
    Case("USER: {image} an image, then {video} a video; tell", (1,), (1,)),
    Case("USER: {video} something else about it", (), (0,)),
]


def image(seed: int, fixed: int | None = None) -> Image.Image:
    """Gradients and coarse noise; ``fixed``: the side of a square, else one of four shapes."""
    height, width = (fixed, fixed) if fixed else SIZES[seed % len(SIZES)]
    return Image.fromarray(_pixels(np.random.default_rng(seed), height, width))


def video(seed: int, fixed: int | None = None) -> NDArray[np.uint8]:
    """Frames (n, h, w, 3) that differ."""
    rng = np.random.default_rng(1000 + seed)
    return np.stack([_pixels(rng, fixed or 168, fixed or 112) for _ in range(FRAMES)])


def metadata() -> dict[str, Any]:
    """What vLLM and transformers ask about a video, two frames a second."""
    return {
        "fps": 2.0,
        "duration": FRAMES / 2,
        "total_num_frames": FRAMES,
        "frames_indices": list(range(FRAMES)),
        "video_backend": "opencv",
    }


def _pixels(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    noise = rng.integers(0, 127, (-(-height // 14), -(-width // 14), 3)).repeat(14, 0).repeat(14, 1)
    return (np.stack([x, y, x * y], -1) * 128 + noise[:height, :width]).astype(np.uint8)
