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
from solvers._local_search.counts_state import (
    BARRED,
    RESTING,
    VIOLATION,
    CountedSearch,
    raise_counted_threshold,
    restart_counted,
)
from solvers._local_search.counts_table import Ints, count_point, violation_change
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
_PAIRS = 16  # of kinds whose points are compared for one move: more find more pairs in conflict, and take longer


@register_jitable
def _tops(s: CountedSearch, top: Ints, despite_tabu: bool) -> bool:
    """Set the most conflicts of a chosen point of each kind, -1 for kinds that give none; False if all give none.

    Where the counts hold, only points in conflict leave.
    """
    least, now, found = (0 if s.counter[VIOLATION] else 1), s.counter[MOVES], False
    top[:] = -1
    for place in range(len(s.members)):
        u = s.members[place]
        if s.fixed[u] or s.degree[u] < least or (s.tabu[u] > now and not despite_tabu):
            continue
        t = s.counts.kind[u]
        top[t] = max(top[t], np.int64(s.degree[u]))
        found = True
    return found


@register_jitable
def _fewest(degree: NDArray[np.int16], barred: NDArray[np.int16], begin: Int, end: Int) -> int:
    fewest = BARRED
    for v in range(begin, end):
        fewest = min(fewest, np.int16(degree[v] | barred[v]))
    return int(fewest)


@register_jitable
def _best_kinds(s: CountedSearch, top: Ints, cool: Ints, gone: Ints, come: Ints) -> tuple[Int, int]:
    """List pairs of kinds that minimise the conflicts and the violation after a swap; the change, and how many."""
    counts, best, size, ties = s.counts, _NONE, 0, 0
    strict = counts.groups.shape[1] == 1
    for t in range(len(top)):
        if top[t] < 0:
            continue
        for u in range(len(cool)):
            if cool[u] >= BARRED:
                continue
            change = cool[u] - top[t]
            if change > best:
                continue
            if t != u:
                violated = violation_change(counts, t, u)
                if strict and violated > 0:
                    continue
                change += violated
            if change > best:
                continue
            if change < best:
                best, size, ties = change, 0, 0
            ties += 1
            if size < len(gone):
                gone[size], come[size] = t, u
                size += 1
            else:
                place = draw(s.random, ties)
                if place < size:
                    gone[place], come[place] = t, u
    return best, size


@register_jitable
def _best_points(s: CountedSearch, top: Ints, cool: Ints, gone: Int, come: Int, best: Ints) -> None:
    """Improve on ``best``, a place, a newcomer, whether the two are in conflict and how many ties there were.

    Of several newcomers the one that was unused for longest is taken.
    """
    begin, end, now = s.counts.begin[come], s.counts.begin[come + 1], s.counter[MOVES]
    first = draw(s.random, len(s.members))
    for step in range(len(s.members)):
        place = first + step
        if place >= len(s.members):
            place -= len(s.members)
        u = s.members[place]
        if s.counts.kind[u] != gone or s.fixed[u] or np.int64(s.degree[u]) != top[gone] or s.tabu[u] > now + best[4]:
            continue
        row = s.conflict[u]
        for v in range(begin, end):
            if np.int64(s.degree[v] | s.barred[v]) != cool[come]:
                continue
            together = np.int64(row[v])
            if best[1] >= 0:
                if together < best[2]:
                    continue
                if together == best[2]:
                    if s.tabu[v] > s.tabu[best[1]]:
                        continue
                    if s.tabu[v] == s.tabu[best[1]]:
                        best[3] += 1
                        if draw(s.random, best[3]) != 0:
                            continue
                    else:
                        best[3] = 1
                else:
                    best[3] = 1
            else:
                best[3] = 1
            best[0], best[1], best[2] = place, v, together


@register_jitable
def _last_swap(s: CountedSearch, best: Ints) -> bool:
    """Find a swap with a tabu point that ends all conflicts and keeps the counts."""
    for place in range(len(s.members)):
        u = s.members[place]
        if s.fixed[u] or s.counter[CONFLICTS] != np.int64(s.degree[u]):
            continue
        for i in range(s.counter[RESTING]):
            v = s.resting[i]
            if s.degree[v] == s.conflict[u, v]:
                change = violation_change(s.counts, s.counts.kind[u], s.counts.kind[v])
                if s.counter[VIOLATION] + change == 0:
                    best[0], best[1] = place, v
                    return True
    return False


