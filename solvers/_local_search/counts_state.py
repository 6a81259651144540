"""State of a threshold search within group counts, on a matrix of conflicts.

A point has a kind: the groups it is in. Points are in the order of their kinds, so that the points of a kind are a
range. What is kept up to date, beside the degrees of :mod:`threshold_search`::

    taken[g] = number of chosen points in group g
    violation = sum over groups of max(0, low[g] - taken[g]) + max(0, taken[g] - high[g])

With one attribute every swap keeps the counts, and the violation is always zero. With several, single swaps that keep
them do not reach all solutions, so a violated count weighs as much as a conflict.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from mmdp.arrays import Matrix
from solvers._local_search.conflict_matrix import pairs_between
from solvers._local_search.conflict_swaps import LISTED, RESTING
from solvers._local_search.counts_table import CountsTable, Ints, count_point, recount, violation_of
from solvers._local_search.threshold_search import (
    CONFLICTS,
    FEWEST,
    LAST_GAIN,
    MOVES,
    RESTARTS,
    Int,
    draw,
)

BARRED = np.int16(2**14)  # above any degree
MOST_COUNTED_PICKS = 2**14 - 1
VIOLATION = LISTED + 1  # the last counter
NEVER = np.int64(2**62)


class CountedSearch(NamedTuple):
    """One search between two slices of moves; every field but the distances and the limits is changed in place."""

    D: Matrix
    first: NDArray[np.int32]  # pairs (first, second) beyond z, closest first, of which the counter says how many
    second: NDArray[np.int32]  # have become conflicts
    distance: NDArray[np.float64]
    conflict: NDArray[np.uint8]
    degree: NDArray[np.int16]
    barred: NDArray[np.int16]  # BARRED for points that are chosen or tabu
    members: Ints
    chosen: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    best: NDArray[np.bool_]  # the chosen points when z was last raised
    threshold: NDArray[np.float64]
    tabu: Ints  # until which move; never over for fixed points
    resting: Ints  # tabu points outside, as many as the counter says
    frequency: Ints
    counter: Ints
    random: NDArray[np.uint64]
    counts: CountsTable


def new_counted_search(
    D: Matrix,
    threshold: float,
    cap: float,
    chosen: NDArray[np.bool_],
    fixed: NDArray[np.bool_],
    counts: CountsTable,
    seed: int,
) -> CountedSearch:
    """Begin at ``threshold``, the smallest distance of the ``chosen`` points, with pairs up to ``cap`` in reserve."""
    n = len(D)
    conflict = (threshold >= D).astype(np.uint8)
    np.fill_diagonal(conflict, 0)
    degree = conflict[chosen].sum(axis=0, dtype=np.int16)
    counter = np.zeros(VIOLATION + 1, np.int64)
    counter[CONFLICTS] = counter[FEWEST] = int(degree[chosen].sum()) // 2
    members = np.flatnonzero(chosen)
    recount(counts, members)
    return CountedSearch(
        D,
        *pairs_between(D, threshold, cap),
        conflict=conflict,
        degree=degree,
        barred=np.where(chosen, BARRED, 0).astype(np.int16),
        members=members,
        chosen=chosen.copy(),
        fixed=fixed,
        best=chosen.copy(),
        threshold=np.full(1, threshold),
        tabu=np.where(fixed, NEVER, 0),
        resting=np.zeros(n, np.int64),
        frequency=np.zeros(n, np.int64),
        counter=counter,
        random=np.array([seed | 1], np.uint64),
        counts=counts,
    )


@register_jitable
def add_conflicts(degree: NDArray[np.int16], row: NDArray[np.uint8]) -> None:
    """Add a row of conflicts to the degrees."""
    for v in range(len(degree)):
        degree[v] += np.int16(row[v])


@register_jitable
def restart_counted(s: CountedSearch) -> None:
    """Choose anew: each time a point in fewest conflicts whose groups are open, the least often chosen on ties."""
    counts, counter, degree = s.counts, s.counter, s.degree
    k = len(s.members)
    counter[CONFLICTS] = counter[RESTING] = 0
    degree[:] = 0
    counts.taken[:] = 0
    for v in range(len(s.tabu)):
        s.tabu[v] = NEVER if s.fixed[v] else 0
        s.barred[v] = 0
    size = 0
    for v in range(len(s.chosen)):
        s.chosen[v] = s.fixed[v]
        if s.fixed[v]:
            _choose(s, v, size)
            size += 1
    spare = np.zeros(counts.groups.shape[1], np.int64)
    while size < k:
        spare[:] = k
        for g in range(len(counts.low)):
            spare[counts.attribute[g]] -= max(counts.taken[g], counts.low[g])
        v = _least_used(s, spare, True)
        if v < 0:
            v = _least_used(s, spare, False)
        _choose(s, v, size)
        s.frequency[v] += 1
        size += 1
    counter[VIOLATION] = violation_of(counts)
    counter[FEWEST], counter[LAST_GAIN] = counter[CONFLICTS] + counter[VIOLATION], counter[MOVES]
    counter[RESTARTS] += 1


@register_jitable
def _choose(s: CountedSearch, v: Int, place: int) -> None:
    s.counter[CONFLICTS] += s.degree[v]
    s.members[place], s.chosen[v], s.barred[v] = v, True, BARRED
    add_conflicts(s.degree, s.conflict[v])
    count_point(s.counts, v, 1)


@register_jitable
def _least_used(s: CountedSearch, spare: Ints, within: bool) -> int:
    """Return a point in fewest conflicts, the least often chosen on ties; ``within`` the counts, or -1."""
    counts = s.counts
    best, ties = -1, 0
    for t in range(len(counts.begin) - 1):
        is_open = True
        for i in range(counts.groups.shape[1]):
            g = counts.groups[t, i]
            if counts.taken[g] >= counts.high[g] or (counts.taken[g] >= counts.low[g] and spare[i] <= 0):
                is_open = False
        if within and not is_open:
            continue
        for v in range(counts.begin[t], counts.begin[t + 1]):
            if s.barred[v]:
                continue
            order = np.int64(s.degree[v]) - np.int64(s.degree[best]) if best >= 0 else np.int64(-1)
            if order == 0:
                order = s.frequency[v] - s.frequency[best]
            if order < 0:
                best, ties = v, 1
            elif order == 0:
                ties += 1
                if draw(s.random, ties) == 0:
                    best = v
    return best
