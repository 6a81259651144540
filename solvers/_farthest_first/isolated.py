"""The most isolated point, where few picks follow: points that have a near neighbour drop out early.

The readable formula: of the points that are left, ``near`` is the least half squared distance to those they were
compared with, which only decreases::

    while some points have not been compared with all:
        compare those left with some more
        compare the leaders, whose near is largest, with all others
        drop whoever's near is certainly below the largest near of a leader
    best = the largest distance, by the rule, of one that is left to its nearest

Products of integers tell near and far, with their bound. The points that it leaves open are compared by the rule, in
float64, with ties to the lowest index.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from solvers._farthest_first.integer_dots import COLUMNS, ROWS
from solvers._farthest_first.integer_products import (
    Integers,
    Numbers,
    add_all_dots,
    columns_at_once,
    in_order,
    keep_least,
    padded,
    rows_of_half_distances,
    set_row,
)
from solvers._farthest_first.integer_rows import Floats, IntegerRows, Shorts
from solvers._farthest_first.intervals import rule_distances
from solvers._framework.compilation import njit

_AT_ONCE = 192, 512  # points that those left are compared with, at first and at most
_LEADERS = 2 * ROWS
_MEASURED = 64  # points at most that float64 decides between
_WORTH_THREADS = 2**25  # products of two numbers


def most_isolated(rows: IntegerRows, error: float, threads: int = 1) -> tuple[int, int, int]:
    """Return the point whose nearest other is farthest.

    Parameters
    ----------
    rows : IntegerRows
    error : float
        Bound on what half a squared distance is off by.
    threads : int

    Returns
    -------
    int
        The point, -1 if too many tie.
    int
        Distances computed in float64.
    int
        Those of them that the bound does not hold for.
    """
    near, left = _race(_Comparison(rows, threads), rows.n, error)
    best, chosen, computed, wrong = -1.0, rows.n, 0, 0
    turn = np.lexsort((left, -near))[: _MEASURED + 1]
    order, near = left[turn], near[turn]
    for place, i in enumerate(order):
        if near[place] + error < best:
            break
        if place == _MEASURED:
            return -1, computed, wrong
        if place % ROWS == 0:
            several = rows_of_half_distances(rows, order[place : place + ROWS])
        row = several[place % ROWS]
        row[i] = np.inf
        others = np.flatnonzero(row <= row.min() + 2 * error)
        exact = rule_distances(rows.x, rows.scale, np.full(len(others), i), others)
        computed, wrong = computed + len(others), wrong + int((abs(exact - row[others]) > error).sum())
        if exact.min() > best or (exact.min() == best and i < chosen):
            best, chosen = float(exact.min()), int(i)
    return chosen, computed, wrong


def warm_up(rows: IntegerRows, threads: int) -> None:
    """Compile for one thread, and for several."""
    most_isolated(rows, rows.error)
    _Comparison(rows, threads, worth_threads=0).compare(np.arange(rows.n), np.arange(rows.n))


class _Comparison:
    """Points, and the least half squared distance of each to those that it was compared with."""

    def __init__(self, rows: IntegerRows, threads: int, worth_threads: int = _WORTH_THREADS) -> None:
        self._rows, self._threads, self._worth_threads = rows, threads, worth_threads
        self._half, self._unit = rows.in_float32()
        self._near = np.full(rows.n, np.inf, np.float32).view(np.int32)

    def near(self, points: Numbers) -> Floats:
        """Of some points."""
        return in_order(self._near[points]).view(np.float32)

    def compare(self, points: Numbers, columns: Numbers) -> None:
        """Compare each point with each column, all threads some of the points."""
        high, count = self._rows.high, len(columns)
        place_of = np.full(self._rows.n, -1)
        place_of[columns] = np.arange(count)
        is_worth_threads = self._threads > 1 and len(points) * count * high.shape[1] >= self._worth_threads
        closest = np.full((self._threads if is_worth_threads else 1, count), np.inf, np.float32).view(np.int32)
        of_points = high, self._half, self._unit, padded(points, ROWS)
        of_columns = padded(columns, COLUMNS), place_of, columns_at_once(self._rows), self._near
        if is_worth_threads:
            _compare_on_all_threads(*of_points, len(points), *of_columns, closest)
        else:
            _compare(*of_points, 0, len(points), *of_columns, closest[0])
        self._near[columns] = np.minimum(self._near[columns], closest.min(axis=0))


def _race(comparison: _Comparison, n: int, error: float) -> tuple[Floats, Numbers]:
    """Return the points that may be the most isolated one, and the least half distance of each to another."""
    left, waiting = np.arange(n), np.random.default_rng(0).permutation(n)
    done, is_left = np.empty(0, np.int64), np.ones(n, np.bool_)
    floor, width = -np.inf, _AT_ONCE[0]
    while len(left) and len(waiting):
        before = len(left)
        columns, waiting = waiting[:width], waiting[width:]
        comparison.compare(left, columns)
        near = comparison.near(left)
        leaders = left[np.argpartition(-near, min(_LEADERS, before) - 1)[:_LEADERS]]
        is_left[leaders] = False
        if len(waiting):
            comparison.compare(np.sort(waiting), leaders)  # in the order in which they lie in memory, as those left
        waiting = waiting[~np.isin(waiting, leaders)]
        done = np.concatenate([done, leaders])
        floor = max(floor, float(comparison.near(leaders).max()) - error)
        left = left[is_left[left]]
        left = left[comparison.near(left) + error >= floor]
        is_left[:] = False
        is_left[left] = True
        waiting = np.concatenate([waiting[is_left[waiting]], waiting[~is_left[waiting]]])  # of two left, both gain
        if 2 * len(left) > before:
            width = min(2 * width, _AT_ONCE[1])
    left = np.concatenate([left, done])
    near = comparison.near(left)
    may_be = near + error >= floor
    return near[may_be], left[may_be]


@njit(cache=True, nogil=True)
def _compare(
    high: Shorts,
    half: Floats,
    unit: Floats,
    points: Numbers,
    first: int,
    last: int,
    columns: Numbers,
    place_of: Numbers,
    at_once: int,
    near: Integers,
    closest: Integers,
) -> None:
    """Lower ``near`` of the points from the first to the last, and ``closest`` of the columns.

    Nothing is near to itself.
    """
    for begin in range(0, len(closest), at_once):
        some = columns[begin : begin + at_once]
        size = min(len(closest) - begin, at_once)
        halves, units, row = half[some[:size]], unit[some[:size]], np.empty(size, np.float32)
        for i in range(first, last, ROWS):
            sums = np.zeros((ROWS, len(some)), np.int32)
            add_all_dots(high, points, i, high, some, sums)
            for r in range(i, min(last, i + ROWS)):
                point = points[r]
                set_row(sums[r - i, :size], half[point], halves, unit[point], units, row)
                place = place_of[point] - begin
                if 0 <= place < size:
                    row[place] = np.inf
                near[point] = keep_least(row.view(np.int32), near[point], closest[begin : begin + size])


@njit(cache=True, parallel=True)
def _compare_on_all_threads(
    high: Shorts,
    half: Floats,
    unit: Floats,
    points: Numbers,
    count: int,
    columns: Numbers,
    place_of: Numbers,
    at_once: int,
    near: Integers,
    closest: Integers,
) -> None:
    """Compare the first ``count`` points, a part for each row of ``closest``."""
    size = -(-len(points) // (ROWS * len(closest))) * ROWS
    for part in prange(len(closest)):
        last = min(count, (part + 1) * size)
        _compare(high, half, unit, points, part * size, last, columns, place_of, at_once, near, closest[part])
