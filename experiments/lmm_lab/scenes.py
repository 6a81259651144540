"""Scenes: coloured digits on nine places over a photograph, what they show and how they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.lmm_lab.pixels import DIGIT, PATCH, SIDE, Pixels
from experiments.lmm_lab.task import Scene

COLOURS = {
    "red": (1.0, 0.15, 0.1),
    "green": (0.1, 0.9, 0.2),
    "blue": (0.2, 0.4, 1.0),
    "yellow": (1.0, 0.95, 0.1),
    "pink": (1.0, 0.35, 0.95),
    "white": (1.0, 1.0, 1.0),
}
PLACES = tuple(f"{row}-{column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right"))
GRID = SIDE // PATCH
_ACROSS = 3  # places in a row
_CELL = SIDE // _ACROSS
_DIM = 0.55  # of the photograph, so that a digit can be seen on it


@dataclass(frozen=True)
class Thing:
    """One digit of a scene: its value and the names of its colour and its place."""

    value: int
    colour: str
    place: str


def scene(pixels: Pixels, rng: np.random.Generator, fewest: int = 2, most: int = 5) -> Scene:
    """Draw a scene of ``fewest`` to ``most`` digits, on different places; colours may repeat."""
    image = background(pixels.photos, rng)
    count = int(rng.integers(fewest, most + 1))
    things, corners = [], []
    for place in sorted(rng.choice(len(PLACES), count, replace=False).tolist()):
        colour = str(rng.choice(list(COLOURS)))
        chosen = int(rng.integers(len(pixels.ink)))
        corner = np.array(divmod(place, _ACROSS)) * (_CELL // PATCH) + rng.integers(0, 2, 2)
        paint(image, pixels.ink[chosen], COLOURS[colour], corner * PATCH, rng)
        things.append(Thing(int(pixels.values[chosen]), colour, PLACES[place]))
        corners.append(corner)
    return Scene(tuple(things), standardised(image), np.array(corners))


def standardised(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels first, and values from -1 to 1."""
    return np.ascontiguousarray((image.transpose(2, 0, 1) - 0.5) / 0.5, dtype=np.float32)


def background(photos: Sequence[NDArray[np.float32]], rng: np.random.Generator) -> NDArray[np.float32]:
    """A dimmed crop of one of the photographs, (96, 96, 3)."""
    photo = photos[int(rng.integers(len(photos)))]
    top, left = (int(rng.integers(0, side - SIDE + 1)) for side in photo.shape[:2])
    crop = photo[top : top + SIDE, left : left + SIDE]
    return _DIM * (crop[:, ::-1] if rng.random() < 0.5 else crop)


def paint(
    image: NDArray[np.float32],
    ink: NDArray[np.float32],
    colour: tuple[float, ...],
    corner: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """Blend ink (h, w) into the image with its corner at a pixel, its colour a little off."""
    window = image[corner[0] : corner[0] + ink.shape[0], corner[1] : corner[1] + ink.shape[1]]
    cover = np.minimum(1, 1.25 * ink)[..., None]
    shade = np.clip(np.array(colour) + rng.uniform(-0.08, 0.08, 3), 0, 1)
    window[:] = window * (1 - cover) + shade * cover


def patch_labels(of: Scene) -> dict[str, NDArray[np.int64]]:
    """What each of the 144 patches shows, in row-major order; 0 for photograph.

    "digit": value + 1; "colour": number in COLOURS + 1; "centre": 1 for the middle patch of a digit; "place": the place
    that the patch belongs to, for every patch.
    """
    digit, colour, centre = (np.zeros((GRID, GRID), dtype=np.int64) for _ in range(3))
    names, span = list(COLOURS), DIGIT // PATCH
    for thing, (top, left) in zip(of.things, of.corners, strict=True):
        window = np.s_[top : top + span, left : left + span]
        digit[window], colour[window] = thing.value + 1, names.index(thing.colour) + 1
        centre[top + span // 2, left + span // 2] = 1
    band = np.arange(GRID) * _ACROSS // GRID
    place = band[:, None] * _ACROSS + band
    return {"digit": digit.ravel(), "colour": colour.ravel(), "centre": centre.ravel(), "place": place.ravel()}
