"""What :func:`objectives.solve` returns, and the only place that builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mmdp import SolverContractError, Status
from mmdp.arrays import Indices

Sense = Literal["min", "max"]
ROUNDING = 1e-9  # relative to what two subsets can differ by; a sum in another order is another float
_LAST_PLACES = 1e-15  # relative to an objective, however little subsets differ: a few units in its last place


@dataclass(frozen=True)
class Answer:
    """What a method hands in: a subset, and a proven bound on the objective of any subset, in the objective's sense."""

    indices: ArrayLike
    bound: float
    status: Status


@dataclass(frozen=True, eq=False)
class Solution:
    """A graded subset: its indices have been checked and its objective measured again in float64.

    Attributes
    ----------
    indices : (k,) int64 array
        The chosen points.
    objective : float
        What they are worth.
    bound : float
        No k points are worth more, or cost less, by proof. Equal to the objective if the status is optimal.
    status : Status
        Why the run ended.
    sense : str
        "max" or "min": whether a larger or a smaller objective is better.
    name, method : str
        Of the objective, and how it was solved.
    n, k : int
    runtime : float
        Seconds of the method itself.
    """

    indices: Indices
    objective: float
    bound: float
    status: Status
    sense: Sense
    name: str
    method: str
    n: int
    k: int
    runtime: float

    @property
    def gap(self) -> float:
        """|bound - objective| over the larger of the two: 0 when optimal, at most this share is missing otherwise."""
        return abs(self.bound - self.objective) / (max(abs(self.bound), abs(self.objective)) or 1.0)

    @property
    def is_optimal(self) -> bool:
        """Whether optimality is proven."""
        return self.status is Status.OPTIMAL


def graded(
    answer: Answer,
    measure: Callable[[Indices], float],
    spread: float,
    sense: Sense,
    name: str,
    method: str,
    n: int,
    k: int,
    runtime: float,
) -> Solution:
    """Check the subset, measure it, and compare it with the bound that the method claims.

    ``spread`` is what the objectives of two subsets differ by at most. A bound is the objective if it is as near to it
    as rounding can tell: 1e-9 of the spread or of itself, whichever is smaller.

    Raises
    ------
    SolverContractError
        If the answer is not k different points, or is better than its own bound.
    """
    indices = np.asarray(answer.indices, dtype=np.int64)
    if indices.shape != (k,) or len(np.unique(indices)) < k or indices.min() < 0 or indices.max() >= n:
        raise SolverContractError(f"{method} returned {indices.tolist()}, which are not {k} different points of {n}")
    objective = measure(indices)
    missing = answer.bound - objective if sense == "max" else objective - answer.bound
    size = max(abs(objective), abs(answer.bound))
    slack = ROUNDING * min(spread, size) + _LAST_PLACES * size
    if not missing >= -slack:
        raise SolverContractError(f"{method} claims the bound {answer.bound!r} and returns {objective!r}")
    proven = missing <= slack
    bound = objective if proven else answer.bound
    status = Status.OPTIMAL if proven else Status.STOPPED if answer.status is Status.OPTIMAL else answer.status
    return Solution(indices, objective, bound, status, sense, name, method, n, k, runtime)
