"""Distances of points that no distance form compares: looked up by row number, from whatever the points are.

A :class:`~mmdp.Problem` on such points holds their row numbers, (n, 1), as its vectors, and its metric looks the rows
up. So a part of the problem, or the same points in another problem, shares what is known of their distances.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from mmdp.arrays import Indices, Matrix, Vector
from mmdp.exceptions import InvalidProblemError, TooLargeError

_MEMORY_SHARE = 0.5  # of the memory that is free at first, for the distances that are kept
_UNTIL_LOOK = 64  # calls of a function between two looks at the clock


class Pairs(ABC):
    """Reduced distances between rows given by their numbers."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._end = math.inf

    @abstractmethod
    def between(self, rows: Indices, columns: Indices) -> Matrix:
        """Reduced distances, (a, b) float64, from row numbers (a,) to row numbers (b,)."""

    @property
    def is_complete(self) -> bool:
        """Whether all distances are known, so that asking for them costs nothing."""
        return False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Raise :class:`TooLargeError` where distances are asked for later than this, unless they are known."""
        before = self._end
        self._end = min(before, time.perf_counter() + seconds)
        try:
            yield
        finally:
            self._end = before

    def _check_time(self) -> None:
        if time.perf_counter() > self._end:
            raise TooLargeError(f"the distances of {self.n} points take longer than the time limit")


class FunctionPairs(Pairs):
    """Distances by a function of two points, called once for each pair and kept as long as the memory holds them.

    The function is called with the point of the smaller row number first. A point is at distance 0 from itself.

    Parameters
    ----------
    function : callable
        Symmetric and non-negative.
    items : sequence
        The points.
    """

    def __init__(self, function: Callable[[Any, Any], float], items: Sequence[Any] | NDArray[Any]) -> None:
        super().__init__(len(items))
        self.function, self.items = function, items
        self._rows: dict[int, Vector] = {}  # NaN where a distance is not known; that of (i, j) is in row i or row j
        self._room = int(_MEMORY_SHARE * psutil.virtual_memory().available) // (8 * max(1, self.n))
        self._known = 0

    @property
    def is_complete(self) -> bool:
        """Whether the function has been called for every pair, and all are kept."""
        return self._known == self.n * (self.n - 1) // 2

    def between(self, rows: Indices, columns: Indices) -> Matrix:
        """Reduced distances; those that are not known are computed."""
        if len(columns) < len(rows):  # so that fewer rows are kept
            return np.ascontiguousarray(self.between(columns, rows).T)
        out = np.empty((len(rows), len(columns)))
        for place, i in enumerate(rows.tolist()):
            row = self._row(i)
            if np.isnan(row[columns]).any():
                self._fill(i, row, columns)
            out[place] = row[columns]
        return out

    def _row(self, i: int) -> Vector:
        row = self._rows.get(i)
        if row is None:
            row = np.full(self.n, np.nan)
            row[i] = 0.0
            for j, other in self._rows.items():
                row[j] = other[i]
            if len(self._rows) < self._room:
                self._rows[i] = row
        return row

    def _fill(self, i: int, row: Vector, columns: Indices) -> None:
        kept = i in self._rows
        for count, j in enumerate(columns[np.isnan(row[columns])].tolist()):
            if count % _UNTIL_LOOK == 0:
                self._check_time()
            other = self._rows.get(j)
            if other is not None and not np.isnan(other[i]):
                row[j] = other[i]
            elif np.isnan(row[j]):  # a column may be asked for twice
                row[j] = self._measured(min(i, j), max(i, j))
                self._known += kept

    def _measured(self, i: int, j: int) -> float:
        return as_distance(self.function(self.items[i], self.items[j]), f"the points {i} and {j}")


def as_distance(found: Any, pair: str) -> float:
    """What a metric returned for a pair as a number; what is no distance is named."""
    with suppress(TypeError, ValueError):
        if np.ndim(found) == 0 and 0 <= (distance := float(found)) < math.inf:
            return distance
    raise InvalidProblemError(f"metric returned {found} for {pair}; a distance is one number >= 0")


def as_items(points: Any) -> list[Any] | None:
    """Points that are objects, such as texts, for a function to compare; None if they are a table of numbers."""
    if isinstance(points, (str, bytes, dict)) or not hasattr(points, "__len__"):
        return None
    dimensions = getattr(points, "ndim", None)
    if dimensions is not None:
        is_table = dimensions != 1 and not (isinstance(points, np.ndarray) and points.dtype.kind not in "fiub")
        return None if is_table else list(points)
    try:
        rows = np.asarray(points)
    except ValueError:  # of different lengths
        return list(points)
    return None if rows.ndim == 2 and rows.dtype.kind in "fiub" else list(points)
