"""Threshold search on a matrix of conflicts in bytes, for up to a few thousand points and 250 picks.

The same search as in ``threshold_search`` with another layout: one byte for each pair and for each degree lets a whole
row be added, subtracted and searched for its minimum with vector instructions, which for a few hundred points is
several times faster than following lists.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from solvers._framework.compilation import njit
from solvers._local_search.conflict_swaps import (
    BARRED,
    LISTED,
    RESTING,
    Bytes,
    add_row,
    any_in_conflict,
    best_swap,
    coolest,
    hottest,
    least_used,
    smallest,
    swap_degrees,
    wake,
)
from solvers._local_search.threshold_search import (
    BEYOND_CAP,
    BLOCKED,
    CONFLICTS,
    FEWEST,
    LAST_GAIN,
    LONGEST_TENURE,
    MOST_DOUBLINGS,
    MOVES,
    PAUSED,
    RAISED_AT,
    RESTARTS,
    TENURE_IN,
    draw,
)

MOST_PICKS = 250  # so that a degree fits a byte and 255 can mean "not now"
_NEVER = np.int64(2**62)

Search = TypeVar("Search")


class ConflictMatrix(NamedTuple):
    """One search between two slices of moves; every field but the distances is changed in place."""

    D: NDArray[np.float64]
    first: NDArray[np.int32]  # pairs (first, second) beyond z, closest first, of which the counter says how many
    second: NDArray[np.int32]  # have become conflicts
    distance: NDArray[np.float64]
    conflict: Bytes  # D <= z, zero on the diagonal
    conflict_words: NDArray[np.uint64]  # views of this and of the next two, eight bytes at a time
    degree: Bytes
    barred: Bytes  # 255 for points that are chosen or tabu, and for the padding to whole words
    degree_words: NDArray[np.uint64]
    barred_words: NDArray[np.uint64]
    members: NDArray[np.int64]
    chosen: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    best: NDArray[np.bool_]  # the chosen points when z was last raised
    threshold: NDArray[np.float64]  # z
    tabu: NDArray[np.int64]  # until which move; never over for fixed points
    resting: NDArray[np.int64]  # tabu points outside, as many as the counter says
    frequency: NDArray[np.int64]
    counter: NDArray[np.int64]
    random: NDArray[np.uint64]


def pairs_between(
    D: NDArray[np.float64], low: float, high: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """List the pairs with ``low < distance <= high``, closest first."""
    first, second = np.divmod(np.flatnonzero((low < D) & (high >= D)), len(D))
    once = first > second
    first, second = first[once], second[once]
    distance = D[first, second]
    order = np.argsort(distance)
    return first[order].astype(np.int32), second[order].astype(np.int32), distance[order]


def new_conflict_matrix(
    D: NDArray[np.float64],
    threshold: float,
    cap: float,
    chosen: NDArray[np.bool_],
    fixed: NDArray[np.bool_],
    seed: int,
) -> ConflictMatrix:
    """Begin at ``threshold``, the smallest distance of the ``chosen`` points, with pairs up to ``cap`` in reserve."""
    n = len(D)
    padded = -(-n // 8) * 8
    degree, barred = np.zeros(padded, np.uint8), np.full(padded, np.uint8(BARRED))
    barred[:n][~chosen] = 0
    conflict = np.zeros((n, padded), np.uint8)
    conflict[:, :n] = threshold >= D
    np.fill_diagonal(conflict, 0)
    degree[:] = conflict[chosen].sum(axis=0)
    counter = np.zeros(LISTED + 1, np.int64)
    counter[CONFLICTS] = counter[FEWEST] = int(degree[:n][chosen].sum()) // 2
    return ConflictMatrix(
        D,
        *pairs_between(D, threshold, cap),
        conflict=conflict,
        conflict_words=conflict.view(np.uint64),
        degree=degree,
        barred=barred,
        degree_words=degree.view(np.uint64),
        barred_words=barred.view(np.uint64),
        members=np.flatnonzero(chosen),
        chosen=chosen.copy(),
        fixed=fixed,
        best=chosen.copy(),
        threshold=np.full(1, threshold),
        tabu=np.where(fixed, _NEVER, 0),
        resting=np.zeros(n, np.int64),
        frequency=np.zeros(n, np.int64),
        counter=counter,
        random=np.array([seed | 1], np.uint64),
    )


def with_pairs_up_to(search: Search, cap: float) -> Search:
    """Return the same search with a longer list of pairs; it is of one of the kinds of :func:`raise_threshold`."""
    s: Any = search
    first, second, distance = pairs_between(s.D, float(s.threshold[0]), cap)
    s.counter[LISTED] = 0
    longer: Search = s._replace(first=first, second=second, distance=distance)
    return longer


@register_jitable
def raise_threshold(s: Any) -> bool:
    """Move z up to the smallest chosen distance, with the conflicts that this makes; False beyond the listed pairs.

    ``s`` is a :class:`ConflictMatrix`, or a search under group counts, which has the same fields.
    """
    D, members, distance, degree, counter = s.D, s.members, s.distance, s.degree, s.counter
    first, second, conflict, chosen, best = s.first, s.second, s.conflict, s.chosen, s.best
    z = np.inf
    for i in range(len(members)):
        for j in range(i):
            z = min(z, D[members[i], members[j]])
    if len(distance) == 0 or z > distance[-1]:
        return False
    s.threshold[0] = z
    for v in range(len(chosen)):
        best[v] = chosen[v]
    entry = counter[LISTED]
    while entry < len(distance) and distance[entry] <= z:
        u, v = first[entry], second[entry]
        conflict[u, v] = conflict[v, u] = 1
        degree[u] += chosen[v]
        degree[v] += chosen[u]
        counter[CONFLICTS] += chosen[u] and chosen[v]
        entry += 1
    counter[LISTED] = entry
    counter[FEWEST] = counter[CONFLICTS]
    counter[LAST_GAIN] = counter[RAISED_AT] = counter[MOVES]
    counter[RESTARTS] = 0
    return True


@register_jitable
def _restart(s: ConflictMatrix) -> None:
    """Choose anew: each time a point in fewest conflicts, the least often chosen on ties."""
    members, degree, conflict, tabu, counter = s.members, s.degree, s.conflict, s.tabu, s.counter
    barred, chosen, fixed, frequency = s.barred, s.chosen, s.fixed, s.frequency
    for v in range(len(tabu)):
        tabu[v] = _NEVER if fixed[v] else 0
    wake(s.resting, chosen, barred, tabu, counter)
    counter[CONFLICTS] = 0
    degree[:] = 0
    for place in range(len(members)):
        u = members[place]
        chosen[u] = fixed[u]
        barred[u] = BARRED if fixed[u] else 0
        if fixed[u]:
            counter[CONFLICTS] += degree[u]
            add_row(degree, conflict, u)
    for place in range(len(members)):
        if fixed[members[place]]:
            continue
        u = least_used(degree, barred, frequency, s.random)
        counter[CONFLICTS] += degree[u]
        members[place], chosen[u], barred[u] = u, True, BARRED
        add_row(degree, conflict, u)
        frequency[u] += 1
    counter[FEWEST], counter[LAST_GAIN] = counter[CONFLICTS], counter[MOVES]
    counter[RESTARTS] += 1


@njit(cache=True, nogil=True)
def search_conflict_matrix(s: ConflictMatrix, moves: int, patience: int) -> int:
    """As ``search_conflict_lists``."""
    members, degree, conflict, tabu, random, counter = s.members, s.degree, s.conflict, s.tabu, s.random, s.counter
    barred, resting = s.barred, s.resting
    end, k, width = counter[MOVES] + moves, len(members), len(s.degree_words)
    spread = max(6, k // 40)
    places, words, marks = np.empty(k, np.int64), np.empty(width, np.int64), np.empty(width, np.uint64)
    while True:
        if counter[CONFLICTS] == 0:
            if not raise_threshold(s):
                return BEYOND_CAP
            continue
        now = counter[MOVES]
        if now >= end:
            return PAUSED
        if now - counter[LAST_GAIN] > patience << min(counter[RESTARTS], MOST_DOUBLINGS):
            _restart(s)
            continue
        counter[MOVES] = now = now + 1
        wake(resting, s.chosen, barred, tabu, counter)
        hot = hottest(members, degree, tabu, now, places)
        if hot == 0:
            places[0] = any_in_conflict(members, degree, s.fixed, random)
            if places[0] < 0:
                return BLOCKED
            hot = 1
        cool, fewest = 0, smallest(degree, barred)
        if fewest < BARRED:
            cool = coolest(fewest, s.degree_words, s.barred_words, words, marks)
        place, newcomer = best_swap(members, s.conflict_words, places[:hot], words[:cool], marks[:cool], tabu, random)
        leaver = members[place]
        left = counter[CONFLICTS] - np.int64(degree[leaver])
        if left == 0 and (newcomer < 0 or degree[newcomer] > conflict[leaver, newcomer]):
            for i in range(counter[RESTING]):  # a tabu point is welcome if it ends all conflicts
                if degree[resting[i]] == conflict[leaver, resting[i]]:
                    newcomer = resting[i]
        if newcomer < 0:
            continue  # until a tabu is over
        counter[CONFLICTS] = left + np.int64(degree[newcomer]) - np.int64(conflict[leaver, newcomer])
        swap_degrees(degree, conflict[leaver], conflict[newcomer])
        members[place], s.chosen[leaver], s.chosen[newcomer] = newcomer, False, True
        barred[leaver] = barred[newcomer] = BARRED
        s.frequency[newcomer] += 1
        tenure = min(counter[CONFLICTS], LONGEST_TENURE)
        tabu[leaver] = now + tenure + draw(random, spread)
        tabu[newcomer] = now + int(TENURE_IN * tenure) + draw(random, int(TENURE_IN * spread))
        resting[counter[RESTING]] = leaver
        counter[RESTING] += 1
        if counter[CONFLICTS] < counter[FEWEST]:
            counter[FEWEST], counter[LAST_GAIN] = counter[CONFLICTS], now
