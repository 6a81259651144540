"""The only place that compiles ahead of a clock: small parts of a problem are solved once for each kind of problem.

What was warmed up is recorded after it succeeded, and a second thread that needs the same waits for the first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np

from mmdp import Clock, Problem, Stop
from mmdp.arrays import Indices, Matrix
from mmdp.pairs import Pairs
from solvers._framework.base import Solver

MANY_COORDINATES = 2**17  # from which on the accelerated greedy is faster than the plain loop, so both are compiled

_POINTS, _PICKS = 60, 5

_lock = threading.RLock()
_warm: set[Hashable] = set()
_warming: set[Hashable] = set()  # by the thread that holds the lock: a warm-up that comes to itself goes on


def once(key: Hashable, action: Callable[[], object]) -> None:
    """Call the action unless it was called with this key before and came to its end."""
    with _lock:
        if key in _warm or key in _warming:
            return
        _warming.add(key)
        try:
            action()
            _warm.add(key)
        finally:
            _warming.discard(key)


def part_of(problem: Problem, size: int, k: int) -> Problem:
    """Take so many of the points, spread over all of them, and at most k picks."""
    chosen = np.unique(np.linspace(0, problem.n - 1, min(size, problem.n)).astype(np.int64))
    k = min(k, problem.k, len(chosen))
    if problem.distances is not None:
        return Problem(k, distances=problem.distances[np.ix_(chosen, chosen)])
    assert problem.points is not None
    if problem.geometry.form == "callable":  # whose function is not called ahead of the clock
        numbers = np.arange(len(chosen), dtype=np.float64)[:, None]
        return Problem(k, points=numbers, metric=replace(problem.geometry, function=_AnyPairs(len(chosen))))
    return Problem(k, points=problem.points[chosen], metric=problem.metric)


class _AnyPairs(Pairs):
    """Distances that take no time, in place of those of a function."""

    def between(self, rows: Indices, columns: Indices) -> Matrix:
        """Reduced distances of row numbers."""
        return np.asarray(np.abs(rows[:, None] - columns) % 7, dtype=np.float64)


def counted_part_of(problem: Problem, size: int, k: int) -> Problem:
    """As :func:`part_of`, with two groups and a count, on which the functions that keep counts compile."""
    part = part_of(problem, size, k)
    return replace(part, groups=np.arange(part.n) % 2, counts={0: (1, None)})


def kind_of(problem: Problem) -> tuple[object, ...]:
    """What decides which compiled functions a problem meets, but for its size."""
    rows = problem.points if problem.distances is None else problem.distances
    return problem.geometry.form, problem.points is None, str(rows.dtype)


def on_part(solver: Solver, problem: Problem, iterations: int) -> None:
    """Run a solver for so many iterations on a few points, once for points of this kind."""
    is_counted = problem.group_counts is not None

    def run() -> None:
        part = (counted_part_of if is_counted else part_of)(problem, _POINTS, _PICKS)
        solver._run(part, Clock(Stop(iterations=iterations)), np.random.default_rng(0))

    once((solver.keyword(), kind_of(problem), is_counted), run)
