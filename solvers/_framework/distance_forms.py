"""Distance rows compiled by Numba. Every sum runs in float64, whatever the dtype of the points.

All rows are summed in one order, so duplicates of a point are at exactly the same distance from everything, and
``numpy.argmax`` breaks the tie by the lowest index.
"""

from __future__ import annotations

import numpy as np
from numba import prange
from numpy.typing import NDArray

from mmdp.arrays import Points, Vector
from solvers._framework.compilation import njit
from solvers._framework.pair_sums import sum_of_absolutes, sum_of_squares

SQEUCLIDEAN, MANHATTAN, CHEBYSHEV, HAMMING, JACCARD = range(5)
KINDS = {
    "sqeuclidean": SQEUCLIDEAN,
    "manhattan": MANHATTAN,
    "chebyshev": CHEBYSHEV,
    "hamming": HAMMING,
    "jaccard": JACCARD,
}
FEW_DIMENSIONS = 8  # up to which sums run in the order of the coordinates, as the bucket kernels sum
_SERIAL_WORK = 2**17  # coordinates below which starting threads costs more than it saves
_CHUNK = 64
_TILE = 32  # rows that stay in cache while every other point passes by
_SUM_IN_ANY_ORDER = {"reassoc", "nsz"}  # lets the loops vectorise; no contraction, so x - x stays exactly 0


@njit(inline="always", fastmath=_SUM_IN_ANY_ORDER)
def reduced_distance(kind: int, x: Points, i: int, y: Points, j: int) -> float:
    """Return the kernel ``kind`` of x[i] and y[j], as defined in ``mmdp.metrics``.

    By index, because threads that make views of the rows would fight over the reference count of the array.
    """
    total, size = 0.0, 0.0
    if kind == SQEUCLIDEAN:
        for c in range(x.shape[1]):
            delta = np.float64(x[i, c]) - np.float64(y[j, c])
            total += delta * delta
        return total
    if kind == MANHATTAN:
        for c in range(x.shape[1]):
            total += abs(np.float64(x[i, c]) - np.float64(y[j, c]))
        return total
    if kind == CHEBYSHEV:
        for c in range(x.shape[1]):
            total = max(total, abs(np.float64(x[i, c]) - np.float64(y[j, c])))
        return total
    if kind == HAMMING:
        for c in range(x.shape[1]):
            total += x[i, c] != y[j, c]
        return float(total / x.shape[1])
    for c in range(x.shape[1]):  # jaccard: 1 - |x and y| / |x or y|, the empty set at distance 0 from itself
        total += (x[i, c] != 0) != (y[j, c] != 0)
        size += (x[i, c] != 0) or (y[j, c] != 0)
    return total / size if size > 0 else 0.0


@njit(cache=True, fastmath=_SUM_IN_ANY_ORDER)
def _whole_numbers(kind: int, x: Points, i: int, y: Points, j: int) -> float:
    """Return the forms that count or compare, which come out the same in any order."""
    return reduced_distance(kind, x, i, y, j)


@njit(cache=True)
def one_reduced_distance(kind: int, x: Points, i: int, y: Points, j: int) -> float:
    """Return the same for many dimensions, faster: in vectors, but in one order, so every caller gets the same bits."""
    if kind == SQEUCLIDEAN:
        return float(sum_of_squares(x, i, y, j))
    if kind == MANHATTAN:
        return float(sum_of_absolutes(x, i, y, j))
    return _whole_numbers(kind, x, i, y, j)


def single_precision(kind: int, x: Points) -> float:
    """Factor of :func:`is_beyond` for these points, 0 where it does not apply.

    A sum of d squared differences in float32 has a relative error below (d + 3) / 2^24, as no term is negative.
    """
    return 1 - (x.shape[1] + 8) / 2**23 if kind == SQEUCLIDEAN and x.dtype == np.float32 else 0.0


@njit(cache=True, fastmath=_SUM_IN_ANY_ORDER | {"contract"})
def is_beyond(x: Points, i: int, y: Points, j: int, factor: float, limit: float) -> bool:
    """Whether arithmetic in float32 already tells that x[i] and y[j] are farther apart than ``limit``.

    Half the time of the exact distance. Sums that may have left the range of float32 tell nothing.
    """
    total = np.float32(0.0)
    for c in range(x.shape[1]):
        delta = np.float32(x[i, c]) - np.float32(y[j, c])
        total += delta * delta
    rough = factor * np.float64(total)
    return bool(rough > limit and 1e-30 < rough < 1e38)


