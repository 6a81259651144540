"""The tasks of the lab, and the checkpoints trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.lmm_lab.dense import DENSE
from experiments.lmm_lab.digits import DIGITS
from experiments.lmm_lab.reading import READING
from experiments.lmm_lab.task import Task
from mmdp import UnknownNameError

TASKS = {task.name: task for task in (DIGITS, READING, DENSE)}
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Checkpoint:
    """A model of the study: its task, the seed it is trained with, and its folder."""

    task: Task
    seed: int

    @property
    def name(self) -> str:
        """As in "digits-0"."""
        return f"{self.task.name}-{self.seed}"

    @property
    def folder(self) -> Path:
        """Where its weights are, or will be."""
        return _HERE / "checkpoint" if self.name == "digits-0" else _HERE / "checkpoints" / self.name

    @property
    def is_trained(self) -> bool:
        """Whether the weights are there."""
        return (self.folder / "model.safetensors").exists()


CHECKPOINTS = (Checkpoint(DIGITS, 0), Checkpoint(DIGITS, 1), Checkpoint(READING, 0), Checkpoint(DENSE, 0))


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint of that name, such as "reading-0"; any seed of any task can be trained.

    Raises
    ------
    UnknownNameError
        If there is no such task, or the seed is not a whole number.
    """
    task, _, seed = name.rpartition("-")
    if task not in TASKS or not seed.isdigit():
        raise UnknownNameError(f"no checkpoint {name!r}; give a task of {', '.join(TASKS)} and a seed, as in digits-1")
    return Checkpoint(TASKS[task], int(seed))
