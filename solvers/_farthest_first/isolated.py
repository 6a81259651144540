"""The most isolated point of many without all pairs: points that have a near neighbour drop out early.

The readable formula: of the points that are left, ``near`` is the distance to the nearest of those compared so far,
which only decreases. The largest are compared with all points, and whoever is nearer to some point than the best of
these is to any is out. If many are still left, each is measured from its likely neighbours, found by
:mod:`solvers._farthest_first.sign_neighbours`. The products are in float32, with the bound of
:mod:`solvers._farthest_first.half_product`. The points that it cannot tell apart are compared by the rule, in float64,
with ties to the lowest index.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Points, Vector
from solvers._farthest_first.intervals import Floats, Numbers, rule_distances
from solvers._farthest_first.sign_neighbours import likely_neighbours
from solvers._framework.compilation import njit

_FIRST_COLUMNS, _COLUMNS = 32, 256  # points that the others are compared with at once: few, as long as all are left
_LEADERS = 16  # points compared with all others now and then, the last of some heats
_HEATS = (256, 256), (64, 512)  # so many points, and how many others they are compared with
_PER_LEADER = 3  # pairs compared for each pair of leaders
_WORTH_A_COPY = 0.75  # share of the rows at which those that are left are put together
_WORTH_SIGNS = 0.25  # share of the points left from which on their signs are compared
_FEW = 8  # points left that are compared with all others straight away
_ROWS = 64  # at most, that float64 decides between
_IN_ANY_ORDER = {"reassoc", "nsz", "nnan"}


def most_isolated(
    x: Points, scale: Vector, rows: Floats, half: Floats, error: float, threads: int = 1
) -> tuple[int, int, int]:
    """Return the point whose nearest other is farthest.

    Parameters
    ----------
    x, scale : arrays
        As :class:`solvers._farthest_first.intervals.Pairs` has them.
    rows : (n, d) float32 array
        Points whose distances are those of the rule.
    half : (n,) float32 array
        Half their squared norms.
    error : float
        Half a squared distance, ``half[i] + half[j] - rows[i] @ rows[j]``, is off by no more than this.
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
    n = len(rows)
    order = np.random.default_rng(0).permutation(n)
    near, witness = np.full(n, np.inf, np.float32), np.zeros(n, np.int32)
    waiting, is_left = np.ones(n, np.bool_), np.ones(n, np.bool_)  # to be a column; to be the most isolated
    left = kept = everyone = np.arange(n)
    part, floor, top, width = rows, -np.inf, np.inf, _FIRST_COLUMNS
    pairs, pairs_of_leaders, are_signs_compared = 0, 0, False

    def compare(points: Numbers, columns: Numbers) -> int:
        beside = part if points is kept else rows if points is everyone else rows[points]
        _keep_nearest(beside @ rows[columns].T, half, points, columns, near, witness)
        return len(points) * len(columns)

    def lead() -> None:
        nonlocal floor, pairs_of_leaders
        leaders = left
        for size, against in _HEATS:
            leaders = leaders[np.argsort(-near[leaders], kind="stable")[:size]]
            pairs_of_leaders += compare(leaders, order[waiting[order]][:against])
        leaders = leaders[np.argsort(-near[leaders], kind="stable")[:_LEADERS]]
        pairs_of_leaders += compare(everyone, leaders)
        waiting[leaders] = False
        floor = max(floor, float(near[leaders].max()) - error)

    while floor == -np.inf or (len(left) > _FEW and top > floor + 2 * error and waiting.any()):
        columns = order[is_left[order] & waiting[order]]  # of a pair of points that are left, both gain
        columns = (columns if len(columns) else order[waiting[order]])[:width]
        pairs += compare(kept, columns)
        waiting[columns] = False
        if pairs > _PER_LEADER * pairs_of_leaders:
            lead()
        left = left[near[left] + error >= floor]
        if not are_signs_compared and len(left) > _WORTH_SIGNS * n:
            are_signs_compared = True
            _measure_likely_neighbours(rows, half, left, near, witness, threads)
            left = left[near[left] + error >= floor]
            if len(left) > _WORTH_SIGNS * n:
                lead()
                left = left[near[left] + error >= floor]
        if len(left) < _WORTH_A_COPY * len(kept):
            kept, part = left, rows[left]
        is_left[:] = False
        is_left[left] = True
        top, width = float(near[left].max()), min(_COLUMNS, 2 * width)
    at_most = rule_distances(x, scale, left, witness[left].astype(np.int64))
    best, chosen, computed = -1.0, n, len(left)
    wrong = int((abs(at_most - near[left]) > error).sum())
    for asked, place in enumerate(np.argsort(-at_most, kind="stable")):
        i = int(left[place])
        if at_most[place] < best or (at_most[place] == best and i > chosen):
            break
        if asked == _ROWS:
            return -1, computed, wrong
        row = half[i] + half - rows @ rows[i]
        row[i] = np.inf
        others = np.flatnonzero(row <= row.min() + 2 * error)
        exact = rule_distances(x, scale, np.full(len(others), i), others)
        computed, wrong = computed + len(others), wrong + int((abs(exact - row[others]) > error).sum())
        if exact.min() > best or (exact.min() == best and i < chosen):
            best, chosen = float(exact.min()), i
    return chosen, computed, wrong


