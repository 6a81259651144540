"""What vectors prove: few cells hold points that are far apart in pairs, if the vectors of far cells do not agree.

The readable formula (Lovasz, IEEE Transactions on Information Theory 25(1), 1979): give every cell a a vector v_a, and
let c be one more vector, the handle, with ``c . v_a = 1`` for all a. If ``v_a . v_b <= 0`` wherever cells a and b hold
points at distance >= t, then k cells with points that are pairwise that far apart satisfy ``k^2 = (c . sum v_a)^2 <=
|c|^2 |sum v_a|^2 <= |c|^2 sum |v_a|^2``. So there are no such points if the k longest vectors make the right side
smaller. Any vectors prove something; the best prove Schrijver's number (same journal 25(4), 1979).

Cells a and b whose product exceeds 0 by x pay for that: a gets another coordinate, sqrt(x), and b gets -sqrt(x), where
the handle has 0. Their product is 0 then, and both squared lengths have grown by x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices, Matrix, Vector

Floats = NDArray[np.float32]
_SLACK = 1e-9  # relative; far above the rounding of float64


@dataclass(frozen=True)
class Umbrella:
    """Vectors in parts, each of which concerns some of the cells and is zero for the others; and the handle.

    Parameters
    ----------
    cells : int
        How many there are.
    parts : sequence of (m,) int64 arrays
        The cells of each part.
    vectors : sequence of (m, r) float32 arrays
    handle : sequence of (r,) float32 arrays

    Examples
    --------
    Three cells, of which only the last is far from the others: two points at most are far apart.

    >>> right_angle = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    >>> umbrella = Umbrella(3, [np.arange(3)], [right_angle], [np.ones(2, dtype=np.float32)])
    >>> far = np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0]], dtype=bool)
    >>> round(umbrella.most_points(far, 3), 3)
    2.0
    """

    cells: int
    parts: Sequence[Indices]
    vectors: Sequence[Floats]
    handle: Sequence[Floats]

    @cached_property
    def _along(self) -> Vector:
        """The product of each vector with the handle."""
        along = np.zeros(self.cells)
        for part, vectors, handle in zip(self.parts, self.vectors, self.handle, strict=True):
            along[part] += vectors.astype(np.float64) @ handle.astype(np.float64)
        return along

    @cached_property
    def _products(self) -> Matrix:
        """Of all pairs of vectors, each divided by its product with the handle."""
        products = np.zeros((self.cells, self.cells))
        for part, vectors in zip(self.parts, self.vectors, strict=True):
            scaled = vectors / self._along[part, None]
            products[np.ix_(part, part)] += scaled @ scaled.T
        return products

    def most_points(self, far: NDArray[np.bool_], k: int) -> float:
        """How many points can be pairwise far apart: fewer than k if this is below k, infinite if it proves nothing.

        Takes O(c^2) time after a first call, which takes O(c^2 + sum m^2 r).

        Parameters
        ----------
        far : (c, c) bool array
            Which pairs of cells hold a pair of points that is far apart.
        k : int
        """
        if not self._along.min() > 0 or np.diagonal(far).any():
            return math.inf
        paid = np.maximum(self._products, 0.0).sum(axis=1, where=far)
        lengths = np.sort(np.diagonal(self._products) + paid)
        handle = sum(float(part.astype(np.float64) @ part) for part in self.handle)
        return handle * float(lengths[-k:].mean()) * (1 + _SLACK)
