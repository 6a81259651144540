"""One pass of farthest-first over a block of rows that is in memory only now."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solvers._kernels.numba import FEW_DIMENSIONS, Matrix, Vector, is_beyond, one_surrogate, single_precision, surrogate


@njit(cache=True, nogil=True)
def _lower_block(
    kind: int, factor: float, x: Matrix, centres: Matrix, nearest: Vector, seen: NDArray[np.int32], floor: float
) -> None:
    few = x.shape[1] <= FEW_DIMENSIONS
    for i in range(len(x)):
        best, c = nearest[i], int(seen[i])
        while c < len(centres) and best >= floor:
            if few or not (factor > 0 and best < np.inf and is_beyond(x, i, centres, c, factor, best)):
                distance = surrogate(kind, x, i, centres, c) if few else one_surrogate(kind, x, i, centres, c)
                best = min(best, distance)
            c += 1
        nearest[i], seen[i] = best, c


def lower_block(kind: int, x: Matrix, centres: Matrix, nearest: Vector, seen: NDArray[np.int32], floor: float) -> None:
    """Compare rows with the centres they have not seen, each until it is closer than ``floor``.

    One thread, without the interpreter's lock: blocks are what threads share.
    """
    _lower_block(kind, single_precision(kind, x), x, centres, nearest, seen, floor)
