"""The rows of a pass over a file that are farthest from the picks, in memory of a fixed size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices, Points, Vector


class FarthestPool:
    """At least ``room`` rows at the largest distance, the lowest indices among ties, and a bound on all others.

    Parameters
    ----------
    room : int
        Up to twice as many are kept before the nearer half goes.
    nearest : (n,) float64 array
        Of every row of the file; read here, lowered elsewhere.
    """

    def __init__(self, room: int, nearest: Vector) -> None:
        self.room, self._nearest = room, nearest
        self._indices: Indices = np.empty(min(2 * room, len(nearest)), np.int64)
        self._rows: Points | None = None
        self.empty()

    def empty(self) -> None:
        """Begin a pass."""
        self._size, self.floor, self.outside = 0, 0.0, -1.0

    def add(self, indices: Indices, rows: Points, outside: float) -> None:
        """Take rows of ascending indices that reach the floor, and the bound on others that were not worth it."""
        self.outside = max(self.outside, outside)
        if self._rows is None:
            self._rows = np.empty((len(self._indices), rows.shape[1]), rows.dtype)
        if self._size + len(indices) > len(self._indices):
            old, new = self._trim(indices)
            kept = int(old.sum())
            self._indices[:kept], self._rows[:kept] = self.indices[old], self.rows[old]
            self._size, indices, rows = kept, indices[new], rows[new]
        end = self._size + len(indices)
        self._indices[self._size : end], self._rows[self._size : end] = indices, rows
        self._size = end

    @property
    def indices(self) -> Indices:
        """Of the rows, ascending."""
        return self._indices[: self._size]

    @property
    def rows(self) -> Points:
        """Their vectors."""
        assert self._rows is not None
        return self._rows[: self._size]

    def _trim(self, coming: Indices) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        nearest = self._nearest[np.concatenate([self.indices, coming])]
        self.floor = float(np.partition(nearest, len(nearest) - self.room)[len(nearest) - self.room])
        keep = nearest > self.floor
        keep[np.flatnonzero(nearest == self.floor)[: self.room - int(keep.sum())]] = True
        self.outside = max(self.outside, self.floor)
        return keep[: self._size], keep[self._size :]
