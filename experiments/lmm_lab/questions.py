"""Questions about scenes and their answers, in a language of a few dozen words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from experiments.lmm_lab.scenes import COLOURS, COLUMNS, ROWS, Scene, Thing

_SPECIAL = ("<pad>", "<image>", "<start>", "?")
_ASKING = (
    "which",
    "how",
    "many",
    "is",
    "are",
    "there",
    "the",
    "at",
    "in",
    "digit",
    "digits",
    "colour",
    "row",
    "column",
)
_COMPARING = ("larger", "smaller", "than", "largest", "smallest", "yes", "no")
WORDS = (*_SPECIAL, *_ASKING, *_COMPARING, *map(str, range(10)), *COLOURS, *ROWS, *COLUMNS)
PAD, IMAGE, START = (WORDS.index(word) for word in _SPECIAL[:3])
KINDS = ("identity", "colour", "place", "count", "comparison")
_NUMBER = {word: number for number, word in enumerate(WORDS)}


@dataclass(frozen=True)
class Question:
    """A question, its kind and its answer of one word."""

    kind: str
    text: str
    answer: str

    @property
    def ids(self) -> list[int]:
        """The words of the question as numbers."""
        return encode(self.text)


def encode(text: str) -> list[int]:
    """Numbers of the words of a text."""
    return [_NUMBER[word] for word in text.split()]


def ask(about: Scene, kind: str, rng: np.random.Generator) -> Question:
    """Draw a question of one kind; where the scene admits none (two digits of one colour, say), one of identity."""
    choices = list(_ASKERS[kind](about.things))
    if not choices:
        kind, choices = "identity", list(_identity(about.things))
    text, answer = choices[int(rng.integers(len(choices)))]
    return Question(kind, f"{text} ?", answer)


def _unique(things: tuple[Thing, ...], attribute: str) -> list[Thing]:
    counts = Counter(getattr(thing, attribute) for thing in things)
    return [thing for thing in things if counts[getattr(thing, attribute)] == 1]


def _identity(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    for thing in _unique(things, "colour"):
        yield f"which digit is {thing.colour}", str(thing.value)
    for thing in things:
        yield f"which digit is at {thing.row} {thing.column}", str(thing.value)


def _colour(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    for thing in _unique(things, "value"):
        yield f"which colour is the {thing.value}", thing.colour
    for thing in things:
        yield f"which colour is at {thing.row} {thing.column}", thing.colour


def _place(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    for attribute in ("colour", "value"):
        for thing in _unique(things, attribute):
            name = f"{thing.colour} digit" if attribute == "colour" else str(thing.value)
            yield f"which row is the {name} in", thing.row
            yield f"which column is the {name} in", thing.column


def _count(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    yield from [("how many digits are there", str(len(things)))] * 2
    for colour, count in Counter(thing.colour for thing in things).items():
        yield f"how many digits are {colour}", str(count)
    absent = [colour for colour in COLOURS if all(thing.colour != colour for thing in things)]
    colour = absent[sum(thing.place for thing in things) % len(absent)]
    yield f"how many digits are {colour}", "0"


def _comparison(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    unique = _unique(things, "colour")
    for one in unique:
        for other in unique:
            if one.value != other.value:
                yield _pair(one, other, "larger"), "yes" if one.value > other.value else "no"
                yield _pair(one, other, "smaller"), "yes" if one.value < other.value else "no"


def _pair(one: Thing, other: Thing, word: str) -> str:
    return f"is the {one.colour} digit {word} than the {other.colour} digit"


_ASKERS: dict[str, Callable[[tuple[Thing, ...]], Iterator[tuple[str, str]]]] = {
    "identity": _identity,
    "colour": _colour,
    "place": _place,
    "count": _count,
    "comparison": _comparison,
}
