"""The move of drop-add tabu search: the oldest pick goes, the point best by (smallest distance, sum) comes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers._framework.compilation import njit
from solvers._local_search.counts_table import CountsTable, count_point, forbids
from solvers._local_search.pick_distances import Picks, closest, put

MADE, BEST_AT = range(2)  # the moves made, and the one after which the best picks were found


class Ages(NamedTuple):
    """What the search remembers besides the picks."""

    since: NDArray[np.int64]  # the move in which each pick came
    best: NDArray[np.int64]
    best_closest: NDArray[np.float64]
    counter: NDArray[np.int64]


def new_ages(k: int) -> Ages:
    """Begin with nothing found."""
    return Ages(np.arange(k) - k, np.zeros(k, np.int64), np.full(1, -1.0), np.zeros(2, np.int64))


@njit(cache=True, nogil=True)
def _best_newcomer(s: Picks, dropped: int, counts: CountsTable | None) -> int:
    """Return the free point of lexicographically largest (min, sum) of distances to all picks but the dropped one.

    With ``counts``, of the points that may take its place.
    """
    best, best_min, best_sum = int(s.picks[dropped]), -1.0, -1.0
    for v in s.free:
        if s.place[v] >= 0:
            continue
        if counts is not None and forbids(counts, s.picks[dropped], v):
            continue
        smallest, total = np.inf, 0.0
        for i in range(len(s.picks)):
            if i != dropped:
                d = s.to_pick[v, i]
                total += d
                if d < smallest:
                    smallest = d
                    if d < best_min:
                        break
        if smallest > best_min or (smallest == best_min and total > best_sum):
            best, best_min, best_sum = int(v), smallest, total
    return best


@njit(cache=True, nogil=True)
def drop_and_add(s: Picks, ages: Ages, moves: int, patience: int, counts: CountsTable | None = None) -> bool:
    """Make up to ``moves`` moves; True once ``patience`` of them in a row have found nothing better."""
    for _ in range(moves):
        oldest = s.fixed + int(np.argmin(ages.since[s.fixed :]))
        newcomer = _best_newcomer(s, oldest, counts)
        if counts is not None:
            count_point(counts, s.picks[oldest], -1)
            count_point(counts, newcomer, 1)
        put(s, oldest, newcomer)
        ages.counter[MADE] += 1
        ages.since[oldest] = ages.counter[MADE]
        z, _count = closest(s)
        if z > ages.best_closest[0]:
            ages.best_closest[0] = z
            ages.best[:] = s.picks
            ages.counter[BEST_AT] = ages.counter[MADE]
        if ages.counter[MADE] - ages.counter[BEST_AT] >= patience:
            return True
    return False
