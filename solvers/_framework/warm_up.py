"""Small parts of a problem, on which what a run needs is compiled before its clock starts."""

from __future__ import annotations

import numpy as np

from mmdp import Clock, Problem, Stop
from solvers._framework.base import Solver

MANY_COORDINATES = 2**17  # from which on the greedy has kernels of its own

_POINTS, _PICKS = 60, 5

_asked: set[tuple[object, ...]] = set()


def is_first(*key: object) -> bool:
    """Whether this key comes for the first time in this process, so that there is something to compile."""
    known = key in _asked
    _asked.add(key)
    return not known


def part_of(problem: Problem, size: int, k: int) -> Problem:
    """Take so many of the points, spread over all of them, and at most k picks."""
    chosen = np.unique(np.linspace(0, problem.n - 1, min(size, problem.n)).astype(np.int64))
    k = min(k, problem.k, len(chosen))
    if problem.distances is not None:
        return Problem(k, distances=problem.matrix()[np.ix_(chosen, chosen)])
    assert problem.points is not None
    return Problem(k, points=problem.points[chosen], metric=problem.metric)


def rehearse(solver: Solver, problem: Problem, iterations: int) -> None:
    """Run a solver for so many iterations on a few points, unless it did so on points of this kind before."""
    rows = problem.points if problem.distances is None else problem.distances
    assert rows is not None
    if is_first(solver.keyword(), problem.geometry.form, problem.points is None, str(rows.dtype)):
        part = part_of(problem, _POINTS, _PICKS)
        solver._run(part, Clock(Stop(iterations=iterations)), np.random.default_rng(0))
