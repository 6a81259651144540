"""A capacity for each point and a demand: a solution is any set of points whose capacities add up to the demand.

How many points that takes is not known beforehand. The field calls it the capacitated dispersion problem (Rosenkrantz,
Tayi, Ravi, Journal of Combinatorial Optimization 4(1), 2000; Peiro, Jimenez, Laguardia, Marti, International
Transactions in Operational Research 28(1), 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmdp.arrays import Indices, Vector, is_tensor, to_numpy
from mmdp.exceptions import InvalidProblemError

_LARGEST = 2**62  # of sums of units
_PAIR = 2  # the fewest points of a solution: a distance needs two


@dataclass(frozen=True, eq=False)
class Capacities:
    """Capacities and a demand in whole units, so that every order of adding them gives the same sum.

    At least two points are chosen even where one would do, because a distance needs two. Where one would do, the units
    say so: they are then no multiples of the capacities, but a set reaches ``needed`` exactly if it has two points and
    reaches the demand.

    Parameters
    ----------
    given : (n,) float64 array
        Capacity of each point.
    demand : float
    units : (n,) int64 array
    needed : int
        The demand in units.

    Examples
    --------
    >>> from mmdp import Problem
    >>> capacities = Problem(points=np.eye(4), capacity=[0.1, 0.1, 0.1, 0.5], demand=0.3).capacities
    >>> capacities.total([0, 1, 2]), capacities.violation([0, 1])
    (0.3, 'a capacity of 0.2 in all, which has to reach 0.3')
    """

    given: Vector
    demand: float
    units: Indices
    needed: int

    def total(self, indices: ArrayLike) -> float:
        """Return the capacity of some points together."""
        return float(sum(_decimal(value) for value in self.given[np.asarray(indices, dtype=np.int64)].tolist()))

    def missing(self, indices: ArrayLike) -> int:
        """Return how many units some points lack; zero or less where they are a solution."""
        return self.needed - int(self.units[np.asarray(indices, dtype=np.int64)].sum())

    def violation(self, indices: ArrayLike) -> str:
        """Say why some points are no solution; empty if they are one."""
        if len(np.atleast_1d(indices)) < _PAIR:
            return f"{len(np.atleast_1d(indices))} points instead of at least {_PAIR}"
        if self.missing(indices) <= 0:
            return ""
        return f"a capacity of {self.total(indices):g} in all, which has to reach {self.demand:g}"

    def least_points(self, include: Sequence[int], candidates: Indices) -> int:
        """Return how many points a solution has at least, the fixed ones among them."""
        others = np.sort(self.units[np.setdiff1d(candidates, include)])[::-1]
        missing = self.missing(np.asarray(include, dtype=np.int64))
        more = int(np.searchsorted(np.cumsum(others), missing)) + 1 if missing > 0 else 0
        return len(include) + more


def capacities(capacity: Any, demand: Any, n: int, candidates: Indices) -> Capacities:
    """Check capacities and a demand against each other and against what can be chosen.

    Raises
    ------
    InvalidProblemError
        If they are no numbers, or all candidates together do not reach the demand.
    """
    if capacity is None or demand is None:
        raise InvalidProblemError(
            "capacity (of each point) and demand (the total that is needed) go together: give both"
        )
    is_number = isinstance(demand, (int, float, np.number)) and not isinstance(demand, bool)
    if not is_number or not 0 < demand < math.inf:
        raise InvalidProblemError(f"demand = {demand!r}: give the total capacity that is needed, a number above 0")
    given, demand = _checked(capacity, n), float(str(demand))
    units, needed = _in_units(given, demand)
    if len(candidates) < _PAIR:
        raise InvalidProblemError(f"exclude leaves {len(candidates)} of {n} points; a distance needs a pair")
    if units[candidates].sum() < needed:
        total = Capacities(given, demand, units, needed).total(candidates)
        raise InvalidProblemError(
            f"demand = {demand:g} is more than {total:g}, the capacity of all {len(candidates)} points that can be "
            "chosen"
        )
    if units[candidates].max() >= needed:  # by one point: its units are lowered so that it takes another one
        units = np.minimum(2 * n * np.minimum(units, needed) + 1, 2 * n * needed - 1)
        needed *= 2 * n
    return Capacities(given, demand, units, needed)


def _checked(capacity: Any, n: int) -> Vector:
    values: NDArray[Any] = to_numpy(capacity) if is_tensor(capacity) else np.asarray(capacity)
    if values.dtype.kind not in "iuf" or values.shape != (n,):
        raise InvalidProblemError(
            f"capacity has shape {values.shape} and dtype {values.dtype}: give one number for each of {n} points"
        )
    given = _as_written(values)
    wrong = np.flatnonzero(~np.isfinite(given) | (given < 0))
    if len(wrong):
        raise InvalidProblemError(
            f"capacity[{wrong[0]}] is {given[wrong[0]]:g}: a capacity is a number >= 0; exclude=[{wrong[0]}] drops "
            "this point, whatever its capacity"
        )
    return given


def _as_written(values: NDArray[Any]) -> Vector:
    """Float64 numbers; those of narrower floats as they are written, since 0.7 of float32 is 0.699999988 otherwise."""
    is_narrow = values.dtype.kind == "f" and values.dtype.itemsize < np.float64().itemsize
    return (values.astype(str) if is_narrow else values).astype(np.float64)


def _in_units(given: Vector, demand: float) -> tuple[Indices, int]:
    """Capacities and demand as whole numbers of a power of ten, exactly as they are written where these are not long.

    Ten points of 0.1 reach 1, which the sum of ten floats does not. No capacity counts for more than the demand, so a
    very large one leaves the others their digits. Where digits are lost all the same, the demand is rounded up and the
    capacities down: what reaches the demand in units reaches it.
    """
    largest = _LARGEST // (2 * len(given) + 1)
    reached = _decimal(demand)
    values = [min(_decimal(value), reached) for value in given.tolist()]
    places = max((-int(value.normalize().as_tuple().exponent) for value in values if value < reached), default=0)
    kept = min(max(places, 0), _digits_after(largest, max(sum(values, Decimal(0)), reached)))
    needed = int(reached.scaleb(kept).to_integral_value(ROUND_CEILING))
    units = [needed if value >= reached else int(value.scaleb(kept).to_integral_value(ROUND_FLOOR)) for value in values]
    return np.array(units, dtype=np.int64), needed


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _digits_after(largest: int, total: Decimal) -> int:
    """How many digits after the point leave a total below ``largest``; negative where it has to lose some before."""
    return math.floor(math.log10(largest) - math.log10(max(float(total), 1e-300))) - 1
