"""The lab's test: accuracy of the model through ``lmm_integration.prune``, with what each selection was worth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.lmm_lab.batches import UNASKED, Asked, asked
from experiments.lmm_lab.digits import DIGITS
from experiments.lmm_lab.model import TOKENS
from experiments.lmm_lab.task import IMAGE, PAD, START, Task
from lmm_integration import prune
from lmm_integration.stats import Kept
from mmdp import Problem

DEVELOPMENT = 2026  # seed of the test scenes that rules were tried on
_BATCH = 30


@dataclass(frozen=True, eq=False)
class Outcome:
    """One selector at one keep.

    right : (scenes, questions) bool, whether each question was answered
    kept : the tokens kept of each scene, for its first question if the selector reads the prompt
    objective : (scenes,) float64, smallest cosine distance among them; NaN if all are kept
    seconds : of selection, a scene
    """

    right: NDArray[np.bool_]
    kept: list[Kept]
    objective: NDArray[np.float64]
    seconds: float


class Lab:
    """The test scenes, what the tower sees of them, and a model to ask.

    Parameters
    ----------
    model : LlavaForConditionalGeneration
        Its tower is put behind a memory: it sees every scene once.
    count : int
        How many scenes, each with a question of every kind.
    task : Task
        What the model was trained on.
    seed : int
        Of the scenes.

    Attributes
    ----------
    each : int
        Questions about one scene.
    asked : list of Asked
        The scenes one by one.
    """

    def __init__(self, model: Any, count: int, task: Task = DIGITS, seed: int = DEVELOPMENT) -> None:
        self.model, self.task, self.each = model, task, len(task.kinds)
        self.asked = list(islice(asked(task, "test", seed, 1, self.each), count))
        self._batches = [_prompts(self.asked[start : start + _BATCH]) for start in range(0, count, _BATCH)]
        tower = model.model.vision_tower
        self._tower = tower if isinstance(tower, _Remembering) else _Remembering(tower)
        model.model.vision_tower = self._tower
        self.seen: list[Tensor] = []  # tower outputs (144, d), class attention (144,) and projected features, a scene
        self.attention: list[Tensor] = []
        self.features: list[Tensor] = []
        for images, *_ in self._batches:
            for i in range(0, len(images), self.each):
                self._look(images[i])
        self.scenes = len(self.features)
        self._number = {_key(rows): i for i, rows in enumerate(self.features)}

    def scene_of(self, features: Tensor) -> int:
        """Which scene these projected features are of."""
        return self._number[_key(features)]

    def attention_of(self, features: Tensor) -> Tensor:
        """How much the tower's class token attends to the patch behind each of these projected features."""
        return self.attention[self.scene_of(features)]

    def ask(self, solver: Any, keep: float, **options: Any) -> Outcome:
        """Accuracy and selections with ``prune(model, solver, keep, **options)``; all tokens if keep is 1."""
        right: list[NDArray[np.bool_]] = []
        kept: list[Kept] = []
        with prune(self.model, solver, keep, attention=self.attention_of, **options) as pruning:
            for images, ids, mask, answers in self._batches:
                with torch.inference_mode():
                    logits = self.model(pixel_values=images, input_ids=ids, attention_mask=mask).logits
                said = logits[:, -answers.shape[1] :].argmax(-1)
                right.append(((said == answers) | (answers == UNASKED)).all(1).numpy())
                kept.extend(pruning.last)
            seconds = pruning.stats.solve_seconds
        kept = kept[:: self.each]
        objective = np.array([self._objective(i, one.indices) for i, one in enumerate(kept)])
        return Outcome(
            np.concatenate(right).reshape(-1, self.each), kept, objective, seconds / (self.scenes * self.each)
        )

    def _objective(self, scene: int, indices: Tensor) -> float:
        if len(indices) == TOKENS:
            return float("nan")
        rows = self.features[scene][indices].double().numpy()
        return Problem(k=len(rows), points=rows, metric="cosine").objective(np.arange(len(rows)))[0]

    @torch.inference_mode()
    def _look(self, image: Tensor) -> None:
        out = self._tower(image[None], output_attentions=True)
        seen = out.last_hidden_state[0, 1:]
        self.seen.append(seen)
        self.attention.append(out.attentions[-1][0, :, 0, 1:].mean(0))
        self.features.append(self.model.model.multi_modal_projector(seen[None])[0])


class _Remembering(nn.Module):
    """A tower that computes one image at a time, each once: so its bits do not depend on the batch."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower, self._known = tower, dict[bytes, Any]()

    @property
    def config(self) -> Any:
        return self.tower.config

    @property
    def dtype(self) -> torch.dtype:
        return next(self.tower.parameters()).dtype

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> Any:
        if kwargs.pop("output_attentions", False):
            return self.tower(pixel_values, output_attentions=True)
        found = [self._one(image, **kwargs) for image in pixel_values]
        return type(found[0])(
            last_hidden_state=torch.cat([one.last_hidden_state for one in found]),
            hidden_states=tuple(map(torch.cat, zip(*(one.hidden_states for one in found), strict=True))),
        )

    def _one(self, image: Tensor, **kwargs: Any) -> Any:
        key = _key(image.flatten(1))
        if key not in self._known:
            self._known[key] = self.tower(image[None], **{**kwargs, "output_hidden_states": True})
        return self._known[key]


def _key(rows: Tensor) -> bytes:
    return rows.detach().contiguous().numpy().tobytes()


def _prompts(batch: list[Asked]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, prompts with all but the last word of the answer, padded in front, their mask, and the answers.

    One row a question. The answers (rows, a) end in the last column, as the logits that predict them do.
    """
    rows = [
        (one.images[0], one.ids[0, q], int(one.last[0, q]) + 1, one.answers[0, q][one.answers[0, q] != UNASKED])
        for one in batch
        for q in range(one.ids.shape[1])
    ]
    longest = max(asks + len(answer) - 1 for _, _, asks, answer in rows)
    ids = torch.full((len(rows), 1 + TOKENS + longest), PAD)
    mask = torch.zeros_like(ids)
    answers = torch.full((len(rows), max(len(answer) for *_, answer in rows)), UNASKED)
    for row, (_, words, asks, answer) in enumerate(rows):
        prompt = torch.cat((torch.tensor([START] + [IMAGE] * TOKENS), words[: asks + len(answer) - 1]))
        ids[row, -len(prompt) :], mask[row, -len(prompt) :] = prompt, 1
        answers[row, -len(answer) :] = answer
    return torch.stack([image for image, *_ in rows]), ids, mask, answers
