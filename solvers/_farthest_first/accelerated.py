"""The traversal of the greedy with most distances skipped: the same picks, ties included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray

from mmdp import Problem
from mmdp.arrays import Points, Vector
from mmdp.metrics import Metric
from solvers._farthest_first import buckets, lazy_distances
from solvers._framework.distance_forms import CHEBYSHEV, FEW_DIMENSIONS, KINDS, MANHATTAN, SQEUCLIDEAN, single_precision
from solvers._framework.warm_up import MANY_COORDINATES

Kernel = Callable[[NDArray[np.int64], int, int], float]

BUCKET = 1024
_TABLE_LIMIT = 2048  # picks whose mutual distances are kept for the triangle inequality
_SLICE = 2**22  # points looked at between two returns to Python, which sees Ctrl-C


def applies(problem: Problem) -> bool:
    """Whether a compiled kernel serves this problem, and whether it is large enough to gain from it."""
    return problem.geometry.form in KINDS and problem.vectors.size >= MANY_COORDINATES


def traverse(
    problem: Problem, nearest: Vector, first: list[int], tell: Callable[[int], None] = lambda chosen: None
) -> tuple[list[int], float]:
    """As ``_traverse`` of ``solvers.greedy``; ``nearest`` is used up."""
    nearest[first] = -1.0
    advance = kernel(problem.vectors, problem.geometry, nearest, problem.k, first)
    return in_slices(advance, first, problem.k, problem.n, tell)


def kernel(x: Points, geometry: Metric, nearest: Vector, k: int, first: Sequence[int] = ()) -> Kernel:
    """What extends the picks among the rows of ``x``.

    Parameters
    ----------
    x : (n, d) array
        Embedded points.
    geometry : Metric
        With a compiled kernel.
    nearest : (n,) float64 array
        To the picks so far that are not in ``first``, infinite if there are none, negative for rows not to be picked;
        it is used up.
    k : int
        Picks at most, ``first`` included.
    first : sequence of int
        Rows that are picked already, and that ``nearest`` does not know of.

    Returns
    -------
    callable
        With an array of k picks, how many there are, and how many there shall be: writes those between, and returns the
        reduced distance of the last one from those before it.
    """
    in_boxes = KINDS[geometry.form] in (SQEUCLIDEAN, MANHATTAN, CHEBYSHEV)
    build = in_buckets if in_boxes and x.shape[1] <= FEW_DIMENSIONS else in_turn
    return build(x, geometry, nearest, k, first)


def in_buckets(
    x: Points, geometry: Metric, nearest: Vector, k: int, first: Sequence[int] = (), size: int = BUCKET
) -> Kernel:
    """By buckets of a k-d tree; for metrics that are monotone in each coordinate's difference."""
    tree = buckets.build(x, nearest, size)
    centres = np.zeros((k, x.shape[1]))
    centres[: len(first)] = x[list(first)]
    return partial(buckets.advance, KINDS[geometry.form], tree, centres, numba.get_num_threads())


def in_turn(x: Points, geometry: Metric, nearest: Vector, k: int, first: Sequence[int] = ()) -> Kernel:
    """Point by point, each only while it could be the next pick."""
    kind = KINDS[geometry.form]
    size = k if k <= _TABLE_LIMIT and geometry.triangle_constant else 0
    between = np.zeros((size, size))
    if size and first:
        between[: len(first), : len(first)] = geometry.pairwise(x[list(first)], x[list(first)])
    return partial(
        lazy_distances.advance,
        kind,
        geometry.triangle_constant or np.inf,
        single_precision(kind, x),
        x,
        lazy_distances.waiting(nearest),
        between,
        numba.get_num_threads(),
    )


def in_slices(
    advance: Kernel, first: list[int], k: int, n: int, tell: Callable[[int], None] = lambda chosen: None
) -> tuple[list[int], float]:
    """All picks of a kernel, which returns to Python now and then, and the distance of the last one."""
    picks = np.full(k, -1, dtype=np.int64)
    picks[: len(first)] = first
    count, radius, step = len(first), np.inf, max(1, _SLICE // n)
    while count < k:
        stop = min(k, count + step)
        radius = float(advance(picks, count, stop))
        count = stop
        tell(count)
    return picks.tolist(), radius
