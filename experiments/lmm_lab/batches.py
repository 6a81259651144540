"""Endless batches of scenes, with what the patches show or with questions about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.lmm_lab.task import PAD, Question, Scene, Task

UNASKED = -100  # in place of an answer's words beyond its end, as the loss ignores it


@dataclass(frozen=True, eq=False)
class Asked:
    """Scenes and as many questions about each.

    images : (b, 3, 96, 96)
    ids : (b, q, task.longest), the question and all but the last word of its answer, padded behind
    last : (b, q), the place of a question's last word
    answers : (b, q, task.longest_answer), the words of the answer, ``UNASKED`` behind
    """

    images: Tensor
    ids: Tensor
    last: Tensor
    answers: Tensor
    questions: list[list[Question]]


def scenes(task: Task, part: str, seed: int, size: int) -> Iterator[list[Scene]]:
    """Batches of ``size`` scenes of ``part``, "train" or "test"."""
    rng = np.random.default_rng(seed)
    while True:
        yield [task.draw(part, rng) for _ in range(size)]


def labelled(task: Task, part: str, seed: int, size: int) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Batches of images and, by name, the (b, 144) labels of their patches."""
    for batch in scenes(task, part, seed, size):
        labels = [task.labels(one) for one in batch]
        yield images(batch), {name: torch.tensor(np.stack([of[name] for of in labels])) for name in labels[0]}


def asked(
    task: Task, part: str, seed: int, size: int, each: int, kinds: tuple[str, ...] | None = None
) -> Iterator[Asked]:
    """Batches of scenes with ``each`` questions about every one, the ``kinds`` in turn, by default all."""
    kinds = kinds or task.kinds
    rng = np.random.default_rng([seed, 1])
    for batch in scenes(task, part, seed, size):
        questions = [[task.ask(one, kinds[i % len(kinds)], rng) for i in range(each)] for one in batch]
        texts = [[task.encode(question.text) for question in row] for row in questions]
        told = [[task.encode(question.answer) for question in row] for row in questions]
        ids = [
            [_filled([*text, *answer[:-1]], task.longest, PAD) for text, answer in zip(*pair, strict=True)]
            for pair in zip(texts, told, strict=True)
        ]
        answers = [[_filled(answer, task.longest_answer, UNASKED) for answer in row] for row in told]
        last = torch.tensor([[len(text) - 1 for text in row] for row in texts])
        yield Asked(images(batch), torch.tensor(ids), last, torch.tensor(answers), questions)


def _filled(words: list[int], length: int, filling: int) -> list[int]:
    return words + [filling] * (length - len(words))


def images(batch: list[Scene]) -> Tensor:
    """The images of a batch, (b, 3, 96, 96) float32."""
    return torch.tensor(np.stack([one.image for one in batch]))
