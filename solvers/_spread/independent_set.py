"""Large sets of vertices without a conflict: a clique cover as a bound, and iterated local search for the set.

The search is that of Andrade, Resende, Werneck (Journal of Heuristics 18(4), 2012): force a vertex in, add what fits,
then exchange one vertex for two as long as that is possible. A result that is worse is undone, but for a few.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers._framework.compilation import njit

Numbers = NDArray[np.int64]
Members = NDArray[np.int32]

_ENTERED, _LEFT = 1, -1
_TRIED = 4  # vertices outside the set of which the one that was inside longest ago is forced in


class Search(NamedTuple):
    """State of a search on a graph given by its neighbour lists.

    ``chosen[v]`` says whether v is in the set, ``tight[v]`` how many of its neighbours are, ``moved[v]`` when it last
    entered or left. ``best`` is the largest set so far. ``counter`` holds the size of the set, that of the best one,
    the moves so far, the move at which the best was found, and the state of the random numbers.
    """

    start: Numbers
    members: Members
    chosen: NDArray[np.bool_]
    tight: Numbers
    moved: Numbers
    best: NDArray[np.bool_]
    mark: Numbers
    log: Numbers
    counter: Numbers


SIZE, BEST, MOVES, FOUND, SEED, LOGGED, STAMP = range(7)


def new_search(start: Numbers, members: Members, first: Numbers, seed: int) -> Search:
    """Begin from the vertices ``first``, which have no conflicts."""
    n = len(start) - 1
    search = Search(
        start,
        members,
        chosen=np.zeros(n, np.bool_),
        tight=np.zeros(n, np.int64),
        moved=np.zeros(n, np.int64),
        best=np.zeros(n, np.bool_),
        mark=np.zeros(n, np.int64),
        log=np.zeros(4 * n + 16, np.int64),
        counter=np.zeros(7, np.int64),
    )
    search.counter[SEED] = seed * 2 + 88172645463325252
    _begin(search, first)
    return search


@njit(cache=True, nogil=True)
def component_labels(start: Numbers, members: Members) -> Numbers:
    """Number the connected components, (n,) int64; O(n + number of neighbours)."""
    n = len(start) - 1
    label, waiting = np.full(n, -1, np.int64), np.empty(n, np.int64)
    components = 0
    for first in range(n):
        if label[first] >= 0:
            continue
        label[first], waiting[0], left = components, first, 1
        while left:
            left -= 1
            v = waiting[left]
            for place in range(start[v], start[v + 1]):
                u = members[place]
                if label[u] < 0:
                    label[u], waiting[left] = components, u
                    left += 1
        components += 1
    return label


@njit(cache=True, nogil=True)
def _begin(search: Search, first: Numbers) -> None:
    for v in first:
        _enter(search, v)
    for v in range(len(search.chosen)):
        _exchange(search, v)
    _keep(search)


@njit(cache=True, nogil=True)
def _random(search: Search, below: int) -> np.int64:
    """Return a number from 0 to below - 1, by Marsaglia's xorshift, so that a seed gives one run."""
    x = np.uint64(search.counter[SEED])
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    search.counter[SEED] = np.int64(x)
    return np.int64((x >> np.uint64(11)) % np.uint64(below))


@njit(cache=True, nogil=True)
def _note(search: Search, v: int | np.int64, what: int) -> None:
    counter = search.counter
    search.moved[v] = counter[MOVES]
    if counter[LOGGED] < len(search.log):
        search.log[counter[LOGGED]] = what * (v + 1)
    counter[LOGGED] += 1


@njit(cache=True, nogil=True)
def _enter(search: Search, v: int | np.int64) -> None:
    search.chosen[v] = True
    search.counter[SIZE] += 1
    for place in range(search.start[v], search.start[v + 1]):
        search.tight[search.members[place]] += 1
    _note(search, v, _ENTERED)


@njit(cache=True, nogil=True)
def _leave(search: Search, v: int) -> None:
    search.chosen[v] = False
    search.counter[SIZE] -= 1
    for place in range(search.start[v], search.start[v + 1]):
        search.tight[search.members[place]] -= 1
    _note(search, v, _LEFT)


@njit(cache=True, nogil=True)
def _fill(search: Search, v: int) -> None:
    """Take in v and those of its neighbours that have no neighbour in the set, from a random one on."""
    if not search.chosen[v] and search.tight[v] == 0:
        _enter(search, v)
    begin, degree = search.start[v], search.start[v + 1] - search.start[v]
    shift = _random(search, degree) if degree else 0
    for step in range(degree):
        u = search.members[begin + (step + shift) % degree]
        if not search.chosen[u] and search.tight[u] == 0:
            _enter(search, u)


