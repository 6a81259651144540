"""The recipe: the tower learns what each patch shows, the projector to say it in words, the language model to answer.

From a cold start the language model stays at chance for thousands of steps, because its gradient says nothing to a
tower that sees nothing. And where a red patch and the word "red" have nothing in common, it takes thousands more until
the one attends to the other; hence the second stage, as in LLaVA (Liu et al., NeurIPS 2023, section 4.2). For the same
reason a question ends on the word that decides it: the answer is then one look at the image away. A dozen questions
share one image in a step: each sees the image and itself, no other question.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, layer_norm

from experiments._common.provenance import provenance
from experiments.lmm_lab.batches import UNASKED, Asked, asked, labelled
from experiments.lmm_lab.model import TOKENS, WIDTH, new, vision
from experiments.lmm_lab.task import START, Task
from experiments.lmm_lab.tasks import TASKS

_BACKGROUND = 0.2  # weight of patches that show nothing, four of five
_PREFIX = 1 + TOKENS  # the start and the image
_STAGE = "stage.pt"  # what a stage leaves for the next, gone at the end


@dataclass(frozen=True)
class Recipe:
    """Steps, batch sizes and learning rates of the stages; a rate rises for a twentieth of it, then falls to zero."""

    task: str = "digits"
    seed: int = 0
    tower_steps: int = 2200
    tower_batch: int = 32
    tower_rate: float = 1.5e-3
    tower_bfloat16: bool = False  # whether products of the first stage are taken in halves, in half the time
    words_steps: int = 100
    words_batch: int = 32
    words_rate: float = 3e-3
    language_steps: int = 4000
    language_batch: int = 8
    questions: int = 12
    language_rate: float = 1.2e-3
    language_rounds: int = 1  # of so many steps, each with other scenes and with rates that rise and fall anew
    drill_rounds: int = 0  # behind them, in which the kinds ``drilled`` are asked about ``drill`` times as often
    drill_steps: int = 5000
    drilled: tuple[str, ...] = ()
    drill: int = 5
    width: int = WIDTH
    layers: int = 4
    every: int = 50  # steps between two lines of the log


RECIPES: dict[str, dict[str, Any]] = {  # what deviates from the recipe of digits
    "digits": {},
    "reading": {"tower_steps": 4000, "tower_bfloat16": True, "words_steps": 200, "language_steps": 8000},
    "dense": {"tower_steps": 3000, "tower_bfloat16": True, "language_steps": 8000, "language_rounds": 2,
              "drill_rounds": 2, "drilled": ("both", "presence")},
}  # fmt: skip


def recipe_of(task: str, seed: int) -> Recipe:
    """The recipe for a task; those of reading and dense scenes are estimates until they have been trained once."""
    return replace(Recipe(task=task, seed=seed), **RECIPES[task])


class Log:
    """Lines of (stage, step, seconds, loss, accuracy) in a CSV file, also printed."""

    def __init__(self, path: Path) -> None:
        self._path, self._start = path, time.perf_counter()
        if not path.exists():
            self._write(["stage", "step", "seconds", "loss", "accuracy"])

    def add(self, stage: str, step: int, loss: float, accuracy: float) -> None:
        """Write a line."""
        row = [stage, step, round(time.perf_counter() - self._start, 1), round(loss, 4), round(accuracy, 4)]
        self._write(row)
        print(*row, flush=True)

    def _write(self, row: list[Any]) -> None:
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow(row)


def train(recipe: Recipe, folder: Path) -> Any:
    """Train from scratch, or from the last stage that an interrupted run of this recipe has finished in ``folder``.

    Writes the checkpoint, and beside it log.csv and recipe.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = {"recipe": asdict(recipe), "threads": torch.get_num_threads(), **provenance(("torch", "transformers"))}
    task = TASKS[recipe.task]
    model = new(len(task.words), recipe.seed, recipe.width, recipe.layers)
    finished, state = _finished(recipe, folder)
    model.load_state_dict(state or model.state_dict())
    if not finished:
        (folder / "log.csv").unlink(missing_ok=True)
    log = Log(folder / "log.csv")
    stages: list[Callable[[Any, Task, Recipe, Log], None]] = [train_tower, train_projector]
    stages += [partial(train_language, turn=turn) for turn in range(recipe.language_rounds + recipe.drill_rounds)]
    for number, stage in enumerate(stages, 1):
        if number > finished:
            stage(model, task, recipe, log)
            torch.save((asdict(recipe), number, model.state_dict()), folder / _STAGE)
    model.save_pretrained(folder)
    (folder / "recipe.json").write_text(json.dumps(about, indent=2) + "\n")
    (folder / _STAGE).unlink()
    return model