@njit(cache=True)
def _lower(kind: int, x: Points, centre: int, nearest: Vector, start: int, stop: int) -> None:
    for i in range(start, stop):
        distance = one_reduced_distance(kind, x, i, x, centre)
        if distance < nearest[i]:
            nearest[i] = distance


@njit(cache=True)
def _lower_in_order(kind: int, x: Points, centre: int, nearest: Vector, start: int, stop: int) -> None:
    for i in range(start, stop):
        distance = reduced_distance(kind, x, i, x, centre)
        if distance < nearest[i]:
            nearest[i] = distance


@njit(cache=True, parallel=True)
def _lower_parallel(kind: int, x: Points, centre: int, nearest: Vector) -> None:
    for chunk in prange((len(x) + _CHUNK - 1) // _CHUNK):
        if x.shape[1] <= FEW_DIMENSIONS:
            _lower_in_order(kind, x, centre, nearest, chunk * _CHUNK, min(len(x), (chunk + 1) * _CHUNK))
        else:
            _lower(kind, x, centre, nearest, chunk * _CHUNK, min(len(x), (chunk + 1) * _CHUNK))


def lower_nearest(kind: int, x: Points, centre: int, nearest: Vector) -> None:
    """``nearest[i] = min(nearest[i], distance(x[i], x[centre]))`` for all i, in place; O(n d).

    Parameters
    ----------
    kind : int
        One of ``KINDS``.
    x : (n, d) float32, float64 or uint8 array, C-contiguous
    centre : int
    nearest : (n,) float64 array
        Entries below zero, which mark points that cannot be chosen, stay as they are.
    """
    if x.size < _SERIAL_WORK:
        (_lower_in_order if x.shape[1] <= FEW_DIMENSIONS else _lower)(kind, x, centre, nearest, 0, len(x))
    else:
        _lower_parallel(kind, x, centre, nearest)


@njit(cache=True, parallel=True)
def neighbour_extremes(kind: int, x: Points, candidates: NDArray[np.int64]) -> tuple[Vector, Vector]:
    """Distance of each candidate to the nearest and to the farthest other candidate; O(n^2 d), no matrix.

    By the same functions as :func:`lower_nearest`, so that the first pick sees the distances that the others see.
    """
    m, d = len(candidates), x.shape[1]
    nearest, farthest = np.full(m, np.inf), np.full(m, -np.inf)
    is_plain = kind == SQEUCLIDEAN and d <= FEW_DIMENSIONS
    columns = np.empty((d if is_plain else 0, m))
    for c in range(len(columns)):
        for i in range(m):
            columns[c, i] = x[candidates[i], c]
    for block in prange((m + _TILE - 1) // _TILE):
        start, stop = block * _TILE, min(m, (block + 1) * _TILE)
        if is_plain:
            _sums_in_order(columns, start, stop, nearest, farthest)
            continue
        for j in range(m):
            for i in range(start, stop):
                if i != j:
                    if d <= FEW_DIMENSIONS:
                        distance = reduced_distance(kind, x, candidates[i], x, candidates[j])
                    else:
                        distance = one_reduced_distance(kind, x, candidates[i], x, candidates[j])
                    nearest[i] = min(nearest[i], distance)
                    farthest[i] = max(farthest[i], distance)
    return nearest, farthest


@njit(cache=True, fastmath={"nnan", "nsz"})
def _sums_in_order(columns: Points, start: int, stop: int, nearest: Vector, farthest: Vector) -> None:
    """Do the same for Euclidean distances of few dimensions: of a tile of points at once, each sum in its order."""
    d, width = columns.shape[0], stop - start
    tile, total = np.zeros((d, _TILE)), np.empty(_TILE)
    tile[:, :width] = columns[:, start:stop]
    least, most = np.full(_TILE, np.inf), np.full(_TILE, -np.inf)
    for j in range(columns.shape[1]):
        for i in range(_TILE):
            total[i] = 0.0
        for c in range(d):
            other = columns[c, j]
            for i in range(_TILE):
                delta = tile[c, i] - other
                total[i] += delta * delta
        own = min(max(j - start, 0), _TILE - 1)
        before, after = least[own], most[own]
        for i in range(_TILE):
            least[i] = total[i] if total[i] < least[i] else least[i]
            most[i] = total[i] if total[i] > most[i] else most[i]
        if start <= j < stop:  # which has no distance from itself
            least[own], most[own] = before, after
    nearest[start:stop], farthest[start:stop] = least[:width], most[:width]
