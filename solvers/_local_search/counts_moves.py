"""The moves of a threshold search within group counts: the best swap over pairs of kinds, then over their points.

The readable formula::

    top[t]  = most conflicts of a chosen point of kind t        (of those that are not tabu)
    cool[t] = fewest conflicts of another point of kind t       (of those that are not tabu)
    swap kinds (t, u) that minimise cool[u] - top[t] + change of the violation

and of the points that attain these, two in conflict with each other if there are such, whose conflict the swap ends.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from solvers._framework.compilation import njit
from solvers._local_search.conflict_matrix import raise_threshold
from solvers._local_search.conflict_swaps import RESTING
from solvers._local_search.counts_state import (
    BARRED,
    VIOLATION,
    CountedSearch,
    restart_counted,
)
from solvers._local_search.counts_table import Ints, change_of_violation
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
    RESTARTS,
    TENURE_IN,
    Int,
    draw,
)

_NONE = np.int64(2**40)
_ANY = np.int64(2**50)  # moves after which every tabu but that of fixed points is over
_PAIRS = 16  # of kinds whose points are compared for one move: more find more pairs in conflict, and take longer

Degrees = NDArray[np.int16]
Bools = NDArray[np.bool_]
Words = NDArray[np.uint64]


@register_jitable
def _tops(
    members: Ints, degree: Degrees, tabu: Ints, fixed: Bools, kind: Ints, least: Int, until: Int, top: Ints
) -> bool:
    """Set the most conflicts of a chosen point of each kind, -1 for kinds that give none; False if all give none.

    Points give way that are in at least ``least`` conflicts and not tabu beyond the move ``until``.
    """
    found = False
    top[:] = -1
    for place in range(len(members)):
        u = members[place]
        if degree[u] >= least and tabu[u] <= until and not fixed[u]:
            top[kind[u]] = max(top[kind[u]], np.int64(degree[u]))
            found = True
    return found


@register_jitable
def _fewest(degree: Degrees, barred: Degrees, begin: Int, end: Int) -> int:
    fewest = BARRED
    for v in range(begin, end):
        fewest = min(fewest, np.int16(degree[v] | barred[v]))
    return int(fewest)


@register_jitable
def _best_kinds(
    groups: NDArray[np.int64],
    taken: Ints,
    low: Ints,
    high: Ints,
    random: Words,
    top: Ints,
    cool: Ints,
    gone: Ints,
    come: Ints,
) -> tuple[Int, Int]:
    """List pairs of kinds that minimise the conflicts and the violation after a swap; the change, and how many.

    With one attribute a swap keeps the counts. Of more pairs than there is room for, each is as likely to be listed.
    """
    best: Int = _NONE
    ties: Int = np.int64(0)
    strict = groups.shape[1] == 1
    for t in range(len(top)):
        if top[t] < 0:
            continue
        for u in range(len(cool)):
            change = cool[u] - top[t]
            if cool[u] >= BARRED or (strict and change > best):
                continue
            if t != u:
                violated = change_of_violation(groups, taken, low, high, t, u)
                if strict and violated > 0:
                    continue
                change += violated
            if change > best:
                continue
            if change < best:
                best, ties = change, np.int64(0)
            place = ties
            ties += 1
            if place >= len(gone):
                place = draw(random, ties)
            if place < len(gone):
                gone[place], come[place] = t, u
    return best, min(ties, np.int64(len(gone)))


@register_jitable
def _best_points(
    members: Ints,
    degree: Degrees,
    barred: Degrees,
    conflict: NDArray[np.uint8],
    tabu: Ints,
    fixed: Bools,
    kind: Ints,
    begin: Ints,
    random: Words,
    until: Int,
    top: Ints,
    cool: Ints,
    gone: Int,
    come: Int,
    spots: Ints,
    best: Ints,
) -> None:
    """Improve on ``best``, a place, a newcomer, whether the two are in conflict and how many ties there were.

    Of several newcomers the one that was unused for longest is taken. ``spots`` is scratch.
    """
    size = 0
    for v in range(begin[come], begin[come + 1]):
        if np.int64(degree[v] | barred[v]) == cool[come]:
            spots[size] = v
            size += 1
    first = draw(random, len(members))
    for step in range(len(members)):
        place = first + step
        if place >= len(members):
            place -= len(members)
        u = members[place]
        if kind[u] != gone or np.int64(degree[u]) != top[gone] or tabu[u] > until or fixed[u]:
            continue
        for i in range(size):
            v = spots[i]
            together = np.int64(conflict[u, v])
            if together < best[2]:
                continue
            newer = together == best[2]
            if newer and tabu[v] > tabu[best[1]]:
                continue
            best[3] = best[3] + 1 if newer and tabu[v] == tabu[best[1]] else 1
            if best[3] == 1 or draw(random, best[3]) == 0:
                best[0], best[1], best[2] = place, v, together


@register_jitable
def _last_swap(s: CountedSearch, best: Ints) -> None:
    """Find a swap with a tabu point that ends all conflicts and keeps the counts."""
    for place in range(len(s.members)):
        u = s.members[place]
        if s.fixed[u] or s.counter[CONFLICTS] != np.int64(s.degree[u]):
            continue
        for i in range(s.counter[RESTING]):
            v = s.resting[i]
            if s.degree[v] == s.conflict[u, v]:
                counts = s.counts
                change = change_of_violation(
                    counts.groups, counts.taken, counts.low, counts.high, counts.kind[u], counts.kind[v]
                )
                if s.counter[VIOLATION] + change == 0:
                    best[0], best[1] = place, v
                    return


@register_jitable
def _swap_degrees(degree: Degrees, gone: NDArray[np.uint8], come: NDArray[np.uint8]) -> None:
    for v in range(len(degree)):
        degree[v] = np.int16(degree[v] + come[v] - gone[v])


@register_jitable
def _wake(resting: Ints, chosen: Bools, barred: Degrees, tabu: Ints, counter: Ints) -> None:
    """Let points whose tabu is over be chosen again."""
    i = 0
    while i < counter[RESTING]:
        v = resting[i]
        if chosen[v] or tabu[v] <= counter[MOVES]:
            barred[v] = BARRED if chosen[v] else np.int16(0)
            counter[RESTING] -= 1
            resting[i] = resting[counter[RESTING]]
        else:
            i += 1


@njit(cache=True, nogil=True)
def search_within_counts(s: CountedSearch, moves: int, patience: int) -> int:
    """As ``search_conflict_lists``, within the counts whenever z is raised.

    A move takes O(n) for the degrees, and O(k + kinds in conflict * kinds) to choose the kinds. The functions of a move
    take arrays one by one, because passing them the whole state would cost more than what they do.
    """
    members, degree, conflict, tabu, random, counter = s.members, s.degree, s.conflict, s.tabu, s.random, s.counter
    barred, resting, chosen, fixed = s.barred, s.resting, s.chosen, s.fixed
    begin, kind, groups, low, high, taken = (
        s.counts.begin,
        s.counts.kind,
        s.counts.groups,
        s.counts.low,
        s.counts.high,
        s.counts.taken,
    )
    kinds, k = len(begin) - 1, len(members)
    end, spread = counter[MOVES] + moves, max(6, k // 40)
    top, cool, spots = np.empty(kinds, np.int64), np.empty(kinds, np.int64), np.empty(len(degree), np.int64)
    gone, come, best = np.empty(_PAIRS, np.int64), np.empty(_PAIRS, np.int64), np.empty(4, np.int64)
    while True:
        if counter[CONFLICTS] == 0 and counter[VIOLATION] == 0:
            if not raise_threshold(s):
                return BEYOND_CAP
            continue
        now = counter[MOVES]
        if now >= end:
            return PAUSED
        if now - counter[LAST_GAIN] > patience << min(counter[RESTARTS], MOST_DOUBLINGS):
            restart_counted(s)
            continue
        counter[MOVES] = now = now + 1
        _wake(resting, chosen, barred, tabu, counter)
        for t in range(kinds):
            cool[t] = _fewest(degree, barred, begin[t], begin[t + 1])
        best[0], best[1], best[2], best[3] = -1, -1, -1, 0
        least = 0 if counter[VIOLATION] else 1  # where the counts hold, only points in conflict leave
        until: Int = now
        size: Int = np.int64(0)
        change: Int = _NONE
        if _tops(members, degree, tabu, fixed, kind, least, until, top):
            change, size = _best_kinds(groups, taken, low, high, random, top, cool, gone, come)
        if size == 0:
            until = _ANY
            if not _tops(members, degree, tabu, fixed, kind, least, until, top):
                return BLOCKED
            change, size = _best_kinds(groups, taken, low, high, random, top, cool, gone, come)
        for pair in range(size):
            _best_points(
                members,
                degree,
                barred,
                conflict,
                tabu,
                fixed,
                kind,
                begin,
                random,
                until,
                top,
                cool,
                gone[pair],
                come[pair],
                spots,
                best,
            )
        if counter[CONFLICTS] + counter[VIOLATION] + change > max(np.int64(0), best[2]):
            _last_swap(s, best)
        if best[1] < 0:
            continue  # until a tabu is over
        leaver, newcomer = members[best[0]], best[1]
        together = np.int64(conflict[leaver, newcomer])
        counter[CONFLICTS] += np.int64(degree[newcomer]) - together - np.int64(degree[leaver])
        counter[VIOLATION] += change_of_violation(groups, taken, low, high, kind[leaver], kind[newcomer])
        _swap_degrees(degree, conflict[leaver], conflict[newcomer])
        members[best[0]], chosen[leaver], chosen[newcomer] = newcomer, False, True
        barred[leaver] = barred[newcomer] = BARRED
        s.frequency[newcomer] += 1
        for i in range(groups.shape[1]):
            taken[groups[kind[leaver], i]] -= 1
            taken[groups[kind[newcomer], i]] += 1
        tenure = min(counter[CONFLICTS] + counter[VIOLATION], LONGEST_TENURE)
        tabu[leaver] = now + tenure + draw(random, spread)
        tabu[newcomer] = now + int(TENURE_IN * tenure) + draw(random, int(TENURE_IN * spread))
        resting[counter[RESTING]] = leaver
        counter[RESTING] += 1
        if counter[CONFLICTS] + counter[VIOLATION] < counter[FEWEST]:
            counter[FEWEST], counter[LAST_GAIN] = counter[CONFLICTS] + counter[VIOLATION], now
