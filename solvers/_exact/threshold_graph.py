"""What is done to a graph before a clique search: drop what cannot be in a clique, and order the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solvers._framework.compilation import njit

Adjacency = NDArray[np.bool_]
_REMOVED = 2**40


def core(adjacent: Adjacency, k: int, forced: Sequence[int] = ()) -> NDArray[np.int64]:
    """Vertices that can be in a clique of k with the forced ones: repeatedly drop those with too few neighbours.

    Parameters
    ----------
    adjacent : (n, n) bool array
        Symmetric, False on the diagonal.
    """
    alive = np.asarray(adjacent[list(forced)].all(axis=0))
    alive[list(forced)] = True
    while True:
        kept = alive & (adjacent[:, alive].sum(axis=1) >= k - 1)
        if kept.sum() == alive.sum():
            return np.flatnonzero(alive)
        alive = kept


def beside(adjacent: Adjacency, forced: Sequence[int]) -> Adjacency | None:
    """Which vertices are adjacent to all forced ones, (n,) bool; None if two of these are not adjacent."""
    if not adjacent[np.ix_(forced, forced)][np.triu_indices(len(forced), 1)].all():
        return None
    return np.asarray(adjacent[list(forced)].all(axis=0))


def pairs_above(D: NDArray[np.float64], distance: float) -> Adjacency:
    """Graph of the pairs that are farther apart than ``distance``."""
    adjacent = np.greater(D, distance)
    np.fill_diagonal(adjacent, False)
    return adjacent


def pairs_from(D: NDArray[np.float64], distance: float) -> Adjacency:
    """Graph of the pairs that are at least ``distance`` apart."""
    return pairs_above(D, float(np.nextafter(distance, -np.inf)))


@njit(cache=True, nogil=True)
def core_in_order(adjacent: Adjacency, vertices: NDArray[np.int64], need: int) -> NDArray[np.int64]:
    """Vertices that can be in a clique of ``need``, each with the fewest neighbours among those up to it.

    O(n^2) time. The first vertices removed from the end are the ones with less than ``need - 1`` neighbours left.
    """
    n = len(vertices)
    degree = np.zeros(n, np.int64)
    for i in range(n):
        for j in range(n):
            degree[i] += adjacent[vertices[i], vertices[j]]
    order = np.empty(n, np.int64)
    size = n
    for place in range(n - 1, -1, -1):
        least = 0
        for i in range(1, n):
            if degree[i] < degree[least]:
                least = i
        if size == place + 1 and degree[least] < need - 1:
            size = place
        order[place] = vertices[least]
        for j in range(n):
            degree[j] -= adjacent[vertices[least], vertices[j]]
        degree[least] = _REMOVED
    return order[:size]
