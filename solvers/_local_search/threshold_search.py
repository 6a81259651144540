"""Threshold search: at a fixed z, look for k points pairwise farther apart than z; on success raise z.

A pair at distance z or less is a conflict. k points without a conflict are a k-clique of the graph of the other pairs
(Della Croce, Grosso, Locatelli, Computers & Operations Research 36(8), 2009, section 3), sought by a tabu search that
swaps a point in conflict for one with fewer conflicts, in the way of Wu and Hao (Journal of Combinatorial Optimization
26(1), 2013). The readable formula of what the kernels keep up to date:

    degree[v] = number of chosen u with D[u, v] <= z
    conflicts = sum of degree over the chosen points / 2

Near pairs come as sorted rows (``near_pairs``), of which a prefix is in conflict: a move costs the two prefixes of the
points that it swaps, not n. Conflict buckets hold the points worth swapping: bucket b < HOT the others of degree b,
bucket HOT the chosen points in conflict.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from solvers._framework.compilation import njit
from solvers._local_search.near_pairs import NearPairs

HOT = np.int64(3)  # typed, because Numba compiles a function once more for a literal
MOVES, CONFLICTS, FEWEST, LAST_GAIN, RAISED_AT, RESTARTS = range(6)
MOST_DOUBLINGS = 6  # of the wait for the next restart: 64 times as many moves
PAUSED, BEYOND_CAP, BLOCKED = range(3)  # why a search came back, see below
LONGEST_TENURE = 6  # moves, however many conflicts there are, before the random part: longer forbids good moves
TENURE_IN = 0.6  # of the tenure of a point that left, for the one that came in: it may leave sooner

Int = int | np.int64


class ConflictLists(NamedTuple):
    """One search between two slices of moves; every field is changed in place."""

    begin: NDArray[np.int64]
    near: NDArray[np.int32]
    distance: NDArray[np.float64]
    prefix: NDArray[np.int64]  # how many entries of a row are conflicts
    degree: NDArray[np.int32]
    chosen: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    best: NDArray[np.bool_]  # the chosen points when z was last raised
    threshold: NDArray[np.float64]  # z
    bucket: NDArray[np.int32]
    slot: NDArray[np.int32]
    size: NDArray[np.int64]
    tabu: NDArray[np.int64]  # until which move
    frequency: NDArray[np.int64]
    counter: NDArray[np.int64]
    random: NDArray[np.uint64]


def new_conflict_lists(
    pairs: NearPairs, threshold: float, chosen: NDArray[np.bool_], fixed: NDArray[np.bool_], seed: int
) -> ConflictLists:
    """Begin at ``threshold``: the smallest distance of the ``chosen`` points, and that of the list of pairs."""
    n = len(chosen)
    state = ConflictLists(
        *pairs,
        prefix=np.zeros(n, np.int64),
        degree=np.zeros(n, np.int32),
        chosen=chosen.copy(),
        fixed=fixed,
        best=chosen.copy(),
        threshold=np.zeros(1),
        bucket=np.zeros((HOT + 1, n), np.int32),
        slot=np.zeros(n, np.int32),
        size=np.zeros(HOT + 1, np.int64),
        tabu=np.zeros(n, np.int64),
        frequency=np.zeros(n, np.int64),
        counter=np.zeros(6, np.int64),
        random=np.array([seed | 1], np.uint64),
    )
    others = np.flatnonzero(~chosen)
    state.bucket[0, : len(others)] = others
    state.slot[others] = np.arange(len(others))
    state.size[0] = len(others)
    _set_threshold(state, threshold)
    return state


@register_jitable
def draw(random: NDArray[np.uint64], n: Int) -> int:
    """Return a number in 0 ... n - 1 by xorshift64* (Vigna, ACM Transactions on Mathematical Software 42(4), 2016)."""
    x = random[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    random[0] = x
    high = (x * np.uint64(2685821657736338717)) >> np.uint64(32)
    return int(np.int64((high * np.uint64(n)) >> np.uint64(32)))


@register_jitable
def _put(s: ConflictLists, v: Int, bucket: Int) -> None:
    s.slot[v] = s.size[bucket]
    s.bucket[bucket, s.size[bucket]] = v
    s.size[bucket] += 1


@register_jitable
def _take(s: ConflictLists, v: Int, bucket: Int) -> None:
    s.size[bucket] -= 1
    last = s.bucket[bucket, s.size[bucket]]
    s.bucket[bucket, s.slot[v]] = last
    s.slot[last] = s.slot[v]


@register_jitable
def _raise_degree(s: ConflictLists, v: Int) -> None:
    degree = np.int64(s.degree[v])
    s.degree[v] = degree + 1
    if s.chosen[v]:
        if degree == 0:
            _put(s, v, HOT)
    elif degree < HOT:
        _take(s, v, degree)
        if degree + 1 < HOT:
            _put(s, v, degree + 1)


@register_jitable
def _lower_degree(s: ConflictLists, v: Int) -> None:
    degree = np.int64(s.degree[v]) - 1
    s.degree[v] = degree
    if s.chosen[v]:
        if degree == 0:
            _take(s, v, HOT)
    elif degree < HOT:
        if degree + 1 < HOT:
            _take(s, v, degree + 1)
        _put(s, v, degree)


@register_jitable
def _add(s: ConflictLists, v: int) -> None:
    degree = np.int64(s.degree[v])
    if degree < HOT:
        _take(s, v, degree)
    s.chosen[v] = True
    if degree > 0:
        _put(s, v, HOT)
    s.counter[CONFLICTS] += degree
    for entry in range(s.begin[v], s.begin[v] + s.prefix[v]):
        _raise_degree(s, np.int64(s.near[entry]))


@register_jitable
def _remove(s: ConflictLists, v: int) -> None:
    degree = np.int64(s.degree[v])
    if degree > 0:
        _take(s, v, HOT)
    s.chosen[v] = False
    if degree < HOT:
        _put(s, v, degree)
    s.counter[CONFLICTS] -= degree
    for entry in range(s.begin[v], s.begin[v] + s.prefix[v]):
        _lower_degree(s, np.int64(s.near[entry]))


@register_jitable
def _closest_chosen_pair(s: ConflictLists) -> float:
    closest = np.inf
    for u in range(len(s.degree)):
        if s.chosen[u]:
            for entry in range(s.begin[u] + s.prefix[u], s.begin[u + 1]):
                if s.distance[entry] >= closest:
                    break
                if s.chosen[s.near[entry]]:
                    closest = s.distance[entry]
                    break
    return closest


@njit(cache=True, nogil=True)
def _set_threshold(s: ConflictLists, z: float) -> None:
    """Move z up to the smallest chosen distance, with the conflicts that this makes."""
    s.threshold[0] = z
    for u in range(len(s.degree)):
        s.best[u] = s.chosen[u]
    for u in range(len(s.degree)):
        entry = s.begin[u] + s.prefix[u]
        while entry < s.begin[u + 1] and s.distance[entry] <= z:
            v = s.near[entry]
            if s.chosen[v]:
                _raise_degree(s, u)
                s.counter[CONFLICTS] += s.chosen[u] and u < v
            entry += 1
        s.prefix[u] = entry - s.begin[u]
    s.counter[FEWEST] = s.counter[CONFLICTS]
    s.counter[LAST_GAIN] = s.counter[RAISED_AT] = s.counter[MOVES]
    s.counter[RESTARTS] = 0


@register_jitable
def _leaver(s: ConflictLists) -> int:
    """Return the point in most conflicts that is not tabu, any in conflict if all are; -1 if only fixed ones are."""
    now, size = s.counter[MOVES], s.size[HOT]
    best, most, ties = -1, 0, 0
    for i in range(size):
        u = s.bucket[HOT, i]
        if s.fixed[u] or s.tabu[u] > now:
            continue
        if s.degree[u] > most:
            best, most, ties = u, s.degree[u], 1
        elif s.degree[u] == most:
            ties += 1
            if draw(s.random, ties) == 0:
                best = u
    if best >= 0:
        return best
    first = draw(s.random, size)
    for i in range(size):
        u = s.bucket[HOT, (first + i) % size]
        if not s.fixed[u]:
            return int(u)
    return -1


@register_jitable
def _newcomer(s: ConflictLists, gone: int) -> int:
    """Return the point in fewest conflicts that is not tabu, the longest unused on ties; ``gone`` if there is none."""
    now = s.counter[MOVES]
    for bucket in range(HOT):
        size = s.size[bucket]
        if size == 0:
            continue
        best, oldest = -1, np.int64(2**62)
        free_of_conflict = bucket == 0 and s.counter[CONFLICTS] == 0
        first = draw(s.random, size)
        for i in range(size):
            v = s.bucket[bucket, (first + i) % size]
            if v != gone and (s.tabu[v] <= now or free_of_conflict) and s.tabu[v] < oldest:
                best, oldest = v, s.tabu[v]
        if best >= 0:
            return int(best)
    best, fewest, ties = gone, 2**31 - 1, 0
    for v in range(len(s.degree)):
        if s.chosen[v] or v == gone or s.tabu[v] > now:
            continue
        if s.degree[v] < fewest:
            best, fewest, ties = v, s.degree[v], 1
        elif s.degree[v] == fewest:
            ties += 1
            if draw(s.random, ties) == 0:
                best = v
    return best


@register_jitable
def _least_used(s: ConflictLists) -> int:
    """Return a point in fewest conflicts, the least often chosen on ties."""
    best, fewest, rarest, ties = -1, 2**31 - 1, np.int64(0), 0
    for v in range(len(s.degree)):
        if s.chosen[v] or s.degree[v] > fewest:
            continue
        if s.degree[v] < fewest or s.frequency[v] < rarest:
            best, fewest, rarest, ties = v, s.degree[v], s.frequency[v], 1
        elif s.frequency[v] == rarest:
            ties += 1
            if draw(s.random, ties) == 0:
                best = v
    return best


@register_jitable
def _restart(s: ConflictLists, k: int) -> None:
    size = 0
    for v in range(len(s.degree)):
        if s.chosen[v] and not s.fixed[v]:
            _remove(s, v)
        s.tabu[v] = 0
        size += s.fixed[v]
    for _ in range(k - size):
        v = _least_used(s)
        _add(s, v)
        s.frequency[v] += 1
    s.counter[FEWEST], s.counter[LAST_GAIN] = s.counter[CONFLICTS], s.counter[MOVES]
    s.counter[RESTARTS] += 1


@njit(cache=True, nogil=True)
def search_conflict_lists(s: ConflictLists, k: int, moves: int, patience: int) -> int:
    """Make up to ``moves`` moves, raising z as often as they allow; restart after ``patience`` moves without gain.

    The wait doubles with each restart that has not raised z, up to 64 times ``patience``.

    Returns
    -------
    PAUSED
        The moves are used up; call again to go on.
    BEYOND_CAP
        The chosen points are all farther apart than any listed pair: list more of them.
    BLOCKED
        Two fixed points are in conflict, so z cannot be exceeded.
    """
    end, spread = s.counter[MOVES] + moves, max(6, k // 40)
    while True:
        if s.counter[CONFLICTS] == 0:
            z = _closest_chosen_pair(s)
            if z == np.inf:
                return BEYOND_CAP
            _set_threshold(s, z)
            continue
        if s.counter[MOVES] >= end:
            return PAUSED
        if s.counter[MOVES] - s.counter[LAST_GAIN] > patience << min(s.counter[RESTARTS], MOST_DOUBLINGS):
            _restart(s, k)
            continue
        leaver = _leaver(s)
        if leaver < 0:
            return BLOCKED
        s.counter[MOVES] += 1
        _remove(s, leaver)
        newcomer = _newcomer(s, leaver)
        _add(s, newcomer)
        s.frequency[newcomer] += 1
        tenure = min(s.counter[CONFLICTS], LONGEST_TENURE)
        s.tabu[leaver] = s.counter[MOVES] + tenure + draw(s.random, spread)
        s.tabu[newcomer] = s.counter[MOVES] + int(TENURE_IN * tenure) + draw(s.random, int(TENURE_IN * spread))
        if s.counter[CONFLICTS] < s.counter[FEWEST]:
            s.counter[FEWEST], s.counter[LAST_GAIN] = s.counter[CONFLICTS], s.counter[MOVES]
