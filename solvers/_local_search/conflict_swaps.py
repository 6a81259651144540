"""Choosing and making a swap on conflicts in bytes, eight of which are a word.

The functions take arrays one by one: passing them the whole tuple of a search, where they are not inlined, would cost
more than what they do. They are compiled into the ``njit`` function that calls them, without wrappers for Python.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from solvers._local_search.threshold_search import MOVES, RESTARTS, Int, draw

BARRED = 255
RESTING, LISTED = RESTARTS + 1, RESTARTS + 2  # counters
_ONES, _LOW_BITS = np.uint64(0x0101010101010101), np.uint64(0x7F7F7F7F7F7F7F7F)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


@register_jitable
def hottest(members: Ints, degree: Bytes, tabu: Ints, now: int, places: Ints) -> int:
    """List the places of the members in most conflicts that are not tabu; return how many."""
    most, size = np.int64(1), 0
    for place in range(len(members)):
        u = members[place]
        heat = np.int64(degree[u])
        if heat >= most and tabu[u] <= now:
            if heat > most:
                most, size = heat, 0
            places[size] = place
            size += 1
    return size


@register_jitable
def any_in_conflict(members: Ints, degree: Bytes, fixed: NDArray[np.bool_], random: Words) -> int:
    """Return the place of a member in conflict that is not fixed, or -1."""
    first = draw(random, len(members))
    for step in range(len(members)):
        place = (first + step) % len(members)
        if degree[members[place]] > 0 and not fixed[members[place]]:
            return place
    return -1


@register_jitable
def smallest(degree: Bytes, barred: Bytes) -> int:
    smallest = np.uint8(BARRED)
    for v in range(len(degree)):
        smallest = min(smallest, np.uint8(degree[v] | barred[v]))
    return int(smallest)


@register_jitable
def coolest(fewest: int, degree_words: Words, barred_words: Words, words: Ints, marks: Words) -> int:
    """List the words with a point in ``fewest`` conflicts, and 0x80 in the bytes of such points; return how many words.

    A byte of x is zero iff the top bit of ``((x & 0x7F) + 0x7F) | x`` is: no sum carries into the next byte.
    """
    wanted, size = np.uint64(fewest) * _ONES, 0
    for word in range(len(degree_words)):
        x = (degree_words[word] | barred_words[word]) ^ wanted
        mark = ~(((x & _LOW_BITS) + _LOW_BITS) | x | _LOW_BITS)
        if mark:
            words[size], marks[size] = word, mark
            size += 1
    return size


@register_jitable
def _oldest_marked(word: Int, mark: np.uint64, tabu: Ints, best: Int, ties: Int, random: Words) -> tuple[Int, Int]:
    """Return the longest unused of ``best`` and the marked points of a word, at random among ``ties``."""
    while mark:
        lowest = mark & (~mark + np.uint64(1))
        mark ^= lowest
        byte = (((lowest - np.uint64(1)) & _ONES) * _ONES) >> np.uint64(56)
        v = 8 * word + np.int64(byte) - 1
        if best >= 0 and tabu[v] > tabu[best]:
            continue
        ties = ties + 1 if best >= 0 and tabu[v] == tabu[best] else 1
        if ties == 1 or draw(random, ties) == 0:
            best = v
    return best, ties


@register_jitable
def best_swap(
    members: Ints, conflict_words: Words, places: Ints, words: Ints, marks: Words, tabu: Ints, random: Words
) -> tuple[Int, Int]:
    """Return one of the places and one of the marked points, in conflict with each other if any two are.

    Their conflict is then one less after the swap. Of several, the point that was unused for longest.
    """
    leaving = places[draw(random, len(places))]
    best: Int = np.int64(-1)  # typed, because Numba compiles a function once more for a literal
    ties: Int = np.int64(0)
    for place in places:
        for j in range(len(words)):
            mark = marks[j] & (conflict_words[members[place], words[j]] << np.uint64(7))
            if mark:
                before, ties_before = best, ties
                best, ties = _oldest_marked(words[j], mark, tabu, best, ties, random)
                if best != before or ties < ties_before:
                    leaving = place
    if best < 0:
        for j in range(len(words)):
            best, ties = _oldest_marked(words[j], marks[j], tabu, best, ties, random)
    return leaving, best


@register_jitable
def swap_degrees(degree: Bytes, gone: Bytes, come: Bytes) -> None:
    for v in range(len(degree)):
        degree[v] = np.uint8(degree[v] + come[v] - gone[v])


@register_jitable
def add_row(degree: Bytes, conflict: NDArray[np.uint8], come: int) -> None:
    for v in range(len(degree)):
        degree[v] += conflict[come, v]


@register_jitable
def least_used(degree: Bytes, barred: Bytes, frequency: Ints, random: Words) -> int:
    """Return a point in fewest conflicts, the least often chosen on ties."""
    best, ties = -1, 0
    for v in range(len(degree)):
        if barred[v]:
            continue
        order = np.int64(degree[v]) - np.int64(degree[best]) if best >= 0 else np.int64(-1)
        if order == 0:
            order = frequency[v] - frequency[best]
        if order < 0:
            best, ties = v, 1
        elif order == 0:
            ties += 1
            if draw(random, ties) == 0:
                best = v
    return best


@register_jitable
def wake(resting: Ints, chosen: NDArray[np.bool_], barred: Bytes, tabu: Ints, counter: Ints) -> None:
    """Let points whose tabu is over be chosen again."""
    i = 0
    while i < counter[RESTING]:
        v = resting[i]
        if chosen[v] or tabu[v] <= counter[MOVES]:
            barred[v] = BARRED if chosen[v] else 0
            counter[RESTING] -= 1
            resting[i] = resting[counter[RESTING]]
        else:
            i += 1
