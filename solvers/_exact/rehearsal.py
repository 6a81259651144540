"""Compiling the searches before the clock of a run starts: on a few points of its problem, once a process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmdp import Problem, Stop
from solvers import make

_MANY_COORDINATES = 2**17  # from which on the greedy has kernels of its own
_POINTS, _ROWS = 700, 60
_STOP = Stop(seconds=1.0, iterations=2000)

_rehearsed: set[tuple[object, ...]] = set()


def rehearse(problem: Problem, method: str, heuristics: Sequence[str]) -> None:
    """Solve small parts of the problem by the heuristics and by the proof that will be used."""
    rows = problem.points if problem.distances is None else problem.distances
    assert rows is not None
    large = problem.points is not None and problem.vectors.size >= _MANY_COORDINATES
    key = (method, *heuristics, problem.geometry.kernel, problem.points is None, str(rows.dtype), large)
    if key in _rehearsed:
        return
    _rehearsed.add(key)  # before the run below comes here itself
    exact = make("exact", method=method, heuristics=("random",))
    exact.solve(_part(problem, _POINTS if method == "cells" else _ROWS), _STOP)
    for name in heuristics:
        make(name).solve(_part(problem, _POINTS), _STOP)
    if large:
        make(heuristics[0]).solve(_part(problem, 1 + _MANY_COORDINATES // problem.vectors.shape[1]), _STOP)


def _part(problem: Problem, size: int) -> Problem:
    """Take so many of the points, spread over all of them."""
    chosen = np.unique(np.linspace(0, problem.n - 1, min(size, problem.n)).astype(np.int64))
    k = min(5, problem.k, len(chosen))
    if problem.distances is not None:
        return Problem(k, distances=problem.matrix()[np.ix_(chosen, chosen)])
    assert problem.points is not None
    return Problem(k, points=problem.points[chosen], metric=problem.metric)
