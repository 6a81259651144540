"""Farthest-first picks among few points, on one thread, so that independent searches may each have their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solvers._framework.compilation import njit

_ANY_ORDER = {"nnan", "nsz", "reassoc"}  # lets the loops vectorise


@njit(cache=True, nogil=True, fastmath=_ANY_ORDER)
def net(columns: NDArray[np.float64], place: int, size: int) -> NDArray[np.int64]:
    """Return ``size`` places, the next always ``argmax_i min_j |x[i] - x[picked[j]]|^2``; O(size n d).

    Parameters
    ----------
    columns : (d, n) float64 array
        The points, a coordinate a row.
    place : int
        The first pick.
    size : int
        At most n.
    """
    d, n = columns.shape
    picked, nearest, distance = np.empty(size, np.int64), np.full(n, np.inf), np.empty(n)
    for i in range(size):
        picked[i], nearest[place] = place, -1.0
        distance[:] = 0.0
        for c in range(d):
            column = columns[c]
            centre = column[place]
            for v in range(n):
                distance[v] += (column[v] - centre) * (column[v] - centre)
        farthest = -1.0
        for v in range(n):
            nearest[v] = min(nearest[v], distance[v])
        for v in range(n):
            farthest = max(farthest, nearest[v])
        place = 0
        while nearest[place] < farthest:
            place += 1
    return picked
