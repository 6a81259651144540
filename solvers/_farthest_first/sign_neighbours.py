"""Points that are probably near to each other, from nothing but the signs of their coordinates.

The readable formula, for points around the origin: of two with an angle a between them, a share of about a / pi of the
coordinates differ in sign (Charikar, STOC 2002; exactly so for coordinates in random directions). That share is a count
of bits, for a few per cent of what a product of the coordinates takes. It proves nothing: who asks has to measure the
distances of those that are named here.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers._framework.bit_counts import popcount
from solvers._framework.compilation import njit

Floats = NDArray[np.float32]
Places = NDArray[np.int32]
Words = NDArray[np.uint32]

NAMED = 4  # for each point, the nearest in each of so many parts
_IN_ANY_ORDER = {"reassoc", "nsz", "nnan", "contract"}


def likely_neighbours(rows: Floats, half: Floats, threads: int = 1) -> Places:
    """Name up to NAMED points for each of m, as an array (NAMED, m) of places; one that has no other names any.

    Parameters
    ----------
    rows : (m, d) float32 array
        Around the origin.
    half : (m,) float32 array
        Half their squared norms.
    threads : int
        That compare, each some of the points with all.
    """
    m, d = rows.shape
    bits = np.packbits(rows > 0, axis=1)
    whole = np.zeros((m, -(-bits.shape[1] // 4) * 4), np.uint8)
    whole[:, : bits.shape[1]] = bits
    words = np.ascontiguousarray(whole.view(np.uint32).T)
    width = -(-m // NAMED)
    found = np.full((threads, -(-m // width), m), np.iinfo(np.int32).max, np.int32)
    norms = np.sqrt(np.pi * half)

    def compare(thread: int) -> None:
        _compare(words, half, norms, np.float32(2 / d), width, found[thread], thread, threads)

    with ThreadPoolExecutor(threads) as pool:  # starts no thread before there is work for it
        list((map if threads == 1 else pool.map)(compare, range(threads)))
    least = found.min(axis=0)
    place = least & (2 ** width.bit_length() - 1)
    named: Places = np.minimum(place + width * np.arange(len(least), dtype=np.int32)[:, None], np.int32(m - 1))
    return named


@njit(cache=True, nogil=True)
def _compare(
    words: Words, half: Floats, norm: Floats, share: np.float32, width: int, least: Places, first: int, step: int
) -> None:
    """Find the likely nearest in each part of ``width`` points; ``norm`` has the factor pi / 2 of small angles.

    Of each pair the earlier one is among every ``step``-th point of its part, from the ``first`` on.

    The bits of a float32 that is not negative are a whole number of the same order. Its last digits make room for who
    is that near, so that one minimum keeps both.
    """
    m, above = len(half), 2 * half.max()
    counts, values = np.empty(width, np.uint32), np.empty(width, np.float32)
    digits = 1
    while digits <= width:
        digits *= 2
    for one in range(len(least)):
        for other in range(one, len(least)):
            for i in range(one * width + first, min(m, (one + 1) * width), step):
                begin, end = max(i + 1, other * width), min(m, (other + 1) * width)
                if begin < end:
                    row = values[: end - begin]
                    _count_differing(words, i, begin, end, counts[: end - begin])
                    _estimate(counts, above + half[i], half[begin:end], norm[i], norm[begin:end], share, row)
                    column = least[one, begin:end]
                    nearest = _keep_least(
                        row.view(np.int32),
                        np.int32(-digits),
                        np.int32(i - one * width),
                        np.int32(begin - other * width),
                        column,
                    )
                    least[other, i] = min(least[other, i], nearest)


@njit(cache=True, nogil=True)
def _count_differing(words: Words, i: int, begin: int, end: int, counts: Words) -> None:
    """Count the signs in which points differ from point i, four words at a time."""
    counts[:] = 0
    fours = len(words) // 4 * 4
    for w in range(0, fours, 4):
        a, b, c, d = words[w, i], words[w + 1, i], words[w + 2, i], words[w + 3, i]
        r, s = words[w, begin:end], words[w + 1, begin:end]
        t, u = words[w + 2, begin:end], words[w + 3, begin:end]
        for j in range(len(counts)):
            counts[j] += popcount(r[j] ^ a) + popcount(s[j] ^ b) + popcount(t[j] ^ c) + popcount(u[j] ^ d)
    for w in range(fours, len(words)):
        a, r = words[w, i], words[w, begin:end]
        for j in range(len(counts)):
            counts[j] += popcount(r[j] ^ a)


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _estimate(
    counts: Words, own: np.float32, half: Floats, norm: np.float32, norms: Floats, share: np.float32, values: Floats
) -> None:
    """Guess half the squared distances."""
    for j in range(len(values)):
        values[j] = (own + half[j]) - norms[j] * (norm - norm * share * np.float32(np.int32(counts[j])))


@njit(cache=True, nogil=True)
def _keep_least(row: Places, kept: np.int32, here: np.int32, first: np.int32, least: Places) -> Any:
    """Lower ``least`` by a row of values of one point, and return the smallest of the row with its place."""
    smallest = np.int32(2**31 - 1)
    for j in range(len(row)):
        value = row[j] & kept
        least[j] = min(least[j], value | here)
        smallest = min(smallest, value | (first + np.int32(j)))
    return smallest
