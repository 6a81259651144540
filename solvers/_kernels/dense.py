"""Threshold search on a matrix of conflicts in bytes, for up to a few thousand points and 250 picks.

The same search as in ``threshold`` with another layout: one byte for each pair and for each degree lets a whole row be
added, subtracted and searched for its minimum with vector instructions, which for a few hundred points is several
times faster than following lists.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solvers._kernels.threshold import (
    BEYOND_CAP,
    BLOCKED,
    CONFLICTS,
    FEWEST,
    LAST_GAIN,
    MOST_DOUBLINGS,
    MOVES,
    PAUSED,
    RAISED_AT,
    RESTARTS,
    TENURE_IN,
    draw,
)

MOST_PICKS = 250  # so that a degree fits a byte and 255 can mean "not now"
_BARRED = 255
_ONES, _HIGH_BITS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_RESTING, _LISTED = RESTARTS + 1, RESTARTS + 2
Bytes = NDArray[np.uint8]


class Dense(NamedTuple):
    """One search between two slices of moves; every field but the distances is changed in place."""

    D: NDArray[np.float64]
    first: NDArray[np.int32]  # pairs (first, second) beyond z, closest first, of which the counter says how many
    second: NDArray[np.int32]  # have become conflicts
    distance: NDArray[np.float64]
    conflict: Bytes  # D <= z, zero on the diagonal
    degree: Bytes
    barred: Bytes  # 255 for points that are chosen or tabu, and for the padding to whole words
    degree_words: NDArray[np.uint64]  # views of the two, eight bytes at a time
    barred_words: NDArray[np.uint64]
    members: NDArray[np.int64]
    chosen: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    best: NDArray[np.bool_]  # the chosen points when z was last raised
    threshold: NDArray[np.float64]  # z
    tabu: NDArray[np.int64]  # until which move
    resting: NDArray[np.int64]  # tabu points outside, as many as the counter says
    frequency: NDArray[np.int64]
    counter: NDArray[np.int64]
    random: NDArray[np.uint64]


@njit(cache=True, nogil=True)
def pairs_between(
    D: NDArray[np.float64], low: float, high: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """List the pairs with ``low < distance <= high``, closest first."""
    size = 0
    for i in range(len(D)):
        for j in range(i):
            size += low < D[i, j] <= high
    first, second, distance = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size)
    size = 0
    for i in range(len(D)):
        for j in range(i):
            if low < D[i, j] <= high:
                first[size], second[size], distance[size] = i, j, D[i, j]
                size += 1
    order = np.argsort(distance)
    return first[order], second[order], distance[order]


def new_dense(
    D: NDArray[np.float64],
    threshold: float,
    cap: float,
    chosen: NDArray[np.bool_],
    fixed: NDArray[np.bool_],
    seed: int,
) -> Dense:
    """Begin at ``threshold``, the smallest distance of the ``chosen`` points, with pairs up to ``cap`` in reserve."""
    n = len(D)
    padded = -(-n // 8) * 8
    degree, barred = np.zeros(padded, np.uint8), np.full(padded, np.uint8(_BARRED))
    barred[:n][~chosen] = 0
    conflict = np.zeros((n, padded), np.uint8)
    conflict[:, :n] = threshold >= D
    np.fill_diagonal(conflict, 0)
    degree[:] = conflict[chosen].sum(axis=0)
    counter = np.zeros(_LISTED + 1, np.int64)
    counter[CONFLICTS] = counter[FEWEST] = int(degree[:n][chosen].sum()) // 2
    return Dense(
        D,
        *pairs_between(D, threshold, cap),
        conflict=conflict,
        degree=degree,
        barred=barred,
        degree_words=degree.view(np.uint64),
        barred_words=barred.view(np.uint64),
        members=np.flatnonzero(chosen),
        chosen=chosen.copy(),
        fixed=fixed,
        best=chosen.copy(),
        threshold=np.full(1, threshold),
        tabu=np.zeros(n, np.int64),
        resting=np.zeros(n, np.int64),
        frequency=np.zeros(n, np.int64),
        counter=counter,
        random=np.array([seed | 1], np.uint64),
    )


def with_pairs_up_to(s: Dense, cap: float) -> Dense:
    """Return the same search with a longer list of pairs."""
    first, second, distance = pairs_between(s.D, float(s.threshold[0]), cap)
    s.counter[_LISTED] = 0
    return s._replace(first=first, second=second, distance=distance)


@njit(cache=True, nogil=True)
def _raise_degrees(degree: Bytes, row: Bytes) -> None:
    for v in range(len(degree)):
        degree[v] = np.uint8(degree[v] + row[v])


@njit(cache=True, nogil=True)
def _lower_degrees(degree: Bytes, row: Bytes) -> None:
    for v in range(len(degree)):
        degree[v] = np.uint8(degree[v] - row[v])


@njit(cache=True, nogil=True)
def _raise_threshold(s: Dense) -> bool:
    """Move z up to the smallest chosen distance, with the conflicts that this makes; False beyond the listed pairs."""
    z = np.inf
    for i in range(len(s.members)):
        for j in range(i):
            z = min(z, s.D[s.members[i], s.members[j]])
    if len(s.distance) == 0 or z > s.distance[-1]:
        return False
    s.threshold[0] = z
    s.best[:] = s.chosen
    entry = s.counter[_LISTED]
    while entry < len(s.distance) and s.distance[entry] <= z:
        u, v = s.first[entry], s.second[entry]
        s.conflict[u, v] = s.conflict[v, u] = 1
        s.degree[u] += s.chosen[v]
        s.degree[v] += s.chosen[u]
        s.counter[CONFLICTS] += s.chosen[u] and s.chosen[v]
        entry += 1
    s.counter[_LISTED] = entry
    s.counter[FEWEST] = s.counter[CONFLICTS]
    s.counter[LAST_GAIN] = s.counter[RAISED_AT] = s.counter[MOVES]
    s.counter[RESTARTS] = 0
    return True


@njit(cache=True, nogil=True)
def _leaver(s: Dense) -> int:
    """Return the place of the member in most conflicts that is not tabu, else of any in conflict, else -1."""
    now, k = s.counter[MOVES], len(s.members)
    best, most, ties = -1, 0, 0
    for i in range(k):
        u = s.members[i]
        degree = int(s.degree[u])
        if degree < max(most, 1) or s.fixed[u] or s.tabu[u] > now:
            continue
        if degree > most:
            best, most, ties = i, degree, 1
        else:
            ties += 1
            if draw(s.random, ties) == 0:
                best = i
    if best >= 0:
        return best
    first = draw(s.random, k)
    for step in range(k):
        i = (first + step) % k
        if s.degree[s.members[i]] > 0 and not s.fixed[s.members[i]]:
            return i
    return -1


@njit(cache=True, nogil=True)
def _smallest(degree: Bytes, barred: Bytes) -> int:
    smallest = np.uint8(_BARRED)
    for v in range(len(degree)):
        smallest = min(smallest, np.uint8(degree[v] | barred[v]))
    return int(smallest)


@njit(cache=True, nogil=True)
def _oldest_equal(s: Dense, value: int, start: int) -> int:
    """Return the longest unused of the points with ``degree | barred == value``, by eight bytes at a time; -1 for none.

    A word has a zero byte iff ``(x - 0x01...01) & ~x & 0x80...80`` is not zero; x is the difference to ``value``.
    """
    wanted, words = np.uint64(value) * _ONES, len(s.degree_words)
    best, oldest, word = -1, np.int64(2**62), start // 8
    for _ in range(words):
        x = (s.degree_words[word] | s.barred_words[word]) ^ wanted
        if (x - _ONES) & ~x & _HIGH_BITS:
            for v in range(8 * word, 8 * word + 8):
                if s.degree[v] | s.barred[v] == value and s.tabu[v] < oldest:
                    best, oldest = v, s.tabu[v]
        word += 1
        if word == words:
            word = 0
    return best


@njit(cache=True, nogil=True)
def _newcomer(s: Dense, gone: int) -> int:
    """Return a point in fewest conflicts that is not tabu, or tabu if that ends all conflicts; ``gone`` if none is."""
    fewest = _smallest(s.degree, s.barred)
    if fewest > 0 and s.counter[CONFLICTS] == 0:
        for i in range(s.counter[_RESTING]):
            if s.degree[s.resting[i]] == 0:
                return int(s.resting[i])
    if fewest == _BARRED:
        return gone
    return _oldest_equal(s, fewest, draw(s.random, len(s.degree)))


@njit(cache=True, nogil=True)
def _add(s: Dense, place: int, v: int) -> None:
    s.counter[CONFLICTS] += s.degree[v]
    s.members[place], s.chosen[v], s.barred[v] = v, True, _BARRED
    _raise_degrees(s.degree, s.conflict[v])


@njit(cache=True, nogil=True)
def _remove(s: Dense, u: int) -> None:
    s.counter[CONFLICTS] -= s.degree[u]
    s.chosen[u], s.barred[u] = False, 0
    _lower_degrees(s.degree, s.conflict[u])


@njit(cache=True, nogil=True)
def _wake(s: Dense, everyone: bool) -> None:
    """Let points whose tabu is over be chosen again."""
    i = 0
    while i < s.counter[_RESTING]:
        v = s.resting[i]
        if everyone or s.chosen[v] or s.tabu[v] <= s.counter[MOVES]:
            s.barred[v] = _BARRED if s.chosen[v] else 0
            s.counter[_RESTING] -= 1
            s.resting[i] = s.resting[s.counter[_RESTING]]
        else:
            i += 1


@njit(cache=True, nogil=True)
def _restart(s: Dense) -> None:
    """Choose anew: each time a point in fewest conflicts, the least often chosen on ties."""
    s.tabu[:] = 0
    _wake(s, True)
    for u in s.members:
        if not s.fixed[u]:
            _remove(s, u)
    for place in range(len(s.members)):
        if s.fixed[s.members[place]]:
            continue
        best, ties = -1, 0
        for v in range(len(s.degree)):
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
        _add(s, place, best)
        s.frequency[best] += 1
    s.counter[FEWEST], s.counter[LAST_GAIN] = s.counter[CONFLICTS], s.counter[MOVES]
    s.counter[RESTARTS] += 1


@njit(cache=True, nogil=True)
def search_dense(s: Dense, moves: int, patience: int) -> int:
    """As ``threshold.search``."""
    end, k = s.counter[MOVES] + moves, len(s.members)
    spread = max(6, k // 40)
    while True:
        if s.counter[CONFLICTS] == 0:
            if not _raise_threshold(s):
                return BEYOND_CAP
            continue
        if s.counter[MOVES] >= end:
            return PAUSED
        if s.counter[MOVES] - s.counter[LAST_GAIN] > patience << min(s.counter[RESTARTS], MOST_DOUBLINGS):
            _restart(s)
            continue
        place = _leaver(s)
        if place < 0:
            return BLOCKED
        s.counter[MOVES] += 1
        _wake(s, False)
        leaver = s.members[place]
        _remove(s, leaver)
        s.barred[leaver] = _BARRED
        newcomer = _newcomer(s, leaver)
        _add(s, place, newcomer)
        s.frequency[newcomer] += 1
        tenure = min(s.counter[CONFLICTS], 10)
        s.tabu[leaver] = s.counter[MOVES] + tenure + draw(s.random, spread)
        s.tabu[newcomer] = s.counter[MOVES] + int(TENURE_IN * tenure) + draw(s.random, int(TENURE_IN * spread))
        if newcomer != leaver:
            s.resting[s.counter[_RESTING]] = leaver
            s.counter[_RESTING] += 1
        if s.counter[CONFLICTS] < s.counter[FEWEST]:
            s.counter[FEWEST], s.counter[LAST_GAIN] = s.counter[CONFLICTS], s.counter[MOVES]
