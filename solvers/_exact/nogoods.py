"""Nogoods: sets of vertices known to hold no clique of some size, and which of them comes closest to a given set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, popcount
from solvers._framework.compilation import njit

BLOCK = 64
_STRIDE = 3  # from one word to the next of those compared for all sets of a block at once: neighbours tell less
_WIDE_WORDS = 5  # compared for all sets at once: more dismiss more sets, fewer cost less a block

Numbers = NDArray[np.int64]


class Nogoods(NamedTuple):
    """``sets[size]`` are the latest sets without a clique of ``size`` vertices, and those that went on being useful.

    There are ``kept[size]`` of them, and the next one is written to place ``oldest[size]`` or, if the set there is
    marked as ``useful``, to the next place that is not. The one found or written last is at ``recent[size]``. They lie
    in blocks, where a word of one set is beside the same word of the others, because few words tell most sets apart.
    """

    sets: NDArray[np.uint64]
    kept: Numbers
    oldest: Numbers
    recent: Numbers
    useful: NDArray[np.bool_]
    left: Words


def new_nogoods(k: int, blocks: int, width: int) -> Nogoods:
    """Make room for so many blocks of sets of ``width`` words, for each size of clique up to k."""
    kept, oldest, recent = np.zeros((3, k + 1), dtype=np.int64)
    return Nogoods(
        sets=np.zeros((k + 1, blocks, width, BLOCK), dtype=np.uint64),
        kept=kept,
        oldest=oldest,
        recent=recent,
        useful=np.zeros((k + 1, blocks * BLOCK), dtype=np.bool_),
        left=np.zeros(BLOCK, dtype=np.uint64),
    )


@njit(cache=True, nogil=True)
def remember(nogoods: Nogoods, size: int, words: Words) -> None:
    """Keep a set without a clique of ``size`` vertices, in the place of the oldest useless one if there is no room."""
    place, room = nogoods.oldest[size], nogoods.useful.shape[1]
    while nogoods.useful[size, place]:
        nogoods.useful[size, place] = False
        place = (place + 1) % room
    sets = nogoods.sets
    for x in range(len(words)):
        sets[size, place // BLOCK, x, place % BLOCK] = words[x]
    nogoods.oldest[size] = (place + 1) % room
    nogoods.recent[size] = place
    nogoods.kept[size] = min(room, nogoods.kept[size] + 1)


@njit(cache=True, nogil=True)
def closest(nogoods: Nogoods, size: int, words: Words, most: int) -> tuple[int, int]:
    """Find a set without a clique of ``size`` vertices that holds all but the fewest of the given ones.

    Returns its place and how many it lacks; -1 and ``most`` if all lack ``most`` or more. The block of the most recent
    one comes first, and a set that lacks none ends the search.
    """
    best, least, kept = -1, np.uint64(most), nogoods.kept[size]
    if kept == 0:
        return best, most
    sets, left = nogoods.sets, nogoods.left
    top = len(words) - 1
    while top > 0 and not words[top]:
        top -= 1
    blocks = (kept + BLOCK - 1) // BLOCK
    b = nogoods.recent[size] // BLOCK
    for _ in range(blocks):
        for lane in range(BLOCK):
            left[lane] = 0
        x, fewest = top, np.uint64(0)
        while x >= 0 and x > top - _STRIDE * _WIDE_WORDS and fewest < least:
            word, fewest = words[x], np.uint64(64 * len(words))
            for lane in range(BLOCK):
                left[lane] += popcount(word & ~sets[size, b, x, lane])
                fewest = min(fewest, left[lane])
            x -= _STRIDE
        if fewest < least:
            for lane in range(min(BLOCK, kept - BLOCK * b)):
                if left[lane] >= least:
                    continue
                total, y = np.uint64(0), top
                while y >= 0 and total < least:
                    total += popcount(words[y] & ~sets[size, b, y, lane])
                    y -= 1
                if total < least:
                    best, least = BLOCK * b + lane, total
                    if least == 0:
                        nogoods.recent[size], nogoods.useful[size, best] = best, True
                        return best, 0
        b = b - 1 if b > 0 else blocks - 1
    return best, int(least)


def beside(nogoods: Nogoods) -> Nogoods:
    """Return the same sets for another thread to look through while none are written."""
    return nogoods._replace(recent=nogoods.recent.copy(), left=nogoods.left.copy())


@njit(inline="always")
def _read(nogoods: Nogoods, size: int, place: int, words: Words) -> None:
    for x in range(len(words)):
        words[x] = nogoods.sets[size, place // BLOCK, x, place % BLOCK]


@njit(cache=True, nogil=True)
def find(nogoods: Nogoods, fresh: Nogoods | None, size: int, words: Words, most: int, found: Words) -> int:
    """Copy to ``found`` the set of both tables that holds all but the fewest; return how many it lacks, or ``most``."""
    left = most
    if fresh is not None:
        place, left = closest(fresh, size, words, most)
        if left < most:
            _read(fresh, size, place, found)
        if left == 0:
            return 0
    place, least = closest(nogoods, size, words, left)
    if least < left:
        _read(nogoods, size, place, found)
    return least


@njit(cache=True, nogil=True)
def hand_over(source: Nogoods, target: Nogoods) -> None:
    """Remember in a table of the same graph what is in another one, the oldest first, and empty that."""
    words, room = np.empty(source.sets.shape[2], np.uint64), source.useful.shape[1]
    for size in range(len(source.kept)):
        kept = source.kept[size]
        for i in range(kept):
            place = (source.oldest[size] + room - kept + i) % room
            _read(source, size, place, words)
            source.useful[size, place] = False
            remember(target, size, words)
        source.kept[size], source.oldest[size], source.recent[size] = 0, 0, 0
