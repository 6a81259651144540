"""The task of dense scenes: eight to fourteen small shapes, to be counted and looked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.lmm_lab.pixels import PATCH, SIDE, photographs
from experiments.lmm_lab.scenes import COLOURS, GRID, background, paint, standardised
from experiments.lmm_lab.task import END, SPECIAL, Question, Scene, Task

SHAPES = ("circle", "square", "triangle", "cross", "ring")
KINDS = ("shape", "colour", "both", "presence", "all")
FEWEST, MOST = 8, 14
_CELL = 2 * PATCH
_ACROSS = SIDE // _CELL
_SIZES = (10, 15)  # of a shape, in pixels; a cell has 16
_ASKING = ("how", "many", "is", "there", "things")
_FINE = 4  # points to each side of a pixel, for smooth edges
_SHOWN = 0.15  # of a patch covered with ink, from which on it shows the shape


@dataclass(frozen=True)
class Shape:
    """One shape: its kind, its colour, and its corner and size in pixels."""

    kind: str
    colour: str
    corner: tuple[int, int]
    size: int


def draw(part: str, rng: np.random.Generator) -> Scene:
    """Draw a scene: shapes in different cells of a grid of six by six, somewhere in their cell."""
    image = background(photographs(part), rng)
    shapes = []
    count = int(rng.integers(FEWEST, MOST + 1))
    for cell in sorted(rng.choice(_ACROSS**2, count, replace=False).tolist()):
        kind, colour = str(rng.choice(SHAPES)), str(rng.choice(list(COLOURS)))
        size = int(rng.integers(_SIZES[0], _SIZES[1] + 1))
        corner = _CELL * np.array(divmod(cell, _ACROSS)) + rng.integers(0, _CELL - size + 1, 2)
        paint(image, ink(kind, size), COLOURS[colour], corner, rng)
        shapes.append(Shape(kind, colour, (int(corner[0]), int(corner[1])), size))
    return Scene(tuple(shapes), standardised(image), np.array([shape.corner for shape in shapes]) // PATCH)


def ink(kind: str, size: int) -> NDArray[np.float32]:
    """A shape as ink in [0, 1], (size, size)."""
    steps = (np.arange(size * _FINE) + 0.5) / (size * _FINE) * 2 - 1
    y, x = steps[:, None], steps[None, :]
    radius = np.hypot(x, y)
    covered = {
        "circle": radius <= 1,
        "square": np.maximum(abs(x), abs(y)) <= 0.9,
        "triangle": abs(x) <= (y + 1) / 2,
        "cross": np.minimum(abs(x), abs(y)) <= 0.3,
        "ring": (radius <= 1) & (radius >= 0.55),
    }[kind]
    smooth: NDArray[np.float32] = covered.reshape(size, _FINE, size, _FINE).mean(axis=(1, 3)).astype(np.float32)
    return smooth


def labels(of: Scene) -> dict[str, NDArray[np.int64]]:
    """What each patch shows; 0 for photograph.

    "shape": number in SHAPES + 1; "colour": number in COLOURS + 1, where enough of the patch is covered; "centre": 1
    for the patch in which the middle of a shape lies.
    """
    shape, colour, centre = (np.zeros((GRID, GRID), dtype=np.int64) for _ in range(3))
    for thing in of.things:
        page = np.zeros((SIDE, SIDE), dtype=np.float32)
        (top, left), size = thing.corner, thing.size
        page[top : top + size, left : left + size] = ink(thing.kind, size)
        shown = page.reshape(GRID, PATCH, GRID, PATCH).mean(axis=(1, 3)) >= _SHOWN
        shape[shown], colour[shown] = SHAPES.index(thing.kind) + 1, list(COLOURS).index(thing.colour) + 1
        centre[(top + size // 2) // PATCH, (left + size // 2) // PATCH] = 1
    return {"shape": shape.ravel(), "colour": colour.ravel(), "centre": centre.ravel()}


def ask(about: Scene, kind: str, rng: np.random.Generator) -> Question:
    """Draw a question of one kind; every second one of presence is about something that is not there."""
    things = about.things
    one = things[int(rng.integers(len(things)))]
    shape = str(rng.choice(SHAPES))
    colour = str(rng.choice(list(COLOURS)))
    both = Counter((thing.colour, thing.kind) for thing in things)
    if kind == "presence":
        absent = sorted({(c, s) for c in COLOURS for s in SHAPES} - set(both))
        asked = (one.colour, one.kind) if rng.random() < 0.5 else absent[int(rng.integers(len(absent)))]
        return Question(kind, f"is there {' '.join(asked)}", "yes" if asked in both else "no")
    text, count = {
        "shape": (shape, sum(thing.kind == shape for thing in things)),
        "colour": (colour, sum(thing.colour == colour for thing in things)),
        "both": (f"{one.colour} {one.kind}", both[one.colour, one.kind]),
        "all": ("things", len(things)),
    }[kind]
    return Question(kind, f"how many {text}", str(count))


DENSE = Task(
    name="dense",
    words=(*SPECIAL, *_ASKING, "yes", "no", *map(str, range(MOST + 1)), *COLOURS, *SHAPES),
    kinds=KINDS,
    longest=4,
    longest_answer=1,
    draw=draw,
    ask=ask,
    labels=labels,
    classes={"shape": len(SHAPES) + 1, "colour": len(COLOURS) + 1, "centre": 2},
    named={"shape": (END, *SHAPES), "colour": (END, *COLOURS)},
    subject="shape",
    sparse=("shape", "colour"),
)
