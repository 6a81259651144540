"""The pairs at most some distance apart, in a form in which raising a threshold only lengthens prefixes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Matrix, Vector
from solvers._framework.compilation import njit

_SAMPLE = 30_000  # distances looked at to estimate how many pairs are near: enough for a few per cent


class NearPairs(NamedTuple):
    """Row v lists its near points ``point[begin[v]:begin[v + 1]]`` at ``distance[...]``.

    Those within the threshold of the list come first, in any order; the rest follows, closest first.
    """

    begin: NDArray[np.int64]
    point: NDArray[np.int32]
    distance: Vector


@njit(cache=True, nogil=True)
def near_pairs(D: Matrix, first: int, threshold: float, cap: float) -> NearPairs:
    """List all j with ``D[i, j] <= cap`` for each row i; O(rows n), and sorting what lies beyond the threshold.

    Parameters
    ----------
    D : (rows, n) float64 array
        Distances of the points ``first``, ``first + 1``, ... to all n; no point is near itself.
    first : int
    threshold, cap : float
    """
    rows, n = D.shape
    begin, within = np.zeros(rows + 1, np.int64), np.zeros(rows, np.int64)
    for i in range(rows):
        near = 0
        for j in range(n):
            near += D[i, j] <= cap
            within[i] += D[i, j] <= threshold
        itself = D[i, first + i]
        within[i] -= itself <= threshold
        begin[i + 1] = begin[i] + near - (itself <= cap)
    point, distance = np.empty(begin[rows], np.int32), np.empty(begin[rows])
    for i in range(rows):
        inner, outer = begin[i], begin[i] + within[i]
        for j in range(n):
            if D[i, j] <= cap and j != first + i:
                if D[i, j] <= threshold:
                    point[inner], distance[inner] = j, D[i, j]
                    inner += 1
                else:
                    point[outer], distance[outer] = j, D[i, j]
                    outer += 1
        order = np.argsort(distance[inner:outer])
        sorted_point, sorted_distance = point[inner:outer][order], distance[inner:outer][order]
        for place in range(outer - inner):
            point[inner + place], distance[inner + place] = sorted_point[place], sorted_distance[place]
    return NearPairs(begin, point, distance)


def stacked(blocks: Sequence[NearPairs]) -> NearPairs:
    """Join the lists of consecutive blocks of rows."""
    sizes = np.concatenate([np.diff(block.begin) for block in blocks])
    begin = np.concatenate(([0], np.cumsum(sizes)))
    return NearPairs(
        begin, np.concatenate([block.point for block in blocks]), np.concatenate([block.distance for block in blocks])
    )


def roomy_cap(D: Matrix, threshold: float) -> float:
    """Return a distance within which lie somewhat more pairs than within ``threshold``.

    Estimated from evenly spread entries, so that it costs little and never varies.
    """
    entries = D.ravel()[:: max(1, D.size // _SAMPLE | 1)]
    entries = np.sort(entries[entries > 0]) if entries.any() else np.sort(D.ravel())
    within = int(np.searchsorted(entries, threshold, side="right"))
    room = within + within // 4 + 4 * len(entries) // D.shape[1] + 1
    return float(entries[room]) if room < len(entries) else np.inf
