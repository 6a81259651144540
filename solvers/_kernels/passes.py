"""One pass of farthest-first over a block of rows that is in memory only now."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from solvers._kernels.numba import FEW_DIMENSIONS, Matrix, Vector, one_surrogate, surrogate

_CHUNK = 256


@njit(cache=True)
def _lower_rows(
    kind: int, x: Matrix, centres: Matrix, nearest: Vector, seen: NDArray[np.int32], floor: float, a: int, b: int
) -> None:
    few = x.shape[1] <= FEW_DIMENSIONS
    for i in range(a, b):
        best, c = nearest[i], np.int64(seen[i])
        while c < len(centres) and best >= floor:
            distance = surrogate(kind, x[i], centres[c]) if few else one_surrogate(kind, x[i], centres[c])
            best = min(best, distance)
            c += 1
        nearest[i], seen[i] = best, c


def _lower_block(kind: int, x: Matrix, centres: Matrix, nearest: Vector, seen: NDArray[np.int32], floor: float) -> None:
    """Compare rows with the centres they have not seen, each until it is closer than ``floor``."""
    for chunk in prange((len(x) + _CHUNK - 1) // _CHUNK):
        _lower_rows(kind, x, centres, nearest, seen, floor, chunk * _CHUNK, min(len(x), (chunk + 1) * _CHUNK))


lower_block: Any = njit(cache=True, parallel=True)(_lower_block)
