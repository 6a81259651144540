"""Compiling the searches before the clock of a run starts, on a few points of its problem."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmdp import Clock, Problem, Stop
from solvers._exact.bitsets import full, members
from solvers._exact.kd_tree import build
from solvers._exact.matrix_proof import on_matrix
from solvers._exact.relaxation import Relaxation
from solvers._framework.distance_forms import KINDS
from solvers._framework.registry import make
from solvers._framework.warm_up import MANY_COORDINATES, kind_of, once, part_of

_PICKS = 5
_POINTS, _ROWS = 700, 60
_WIDE = 3001  # rows of a matrix that the local search refines from coarse to fine
_STOP = Stop(iterations=2000)  # counted: a limit in seconds would end it in the middle of compiling


def warm_up(problem: Problem, method: str, heuristics: Sequence[str]) -> None:
    """Solve small parts of the problem by the heuristics and by the proof that will be used."""
    large = method == "cells" and problem.vectors.size >= MANY_COORDINATES
    wide = method == "matrix" and problem.n >= _WIDE

    def run() -> None:
        exact = make("exact", method=method, heuristics=("random",))
        exact.solve(part_of(problem, _POINTS if method == "cells" else _ROWS, _PICKS), _STOP)
        part = part_of(problem, _WIDE if wide else _POINTS, _PICKS)
        for name in heuristics:
            make(name).solve(part if method == "cells" else on_matrix(part, Clock(Stop())), _STOP)
        if large and heuristics:
            make(heuristics[0]).solve(part_of(problem, 1 + MANY_COORDINATES // problem.vectors.shape[1], _PICKS), _STOP)
        if method == "cells":
            _refine_cells(part)
        else:
            members(full(3))  # of a graph with so few conflicts that an integer program takes a turn

    once(("exact", method, *heuristics, kind_of(problem), large, wide), run)


def _refine_cells(problem: Problem) -> None:
    """Go through a refinement that a proof on few points may do without."""
    x = np.unique(problem.vectors.astype(np.float64), axis=0)
    if len(x) > 2:
        reach = float(problem.geometry.pairwise(x[:1], x).max())
        relaxation = Relaxation(KINDS[problem.geometry.form], build(x), np.arange(len(x)), 2, reach / 2)
        relaxation.split_all()
