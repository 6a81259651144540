"""The study: every method at every keep, a row each, resumed where it was stopped."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments._common.console import Console, Progress
from experiments._common.rows import Rows
from experiments.lmm_lab.evaluate import Lab, Outcome
from experiments.lmm_lab.methods import Method, methods
from experiments.lmm_lab.model import CHECKPOINT, load
from experiments.lmm_lab.questions import KINDS

KEEPS = (0.5, 0.25, 0.15, 0.1, 0.07, 0.05)
KEY = ("method", "keep", "seed", "scenes", "checkpoint")
_SOURCES = ("mmdp", "solvers", "lmm_integration", "experiments/lmm_lab")


def rows(results: Path) -> Rows:
    """What has been measured so far."""
    return Rows(results / "lmm_lab.csv", KEY, _SOURCES, ("numpy", "numba", "torch", "transformers"))


def measure(results: Path, scenes: int, seeds: int, folder: Path = CHECKPOINT) -> Rows:
    """Ask the model of ``folder`` everything, and write the rows ``lmm_lab.csv``; what is there is not asked again."""
    measured = rows(results)
    lab = Lab(load(folder), scenes)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]
    everything = [(method, keep) for method in methods(lab, seeds) for keep in KEEPS]
    everything.insert(0, (Method("all tokens", "all", 0, "greedy"), 1.0))
    with Progress(Console()) as progress:
        task = progress.add_task("", total=len(everything))
        for method, keep in everything:
            progress.update(task, description=f"{method.name} keep {keep:.0%}")
            key = {"method": method.name, "keep": keep, "seed": method.seed, "scenes": scenes, "checkpoint": digest}
            if measured.find(**key) is None:
                method.proven.clear()
                outcome = lab.ask(method.rule, keep, seed=method.seed)
                measured.add(**key, group=method.group, **_columns(outcome, method))
            progress.advance(task)
    return measured


def _columns(outcome: Outcome, method: Method) -> dict[str, str | float]:
    selections = (
        len(KINDS) if method.group == "quality" else 1
    )  # these solve a scene once and remember it for its questions
    return {
        "accuracy": float(outcome.right.mean()),
        **{kind: float(outcome.right[:, i].mean()) for i, kind in enumerate(KINDS)},
        "objective": float(outcome.objective.mean()),
        "proven": float(np.mean(method.proven)) if method.proven else float("nan"),
        "seconds": outcome.seconds * selections,
        "right": " ".join(str(count) for count in outcome.right.sum(1)),
        "objectives": " ".join(f"{value:.5g}" for value in outcome.objective),
    }


def numbers(text: str) -> NDArray[np.float64]:
    """The per-scene values of a cell."""
    return np.array(text.split(), dtype=np.float64)
