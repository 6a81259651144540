"""Rows rounded to integers of 16 bits, each row by its own unit, with a bound on what that does to distances.

The readable formula, for a row moved to the middle of all, which changes no distance and makes norms small::

    v = scale * x - centre
    unit = max(|v| / (LONGEST - sqrt(d) / 2), max(abs(v)) / 32767)
    high = round(v / unit)
    low = round((v / unit - high) * fineness)

No product of two rows of ``high`` leaves 32 bits, because no norm is above LONGEST (Cauchy-Schwarz), and neither does
``high @ low' + low @ high'``. With ``loss`` the largest distance between a row and its integers, and ``reach`` the
largest norm, a product is off by at most ``2 loss (reach + loss)``. The finer ones leave out ``low @ low'``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Points, Vector
from solvers._farthest_first.integer_dots import COLUMNS, ROWS, STEP
from solvers._framework.compilation import njit
from solvers._framework.pair_sums import as_float64

Floats = NDArray[np.float32]
Shorts = NDArray[np.int16]

UNIT = 2.0**-24  # the roundoff of float32
_LONGEST = 46340.0  # whose square is below 2**31
_LARGEST = 32767.0
_ROUNDED_UP = 1 + 2.0**-20  # a sum of d squares in float64 is off by a far smaller share
SQUARES = 1e-20, 1e30  # sums of squares between which products in float32 neither overflow nor lose digits
_IN_ANY_ORDER = {"reassoc", "nsz", "contract"}


@dataclass(frozen=True)
class IntegerRows:
    """Rows as integers, and what they stand for.

    Parameters
    ----------
    x, scale, centre : arrays
        The rows, what the rule multiplies each with, and what they are moved by.
    high : (m, w) int16 array
        The n rows and some of zeros, with zeros behind their d coordinates.
    unit : (n,) float64 array
        What 1 stands for, in each row; 0 for a row of zeros.
    squares : (n,) float64 array
        Squared norms of the moved rows.
    error : float
        Half a squared distance, from products of ``high``, is off by at most this.
    fineness : float
        How many units of :meth:`low` make one of ``high``.
    fine_error : float
        The error from products with :meth:`low` besides.
    """

    x: Points
    scale: Vector
    centre: Vector
    high: Shorts
    unit: Vector
    squares: Vector
    error: float
    fineness: float
    fine_error: float

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(self.unit)

    def in_float32(self) -> tuple[Floats, Floats]:
        """Half the squared norms, and the units."""
        return (self.squares / 2).astype(np.float32), self.unit.astype(np.float32)

    def low(self) -> Shorts:
        """Return what ``high`` leaves, in units of its own; in the same shape."""
        low = np.zeros_like(self.high)
        _round_the_rest(self.x, self.scale, self.centre, self.high, self.unit, self.fineness, low)
        return low


def integer_rows(x: Points, scale: Vector, centre: Vector) -> IntegerRows | None:
    """Round the rows ``scale * x - centre``; None if a norm is not finite, or too far from 1 for float32.

    The error, in units u of float32 and of the largest squared norm: 1 for a sum as float32, 4 for the two units and
    multiplying by them, 1 for the halves of squares, 1 for their sum, 2 for the difference, 2 for the one of the finer
    products and 2 for the intervals' own rounding, rounded up to 22. Moving happens in float64, where it is a share of
    what is moved. The distances of the rule are off by a share of d 2^-53.
    """
    n, d = x.shape
    high = np.zeros((n + ROWS + COLUMNS, -(-d // STEP) * STEP), np.int16)
    unit, squares, losses = np.empty(n), np.empty(n), np.empty(n)
    _round(x, scale, centre, high, unit, squares, losses)
    largest, origin = float(squares.max()), float(centre @ centre)
    if not (SQUARES[0] <= largest <= SQUARES[1] and origin <= SQUARES[1]):
        return None
    reach, fineness = np.sqrt(largest), float(_LONGEST // np.sqrt(high.shape[1])) - 1  # of a half, rounded up, too
    loss = float(losses.max()) * _ROUNDED_UP
    finer_loss = float(unit.max()) * np.sqrt(d) / (2 * fineness) * _ROUNDED_UP
    rounding = largest * (22 * UNIT + d * 2.0**-50) + 2.0**-49 * reach * np.sqrt(origin + largest)
    error = rounding + 2 * loss * (reach + loss)
    fine_error = rounding + 2 * finer_loss * (reach + finer_loss) + (loss + finer_loss) ** 2
    return IntegerRows(x, scale, centre, high, unit, squares, error, fineness, fine_error)


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _move(row: Points, scale: float, centre: Vector, moved: Vector) -> float:
    """Return the sum of squares of a row, once it is moved."""
    squares = 0.0
    for c in range(len(row)):
        value = as_float64(row[c]) * scale - centre[c]
        moved[c] = value
        squares += value * value
    return squares


@njit(cache=True, nogil=True)
def _largest(bits: NDArray[np.int64]) -> Any:
    """Return the bits of the largest size: without the sign they are in its order, and integers go in vectors."""
    largest = np.int64(0)
    for c in range(len(bits)):
        largest = max(largest, bits[c] & np.int64(2**63 - 1))
    return largest


@njit(cache=True, nogil=True)
def _round(
    x: Points, scale: Vector, centre: Vector, high: Shorts, unit: Vector, squares: Vector, losses: Vector
) -> None:
    moved, largest = np.empty(x.shape[1]), np.empty(1, np.int64)
    longest = _LONGEST - 0.5 * np.sqrt(high.shape[1])
    for i in range(len(x)):
        squares[i] = _move(x[i], scale[i], centre, moved)
        largest[0] = _largest(moved.view(np.int64))
        unit[i] = max(np.sqrt(squares[i]) / longest, largest.view(np.float64)[0] / _LARGEST)
        if unit[i] > 0 and np.isfinite(squares[i]):
            losses[i] = np.sqrt(_round_row(moved, 1 / unit[i], high[i])) * unit[i]
        else:
            losses[i] = 0.0


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _round_row(moved: Vector, inverse: float, high: Shorts) -> float:
    """Return the sum of the squares of what is lost, in units."""
    lost = 0.0
    for c in range(len(moved)):
        value = moved[c] * inverse
        nearest = np.floor(value + 0.5)
        high[c] = np.int16(nearest)
        lost += (value - nearest) * (value - nearest)
    return lost


@njit(cache=True, nogil=True)
def _round_the_rest(
    x: Points, scale: Vector, centre: Vector, high: Shorts, unit: Vector, fineness: float, low: Shorts
) -> None:
    moved = np.empty(x.shape[1])
    for i in range(len(x)):
        if unit[i] > 0:
            _move(x[i], scale[i], centre, moved)
            inverse = 1 / unit[i]
            for c in range(len(moved)):
                low[i, c] = np.int16(np.floor((moved[c] * inverse - high[i, c]) * fineness + 0.5))
