"""What is done to a graph before a clique search: drop what cannot be in a clique, and order the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

Adjacency = NDArray[np.bool_]


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


@njit(cache=True, nogil=True)
def degeneracy_order(adjacent: Adjacency) -> NDArray[np.int64]:
    """Vertices such that each has the fewest neighbours among those up to it; O(n^2)."""
    n = len(adjacent)
    degree = np.zeros(n, np.int64)
    for i in range(n):
        for j in range(n):
            degree[i] += adjacent[i, j]
    order = np.empty(n, np.int64)
    removed = np.zeros(n, np.bool_)
    for place in range(n - 1, -1, -1):
        least = -1
        for i in range(n):
            if not removed[i] and (least < 0 or degree[i] < degree[least]):
                least = i
        order[place] = least
        removed[least] = True
        for j in range(n):
            degree[j] -= adjacent[least, j]
    return order
