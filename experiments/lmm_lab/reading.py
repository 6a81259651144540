"""The task of reading: one to three strings of letters in several fonts and sizes, read letter by letter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from experiments.lmm_lab.pixels import PATCH, SIDE, photographs
from experiments.lmm_lab.scenes import COLOURS, GRID, background, paint, standardised
from experiments.lmm_lab.task import END, SPECIAL, Question, Scene, Task

LETTERS = "ACEFHJKLMNPRTUXY"
LINES = ("top", "middle", "bottom")
KINDS = ("read_colour", "read_place", "colour", "place", "count")
FONTS = ("DejaVuSans-Bold", "DejaVuSansMono-Bold", "DejaVuSerif-Bold", "STIXGeneralBol", "cmss10", "cmb10")
SHORTEST, LONGEST = 3, 6
_HEIGHT = SIDE // len(LINES)
_SIZES = (14, 20)  # of a font, in pixels
_ASKING = ("read", "which", "colour", "where", "is", "how", "many", "words")
_HELD_OUT = 4  # every fourth string, by the sum of its letters' numbers, is for tests alone


@dataclass(frozen=True)
class Line:
    """One string: its letters, its colour, its place, and each letter's box (top, left, bottom, right) in pixels."""

    text: str
    colour: str
    place: str
    boxes: tuple[tuple[int, int, int, int], ...]


def is_for_tests(text: str) -> bool:
    """Whether a string is never shown in training."""
    return sum(map(LETTERS.index, text)) % _HELD_OUT == 0


def draw(part: str, rng: np.random.Generator) -> Scene:
    """Draw a scene: strings of different colours on different lines."""
    image = background(photographs(part), rng)
    count = int(rng.integers(1, len(LINES) + 1))
    colours = rng.choice(list(COLOURS), count, replace=False).tolist()
    lines, corners = [], []
    for place, colour in zip(sorted(rng.choice(len(LINES), count, replace=False).tolist()), colours, strict=True):
        text = _string(part, rng)
        font, size = FONTS[int(rng.integers(len(FONTS)))], int(rng.integers(_SIZES[0], _SIZES[1] + 1))
        ink, boxes = written(text, font, size)
        top = place * _HEIGHT + int(rng.integers(0, _HEIGHT - ink.shape[0] + 1))
        left = int(rng.integers(0, SIDE - ink.shape[1] + 1))
        paint(image, ink, COLOURS[colour], np.array([top, left]), rng)
        placed = tuple((top + a, left + b, top + c, left + d) for a, b, c, d in boxes)
        lines.append(Line(text, colour, LINES[place], placed))
        corners.append((top // PATCH, left // PATCH))
    return Scene(tuple(lines), standardised(image), np.array(corners))


def _string(part: str, rng: np.random.Generator) -> str:
    while True:
        text = "".join(rng.choice(list(LETTERS), int(rng.integers(SHORTEST, LONGEST + 1))).tolist())
        if is_for_tests(text) == (part == "test"):
            return text


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)


def written(text: str, font: str, size: int) -> tuple[NDArray[np.float32], list[tuple[int, int, int, int]]]:
    """Ink of a string in [0, 1], and the box of each letter; smaller if it is too wide for the image.

    A letter is at least a patch wide, so that the centre of some patch lies in its box.
    """
    letters = [_font(font, size).getbbox(letter) for letter in text]
    widths = [max(PATCH, round(right - left)) for left, _, right, _ in letters]
    if sum(widths) + len(text) > SIDE - 2:
        return written(text, font, size - 1)
    top, bottom = (int(end(box[edge] for box in letters)) for end, edge in ((min, 1), (max, 3)))
    page = Image.new("L", (sum(widths) + len(text), bottom - top))
    pen, boxes, x = ImageDraw.Draw(page), [], 0
    for letter, (left, _, right, _), width in zip(text, letters, widths, strict=True):
        pen.text((x + (width - (right - left)) / 2 - left, -top), letter, fill=255, font=_font(font, size))
        boxes.append((0, x, page.height, x + width))
        x += width + 1
    return np.asarray(page, dtype=np.float32) / np.float32(255), boxes


def labels(of: Scene) -> dict[str, NDArray[np.int64]]:
    """What each patch shows, by where its centre lies; 0 for photograph.

    "letter": number of the letter + 1; "colour": number in COLOURS + 1; "order": place in the string from 1; "line":
    the line of every patch.
    """
    letter, colour, order = (np.zeros((GRID, GRID), dtype=np.int64) for _ in range(3))
    centre = PATCH * np.arange(GRID) + PATCH / 2
    for line in of.things:
        for number, (text, (top, left, bottom, right)) in enumerate(zip(line.text, line.boxes, strict=True), 1):
            inside = np.ix_((centre >= top) & (centre < bottom), (centre >= left) & (centre < right))
            letter[inside] = LETTERS.index(text) + 1
            colour[inside] = list(COLOURS).index(line.colour) + 1
            order[inside] = number
    band = np.repeat(np.arange(GRID) * len(LINES) // GRID, GRID)
    return {"letter": letter.ravel(), "colour": colour.ravel(), "order": order.ravel(), "line": band}


def ask(about: Scene, kind: str, rng: np.random.Generator) -> Question:
    """Draw a question of one kind."""
    line = about.things[int(rng.integers(len(about.things)))]
    spelt = " ".join(line.text)
    text, answer = {
        "read_colour": (f"read {line.colour}", spelt),
        "read_place": (f"read {line.place}", spelt),
        "colour": (f"which colour is {line.place}", line.colour),
        "place": (f"where is {line.colour}", line.place),
        "count": ("how many words", str(len(about.things))),
    }[kind]
    return Question(kind, text, f"{answer} {END}")


READING = Task(
    name="reading",
    words=(*SPECIAL, *_ASKING, *LETTERS, *COLOURS, *LINES, *map(str, range(1, len(LINES) + 1))),
    kinds=KINDS,
    longest=4 + LONGEST,
    longest_answer=LONGEST + 1,
    draw=draw,
    ask=ask,
    labels=labels,
    classes={"letter": len(LETTERS) + 1, "colour": len(COLOURS) + 1, "order": LONGEST + 1, "line": len(LINES)},
    named={"letter": (END, *LETTERS), "colour": (END, *COLOURS), "line": LINES},
    subject="letter",
    sparse=("letter", "colour", "order"),
)
