"""What else can be said of a subset than its smallest distance: for reports, and to compare equally good subsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mmdp.problem import Problem
from mmdp.validation import subset

_BLOCK = 2**21  # distances computed at a time


@dataclass(frozen=True)
class Measures:
    """Distances among the points of a subset, in true distances.

    Attributes
    ----------
    smallest : float
        The objective.
    critical_pairs : int
        How many pairs are at the smallest distance.
    second_smallest : float
        The smallest distance of the pairs that are not critical; infinite if all are.
    total, mean : float
        Of the distances of all pairs (the max-sum and the max-mean objective).
    least_total : float
        The smallest sum of distances from one point to all others (the max-min-sum objective).
    """

    smallest: float
    critical_pairs: int
    second_smallest: float
    total: float
    mean: float
    least_total: float


def measures(problem: Problem, indices: ArrayLike) -> Measures:
    """Measure a subset of at least two points; O(m^2 d) time, in blocks of 16 MB.

    Parameters
    ----------
    problem : Problem
    indices : (m,) array of int
        Different points, such as ``result.indices``.

    Examples
    --------
    >>> found = measures(Problem(3, points=[[0.0], [1.0], [2.0], [5.0]]), [0, 1, 2])
    >>> found.smallest, found.critical_pairs, found.second_smallest, found.total, found.least_total
    (1.0, 2, 2.0, 4.0, 2.0)
    """
    chosen = subset(problem.n, indices)
    m = len(chosen)
    smallest, second, critical = np.inf, np.inf, 0
    sums = np.empty(m)
    step = max(1, _BLOCK // m)
    for start in range(0, m, step):
        values = problem.value(problem.reduced_distances(chosen[start : start + step], chosen))
        own = np.arange(len(values))
        values[own, start + own] = 0.0
        sums[start : start + step] = values.sum(axis=1)
        later = values[np.arange(m)[None, :] > (start + own)[:, None]]  # each pair once
        for level in np.unique(later)[:2].tolist():
            if level < smallest:
                smallest, second, critical = level, smallest, 0
            elif smallest < level < second:
                second = level
        critical += int((later == smallest).sum())
    total = float(sums.sum()) / 2
    return Measures(smallest, critical, second, total, total / (m * (m - 1) / 2), float(sums.min()))
