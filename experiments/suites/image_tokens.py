"""Photographs cut into 24 x 24 patches, as the vision encoder of a multimodal model does: 576 tokens, cosine.

The photographs ship inside scikit-learn and scikit-image, so nothing is downloaded. A token here is the vector of
raw pixels that a ViT's patchify hands to its first layer (14 x 14 x 3 of a 336 x 336 image), not a learned feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.suites import Case
from mmdp import MissingDependencyError, Problem

GRID, PATCH = 24, 14
KEEP = (58, 144)  # a tenth, where token pruning usually works, and a quarter
_SOURCES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "china": ("sklearn", "datasets/images/china.jpg"),
}
PHOTOS = tuple(_SOURCES)


@dataclass(frozen=True, eq=False)
class Tokens:
    """A photograph and its patches.

    Attributes
    ----------
    image : (336, 336, 3) uint8 array
    vectors : (n, 588) float32 array
        The patches with a direction, row by row of the photograph.
    cells : (n,) int64 array
        Where they are: row * 24 + column.
    black : int
        All-black patches dropped, for a zero vector has no cosine distance to anything.
    """

    image: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    cells: NDArray[np.int64]

    @property
    def black(self) -> int:
        """Patches of zeros, dropped."""
        return GRID * GRID - len(self.cells)


@cache
def tokens(photo: str) -> Tokens:
    """Cut one of ``PHOTOS``: the largest square in the middle, resized to 336 x 336."""
    package, file = _SOURCES[photo]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(f"the photographs need {package}: pip install 'mmdp[experiments]'", name=package)
    with Image.open(Path(spec.origin).parent / file) as opened:
        whole = opened.convert("RGB")
    side = min(whole.size)
    left, top = ((length - side) // 2 for length in whole.size)
    square = whole.crop((left, top, left + side, top + side))
    return cut(np.asarray(square.resize((GRID * PATCH, GRID * PATCH), Image.Resampling.BICUBIC)))


def cut(image: NDArray[np.uint8]) -> Tokens:
    """Patchify a (336, 336, 3) image; patches of zeros are dropped and counted."""
    patches = image.reshape(GRID, PATCH, GRID, PATCH, 3).swapaxes(1, 2).reshape(GRID * GRID, -1)
    lit = patches.any(axis=1)
    return Tokens(image, patches[lit].astype(np.float32), np.flatnonzero(lit))


def cases() -> list[Case]:
    """Every photograph, keeping a tenth and a quarter of its 576 tokens."""
    return [_case(photo, k) for photo in PHOTOS for k in KEEP]


def _case(photo: str, k: int) -> Case:
    cells = tokens(photo)
    note = f"{cells.black} of 576 patches are all black and dropped: a zero vector has no cosine distance"
    return Case("image_tokens", photo, Problem(k, points=cells.vectors, metric="cosine"), note if cells.black else "")
