"""Sets of vertices as rows of 64-bit words, and the machine instructions that count and find their members."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from solvers._framework.bit_counts import popcount as popcount
from solvers._framework.compilation import njit

Words = NDArray[np.uint64]
WORD = 64


def _lowest(typing: Any, word: Any) -> Any:
    """Position of the lowest set bit of a non-zero word."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


def _highest(typing: Any, word: Any) -> Any:
    """Position of the highest set bit of a non-zero word."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        leading = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(ir.IntType(64), WORD - 1), leading)

    return types.int64(types.uint64), build


lowest: Any = intrinsic(_lowest)
highest: Any = intrinsic(_highest)


@njit(inline="always")
def bit(i: int) -> Any:
    """Return the word with only bit ``i % 64`` set."""
    return np.uint64(1) << np.uint64(i & 63)


def pack(rows: NDArray[np.bool_]) -> Words:
    """Rows of booleans (m, n) as rows of words (m, ceil(n / 64)); column j is bit j % 64 of word j // 64."""
    m, n = rows.shape
    packed = np.zeros((m, (n + 63) // 64 * 8), np.uint8)
    packed[:, : (n + 7) // 8] = np.packbits(rows, axis=1, bitorder="little")
    return np.asarray(packed.view("<u8"), dtype=np.uint64)


@njit(cache=True, nogil=True)
def count(words: Words) -> int:
    """Return the number of members of one set."""
    total = 0
    for w in range(len(words)):
        total += int(popcount(words[w]))
    return total


@njit(cache=True, nogil=True)
def members(words: Words) -> NDArray[np.int64]:
    """Return the members of one set, ascending."""
    found = np.empty(count(words), np.int64)
    size = 0
    for w in range(len(words)):
        rest = words[w]
        while rest:
            found[size] = 64 * w + lowest(rest)
            size += 1
            rest &= rest - np.uint64(1)
    return found


def share_of_conflicts(adjacent: Words) -> float:
    """Share of the pairs of vertices that are not adjacent."""
    m = len(adjacent)
    return 1.0 - sum(map(count, adjacent)) / max(1, m * (m - 1))


def conflicts_of(adjacent: Words) -> NDArray[np.bool_]:
    """Return the pairs of vertices that are not adjacent as a matrix."""
    bits = np.unpackbits(adjacent.view(np.uint8), axis=1, count=len(adjacent), bitorder="little")
    conflict: NDArray[np.bool_] = bits == 0
    np.fill_diagonal(conflict, False)
    return conflict


def full(n: int) -> Words:
    """Return the set of all of n vertices."""
    return np.asarray(pack(np.ones((1, n), dtype=np.bool_))[0])