def _finished(recipe: Recipe, folder: Path) -> tuple[int, dict[str, Tensor] | None]:
    """How many stages of the recipe are done, and the weights after them."""
    if not (folder / _STAGE).exists():
        return 0, None
    known, number, state = torch.load(folder / _STAGE)
    return (number, state) if known == asdict(recipe) else (0, None)


def train_tower(model: Any, task: Task, recipe: Recipe, log: Log) -> None:
    """First stage: linear heads name what every patch shows."""
    torch.manual_seed(recipe.seed)
    width = model.config.vision_config.hidden_size
    heads = nn.ModuleDict({name: nn.Linear(width, classes) for name, classes in task.classes.items()})
    weights = {name: _weights(task.classes[name]) for name in task.sparse}
    batches = labelled(task, "train", recipe.seed, recipe.tower_batch)
    parameters = [*model.model.vision_tower.parameters(), *heads.parameters()]
    for step, (optimizer, schedule) in _steps(parameters, recipe.tower_steps, recipe.tower_rate):
        images, labels = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.tower_bfloat16):
            seen = layer_norm(vision(model, images)[0], (width,))
            scores = {name: head(seen).float() for name, head in heads.items()}
        loss = _naming_loss(scores, labels, weights)
        _descend(loss, optimizer, schedule, parameters)
        if step % recipe.every == 0 or step == recipe.tower_steps:
            log.add("tower", step, float(loss.detach()), _named(task.subject, scores, labels))


def train_projector(model: Any, task: Task, recipe: Recipe, log: Log) -> None:
    """Second stage: a projected patch comes near the embeddings of the words for what it shows."""
    words = model.model.language_model.embed_tokens
    numbers = {name: torch.tensor(task.encode(" ".join(listed))) for name, listed in task.named.items()}
    batches = labelled(task, "train", recipe.seed + 2, recipe.words_batch)
    parameters = [*model.model.multi_modal_projector.parameters(), *words.parameters()]
    for step, (optimizer, schedule) in _steps(parameters, recipe.words_steps, recipe.words_rate):
        images, labels = next(batches)
        with torch.no_grad():
            seen = vision(model, images)[0]
        said = model.model.multi_modal_projector(seen)
        scores = {name: said @ words.weight[listed].T for name, listed in numbers.items()}
        loss = _naming_loss(scores, labels, {})
        _descend(loss, optimizer, schedule, parameters)
        if step % recipe.every == 0 or step == recipe.words_steps:
            log.add("words", step, float(loss.detach()), _named(task.subject, scores, labels))


