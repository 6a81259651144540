"""One new file is a new solver: listed, solvable by name, graded, and usable for selection."""

import sys

import numpy as np
import pytest

import solvers

SOLVER = '''
from dataclasses import dataclass

from solvers import Run, Solver


@dataclass(frozen=True)
class EveryOther(Solver):
    """Every other point, from ``offset``."""

    cost = "O(k)"
    offset: int = 0

    def _run(self, problem, clock, rng):
        return Run(range(self.offset, self.offset + 2 * problem.k, 2))
'''


@pytest.fixture
def dropped_file(tmp_path, monkeypatch):
    (tmp_path / "every_other.py").write_text(SOLVER)
    monkeypatch.setattr(solvers, "__path__", [*solvers.__path__, str(tmp_path)])
    yield
    sys.modules.pop("solvers.every_other", None)


@pytest.mark.usefixtures("dropped_file")
def test_a_dropped_file_is_listed_solvable_and_graded():
    X = np.arange(20.0)[:, None]
    assert "every_other" in [info.name for info in solvers.available()]
    assert "every_other" in str(solvers.available())
    result = solvers.solve(X, 5, solver="every_other", offset=1)
    assert result.indices.tolist() == [1, 3, 5, 7, 9]
    assert result.objective == 2.0
    assert result.upper_bound >= 19 / 4  # the optimum: four equal steps, rounded to the lattice
    assert solvers.load("every_other")().select(X, 3, metric="euclidean").tolist() == [0, 2, 4]