@register_jitable
def _swap(s: CountedSearch, place: Int, newcomer: Int) -> None:
    counter, degree, leaver = s.counter, s.degree, s.members[place]
    together = np.int64(s.conflict[leaver, newcomer])
    counter[CONFLICTS] += np.int64(degree[newcomer]) - together - np.int64(degree[leaver])
    counter[VIOLATION] += violation_change(s.counts, s.counts.kind[leaver], s.counts.kind[newcomer])
    gone, come = s.conflict[leaver], s.conflict[newcomer]
    for v in range(len(degree)):
        degree[v] += np.int16(come[v]) - np.int16(gone[v])
    s.members[place], s.chosen[leaver], s.chosen[newcomer] = newcomer, False, True
    s.barred[leaver] = s.barred[newcomer] = BARRED
    s.frequency[newcomer] += 1
    count_point(s.counts, leaver, -1)
    count_point(s.counts, newcomer, 1)


@register_jitable
def _wake(s: CountedSearch) -> None:
    """Let points whose tabu is over be chosen again."""
    i, counter = 0, s.counter
    while i < counter[RESTING]:
        v = s.resting[i]
        if s.chosen[v] or s.tabu[v] <= counter[MOVES]:
            s.barred[v] = BARRED if s.chosen[v] else np.int16(0)
            counter[RESTING] -= 1
            s.resting[i] = s.resting[counter[RESTING]]
        else:
            i += 1


@njit(cache=True, nogil=True)
def search_within_counts(s: CountedSearch, moves: int, patience: int) -> int:
    """As ``search_conflict_lists``, within the counts whenever z is raised.

    A move takes O(n) for the degrees, and O(k + kinds in conflict * kinds) to choose the kinds.
    """
    counter, counts = s.counter, s.counts
    kinds, k = len(counts.begin) - 1, len(s.members)
    end, spread = counter[MOVES] + moves, max(6, k // 40)
    top, cool = np.empty(kinds, np.int64), np.empty(kinds, np.int64)
    gone, come, best = np.empty(_PAIRS, np.int64), np.empty(_PAIRS, np.int64), np.empty(5, np.int64)
    while True:
        if counter[CONFLICTS] == 0 and counter[VIOLATION] == 0:
            if not raise_counted_threshold(s):
                return BEYOND_CAP
            continue
        now = counter[MOVES]
        if now >= end:
            return PAUSED
        if now - counter[LAST_GAIN] > patience << min(counter[RESTARTS], MOST_DOUBLINGS):
            restart_counted(s)
            continue
        counter[MOVES] = now = now + 1
        _wake(s)
        for t in range(kinds):
            cool[t] = _fewest(s.degree, s.barred, counts.begin[t], counts.begin[t + 1])
        best[0], best[1], best[2], best[3], best[4] = -1, -1, -1, 0, 0
        size = 0
        change: Int = _NONE
        if _tops(s, top, False):
            change, size = _best_kinds(s, top, cool, gone, come)
        if size == 0:
            if not _tops(s, top, True):
                return BLOCKED
            best[4] = np.int64(2**50)  # so that tabu members may leave
            change, size = _best_kinds(s, top, cool, gone, come)
        for pair in range(size):
            _best_points(s, top, cool, gone[pair], come[pair], best)
        left = counter[CONFLICTS] + counter[VIOLATION] + change - max(np.int64(0), best[2])
        if left > 0:
            _last_swap(s, best)
        if best[1] < 0:
            continue  # until a tabu is over
        leaver, newcomer = s.members[best[0]], best[1]
        _swap(s, best[0], newcomer)
        tenure = min(counter[CONFLICTS] + counter[VIOLATION], LONGEST_TENURE)
        s.tabu[leaver] = now + tenure + draw(s.random, spread)
        s.tabu[newcomer] = now + int(TENURE_IN * tenure) + draw(s.random, int(TENURE_IN * spread))
        s.resting[counter[RESTING]] = leaver
        counter[RESTING] += 1
        if counter[CONFLICTS] + counter[VIOLATION] < counter[FEWEST]:
            counter[FEWEST], counter[LAST_GAIN] = counter[CONFLICTS] + counter[VIOLATION], now
