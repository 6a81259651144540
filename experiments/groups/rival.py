"""The other side of :mod:`experiments.groups.max_div_worker`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from experiments.groups import max_div_worker
from mmdp import MissingDependencyError, Problem
from mmdp.arrays import Indices

NAME = max_div_worker.NAME
_ONE_THREAD = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class MaxDiv:
    """A process that answers one problem after the other.

    Parameters
    ----------
    python : Path, optional
        An interpreter with max-div; this one if not given.

    Raises
    ------
    MissingDependencyError
        If that interpreter has none.
    """

    def __init__(self, python: Path | None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [str(python or sys.executable), "-W", "ignore", max_div_worker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **_ONE_THREAD},
        )
        try:
            self.version = str(self._answer()["version"])
        except EOFError:
            self.close()
            raise MissingDependencyError(
                f"{NAME} takes no part: {python or sys.executable} does not have it; make an environment with Python "
                "3.12 or newer, pip install max-div there, and give its interpreter with --max-div-python",
                name="max_div",
            ) from None

    def select(self, problem: Problem, seconds: float, seed: int) -> tuple[Indices, float]:
        """Return its subset, which may violate counts, and the seconds it took, its own set-up included."""
        limits = problem.group_counts
        assert limits is not None
        is_matrix = problem.points is None or problem.geometry.name != "euclidean"
        path = Path(self._folder.name) / "problem.npz"
        rows = problem.matrix() if is_matrix else np.asarray(problem.points)
        high = np.minimum(limits.high, problem.k)
        np.savez(path, rows=rows, member=limits.member, limits=np.stack((limits.low, high), axis=1))
        job = {"data": str(path), "is_matrix": is_matrix, "k": problem.k, "seconds": seconds, "seed": seed}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return np.array(answer["indices"], dtype=np.int64), float(answer["seconds"])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()  # which closes its input, waits, and closes its output
        self._folder.cleanup()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"{NAME} ended before it answered")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{NAME}: {answer['error']}")
        return answer
