"""Half the squared distances of all pairs of rows, from products of integers, each pair once.

The readable formula, for i < j::

    matrix[i, j] = (squares[i] + squares[j]) / 2 - unit[i] * unit[j] * (high[i] @ high[j])
    matrix[i, j] -= unit[i] * unit[j] * (high[i] @ low[j] + low[i] @ high[j]) / fineness    # refined

Blocks of columns are small enough that their integers stay in cache while all rows pass by. Threads take one block
after another, the largest first.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers._farthest_first.integer_dots import COLUMNS, ROWS, add_dots
from solvers._farthest_first.integer_rows import Floats, IntegerRows, Shorts
from solvers._framework.compilation import njit

Integers = NDArray[np.int32]
Numbers = NDArray[np.int64]

_DEPTH = 1024  # coordinates of ROWS rows, and of the columns beside them, that stay in the innermost cache
_BLOCK = 2**18  # numbers of a block of columns
_WIDTHS = 64, 192  # of a block
_WORTH_A_THREAD = 2**29  # products of two numbers
_IN_ANY_ORDER = {"reassoc", "nsz", "nnan", "contract"}


def half_distances(rows: IntegerRows, threads: int = 1) -> tuple[Floats, Floats]:
    """Return a matrix (n, n), set above the diagonal, off by ``rows.error`` at most, and the least number of each row.

    The least is over all pairs of the row, as if the matrix were symmetric.
    """
    half, unit = rows.in_float32()
    matrix = np.empty((rows.n, rows.n), np.float32)

    def visit(first: int, last: int, least: Integers) -> None:
        _set_block(rows.high, half, unit, first, last, matrix, least)

    return matrix, _by_blocks(visit, rows, threads)


def refine(rows: IntegerRows, matrix: Floats, threads: int = 1) -> Floats:
    """Bring a matrix of half distances to an error of ``rows.fine_error``, and return the least number of each row."""
    high, low, per_unit = rows.high, rows.low(), np.float32(1 / rows.fineness)
    _, unit = rows.in_float32()

    def visit(first: int, last: int, least: Integers) -> None:
        _refine_block(high, low, unit, per_unit, first, last, matrix, least)

    return _by_blocks(visit, rows, threads)


def rows_of_half_distances(rows: IntegerRows, points: Numbers) -> Floats:
    """Return an array (len(points), n), off by ``rows.error`` at most; what a point is from itself says nothing."""
    half, unit = rows.in_float32()
    everyone = padded(np.arange(rows.n), COLUMNS)
    dots = np.zeros((-(-len(points) // ROWS) * ROWS, len(everyone)), np.int32)
    for i in range(0, len(points), ROWS):
        add_all_dots(rows.high, padded(points[i : i + ROWS], ROWS), 0, rows.high, everyone, dots[i : i + ROWS])
    products = dots[: len(points), : rows.n].astype(np.float32) * (unit[points, None] * unit)
    return np.asarray((half[points, None] + half) - products)


def padded(points: Numbers, multiple: int) -> Numbers:
    """Repeat the first of some points behind them, to a multiple."""
    return np.concatenate([points, np.full(-len(points) % multiple, points[0])])


def columns_at_once(rows: IntegerRows) -> int:
    """How many rows stay in cache while others pass by, a multiple of COLUMNS."""
    columns: int = min(max(_BLOCK // rows.high.shape[1], _WIDTHS[0]), _WIDTHS[1])
    return columns // COLUMNS * COLUMNS


def _by_blocks(visit: Callable[[int, int, Integers], None], rows: IntegerRows, threads: int) -> Floats:
    n, width = rows.n, rows.high.shape[1]
    size = columns_at_once(rows)
    waiting = list(range(0, n, size))

    def work() -> Integers:
        least = np.full(n, np.inf, np.float32).view(np.int32)
        while True:
            try:
                first = waiting.pop()
            except IndexError:
                return least
            visit(first, min(n, first + size), least)

    threads = threads if n * n * width >= _WORTH_A_THREAD else 1
    with ThreadPoolExecutor(threads) as pool:  # starts no thread before there is work for it
        others = [pool.submit(work) for _ in range(threads - 1)]
        least = work()
        for other in others:
            np.minimum(least, other.result(), out=least)
    return in_order(least).view(np.float32)


@njit(cache=True, nogil=True)
def add_all_dots(x: Shorts, rows: Numbers, i: int, y: Shorts, columns: Numbers, sums: Integers) -> None:
    """Add products of ROWS rows of x, from the i-th on, and rows of y."""
    for begin in range(0, x.shape[1], _DEPTH):
        stop = min(begin + _DEPTH, x.shape[1])
        for j in range(0, len(columns), COLUMNS):
            add_dots(x, rows, i, y, columns, j, begin, stop, sums)


@njit(cache=True, nogil=True)
def _set_block(
    high: Shorts, half: Floats, unit: Floats, first: int, last: int, matrix: Floats, least: Integers
) -> None:
    """Set columns ``first`` to ``last`` of a matrix, and lower the least of each row."""
    everyone = np.arange(len(high))
    for i in range(0, last, ROWS):
        begin = max(first, i)
        columns = everyone[begin : last + -(last - begin) % COLUMNS]
        sums = np.zeros((ROWS, len(columns)), np.int32)
        add_all_dots(high, everyone, i, high, columns, sums)
        for r in range(i, min(len(half), i + ROWS)):
            j = max(begin, r + 1)
            if j < last:
                row = matrix[r, j:last]
                set_row(sums[r - i, j - begin : last - begin], half[r], half[j:last], unit[r], unit[j:last], row)
                least[r] = keep_least(row.view(np.int32), least[r], least[j:last])


@njit(cache=True, nogil=True)
def _refine_block(
    high: Shorts,
    low: Shorts,
    unit: Floats,
    per_unit: np.float32,
    first: int,
    last: int,
    matrix: Floats,
    least: Integers,
) -> None:
    everyone = np.arange(len(high))
    for i in range(0, last, ROWS):
        begin = max(first, i)
        columns = everyone[begin : last + -(last - begin) % COLUMNS]
        sums = np.zeros((ROWS, len(columns)), np.int32)
        add_all_dots(high, everyone, i, low, columns, sums)
        add_all_dots(low, everyone, i, high, columns, sums)
        for r in range(i, min(len(unit), i + ROWS)):
            j = max(begin, r + 1)
            if j < last:
                row = matrix[r, j:last]
                _lower(sums[r - i, j - begin : last - begin], unit[r] * per_unit, unit[j:last], row)
                least[r] = keep_least(row.view(np.int32), least[r], least[j:last])


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def set_row(dots: Integers, own: np.float32, half: Floats, own_unit: np.float32, unit: Floats, row: Floats) -> None:
    for j in range(len(row)):
        row[j] = (own + half[j]) - np.float32(dots[j]) * (own_unit * unit[j])


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _lower(dots: Integers, own_unit: np.float32, unit: Floats, row: Floats) -> None:
    for j in range(len(row)):
        row[j] -= np.float32(dots[j]) * (own_unit * unit[j])


@njit(cache=True, nogil=True)
def keep_least(row: Integers, smallest: np.int32, least: Integers) -> Any:
    """Lower the least of columns, and return that of the row.

    All are bits of floats, as integers in the order of these: of integers the least is found in vectors, of floats it
    is not.
    """
    for place in range(len(row)):
        value = np.int32(row[place] ^ ((row[place] >> 31) & np.int32(2**31 - 1)))
        smallest = min(smallest, value)
        least[place] = min(least[place], value)
    return smallest


def in_order(bits: Integers) -> Integers:
    """Bits of floats as integers in the order of these, or back: of negative floats the larger bits are the smaller."""
    return np.asarray(bits ^ ((bits >> 31) & np.int32(2**31 - 1)))
