"""The points of one run as matrices: costs of serving each point from each candidate, and what bounds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmdp import InvalidProblemError, Problem
from mmdp.arrays import Array, Matrix, Vector
from mmdp.metrics import Metric
from objectives.measures import checked_weights

_ROUNDING = 1e-10  # relative; two halves of a distance may both be rounded down, and less than the grading allows for


@dataclass(frozen=True, eq=False)
class Data:
    """n points, how far apart they are, and how much each of them counts.

    Attributes
    ----------
    distances : (n, n) float64 array
    weights : (n,) float64 array
    k : int
    separated : callable
        From the smallest pairwise distance of k + 1 points to a bound below the radius of any k: two of the k + 1 share
        a nearest chosen point, so by the triangle inequality the radius is at least half their distance. Zero where no
        such inequality holds.
    """

    distances: Matrix
    weights: Vector
    k: int
    separated: Callable[[float], float]

    @property
    def n(self) -> int:
        """The number of points."""
        return len(self.distances)

    @cached_property
    def costs(self) -> Matrix:
        """Weight of the row's point times its distance to the column's."""
        return self.weights[:, None] * self.distances


def read(
    points: Array,
    k: int,
    metric: str | Metric | Callable[[Any, Any], float],
    distances: Array,
    weights: ArrayLike | None,
) -> Data:
    """Check points, or distances, with the rules of :class:`mmdp.Problem`, and compute the matrix.

    Raises
    ------
    InvalidProblemError
        If they are invalid, or k is out of range.
    """
    problem = Problem(2, points=points, distances=distances, metric=metric)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= problem.n:
        raise InvalidProblemError(f"k = {k!r}: choose a whole number of points from 1 to all {problem.n}")
    w = checked_weights(weights, problem.n)
    constant = problem.geometry.triangle_constant if weights is None else None

    def separated(distance: float) -> float:
        if constant is None:
            return 0.0
        reduced = _reduced(problem, distance) / constant * (1 - _ROUNDING)
        return float(problem.value(reduced))

    return Data(problem.matrix(), w, int(k), separated)


def _reduced(problem: Problem, distance: float) -> float:
    """The smallest reduced distance of the problem whose true distance reaches this one."""
    every = problem.reduced_matrix()
    return float(every[problem.value(every) >= distance].min())
