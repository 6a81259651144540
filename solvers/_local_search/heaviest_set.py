"""Tabu search for a heavy set of points without two at a distance of z or less.

A move puts in the point of the largest gain: its own weight less that of the points in its way, which leave and may not
come back for a while. Where nobody is in its way this is the ADD of the multi-neighbourhood tabu search of Wu, Hao,
Glover (Annals of Operations Research 196, 2012), else its SWAP, with any number of points that leave.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices, Matrix
from solvers._framework.compilation import njit
from solvers._local_search.threshold_search import draw

Marks = NDArray[np.bool_]

_TENURE, _SPREAD = 7, 10  # moves that a point has to stay out at least, and how many more it may be
_KEPT_PARTS, _PARTS = 3, 4  # of the best set, that a restart keeps
_FRESH = 5  # restarts of which one begins from nothing


class HeavySearch(NamedTuple):
    """State of a search among m points.

    ``lost[v]`` is the weight of the chosen points that are at z or less from v, and ``stays_out[v]`` the move until
    which v may not come in. ``barred`` are the points too close to a fixed one.
    """

    distances: Matrix  # minus infinity for two points that may never both be chosen, infinite on the diagonal
    weight: Indices  # above 0, but for fixed points
    fixed: Marks
    threshold: NDArray[np.float64]  # z
    chosen: Marks
    barred: Marks
    lost: Indices
    stays_out: Indices
    best: Marks
    counter: Indices
    random: NDArray[np.uint64]


TOTAL, BEST, NEEDED, MOVES, QUIET, RESTARTS = range(6)


def new_heavy_search(distances: Matrix, weight: Indices, needed: int, fixed: Marks, seed: int) -> HeavySearch:
    """Begin without a set; :func:`start_from` gives one."""
    m = len(weight)
    counter = np.zeros(RESTARTS + 1, np.int64)
    counter[NEEDED] = needed
    return HeavySearch(
        distances,
        weight,
        fixed,
        threshold=np.full(1, -np.inf),
        chosen=np.zeros(m, np.bool_),
        barred=np.zeros(m, np.bool_),
        lost=np.zeros(m, np.int64),
        stays_out=np.zeros(m, np.int64),
        best=np.zeros(m, np.bool_),
        counter=counter,
        random=np.array([seed | 1], np.uint64),
    )


@njit(cache=True, nogil=True)
def _switch(s: HeavySearch, v: int, sign: int) -> None:
    """Put v in (sign 1) or take it out (sign -1)."""
    z, row, change = s.threshold[0], s.distances[v], sign * s.weight[v]
    s.chosen[v] = sign > 0
    s.counter[TOTAL] += change
    for x in range(len(row)):
        if row[x] <= z:
            s.lost[x] += change


@njit(cache=True, nogil=True)
def _put_in(s: HeavySearch, v: int) -> None:
    """Put v in, and take out what is in its way."""
    z, row = s.threshold[0], s.distances[v]
    for x in range(len(row)):
        if s.chosen[x] and row[x] <= z:
            _switch(s, x, -1)
            s.stays_out[x] = s.counter[MOVES] + _TENURE + draw(s.random, _SPREAD)
    _switch(s, v, 1)


@njit(cache=True, nogil=True)
def start_from(s: HeavySearch, z: float, first: Marks) -> None:
    """Begin at a threshold from what is left of ``first`` there, the fixed points always included."""
    m = len(s.weight)
    s.threshold[0] = z
    s.chosen[:] = False
    s.barred[:] = False
    s.lost[:] = 0
    s.counter[TOTAL] = 0
    for v in range(m):
        if s.fixed[v]:
            _switch(s, v, 1)
            for x in range(m):
                if s.distances[v, x] <= z and x != v:
                    s.barred[x] = True
    _add(s, first)
    s.best[:] = s.chosen
    s.counter[BEST] = s.counter[TOTAL]
    s.counter[QUIET] = 0


@njit(cache=True, nogil=True)
def _add(s: HeavySearch, some: Marks) -> None:
    """Put in those of some points that nobody is in the way of, the heaviest ones first."""
    for v in np.argsort(-s.weight):
        if some[v] and not s.chosen[v] and not s.barred[v] and s.lost[v] == 0:
            _switch(s, v, 1)


@njit(cache=True, nogil=True)
def _restart(s: HeavySearch) -> None:
    """Begin again from a part of the best set, now and then from the fixed points alone."""
    s.counter[RESTARTS] += 1
    fresh = s.counter[RESTARTS] % _FRESH == 0
    for v in range(len(s.weight)):
        if s.chosen[v] and not s.fixed[v]:
            _switch(s, v, -1)
    for v in range(len(s.weight)):
        kept = s.best[v] and not s.chosen[v]
        if kept and not fresh and draw(s.random, _PARTS) < _KEPT_PARTS:
            _switch(s, v, 1)
    for _ in range(len(s.weight) // 10):
        v = int(draw(s.random, len(s.weight)))
        if not s.chosen[v] and not s.barred[v] and s.lost[v] == 0:
            _switch(s, v, 1)
    s.stays_out[:] = 0


@njit(cache=True, nogil=True)
def advance(s: HeavySearch, moves: int, patience: int) -> bool:
    """Make up to so many moves; True once the set is heavy enough. ``patience`` moves in vain bring a restart."""
    counter, m = s.counter, len(s.weight)
    for _ in range(moves):
        if counter[TOTAL] > counter[BEST]:
            s.best[:] = s.chosen
            counter[BEST] = counter[TOTAL]
            counter[QUIET] = 0
        if counter[TOTAL] >= counter[NEEDED]:
            return True
        if counter[QUIET] >= patience:
            _restart(s)
            counter[QUIET] = 0
        counter[MOVES] += 1
        counter[QUIET] += 1
        entering, largest, ties = -1, -(2**62), 0
        for v in range(m):
            if s.chosen[v] or s.barred[v]:
                continue
            gain = int(s.weight[v] - s.lost[v])
            if gain < largest:
                continue
            if s.stays_out[v] > counter[MOVES] and counter[TOTAL] + gain <= counter[BEST]:
                continue
            if gain > largest:
                entering, largest, ties = v, gain, 1
            else:
                ties += 1
                if draw(s.random, ties) == 0:
                    entering = v
        if entering >= 0:
            _put_in(s, entering)
    return bool(counter[TOTAL] >= counter[NEEDED])
