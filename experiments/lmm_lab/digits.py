"""The task of digits: two to five handwritten digits on nine places, and answers of one word."""

from __future__ import annotations

import numpy as np

from experiments.lmm_lab.pixels import pixels
from experiments.lmm_lab.questions import KINDS, WORDS, ask
from experiments.lmm_lab.scenes import COLOURS, PLACES, patch_labels, scene
from experiments.lmm_lab.task import END, Scene, Task


def draw(part: str, rng: np.random.Generator) -> Scene:
    """Draw a scene."""
    return scene(pixels(part), rng)


DIGITS = Task(
    name="digits",
    words=WORDS,
    kinds=KINDS,
    longest=5,
    longest_answer=1,
    draw=draw,
    ask=ask,
    labels=patch_labels,
    classes={"digit": 11, "colour": len(COLOURS) + 1, "centre": 2, "place": len(PLACES)},
    named={"digit": (END, *map(str, range(10))), "colour": (END, *COLOURS), "place": PLACES},
    subject="digit",
    sparse=("digit", "colour"),
)
