"""One pass of farthest-first over a block of rows that is in memory only now.

Squared Euclidean distances in many dimensions come from |x|^2 + |c|^2 - 2 x.c, whose products are one matrix product
for a tile of rows. With u the unit roundoff the computed value is off by less than (2 d + 4) u (|x|^2 + |c|^2). So it
bounds the distance of a row to its nearest centre, which rules out most rows, and of the others it leaves a centre or
two to be compared with exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Points, Vector
from solvers._framework.compilation import njit
from solvers._framework.distance_forms import (
    FEW_DIMENSIONS,
    SQEUCLIDEAN,
    is_beyond,
    one_reduced_distance,
    reduced_distance,
    single_precision,
)

_TILE = 64  # rows at a time, and centres
_FEW = 3  # new centres up to which comparing one by one is as fast
_PRODUCT = 2**18  # multiplications that BLAS leaves to the thread that asks for them
_SMALL, _LARGE = 1e-30, 1e37  # sums of squares between which products neither overflow nor lose digits, in float32 too
_IN_ANY_ORDER = {"reassoc", "nsz", "nnan", "contract"}

Numbers = NDArray[np.int64]
Counts = NDArray[np.int32]


class _Tile(NamedTuple):
    """Rows as columns, with |x|^2, and |c|^2 - 2 x.c for every centre."""

    rows: Numbers
    columns: Points
    squares: Points
    products: Points
    least: Points


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _square(x: Points, row: int) -> float:
    total = x[row, 0] * x[row, 0]
    for c in range(1, x.shape[1]):
        total += x[row, c] * x[row, c]
    return float(total)


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _add_squares(products: Points, squares: Points, least: Points) -> None:
    for c in range(len(squares)):
        square = squares[c]
        for r in range(len(least)):
            products[c, r] += square
            least[r] = min(least[r], products[c, r])


@njit(cache=True, nogil=True)
def _visit(
    x: Points,
    tile: _Tile,
    filled: int,
    centres: Points,
    minus_twice: Points,
    squares: Points,
    slack: float,
    nearest: Vector,
    seen: Counts,
    floor: float,
) -> None:
    """Bring the rows of a tile up to date that reach ``floor``; of the others lower the bound."""
    largest, first, width = float(squares.max()), len(centres), max(1, _PRODUCT // tile.columns.size)
    for r in range(filled):
        first = min(first, int(seen[tile.rows[r]]))
    tile.least[:] = np.inf
    waiting = filled
    for begin in range(first, len(centres), width):
        end = min(begin + width, len(centres))
        np.dot(minus_twice[begin:end], tile.columns, tile.products[begin:end])
        _add_squares(tile.products[begin:end], squares[begin:end], tile.least)
        waiting = 0
        for r in range(filled):
            i, reach = tile.rows[r], float(tile.squares[r]) + largest
            if _SMALL < reach < _LARGE:
                nearest[i] = min(nearest[i], float(tile.squares[r]) + float(tile.least[r]) + slack * reach)
            waiting += nearest[i] >= floor
        if not waiting:
            return  # ``seen`` stays: the centre that gave the bound has not been compared with
    for r in range(filled):
        i, reach = tile.rows[r], float(tile.squares[r]) + largest
        if nearest[i] >= floor and _SMALL < reach < _LARGE:
            limit = float(tile.least[r]) + 2 * slack * reach
            for c in range(first, len(centres)):
                if tile.products[c, r] <= limit:
                    nearest[i] = min(nearest[i], one_reduced_distance(SQEUCLIDEAN, x, i, centres, c))
            seen[i] = len(centres)


@njit(cache=True, nogil=True)
def _lower_by_products(x: Points, centres: Points, slack: float, nearest: Vector, seen: Counts, floor: float) -> None:
    d, size = x.shape[1], max(1, min(_TILE, _PRODUCT // x.shape[1]))
    products, least = np.empty((len(centres), size), x.dtype), np.empty(size, x.dtype)
    tile = _Tile(np.empty(size, np.int64), np.zeros((d, size), x.dtype), np.zeros(size, x.dtype), products, least)
    squares, minus_twice = np.empty(len(centres), x.dtype), np.empty_like(centres)
    for c in range(len(centres)):
        squares[c] = _square(centres, c)
        minus_twice[c] = -2 * centres[c]
    filled = 0
    for i in range(len(x)):
        if nearest[i] >= floor and len(centres) - seen[i] > _FEW:
            tile.rows[filled], tile.squares[filled] = i, _square(x, i)
            for axis in range(d):
                tile.columns[axis, filled] = x[i, axis]
            filled += 1
        if filled == size or (filled and i == len(x) - 1):
            _visit(x, tile, filled, centres, minus_twice, squares, slack, nearest, seen, floor)
            filled = 0


@njit(cache=True, nogil=True)
def _lower_one_by_one(
    kind: int, factor: float, x: Points, centres: Points, nearest: Vector, seen: Counts, floor: float
) -> tuple[Numbers, float]:
    few = x.shape[1] <= FEW_DIMENSIONS
    far, size, outside = np.empty(len(x), np.int64), 0, -1.0
    for i in range(len(x)):
        best, c = nearest[i], int(seen[i])
        while c < len(centres) and best >= floor:
            if few or not (factor > 0 and best < np.inf and is_beyond(x, i, centres, c, factor, best)):
                distance = (
                    reduced_distance(kind, x, i, centres, c) if few else one_reduced_distance(kind, x, i, centres, c)
                )
                best = min(best, distance)
            c += 1
        nearest[i], seen[i] = best, c
        if best >= floor:
            far[size] = i
            size += 1
        else:
            outside = max(outside, best)
    return far[:size], outside


def lower_block(
    kind: int, x: Points, centres: Points, nearest: Vector, seen: Counts, floor: float
) -> tuple[Numbers, float]:
    """Compare rows with the centres they have not seen, each until it is closer than ``floor``.

    One thread, without the interpreter's lock: blocks are what threads share.

    Returns
    -------
    (m,) int64 array, float
        The rows that reach ``floor``, with ``nearest`` exact, and the largest bound of the others, -1 without any.
    """
    if kind == SQEUCLIDEAN and x.shape[1] > FEW_DIMENSIONS and x.dtype == centres.dtype and x.dtype.kind == "f":
        _lower_by_products(x, centres, (2 * x.shape[1] + 16) * float(np.finfo(x.dtype).eps), nearest, seen, floor)
    far: tuple[Numbers, float] = _lower_one_by_one(kind, single_precision(kind, x), x, centres, nearest, seen, floor)
    return far
