"""The traversal of the greedy with most distances left out: the same picks, ties included."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from mmdp import Problem
from mmdp.metrics import Vector
from solvers._kernels import buckets, lazy
from solvers._kernels.numba import CHEBYSHEV, FEW_DIMENSIONS, KINDS, MANHATTAN, SQEUCLIDEAN, single_precision

BUCKET = 1024
_WORTH_IT = 2**17  # coordinates below which the plain loop is as fast
_TABLE_LIMIT = 2048  # picks whose mutual distances are kept for the triangle inequality
_SLICE = 2**22  # points looked at between two returns to Python, which sees Ctrl-C


def applies(problem: Problem) -> bool:
    """Whether a compiled kernel serves this problem, and whether it is large enough to gain from it."""
    return problem.geometry.kernel in KINDS and problem.vectors.size >= _WORTH_IT


def traverse(problem: Problem, nearest: Vector, first: list[int]) -> tuple[list[int], float]:
    """As ``_traverse`` of ``solvers.greedy``; ``nearest`` is used up."""
    in_boxes = KINDS[problem.geometry.kernel] in (SQEUCLIDEAN, MANHATTAN, CHEBYSHEV)
    if in_boxes and problem.vectors.shape[1] <= FEW_DIMENSIONS:
        return in_buckets(problem, nearest, first)
    return in_turn(problem, nearest, first)


def in_buckets(problem: Problem, nearest: Vector, first: list[int], size: int = BUCKET) -> tuple[list[int], float]:
    """By buckets of a k-d tree; for metrics that are monotone in each coordinate's difference."""
    x = problem.vectors
    nearest[first] = -1.0
    tree = buckets.build(x, nearest, size)
    centres = np.zeros((problem.k, x.shape[1]))
    centres[: len(first)] = x[first]
    advance = buckets.advance if numba.get_num_threads() == 1 else buckets.advance_parallel
    return _in_slices(advance, (KINDS[problem.geometry.kernel], tree, centres), first, problem.k, len(x))


def in_turn(problem: Problem, nearest: Vector, first: list[int]) -> tuple[list[int], float]:
    """Point by point, each only while it could be the next pick."""
    x, kind = problem.vectors, KINDS[problem.geometry.kernel]
    nearest[first] = -1.0
    size = problem.k if problem.k <= _TABLE_LIMIT and problem.geometry.two_hops else 0
    between = np.zeros((size, size))
    if size:
        between[: len(first), : len(first)] = problem.surrogates(first, first)
    shared = numba.get_num_threads() > 1 and len(x) > lazy.TASK_POINTS
    advance = lazy.advance_parallel if shared else lazy.advance
    state = (kind, problem.geometry.two_hops or np.inf, single_precision(kind, x), x, lazy.waiting(nearest), between)
    return _in_slices(advance, state, first, problem.k, len(x))


def _in_slices(advance: Any, state: tuple[Any, ...], first: list[int], k: int, n: int) -> tuple[list[int], float]:
    picks = np.full(k, -1, dtype=np.int64)
    picks[: len(first)] = first
    count, radius, step = len(first), np.inf, max(1, _SLICE // n)
    while count < k:
        stop = min(k, count + step)
        radius = float(advance(*state, picks, count, stop))
        count = stop
    return picks.tolist(), radius
