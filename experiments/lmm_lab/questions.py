"""Questions about scenes and their answers, in a language of a few dozen words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from experiments.lmm_lab.scenes import COLOURS, PLACES, Thing
from experiments.lmm_lab.task import SPECIAL, Question, Scene

_ASKING = ("which", "digit", "digits", "colour", "where", "how", "many", "are", "is", "at", "larger", "smaller", "than")
WORDS = (*SPECIAL, *_ASKING, "yes", "no", *map(str, range(10)), *COLOURS, *PLACES)
KINDS = ("identity", "colour", "place", "count", "comparison")


def ask(about: Scene, kind: str, rng: np.random.Generator) -> Question:
    """Draw a question of one kind; where the scene admits none (two digits of one colour, say), one of identity."""
    choices = list(_ASKERS[kind](about.things))
    if not choices:
        kind, choices = "identity", list(_identity(about.things))
    text, answer = choices[int(rng.integers(len(choices)))]
    return Question(kind, text, answer)


def _unique(things: tuple[Thing, ...], attribute: str) -> list[Thing]:
    counts = Counter(getattr(thing, attribute) for thing in things)
    return [thing for thing in things if counts[getattr(thing, attribute)] == 1]


def _identity(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    for thing in _unique(things, "colour"):
        yield f"which digit is {thing.colour}", str(thing.value)
    for thing in things:
        yield f"which digit is at {thing.place}", str(thing.value)


def _colour(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    for thing in _unique(things, "value"):
        yield f"which colour is {thing.value}", thing.colour
    for thing in things:
        yield f"which colour is at {thing.place}", thing.colour


def _place(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    for thing in _unique(things, "colour"):
        yield f"where is {thing.colour}", thing.place
    for thing in _unique(things, "value"):
        yield f"where is {thing.value}", thing.place


def _count(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    yield from [("how many digits", str(len(things)))] * 2
    for colour, count in Counter(thing.colour for thing in things).items():
        yield f"how many are {colour}", str(count)
    absent = [colour for colour in COLOURS if all(thing.colour != colour for thing in things)]
    colour = absent[sum(thing.value for thing in things) % len(absent)]
    yield f"how many are {colour}", "0"


def _comparison(things: tuple[Thing, ...]) -> Iterator[tuple[str, str]]:
    unique = _unique(things, "colour")
    for one in unique:
        for other in unique:
            if one.value != other.value:
                yield f"is {one.colour} larger than {other.colour}", "yes" if one.value > other.value else "no"
                yield f"is {one.colour} smaller than {other.colour}", "yes" if one.value < other.value else "no"


_ASKERS: dict[str, Callable[[tuple[Thing, ...]], Iterator[tuple[str, str]]]] = {
    "identity": _identity,
    "colour": _colour,
    "place": _place,
    "count": _count,
    "comparison": _comparison,
}
