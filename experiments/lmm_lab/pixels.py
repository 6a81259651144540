"""The pixels of the lab: handwritten digits and photographs, each cut into a part for training and a part for tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import data
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE, PATCH, DIGIT = 96, 8, 24
AUGMENTED = 24  # rotated, stretched and shifted copies of each digit of the training part
TRAIN_PHOTOS = (
    "astronaut",
    "brick",
    "cell",
    "coffee",
    "coins",
    "grass",
    "hubble_deep_field",
    "immunohistochemistry",
    "logo",
    "moon",
    "page",
    "rocket",
    "stereo_motorcycle",
)
TEST_PHOTOS = ("camera", "chelsea", "clock", "gravel", "retina", "text")


@dataclass(frozen=True, eq=False)
class Pixels:
    """One part: digits as ink in [0, 1], (m, 24, 24), with their values (m,), and photographs in three sizes each."""

    ink: NDArray[np.float32]
    values: NDArray[np.int64]
    photos: tuple[NDArray[np.float32], ...]


@cache
def pixels(part: str) -> Pixels:
    """Digits and photographs of ``part``, "train" or "test"; the two have none in common.

    Every fourth digit (by a stratified draw with a fixed seed) and six photographs are for tests.
    """
    digits = load_digits()
    train, test = train_test_split(
        np.arange(len(digits.target)), test_size=0.25, stratify=digits.target, random_state=0
    )
    chosen = train if part == "train" else test
    large = np.stack([enlarged(image / 16) for image in digits.images[chosen]])
    values = digits.target[chosen]
    if part == "train":
        rng = np.random.default_rng(0)
        copies = [large, *(np.stack([distorted(ink, rng) for ink in large]) for _ in range(AUGMENTED - 1))]
        large, values = np.concatenate(copies), np.tile(values, AUGMENTED)
    return Pixels(large, values.astype(np.int64), photographs(part))


@cache
def photographs(part: str) -> tuple[NDArray[np.float32], ...]:
    """The photographs of ``part``, in three sizes each."""
    names = TRAIN_PHOTOS if part == "train" else TEST_PHOTOS
    return tuple(size for name in names for size in sizes(photograph(name)))


def enlarged(image: NDArray[np.float64]) -> NDArray[np.float32]:
    """Three times as large, by cubic interpolation."""
    zoomed: NDArray[np.float64] = ndimage.zoom(image, DIGIT / len(image), order=3, grid_mode=True, mode="grid-constant")
    return zoomed.clip(0, 1).astype(np.float32)


def distorted(ink: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A digit slightly turned, sheared, stretched and shifted."""
    angle, shear = rng.uniform(-0.2, 0.2), rng.uniform(-0.15, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, shear], [0, 1]]) @ np.diag(rng.uniform(0.9, 1.15, 2))
    middle = np.full(2, (DIGIT - 1) / 2)
    offset = middle - matrix @ middle + rng.uniform(-1.5, 1.5, 2)
    moved: NDArray[np.float32] = ndimage.affine_transform(ink, matrix, offset, order=1)
    return moved


def photograph(name: str) -> NDArray[np.uint8]:
    """One of scikit-image's bundled images, in three channels."""
    loaded = getattr(data, name)()
    image = np.asarray(loaded[0] if isinstance(loaded, tuple) else loaded)
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]


def sizes(image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The image in [0, 1] with shorter sides of 120, 180 and 280 pixels, so that crops show much or little of it."""
    found = []
    for shorter in (120, 180, 280):
        scale = shorter / min(image.shape[:2])
        height, width = (max(SIDE, round(side * scale)) for side in image.shape[:2])
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
        found.append(np.asarray(resized, dtype=np.float32) / np.float32(255))
    return found