def warm_up() -> None:
    """Compile what few rows do not come to."""
    rows, everyone = np.eye(8, dtype=np.float32), np.arange(8)
    _measure_likely_neighbours(rows, rows[0], everyone, np.zeros(8, np.float32), np.zeros(8, np.int32))


def _measure_likely_neighbours(
    rows: Floats, half: Floats, points: Numbers, near: Floats, witness: NDArray[np.int32], threads: int = 1
) -> None:
    for others in likely_neighbours(rows[points], half[points], threads):
        _keep_nearest_of_pairs(rows, half, points, points[others], near, witness)


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _keep_nearest_of_pairs(
    rows: Floats, half: Floats, points: Numbers, others: Numbers, near: Floats, witness: NDArray[np.int32]
) -> None:
    """Lower ``near`` of points by half the squared distance to another each."""
    for place in range(len(points)):
        i, j = points[place], others[place]
        if i != j:
            product, one, other = np.float32(0.0), rows[i], rows[j]
            for c in range(len(one)):
                product += one[c] * other[c]
            value = (half[i] + half[j]) - product
            if value < near[i]:
                near[i], witness[i] = value, j
            if value < near[j]:
                near[j], witness[j] = value, i


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _keep_nearest(
    products: Floats, half: Floats, points: Numbers, columns: Numbers, near: Floats, witness: NDArray[np.int32]
) -> None:
    """Lower ``near`` of points and columns by half their squared distances; ``witness`` is who is that near."""
    width = len(columns)
    closest, by = np.full(width, np.float32(np.inf)), np.zeros(width, np.int32)
    halves, place_of = half[columns], np.full(len(half), -1)
    for place in range(width):
        place_of[columns[place]] = place
    for r in range(len(points)):
        i = points[r]
        row, own, here = products[r], half[i], np.int32(i)
        if place_of[i] >= 0:
            row[place_of[i]] = -np.float32(np.inf)
        smallest = np.float32(np.inf)
        for c in range(width):
            value = (own + halves[c]) - row[c]
            row[c] = value
            smallest = min(smallest, value)
            by[c] = here if value < closest[c] else by[c]
            closest[c] = min(closest[c], value)
        if smallest < near[i]:
            place = 0
            while row[place] != smallest:
                place += 1
            near[i], witness[i] = smallest, columns[place]
    for place in range(width):
        i = columns[place]
        if closest[place] < near[i]:
            near[i], witness[i] = closest[place], by[place]
