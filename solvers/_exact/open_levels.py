"""The thresholds of a matrix that neither an incumbent reaches nor a proof refutes."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.spatial.distance import squareform

from mmdp import Clock
from mmdp.arrays import Matrix, Vector

_SORTABLE = 5000**2  # entries of a matrix that are sorted in about a second; of a larger one only some rows are
_FINE = 0.1  # share of the gap: thresholds closer than this to a decided one would hardly improve the bound


class OpenLevels:
    """Distances between incumbent and upper bound of a clock, which hears of those that are refuted."""

    def __init__(self, D: Matrix, clock: Clock) -> None:
        self._D, self._clock = D, clock

    @property
    def has_time(self) -> bool:
        """Whether the distances are sorted before the time is over."""
        return self._clock.remaining >= self._D.size / _SORTABLE

    @property
    def above(self) -> Vector:
        """In ascending order."""
        levels = self._levels[0]
        first, last = np.searchsorted(levels, [self._clock.objective, self._clock.upper_bound], side="right")
        return np.asarray(levels[first:last])

    def is_fine(self, above: Vector, low: int, high: int) -> bool:
        """Whether to decide between place ``high``, not yet refuted, and ``low``, or -1, would hardly help."""
        objective = self._clock.objective
        return bool(above[high] - (above[low] if low >= 0 else objective) < _FINE * (above[high] - objective))

    def refuted(self, above: Vector, place: int) -> None:
        """Report that no k points are as far apart as the level at a place."""
        below = float(above[place - 1]) if place > 0 else self._clock.objective
        self._clock.report(upper_bound=below if self._levels[1] else float(above[place]))

    @cached_property
    def _levels(self) -> tuple[Vector, bool]:
        """Distances in ascending order, and whether these are all: of a large matrix some rows are enough."""
        step = 1 + self._D.size // _SORTABLE
        values = squareform(self._D, checks=False) if step == 1 else self._D[::step]
        return np.unique(values), step == 1