def _naming_loss(scores: dict[str, Tensor], labels: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
    """What it costs to name the patches wrong, summed over what is named."""
    losses = [
        cross_entropy(score.flatten(0, 1), labels[name].flatten(), weights.get(name)) for name, score in scores.items()
    ]
    return torch.stack(losses).sum()


def _named(subject: str, scores: dict[str, Tensor], labels: dict[str, Tensor]) -> float:
    """Share of the patches that show the subject for which it is named right."""
    right = scores[subject].argmax(-1) == labels[subject]
    return float(right[labels[subject] > 0].float().mean())


def train_language(model: Any, task: Task, recipe: Recipe, log: Log, turn: int = 0) -> None:
    """Third stage: questions and answers, the tower as it is; behind the usual rounds, those of the drill."""
    kinds, steps = task.kinds, recipe.language_steps
    if turn >= recipe.language_rounds:
        kinds, steps = (*kinds, *recipe.drilled * (recipe.drill - 1)), recipe.drill_steps
    each = recipe.questions * len(kinds) // len(task.kinds)
    batches = asked(task, "train", recipe.seed + 1 + 100 * turn, recipe.language_batch, each, kinds)
    parameters = [*model.model.language_model.parameters(), *model.model.multi_modal_projector.parameters()]
    for step, (optimizer, schedule) in _steps(parameters, steps, recipe.language_rate):
        batch = next(batches)
        with torch.no_grad():
            seen = vision(model, batch.images)[0]
        scores = answer_scores(model, seen, batch)
        loss = cross_entropy(scores.flatten(0, 2), batch.answers.flatten(), ignore_index=UNASKED)
        _descend(loss, optimizer, schedule, parameters)
        if step % recipe.every == 0 or step == steps:
            log.add("language", step, float(loss.detach()), _answered(scores, batch))


def _answered(scores: Tensor, batch: Asked) -> float:
    """Share of the questions of which every word is answered right."""
    right = (scores.argmax(-1) == batch.answers) | (batch.answers == UNASKED)
    return float(right.all(-1).float().mean())


def answer_scores(model: Any, seen: Tensor, batch: Asked) -> Tensor:
    """Scores (b, q, a, words) of every word as each word of every answer, in one pass over images and questions.

    The words of an answer before the one that is scored are given.
    """
    inner = model.model
    b, q, longest = batch.ids.shape
    words = inner.language_model.embed_tokens(batch.ids).flatten(1, 2)
    start = inner.language_model.embed_tokens(torch.full((b, 1), START))
    embedded = torch.cat((start, inner.multi_modal_projector(seen), words), dim=1)
    positions = torch.cat((torch.arange(_PREFIX), _PREFIX + torch.arange(longest).repeat(q)))
    hidden = inner.language_model(
        inputs_embeds=embedded,
        attention_mask=_own_question_only(q, longest).expand(b, -1, -1, -1),
        position_ids=positions.expand(b, -1),
        use_cache=False,
    ).last_hidden_state
    steps = torch.arange(batch.answers.shape[2])
    ends = (batch.last[..., None] + steps).clamp(max=longest - 1)  # beyond an answer's end, where nothing is asked
    places = (_PREFIX + torch.arange(q)[:, None] * longest + ends).flatten(1)
    scores: Tensor = model.lm_head(hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[-1])))
    of_each_word: Tensor = scores.unflatten(1, (q, len(steps)))
    return of_each_word


def _own_question_only(q: int, longest: int) -> Tensor:
    """Mask (1, 1, n, n) in which a word sees the image and the earlier words of its own question."""
    n = _PREFIX + q * longest
    question = torch.cat((torch.full((_PREFIX,), -1), torch.arange(q).repeat_interleave(longest)))
    own = (question[:, None] == question) | (question == -1)
    allowed = own & torch.ones(n, n, dtype=torch.bool).tril()
    return torch.where(allowed, 0.0, torch.finfo(torch.float32).min)[None, None]


def _weights(classes: int) -> Tensor:
    weights = torch.ones(classes)
    weights[0] = _BACKGROUND
    return weights


def _steps(parameters: list[Tensor], steps: int, rate: float) -> Iterator[tuple[int, tuple[Any, Any]]]:
    optimizer = torch.optim.AdamW(parameters, rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.05)
    for step in range(1, steps + 1):
        yield step, (optimizer, schedule)


def _descend(loss: Any, optimizer: Any, schedule: Any, parameters: list[Tensor]) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()
