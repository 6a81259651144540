"""What a task of the lab consists of: scenes, what their patches show, questions and answers, and a small language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPECIAL = ("<pad>", "<image>", "<start>")
PAD, IMAGE, START = range(len(SPECIAL))
END = SPECIAL[PAD]  # ends an answer of several words


@dataclass(frozen=True)
class Question:
    """A question, its kind and its answer, in words of the task's language."""

    kind: str
    text: str
    answer: str


@dataclass(frozen=True, eq=False)
class Scene:
    """What is to be seen, its pixels (3, 96, 96) in about [-1, 1], and the first patch of each thing, (m, 2)."""

    things: tuple[Any, ...]
    image: NDArray[np.float32]
    corners: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Task:
    """A kind of image with questions about it.

    Attributes
    ----------
    words : tuple of str
        The language, special words first.
    kinds : tuple of str
        Kinds of question, asked in turn.
    longest, longest_answer : int
        Words of a question with all but the last of its answer, and of an answer, at most.
    draw : callable
        (part, rng) to a scene of "train" or "test", endlessly.
    ask : callable
        (scene, kind, rng) to a question.
    labels : callable
        A scene to the label of each of its 144 patches, by name; 0 for none.
    classes : mapping
        How many labels of each name there are.
    named : mapping
        The words for the labels of a name, for those names that have words; the padding stands for none.
    subject : str
        The name by which the training log counts.
    sparse : tuple of str
        Names whose label is none for most patches, which then weigh less.
    """

    name: str
    words: tuple[str, ...]
    kinds: tuple[str, ...]
    longest: int
    longest_answer: int
    draw: Callable[[str, np.random.Generator], Any]
    ask: Callable[[Any, str, np.random.Generator], Question]
    labels: Callable[[Any], dict[str, NDArray[np.int64]]]
    classes: Mapping[str, int]
    named: Mapping[str, tuple[str, ...]]
    subject: str
    sparse: tuple[str, ...]

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, text: str) -> list[int]:
        """Numbers of the words of a text."""
        return [self._number[word] for word in text.split()]
