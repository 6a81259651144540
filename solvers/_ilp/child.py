"""A model solved in a process of its own: HiGHS and SCIP cannot be interrupted from Python, a process can."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STARTUP_SECONDS = 10.0  # how long after its time limit a solver may take to come back


@dataclass(frozen=True)
class Outcome:
    """The best points, if any were found, and the solver's bound on its objective."""

    chosen: NDArray[np.int64] | None
    bound: float


def solve(model: str, arguments: tuple[Any, ...], hint: NDArray[np.int64], backend: str, seconds: float) -> Outcome:
    """Build ``textbook.<model>(*arguments)`` in a new process and maximise it there.

    Parameters
    ----------
    hint : (k,) int64 array
        Points to start from.
    backend : str
        "highs" or "scip".
    seconds : float
        Time limit of the solver, may be infinite.
    """
    request = pickle.dumps((model, arguments, hint, backend, seconds))
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **paths},
    ) as process:
        try:
            limit = seconds + _STARTUP_SECONDS if np.isfinite(seconds) else None
            answer, _ = process.communicate(request, timeout=limit)
        except subprocess.TimeoutExpired:
            return Outcome(None, np.inf)
        finally:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"{backend} ended with exit code {process.returncode} on the model {model}")
    return Outcome(*pickle.loads(answer))


def _maximise(
    model: str, arguments: tuple[Any, ...], hint: NDArray[np.int64], backend: str, seconds: float
) -> tuple[NDArray[np.int64] | None, float]:
    from ortools.linear_solver.python import model_builder

    from solvers._ilp import textbook

    built, chosen = getattr(textbook, model)(*arguments)
    if backend != "highs":  # OR-Tools 9.15 crashes on a hint for HiGHS
        for i, x in enumerate(chosen):
            built.add_hint(x, float(i in hint))
    solver = model_builder.Solver(backend)
    if np.isfinite(seconds):
        solver.set_time_limit_in_seconds(seconds)
    status = solver.solve(built)
    found = status in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE)
    if status == model_builder.SolveStatus.INFEASIBLE:
        return None, -np.inf
    bound = solver.best_objective_bound if found else np.inf
    return np.flatnonzero([solver.value(x) > 0.5 for x in chosen]) if found else None, float(bound)


if __name__ == "__main__":
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # HiGHS prints its name, which is no part of the answer
    with answer:
        answer.write(pickle.dumps(_maximise(*pickle.load(sys.stdin.buffer))))
