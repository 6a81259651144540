"""Farthest-first in any dimension: a point is compared with further centres only while it could be the next pick.

The readable formula, beside the plain traversal of ``solvers.greedy``: ``nearest`` only decreases, so its last known
value bounds it from above. A point whose bound is below the value of some point that is up to date is not the next
pick, and waits; one that was compared with some centre closer than that is done for this step. A centre c need not be
compared at all where the owner of ``nearest`` is so far from c that the triangle inequality leaves c no closer
(Elkan, ICML 2003, lemma 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from mmdp.arrays import Points, Vector
from solvers._framework.compilation import njit
from solvers._framework.distance_forms import is_beyond, one_reduced_distance

BLOCK = 256
_TOGETHER = 16  # blocks side by side that one thread visits: bounds of fewer share a line of cache with another's
FEW_STALE = 16  # blocks that one thread visits sooner than others wake up
_WORTH_A_THREAD = 2**17  # coordinates that one thread looks at before others join: a tenth of a millisecond
_ROUNDING, _UNDERFLOW = 1 + 1e-9, 1e-290  # far above what float64 sums of up to 10^6 terms lose

Numbers = NDArray[np.int64]


class Waiting(NamedTuple):
    """Upper bounds on ``nearest``: how many centres each point has seen, which is nearest, the bound of each block."""

    nearest: Vector
    seen: NDArray[np.int32]
    owner: NDArray[np.int32]
    bound: Vector


def waiting(nearest: Vector) -> Waiting:
    """Begin with points that have seen no centre."""
    bound = np.maximum.reduceat(nearest, np.arange(0, len(nearest), BLOCK))
    return Waiting(nearest, np.zeros(len(nearest), np.int32), np.full(len(nearest), -1, np.int32), bound)


@njit(cache=True)
def _visit(
    kind: int,
    constant: float,
    factor: float,
    x: Points,
    points: Waiting,
    between: Vector,
    picks: Numbers,
    count: int,
    b: int,
    floor: float,
) -> tuple[float, int]:
    """Bring the points of a block up to date that reach ``floor``.

    Returns ``floor``, risen to the best of them, and how many distances were looked at.
    """
    nearest, seen, owner = points.nearest, points.seen, points.owner
    largest, looked_at = -1.0, 0
    for i in range(b * BLOCK, min(len(x), (b + 1) * BLOCK)):
        if nearest[i] >= floor:
            best, own, c = nearest[i], owner[i], np.int64(seen[i])
            while c < count and best >= floor:
                apart = between[own, c] if own >= 0 and own < len(between) and c < len(between) else 0.0
                out_of_reach = apart >= constant * best * _ROUNDING + _UNDERFLOW
                looked_at += int(not out_of_reach)
                if not (out_of_reach or (factor > 0 and best < np.inf and is_beyond(x, i, x, picks[c], factor, best))):
                    distance = one_reduced_distance(kind, x, i, x, picks[c])
                    if distance < best:
                        best, own = distance, c
                c += 1
            nearest[i], owner[i], seen[i] = best, own, c
            floor = max(floor, best)
        largest = max(largest, nearest[i])
    points.bound[b] = largest
    return floor, looked_at


@njit(cache=True)
def _measure_pick(kind: int, x: Points, between: Vector, picks: Numbers, last: int) -> None:
    if last < len(between):
        for c in range(last):
            between[c, last] = between[last, c] = one_reduced_distance(kind, x, picks[c], x, picks[last])


@njit(cache=True, parallel=True)
def _visit_together(
    kind: int,
    constant: float,
    factor: float,
    x: Points,
    points: Waiting,
    between: Vector,
    threads: int,
    picks: Numbers,
    count: int,
    stale: Numbers,
    floor: Vector,
) -> None:
    """Visit blocks by threads, which tell each other the best point so far; a floor read too early is only lower."""
    for thread in prange(threads):
        for first in range(thread * _TOGETHER, len(stale), threads * _TOGETHER):
            for b in stale[first : first + _TOGETHER]:
                if points.bound[b] >= floor[0]:
                    best, _ = _visit(kind, constant, factor, x, points, between, picks, count, b, floor[0])
                    if best > floor[0]:
                        floor[0] = best


@njit(cache=True)
def advance(
    kind: int,
    constant: float,
    factor: float,
    x: Points,
    points: Waiting,
    between: Vector,
    threads: int,
    picks: Numbers,
    count: int,
    stop: int,
) -> float:
    """Extend ``picks`` from ``count`` to ``stop`` and return the last pick's distance.

    Most blocks of most steps take no time, because the first few of them raise the floor. So threads divide what is
    left of a step once one of them has had enough to do.
    """
    floor, enough = np.zeros(1), _WORTH_A_THREAD // x.shape[1]
    stale = np.empty(len(points.bound), np.int64)
    while count < stop:
        top = int(points.bound.argmax())
        floor[0], looked_at = _visit(kind, constant, factor, x, points, between, picks, count, top, 0.0)
        size = 0
        for b in range(len(points.bound)):
            if points.bound[b] >= floor[0]:
                stale[size] = b
                size += 1
        place = 0
        while place < size and (threads == 1 or looked_at < enough or size - place <= FEW_STALE):
            b = stale[place]
            if points.bound[b] >= floor[0]:
                floor[0], more = _visit(kind, constant, factor, x, points, between, picks, count, b, floor[0])
                looked_at += more
            place += 1
        if place < size:
            left = stale[place:size]
            _visit_together(kind, constant, factor, x, points, between, threads, picks, count, left, floor)
        floor[0] = points.bound.max()
        b = int(points.bound.argmax())
        chosen = b * BLOCK
        while points.nearest[chosen] != floor[0]:
            chosen += 1
        picks[count] = chosen
        points.nearest[chosen] = -1.0
        points.bound[b] = points.nearest[b * BLOCK : (b + 1) * BLOCK].max()
        _measure_pick(kind, x, between, picks, count)
        count += 1
    return float(floor[0])
