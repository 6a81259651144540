"""Compiling the searches before the clock of a run starts: on a few points of its problem, once a process."""

from __future__ import annotations

from collections.abc import Sequence

from mmdp import Clock, Problem, Stop
from solvers import make
from solvers._exact.matrix_proof import on_matrix
from solvers._framework.warm_up import is_first, part_of
from solvers._local_search.candidate_set import IN_BYTES
from solvers._local_search.conflict_matrix import MOST_PICKS

_PICKS = 5
_POINTS, _ROWS = 700, 60
_WIDE = 3001  # rows of a matrix that the local search refines from coarse to fine
_STOP = Stop(seconds=1.0, iterations=2000)


def warm_up(problem: Problem, method: str, heuristics: Sequence[str]) -> None:
    """Prove a small part of the problem, and warm up the heuristics for what they will get."""
    rows = problem.points if problem.distances is None else problem.distances
    assert rows is not None
    key = (method, problem.geometry.form, problem.points is None, str(rows.dtype))
    if is_first("exact", *key):  # the run below comes here itself
        exact = make("exact", method=method, heuristics=("random",))
        exact.solve(part_of(problem, _POINTS if method == "cells" else _ROWS, _PICKS), _STOP)
    if method == "cells":
        for name in heuristics:
            make(name)._prepare(problem)
        return
    size = min(problem.n, _WIDE)
    layout = (size > IN_BYTES, size == _WIDE, problem.k > MOST_PICKS)
    if heuristics and is_first("exact on matrices", *heuristics, *layout):
        part = on_matrix(part_of(problem, size, max(_PICKS, problem.k * size // problem.n)), Clock(Stop()))
        for name in heuristics:
            make(name)._prepare(part)
