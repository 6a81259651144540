"""The farthest and the nearest two points of two boxes can be, as reduced distances: box i is [low[i], high[i]].

Coordinates are summed in the order in which ``mmdp.metrics`` compares two points, and every rounded operation is
monotone: so the farthest of two boxes is never below the reduced distance of two points in them, to the last bit, and
it is that reduced distance when the boxes are points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solvers._framework.compilation import njit
from solvers._framework.distance_forms import CHEBYSHEV, SQEUCLIDEAN

Boxes = NDArray[np.float64]


@njit(inline="always")
def _add(kind: int, total: float, delta: float) -> float:
    if kind == SQEUCLIDEAN:
        return total + delta * delta
    if kind == CHEBYSHEV:
        return max(total, delta)
    return total + delta


@njit(cache=True, nogil=True)
def farthest(kind: int, low: Boxes, high: Boxes, a: int, b: int) -> float:
    """Return the largest reduced distance between a point of box a and one of box b."""
    total = 0.0
    for c in range(low.shape[1]):
        total = _add(kind, total, max(high[a, c] - low[b, c], high[b, c] - low[a, c]))
    return total


@njit(cache=True, nogil=True)
def nearest(kind: int, low: Boxes, high: Boxes, a: int, b: int) -> float:
    """Return the smallest reduced distance between a point of box a and one of box b."""
    total = 0.0
    for c in range(low.shape[1]):
        total = _add(kind, total, max(0.0, low[a, c] - high[b, c], low[b, c] - high[a, c]))
    return total
