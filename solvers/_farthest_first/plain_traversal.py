"""The plain traversal in NumPy and compiled rows: the rule that every faster way has to reproduce."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmdp import Problem
from mmdp.arrays import Vector
from mmdp.traversal import farthest, farthest_first
from solvers._farthest_first import accelerated
from solvers._framework.first_pick import Rows, first_pick


def extend(
    problem: Problem,
    first: list[int],
    start: str | int,
    accelerate: bool,
    tell: Callable[[int], None] = lambda chosen: None,
) -> tuple[list[int], float]:
    """As :func:`mmdp.traversal.farthest_first`, begun by a start where ``first`` is empty.

    ``accelerate`` leaves out the distances that bounds prove needless, and ``tell`` hears how many points are chosen by
    now. Returns k picks, ``first`` before the others, and the reduced distance of the last one to those before it.
    """
    rows = Rows(problem)
    picks = first or [first_pick(rows, start)]
    if accelerate and accelerated.applies(problem):
        return accelerated.traverse(problem, _nothing_near(problem), picks, tell)
    count = iter(range(len(picks), problem.k))

    def next_pick(nearest: Vector) -> int:
        tell(next(count))
        return farthest(nearest)

    found = farthest_first(rows.lower, _nothing_near(problem), picks, problem.k, next_pick)
    tell(problem.k)
    return found


def _nothing_near(problem: Problem) -> Vector:
    """No pick is near any candidate yet; what is no candidate stays below zero."""
    nearest = np.full(problem.n, np.inf)
    nearest[list(problem.exclude)] = -1.0
    return nearest
