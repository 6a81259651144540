"""The first pick of a traversal, where nothing is chosen yet."""

from __future__ import annotations

import numpy as np

from mmdp.arrays import Points
from mmdp.problem import selection_problem

QUADRATIC_START_LIMIT = 4096  # points up to which all pairs are compared for the first pick


def first_pick(points: Points, metric: str) -> int:
    """Return the row of points (n, d) that the greedy begins with.

    The one whose nearest other is farthest, up to 4,096 points; beyond, the one farthest from row 0. Ties go to the
    lowest index. O(n^2 d), beyond the limit O(n d).
    """
    if len(points) == 1:
        return 0
    problem = selection_problem(points, 2, metric)
    if problem.n > QUADRATIC_START_LIMIT:
        return int(problem.reduced_distances(0)[0].argmax())
    nearest = np.empty(problem.n)
    for block in problem.blocks(problem.n):
        rows = problem.reduced_distances(np.arange(problem.n)[block])
        own = np.arange(len(rows))
        rows[own, block.start + own] = np.inf
        nearest[block] = rows.min(axis=1)
    return int(nearest.argmax())
