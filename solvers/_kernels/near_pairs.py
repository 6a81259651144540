"""The pairs at most some distance apart, in a form in which raising a threshold only lengthens prefixes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_SAMPLE = 200_000


class NearPairs(NamedTuple):
    """Row v lists its near points, closest first: ``point[begin[v]:begin[v + 1]]`` at ``distance[...]``."""

    begin: NDArray[np.int64]
    point: NDArray[np.int32]
    distance: Vector


@njit(cache=True, nogil=True)
def near_pairs(D: Vector, cap: float) -> NearPairs:
    """List all ordered pairs i != j with ``D[i, j] <= cap``, each row sorted by distance; O(n^2) plus the sorting."""
    n = len(D)
    begin = np.zeros(n + 1, np.int64)
    for i in range(n):
        near = 0
        for j in range(n):
            near += D[i, j] <= cap
        begin[i + 1] = begin[i] + near - (D[i, i] <= cap)
    point, distance = np.empty(begin[n], np.int32), np.empty(begin[n])
    for i in range(n):
        entry = begin[i]
        for j in range(n):
            if D[i, j] <= cap and i != j:
                point[entry], distance[entry] = j, D[i, j]
                entry += 1
        order = np.argsort(distance[begin[i] : entry], kind="mergesort")
        point[begin[i] : entry] = point[begin[i] : entry][order]
        distance[begin[i] : entry] = distance[begin[i] : entry][order]
    return NearPairs(begin, point, distance)


def roomy_cap(D: Vector, threshold: float) -> float:
    """Return a distance within which lie several times as many pairs as within ``threshold``.

    Estimated from a fixed sample of the entries, so that it costs little and never varies.
    """
    n = len(D)
    entries = D.ravel()[:: max(1, n * n // _SAMPLE | 1)]
    entries = np.sort(entries[entries > 0]) if entries.any() else np.sort(D.ravel())
    within = int(np.searchsorted(entries, threshold, side="right"))
    room = 4 * within + 4 * len(entries) // n + 1
    return float(entries[room]) if room < len(entries) else float(D.max())
