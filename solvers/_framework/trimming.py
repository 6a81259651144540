"""Sets that reach a demand without points that they can spare."""

from __future__ import annotations

import numpy as np

from mmdp import Problem
from mmdp.arrays import Indices


def trimmed(problem: Problem, indices: Indices) -> Indices:
    """Take points of the closest pairs out of a set as long as it stays a solution; what is left is no worse.

    O(m^2) time and memory for m points, and O(m) or more for each that leaves.

    Parameters
    ----------
    problem : Problem
        With a demand, or with a k that the set may exceed.
    indices : int64 array
    """
    points, capacities = np.asarray(indices, dtype=np.int64), problem.capacities
    units = np.ones(len(points), dtype=np.int64) if capacities is None else capacities.units[points]
    spare = int(units.sum()) - (problem.k if capacities is None else capacities.needed)
    distances = problem.reduced_distances(points, points)
    np.fill_diagonal(distances, np.inf)
    left, free = np.ones(len(points), dtype=np.bool_), ~np.isin(points, problem.include)
    partner = distances.argmin(axis=1)
    nearest = distances[np.arange(len(points)), partner]
    while (removable := left & free & (units <= spare)).any():
        critical = removable & (nearest == nearest.min())
        if not critical.any():
            if capacities is not None:
                break
            critical = removable  # there are more than k points
        places = np.flatnonzero(critical)
        second = np.partition(distances[places], 1, axis=1)[:, 1]
        out = int(places[second.argmin()])  # the one that is nearest to a third point
        spare -= int(units[out])
        left[out], nearest[out] = False, np.inf
        distances[out], distances[:, out] = np.inf, np.inf
        lonely = np.flatnonzero(left & (partner == out))
        partner[lonely] = distances[lonely].argmin(axis=1)
        nearest[lonely] = distances[lonely, partner[lonely]]
    return points[left]