@njit(cache=True, nogil=True)
def _exchange(search: Search, v: int) -> bool:
    """Replace v of the set by two of its neighbours that see no other of the set, nor each other, if there are two."""
    if not search.chosen[v]:
        if search.tight[v] == 0:
            _enter(search, v)
        return False
    start, members, tight, mark = search.start, search.members, search.tight, search.mark
    for place in range(start[v], start[v + 1]):
        u = members[place]
        if tight[u] != 1:
            continue
        search.counter[STAMP] += 1
        stamp = search.counter[STAMP]
        mark[u] = stamp
        for other in range(start[u], start[u + 1]):
            mark[members[other]] = stamp
        for other in range(place + 1, start[v + 1]):
            w = members[other]
            if tight[w] == 1 and mark[w] != stamp:
                _leave(search, v)
                _enter(search, u)
                _enter(search, w)
                _fill(search, v)
                return True
    return False


@njit(cache=True, nogil=True)
def _improve(search: Search, since: int) -> None:
    """Exchange what the changes logged from ``since`` on allow: around vertices that left, for those still there."""
    place = since
    while place < min(search.counter[LOGGED], len(search.log)):
        entry = search.log[place]
        v = abs(entry) - 1
        if entry < 0:
            for other in range(search.start[v], search.start[v + 1]):
                u = search.members[other]
                if search.tight[u] == 1 and not search.chosen[u]:
                    for further in range(search.start[u], search.start[u + 1]):
                        if search.chosen[search.members[further]]:
                            _exchange(search, search.members[further])
                            break
        else:
            _exchange(search, v)
        place += 1


@njit(cache=True, nogil=True)
def _keep(search: Search) -> None:
    counter = search.counter
    if counter[SIZE] > counter[BEST]:
        search.best[:] = search.chosen
        counter[BEST] = counter[SIZE]
        counter[FOUND] = counter[MOVES]


@njit(cache=True, nogil=True)
def _undo(search: Search) -> None:
    logged = search.counter[LOGGED]
    for place in range(logged - 1, -1, -1):
        entry = search.log[place]
        if entry > 0:
            _leave(search, entry - 1)
        else:
            _enter(search, -entry - 1)


@njit(cache=True, nogil=True)
def advance(search: Search, moves: int) -> None:
    """Make so many moves."""
    counter, n = search.counter, len(search.chosen)
    for _ in range(moves):
        counter[MOVES] += 1
        before = counter[SIZE]
        forced, oldest = np.int64(-1), np.int64(2**62)
        for _ in range(_TRIED):
            v = _random(search, n)
            if not search.chosen[v] and search.moved[v] < oldest:
                forced, oldest = v, search.moved[v]
        if forced < 0:
            continue
        counter[LOGGED] = 0
        for place in range(search.start[forced], search.start[forced + 1]):
            if search.chosen[search.members[place]]:
                _leave(search, search.members[place])
        _enter(search, forced)
        left = counter[LOGGED]
        for place in range(min(left, len(search.log))):
            if search.log[place] < 0:
                _fill(search, -search.log[place] - 1)
        _improve(search, 0)
        if counter[SIZE] > before:
            _keep(search)
        elif counter[SIZE] < before and counter[LOGGED] <= len(search.log):
            lost, behind = before - counter[SIZE], counter[BEST] - counter[SIZE]
            if _random(search, 1 + lost * behind) > 0:
                _undo(search)


@njit(cache=True, nogil=True)
def clique_cover(start: Numbers, members: Members, order: Numbers) -> Numbers:
    """Put each vertex, in this order, into the first clique of its neighbours that it fits; the clique of each.

    A set without conflicts has at most one vertex of a clique, so it is no larger than the number of cliques.
    """
    n = len(start) - 1
    clique = np.full(n, -1, np.int64)
    size, seen = np.zeros(n, np.int64), np.zeros(n, np.int64)
    count = 0
    for v in order:
        best = -1
        for place in range(start[v], start[v + 1]):
            c = clique[members[place]]
            if c >= 0:
                seen[c] += 1
                if seen[c] == size[c] and (best < 0 or size[c] > size[best]):
                    best = c
        for place in range(start[v], start[v + 1]):
            c = clique[members[place]]
            if c >= 0:
                seen[c] = 0
        if best < 0:
            best = count
            count += 1
        clique[v] = best
        size[best] += 1
    return clique
