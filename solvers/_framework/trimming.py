"""Sets that reach a demand without points that they can spare."""

from __future__ import annotations

import numpy as np

from mmdp import Problem
from mmdp.arrays import Indices


def trimmed(problem: Problem, indices: Indices) -> Indices:
    """Take points of the closest pairs out of a set as long as it stays a solution; what is left is no worse.

    Parameters
    ----------
    problem : Problem
        With a demand, or with a k that the set may exceed.
    indices : int64 array
    """
    left, capacities = np.asarray(indices, dtype=np.int64), problem.capacities
    units = np.ones(problem.n, dtype=np.int64) if capacities is None else capacities.units
    spare = int(units[left].sum()) - (problem.k if capacities is None else capacities.needed)
    distances = problem.reduced_distances(left, left)
    np.fill_diagonal(distances, np.inf)
    fixed = np.isin(left, problem.include)
    while True:
        removable = ~fixed & (units[left] <= spare)
        if not removable.any():
            return left
        nearest = distances.min(axis=1)
        critical = removable & (nearest == nearest.min())
        if not critical.any():
            if capacities is not None:
                return left
            critical = removable
        places = np.flatnonzero(critical)
        second = np.partition(distances[places], 1, axis=1)[:, 1]
        out = int(places[second.argmin()])  # the one that is nearest to a third point
        spare -= int(units[left[out]])
        rest = np.arange(len(left)) != out
        left, fixed, distances = left[rest], fixed[rest], distances[np.ix_(rest, rest)]
