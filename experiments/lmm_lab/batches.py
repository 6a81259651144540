"""Endless batches of scenes, with what the patches show or with questions about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.lmm_lab.pixels import pixels
from experiments.lmm_lab.questions import KINDS, PAD, Question, ask, encode
from experiments.lmm_lab.scenes import Scene, patch_labels, scene

LONGEST = 5  # words of a question


@dataclass(frozen=True, eq=False)
class Asked:
    """Scenes and as many questions about each.

    images : (b, 3, 96, 96)
    ids : (b, q, 5), padded behind
    last, answers : (b, q), the place of a question's last word, and the number of the word that answers it
    """

    images: Tensor
    ids: Tensor
    last: Tensor
    answers: Tensor
    questions: list[list[Question]]


def scenes(part: str, seed: int, size: int) -> Iterator[list[Scene]]:
    """Batches of ``size`` scenes of ``part``, "train" or "test"."""
    source, rng = pixels(part), np.random.default_rng(seed)
    while True:
        yield [scene(source, rng) for _ in range(size)]


def labelled(part: str, seed: int, size: int) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Batches of images and, by name, the (b, 144) labels of their patches."""
    for batch in scenes(part, seed, size):
        labels = [patch_labels(one) for one in batch]
        yield images(batch), {name: torch.tensor(np.stack([of[name] for of in labels])) for name in labels[0]}


def asked(part: str, seed: int, size: int, each: int) -> Iterator[Asked]:
    """Batches of scenes with ``each`` questions about every one, the kinds in turn."""
    rng = np.random.default_rng([seed, 1])
    for batch in scenes(part, seed, size):
        questions = [[ask(one, KINDS[i % len(KINDS)], rng) for i in range(each)] for one in batch]
        lists = [[question.ids for question in row] for row in questions]
        ids = torch.tensor([[words + [PAD] * (LONGEST - len(words)) for words in row] for row in lists])
        last = torch.tensor([[len(words) - 1 for words in row] for row in lists])
        answers = torch.tensor([[encode(question.answer)[0] for question in row] for row in questions])
        yield Asked(images(batch), ids, last, answers, questions)


def images(batch: list[Scene]) -> Tensor:
    """The images of a batch, (b, 3, 96, 96) float32."""
    return torch.tensor(np.stack([one.image for one in batch]))
