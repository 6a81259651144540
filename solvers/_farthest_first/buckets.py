"""Farthest-first in few dimensions: a bucket of a k-d tree is visited only when it could hold the next pick.

The readable formula, beside the plain traversal of ``solvers.greedy``: the bound of a bucket is the largest ``nearest``
of its points when it was last visited, and ``nearest`` only decreases. So the next pick lies in a bucket whose bound is
at least the best value that is known to be up to date, and a centre whose distance from the bucket's box is at least
the bound changes none of its points. The idea is QuickFPS (Han et al., IEEE TCAD 42(11), 2023), here in float64 with
ties to the lowest index. Differences, squares and sums round monotonically, and a box is summed over the coordinates
in the order of its points, so its computed distance never exceeds theirs: no tolerance is needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from mmdp.arrays import Points, Vector
from solvers._framework.compilation import njit
from solvers._framework.distance_forms import CHEBYSHEV, SQEUCLIDEAN

FEW_STALE = 16  # buckets that one thread visits sooner than others wake up
_WORTH_A_THREAD = 2**18  # distances that one thread computes before others join: a quarter of a millisecond
_SAMPLE_PER_BUCKET = 8
_TOGETHER = 256  # points that go down the tree side by side
_NO_NANS = {"nnan", "nsz"}  # lets the maxima vectorise; sums keep their order

Numbers = NDArray[np.int64]


class Buckets(NamedTuple):
    """Points ordered by bucket, one row a coordinate, and what is known of each bucket."""

    columns: Points
    order: Numbers
    start: Numbers
    low: Vector
    high: Vector
    nearest: Vector
    bound: Vector
    seen: Numbers


def build(x: Points, nearest: Vector, size: int) -> Buckets:
    """Put the points into buckets of about ``size`` by the medians of a sample; O(n log n) comparisons."""
    depth = max(0, (len(x) // size).bit_length())
    step = max(1, len(x) // (_SAMPLE_PER_BUCKET << depth))
    axes, cuts = _median_tree(np.ascontiguousarray(x[::step]), depth)
    leaf = _route(x, axes, cuts, depth)
    start, order = _by_leaf(leaf, 1 << depth)
    columns, low, high, ordered, bound = _in_order(x, nearest, start, order)
    return Buckets(columns, order, start, low, high, ordered, bound, np.zeros(len(bound), np.int64))


@njit(cache=True)
def _median_tree(sample: Points, depth: int) -> tuple[Numbers, Vector]:
    """Widest axis and median of every inner node; the children of node i are 2 i + 1 and 2 i + 2."""
    nodes = (1 << depth) - 1
    axes, cuts = np.zeros(nodes, np.int64), np.full(nodes, np.inf)
    first, last = np.zeros(2 * nodes + 1, np.int64), np.zeros(2 * nodes + 1, np.int64)
    last[0] = len(sample)
    order = np.arange(len(sample))
    for node in range(nodes):
        a, b = first[node], last[node]
        middle = b
        if b - a > 1:
            widest = -1.0
            for axis in range(sample.shape[1]):
                least, most = np.inf, -np.inf
                for i in order[a:b]:
                    least, most = min(least, sample[i, axis]), max(most, sample[i, axis])
                if most - least > widest:
                    widest, axes[node] = most - least, axis
            values = np.empty(b - a)
            for j in range(b - a):
                values[j] = sample[order[a + j], axes[node]]
            cuts[node] = np.partition(values, (b - a) // 2)[(b - a) // 2]
            middle = a
            for j in range(a, b):
                i = order[j]
                if sample[i, axes[node]] < cuts[node]:
                    order[j], order[middle] = order[middle], i
                    middle += 1
        first[2 * node + 1], last[2 * node + 1] = a, middle
        first[2 * node + 2], last[2 * node + 2] = middle, b
    return axes, cuts


@njit(cache=True, parallel=True)
def _route(x: Points, axes: Numbers, cuts: Vector, depth: int) -> NDArray[np.int32]:
    """Return the leaf of each point; many go down at once, as none has to wait for another's comparison."""
    leaf = np.zeros(len(x), np.int32)
    for block in prange((len(x) + _TOGETHER - 1) // _TOGETHER):
        first, last = block * _TOGETHER, min(len(x), (block + 1) * _TOGETHER)
        for _ in range(depth):
            for i in range(first, last):
                node = np.int64(leaf[i])
                leaf[i] = 2 * node + 1 + np.int64(x[i, axes[node]] >= cuts[node])
        for i in range(first, last):
            leaf[i] -= len(axes)
    return leaf


@njit(cache=True)
def _by_leaf(leaf: NDArray[np.int32], leaves: int) -> tuple[Numbers, Numbers]:
    start = np.zeros(leaves + 1, np.int64)
    for i in leaf:
        start[i + 1] += 1
    start = np.cumsum(start)
    place, order = start.copy(), np.empty(len(leaf), np.int64)
    for i in range(len(leaf)):
        order[place[leaf[i]]] = i
        place[leaf[i]] += 1
    return start, order


@njit(cache=True, parallel=True, fastmath=_NO_NANS)
def _in_order(
    x: Points, nearest: Vector, start: Numbers, order: Numbers
) -> tuple[Points, Vector, Vector, Vector, Vector]:
    """Coordinates by columns, the box of each bucket, ``nearest``, and its maximum in each bucket."""
    d, size = x.shape[1], len(start) - 1
    columns, ordered = np.empty((d, len(x)), x.dtype), np.empty(len(x))
    low, high, bound = np.full((size, d), np.inf), np.full((size, d), -np.inf), np.full(size, -1.0)
    for b in prange(size):
        first, last, largest = start[b], start[b + 1], -1.0
        for j in range(first, last):
            i = order[j]
            for axis in range(d):
                columns[axis, j] = x[i, axis]
            ordered[j] = nearest[i]
        for j in range(first, last):
            largest = max(largest, ordered[j])
        bound[b] = largest
        if first < last:
            for axis in range(d):
                least = most = columns[axis, first]
                for j in range(first, last):
                    least, most = min(least, columns[axis, j]), max(most, columns[axis, j])
                low[b, axis], high[b, axis] = least, most
    return columns, low, high, ordered, bound


@njit(inline="always")
def _box_distance(kind: int, low: Vector, high: Vector, b: int, centres: Vector, c: int) -> float:
    """By index, as all that threads share: views would have them fight over the reference count of the array."""
    total = 0.0
    for axis in range(centres.shape[1]):
        delta = max(low[b, axis] - centres[c, axis], centres[c, axis] - high[b, axis], 0.0)
        if kind == SQEUCLIDEAN:
            total += delta * delta
        elif kind == CHEBYSHEV:
            total = max(total, delta)
        else:
            total += delta
    return total


@njit(cache=True, fastmath=_NO_NANS)
def _lower(kind: int, columns: Points, centres: Vector, c: int, nearest: Vector, a: int, b: int) -> float:
    """Lower ``nearest[a:b]`` by the distances to a centre and return its maximum."""
    distance = np.zeros(b - a)
    in_threes = len(columns) // 3 * 3 if kind == SQEUCLIDEAN else 0
    for axis in range(0, in_threes, 3):  # fewer passes, in the same order of coordinates
        xs, ys, zs = columns[axis, a:b], columns[axis + 1, a:b], columns[axis + 2, a:b]
        x, y, z = centres[c, axis], centres[c, axis + 1], centres[c, axis + 2]
        for j in range(b - a):
            dx, dy, dz = np.float64(xs[j]) - x, np.float64(ys[j]) - y, np.float64(zs[j]) - z
            distance[j] = ((distance[j] + dx * dx) + dy * dy) + dz * dz
    for axis in range(in_threes, len(columns)):
        values, at = columns[axis, a:b], centres[c, axis]
        if kind == SQEUCLIDEAN:
            for j in range(b - a):
                delta = np.float64(values[j]) - at
                distance[j] += delta * delta
        elif kind == CHEBYSHEV:
            for j in range(b - a):
                distance[j] = max(distance[j], abs(np.float64(values[j]) - at))
        else:
            for j in range(b - a):
                distance[j] += abs(np.float64(values[j]) - at)
    largest = -1.0
    current = nearest[a:b]
    for j in range(b - a):
        value = min(distance[j], current[j])
        current[j] = value
        largest = max(largest, value)
    return largest


@njit(cache=True)
def _visit(kind: int, buckets: Buckets, b: int, centres: Vector, count: int, floor: float) -> int:
    """Apply the centres that a bucket has not seen, until its bound falls below ``floor``; return the distances."""
    low, high, bound, seen = buckets.low, buckets.high, buckets.bound, buckets.seen
    computed = 0
    for c in range(seen[b], count):
        seen[b] = c + 1
        if _box_distance(kind, low, high, b, centres, c) < bound[b]:
            first, last = buckets.start[b], buckets.start[b + 1]
            bound[b] = _lower(kind, buckets.columns, centres, c, buckets.nearest, first, last)
            computed += last - first
            if bound[b] < floor:
                break
    return computed


@njit(cache=True)
def _is_behind(kind: int, buckets: Buckets, b: int, centres: Vector, count: int) -> bool:
    """Pass over the centres too far from a bucket to change it, and say whether another comes."""
    for c in range(buckets.seen[b], count):
        if _box_distance(kind, buckets.low, buckets.high, b, centres, c) < buckets.bound[b]:
            return True
        buckets.seen[b] = c + 1
    return False


@njit(cache=True, parallel=True)
def _visit_together(kind: int, buckets: Buckets, stale: Numbers, centres: Vector, count: int, floor: float) -> None:
    for place in prange(len(stale)):
        _visit(kind, buckets, stale[place], centres, count, floor)


@njit(cache=True)
def advance(kind: int, buckets: Buckets, centres: Vector, threads: int, picks: Numbers, count: int, stop: int) -> float:
    """Extend ``picks`` and ``centres`` from ``count`` to ``stop`` and return the last pick's distance.

    Threads divide what is left of a step once one of them has had enough to do.
    """
    floor = 0.0
    stale = np.empty(len(buckets.bound), np.int64)
    while count < stop:
        top = int(buckets.bound.argmax())
        _visit(kind, buckets, top, centres, count, 0.0)
        floor = buckets.bound[top]
        size = 0
        for b in range(len(buckets.bound)):
            if buckets.bound[b] >= floor and _is_behind(kind, buckets, b, centres, count):
                stale[size] = b
                size += 1
        place = computed = 0
        while place < size and (threads == 1 or computed < _WORTH_A_THREAD or size - place <= FEW_STALE):
            computed += _visit(kind, buckets, stale[place], centres, count, floor)
            place += 1
        if place < size:
            _visit_together(kind, buckets, stale[place:size], centres, count, floor)
        floor = buckets.bound.max()
        chosen, where, home = len(buckets.order), 0, 0
        for b in range(len(buckets.bound)):
            if buckets.bound[b] == floor:
                for j in range(buckets.start[b], buckets.start[b + 1]):
                    if buckets.nearest[j] == floor:
                        if buckets.order[j] < chosen:
                            chosen, where, home = buckets.order[j], j, b
                        break
        picks[count] = chosen
        buckets.nearest[where] = -1.0
        buckets.bound[home] = buckets.nearest[buckets.start[home] : buckets.start[home + 1]].max()
        for axis in range(centres.shape[1]):
            centres[count, axis] = buckets.columns[axis, where]
        count += 1
    return floor
