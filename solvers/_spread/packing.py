"""What :func:`solvers.spread` returns: the points, how many there could be at most, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmdp import Status
from mmdp.arrays import Indices
from mmdp.tables import rows_of


@dataclass(frozen=True, eq=False)
class Packing:
    """Points that are all at least a distance apart; the framework has measured them again.

    Attributes
    ----------
    indices : (m,) int64 array
        The chosen points, ascending.
    distance : float
        How far apart they had to be.
    upper_bound : int
        No more points than this are that far apart, by proof.
    status : Status
        Optimal where ``size`` equals the bound, otherwise what ended the run.
    objective : float
        The smallest distance among the chosen points, infinite for a single one.
    runtime : float
        Seconds, without compiling.
    metric : str
        Name of the distance.
    n : int
        How many points there were.
    """

    indices: Indices
    distance: float
    upper_bound: int
    status: Status
    objective: float
    runtime: float
    metric: str
    n: int

    @property
    def size(self) -> int:
        """How many points were chosen."""
        return len(self.indices)

    @property
    def gap(self) -> float:
        """(upper bound - size) / upper bound: 0 when no larger set exists, at most this share is missing otherwise."""
        return (self.upper_bound - self.size) / self.upper_bound

    @property
    def is_optimal(self) -> bool:
        """Whether no larger set exists, by proof."""
        return self.status is Status.OPTIMAL

    def of(self, table: Any) -> Any:
        """The chosen rows of what the points came from, as :meth:`mmdp.Result.of` gives them."""
        return rows_of(table, self.indices, self.n)

    def summary(self) -> str:
        """Return a few lines for a person."""
        proof = "the most, proven" if self.is_optimal else f"gap at most {self.gap:.2%}, {self.status}"
        return (
            f"spread: {self.size} of {self.n} points at least {self.distance:.6g} apart, {self.metric}\n"
            f"  closest pair {self.objective:.6g} apart\n"
            f"  upper bound  {self.upper_bound} points  ({proof})\n"
            f"  runtime      {self.runtime:.3g} s"
        )
