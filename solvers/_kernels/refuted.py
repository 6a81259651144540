"""Sets of vertices known to hold no clique of some size, and the one among them that comes closest to a given set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solvers._kernels.bits import Words, popcount

BLOCK = 64
_WIDE_WORDS = 2  # compared for all sets of a block at once; what is left then is compared set by set

Numbers = NDArray[np.int64]


class Refuted(NamedTuple):
    """``sets[size]`` are the latest sets without a clique of ``size`` vertices.

    There are ``kept[size]`` of them, and the next one is written to place ``oldest[size]``. They lie in blocks of 64,
    where a word of one set is beside the same word of the others, because most sets are told apart by few words.
    """

    sets: NDArray[np.uint64]
    kept: Numbers
    oldest: Numbers
    left: Words


def new_refuted(k: int, blocks: int, width: int) -> Refuted:
    """Make room for so many blocks of sets of ``width`` words, for each size of clique up to k."""
    return Refuted(
        sets=np.zeros((k + 1, blocks, width, BLOCK), dtype=np.uint64),
        kept=np.zeros(k + 1, dtype=np.int64),
        oldest=np.zeros(k + 1, dtype=np.int64),
        left=np.zeros(BLOCK, dtype=np.uint64),
    )


@njit(cache=True, nogil=True)
def remember(refuted: Refuted, size: int, words: Words) -> None:
    """Keep a set without a clique of ``size`` vertices, in the place of the oldest if there is no room."""
    place, room = refuted.oldest[size], BLOCK * refuted.sets.shape[1]
    refuted.sets[size, place // BLOCK, :, place % BLOCK] = words
    refuted.oldest[size] = (place + 1) % room
    refuted.kept[size] = min(room, refuted.kept[size] + 1)


@njit(cache=True, nogil=True)
def closest(refuted: Refuted, size: int, words: Words, most: int) -> tuple[int, int]:
    """Find a set without a clique of ``size`` vertices that holds all but the fewest of the given ones.

    Returns its place and how many it leaves out; -1 and ``most`` if all leave out ``most`` or more. The latest are
    tried first, and one that leaves out none ends the search, and is the latest from then on.
    """
    best, least, kept = -1, np.uint64(most), refuted.kept[size]
    if kept == 0:
        return best, most
    top = len(words) - 1
    while top > 0 and not words[top]:
        top -= 1
    blocks, left = (kept + BLOCK - 1) // BLOCK, refuted.left
    latest = (refuted.oldest[size] - 1) % (BLOCK * refuted.sets.shape[1])
    b = latest // BLOCK
    for _ in range(blocks):
        block, lanes = refuted.sets[size, b], min(BLOCK, kept - BLOCK * b)
        x, fewest = top, np.uint64(0)
        left[:] = 0
        while x >= 0 and x > top - _WIDE_WORDS and fewest < least:
            word, row = words[x], block[x]
            fewest = np.uint64(64 * len(words))
            for lane in range(BLOCK):
                left[lane] += popcount(word & ~row[lane])
                fewest = min(fewest, left[lane])
            x -= 1
        if fewest < least:
            for lane in range(lanes - 1, -1, -1):
                total, y = left[lane], x
                while y >= 0 and total < least:
                    total += popcount(words[y] & ~block[y, lane])
                    y -= 1
                if total < least:
                    best, least = BLOCK * b + lane, total
                    if least == 0:
                        _swap(block, lane, refuted.sets[size, latest // BLOCK], latest % BLOCK)
                        return latest, 0
        b = b - 1 if b > 0 else blocks - 1
    return best, int(least)


@njit(inline="always")
def _swap(block: Words, lane: int, latest_block: Words, latest: int) -> None:
    """Let a set change places with the latest one: the next candidates probably lie within it too."""
    for x in range(len(block)):
        word = block[x, lane]
        block[x, lane] = latest_block[x, latest]
        latest_block[x, latest] = word
