"""Lowering the bound of a dense matrix by the Schrijver numbers of its thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmdp import Clock
from mmdp.arrays import Matrix
from solvers._exact.open_levels import OpenLevels
from solvers._exact.schrijver_number import SchrijverNumber
from solvers._exact.threshold_graph import beside, core_in_order, pairs_from

_MOST_POINTS = 2000  # a step takes seconds beyond
_FIRST = 0.9  # share of the open levels below the first threshold: where the search bounds better, this ends there


class SchrijverBound:
    """Halves the open levels, and goes on where it was.

    Parameters
    ----------
    D : (n, n) float64 array
    k : int
    forced : sequence of int
        Which rows every solution contains.
    levels : OpenLevels
    clock : Clock
    """

    def __init__(self, D: Matrix, k: int, forced: Sequence[int], levels: OpenLevels, clock: Clock) -> None:
        self._D, self._k, self._forced, self._levels, self._clock = D, k, list(forced), levels, clock
        self._number: tuple[float, SchrijverNumber] | None = None  # of a threshold that is not decided yet
        self._left_open = -math.inf  # the largest threshold that its number does not refute
        self._helps = False

    def lower(self, seconds: float) -> bool:
        """Go on for so many seconds; True if it has just refuted the threshold above the incumbent."""
        clock, end = self._clock, self._clock.elapsed + seconds
        while clock.elapsed < end and not clock.expired and len(self._D) <= _MOST_POINTS:
            above = self._levels.above
            if self._number is None or self._number[0] not in above:
                self._number = self._next(end - clock.elapsed)
            if self._number is None:
                return False
            threshold, number = self._number
            refutes = number.run(min(end - clock.elapsed, clock.remaining))
            if refutes is None:
                return False
            self._number = None
            if refutes:
                self._helps = True
                self._levels.refuted(above, int(np.searchsorted(above, threshold)))
                if clock.upper_bound <= clock.objective:
                    return True
            else:
                self._left_open = threshold
        return False

    def _next(self, seconds: float) -> tuple[float, SchrijverNumber] | None:
        """Choose the next threshold, unless none is worth it or can be decided in that time."""
        above = self._levels.above
        low = int(np.searchsorted(above, self._left_open, side="right"))
        if low == len(above) or self._levels.is_fine(above, low - 1, len(above) - 1):
            return None
        place = low + int((0.5 if self._helps else _FIRST) * (len(above) - low))
        number = self._number_of(float(above[place]))
        return (float(above[place]), number) if number.least_seconds <= seconds else None

    def _number_of(self, threshold: float) -> SchrijverNumber:
        adjacent = pairs_from(self._D, threshold)
        need, free = self._k - len(self._forced), beside(adjacent, self._forced)
        if free is None:
            return SchrijverNumber(adjacent[:0, :0], 1)
        vertices = core_in_order(adjacent, np.flatnonzero(free), need)
        return SchrijverNumber(adjacent[np.ix_(vertices, vertices)], need)
