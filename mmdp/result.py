"""What a solver returns: the subset, its value, a bound on what any subset can reach, and how it got there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Vector
from mmdp.coverage import Assignment, Origin
from mmdp.exceptions import InvalidProblemError
from mmdp.problem import Problem
from mmdp.stopping import Incumbent
from mmdp.subset_measures import Measures, measures
from mmdp.tables import rows_of


class Status(StrEnum):
    """Why a run ended."""

    OPTIMAL = "optimal"
    """The objective equals a proven upper bound."""
    HEURISTIC = "heuristic"
    """A method that proves nothing ended, by itself or by a limit of :class:`~mmdp.Stop`."""
    STOPPED = "stopped"
    """A limit of :class:`~mmdp.Stop` ended a method before its proof."""
    INTERRUPTED = "interrupted"
    """Ctrl-C ended the run."""


@dataclass(frozen=True, eq=False)
class Result:
    """A graded solution: the framework has checked the indices and recomputed the objective.

    Attributes
    ----------
    indices : (k,) int64 array
        The chosen points, in the order in which the solver returned them.
    objective : float
        Their smallest pairwise distance, recomputed in float64 from the problem.
    upper_bound : float
        No k points of this problem have a larger smallest distance, by proof.
    status : Status
        Why the run ended.
    critical_pair : (int, int)
        The first pair of chosen points at the smallest distance.
    history : tuple of Incumbent
        Objective and bound over time.
    runtime : float
        Seconds of the solver itself, without compiling, checking and ``certify_seconds``.
    iterations : int
        In the solver's own unit.
    solver, metric : str
        The solver's keyword and the name of the metric.
    n, k, seed : int
        Of the problem and the run.
    notes : dict
        Anything else the solver reports, such as an approximation factor or a certificate.
    origin : Origin, optional
        The points it was chosen from, for :attr:`radii` and :meth:`assignment`; not part of a row, of JSON or of a
        pickle.

    Examples
    --------
    >>> from solvers import solve
    >>> result = solve([[0.0], [1.0], [5.0]], k=2, solver="exact")
    >>> result.is_optimal, result.gap, result.critical_pair
    (True, 0.0, (0, 2))
    >>> Result.from_json(result.to_json()).objective
    5.0
    """

    indices: NDArray[np.int64]
    objective: float
    upper_bound: float
    status: Status
    critical_pair: tuple[int, int]
    history: tuple[Incumbent, ...]
    runtime: float
    iterations: int
    solver: str
    metric: str
    n: int
    k: int
    seed: int
    notes: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {column.name: getattr(self, column.name) for column in fields(self)} | {"origin": None}

    @property
    def gap(self) -> float:
        """(upper bound - objective) / upper bound: 0 when optimal, at most this share is missing otherwise."""
        if self.upper_bound == self.objective:
            return 0.0
        return (self.upper_bound - self.objective) / self.upper_bound if math.isfinite(self.upper_bound) else 1.0

    @property
    def is_optimal(self) -> bool:
        """Whether optimality is proven."""
        return self.status is Status.OPTIMAL

    def measures(self, problem: Problem) -> Measures:
        """Return the other distances of the chosen points: sum, mean, second smallest, number of critical pairs.

        Parameters
        ----------
        problem : Problem
            The one that was solved; a result does not hold the points.
        """
        return measures(problem, self.indices)

    @cached_property
    def radii(self) -> Vector:
        """The distance at which each point was picked: to the nearest of those before it, infinite for the first.

        For the farthest-first order of the greedy they never increase, so all points up to a radius r are at least r
        apart.

        Examples
        --------
        >>> from solvers import solve
        >>> solve([[0.0], [1.0], [5.0]], k=3).radii.tolist()
        [inf, 5.0, 1.0]
        """
        return self._origin().radii()

    @cached_property
    def coverage_radius(self) -> float:
        """How far any of the n points is from the nearest chosen one: the objective of the k-centre problem.

        Excluded points count, as they have to be covered too. One pass over all points, O(n k d).
        """
        return float(self.assignment().distances.max())

    def assignment(self) -> Assignment:
        """Which chosen point is nearest to each of the n points, and how far it is.

        Returns
        -------
        Assignment
            ``labels`` (n,), places in ``indices``, and ``distances`` (n,). One pass over all points, O(n k d).

        Raises
        ------
        InvalidProblemError
            If the points are not at hand: the result was read back or copied, or came from a Dask collection.

        Examples
        --------
        >>> from solvers import solve
        >>> result = solve([[0.0], [1.0], [5.0]], k=2, solver="exact")
        >>> result.indices[result.assignment().labels].tolist(), result.coverage_radius
        ([0, 0, 2], 1.0)
        """
        return self._origin().assignment()

    def _origin(self) -> Origin:
        if self.origin is None:
            raise InvalidProblemError(
                "this result does not hold its points, because it was read from a file or copied; solve again, or "
                "compare result.indices with the points yourself"
            )
        return self.origin

    def of(self, table: Any) -> Any:
        """The chosen rows of what the points came from, in the order of ``indices``, with all their columns.

        Rows count from 0 whatever an index says, as in ``df.iloc[result.indices]``.

        Parameters
        ----------
        table : array, tensor, data frame, Arrow table, xarray, Dask collection, list, path or Table
            The points themselves, or another table with a row for each of them, such as their names.

        Returns
        -------
        of the type of ``table``
            For a path, a ``pyarrow.Table`` or, for .npy and .npz files, an array; for Dask, what ``compute`` gives.

        Raises
        ------
        InvalidProblemError
            If the table has too few rows, or none can be taken from it.

        Examples
        --------
        >>> from solvers import solve
        >>> solve([[0.0], [1.0], [5.0]], k=2, solver="exact").of(["a", "b", "c"])
        ['c', 'a']
        """
        return rows_of(table, self.indices, self.n)

    def summary(self) -> str:
        """Return a few lines for a person."""
        a, b = self.critical_pair
        proof = "optimal, proven" if self.is_optimal else f"gap at most {self.gap:.2%}, {self.status}"
        return (
            f"{self.solver}: {self.k} of {self.n} points, {self.metric}\n"
            f"  objective    {self.objective:.6g}  (closest pair {a}, {b})\n"
            f"  upper bound  {self.upper_bound:.6g}  ({proof})\n"
            f"  runtime      {self.runtime:.3g} s, {self.iterations} iterations"
        )

    def to_row(self) -> dict[str, str | int | float]:
        """Return one flat CSV row of numbers and strings; :meth:`from_row` reads it back."""
        row: dict[str, str | int | float] = {}
        for column in fields(self):
            if column.name == "origin":
                continue
            value = getattr(self, column.name)
            if isinstance(value, np.ndarray):
                value = " ".join(map(str, value.tolist()))
            elif column.name == "critical_pair":
                value = f"{value[0]} {value[1]}"
            elif column.name == "history":
                value = " ".join(f"{i.seconds!r}:{i.objective!r}:{i.upper_bound!r}" for i in value)
            elif column.name == "notes":
                value = json.dumps(dict(value), default=str)
            row[column.name] = str(value) if isinstance(value, StrEnum) else value
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Result:
        """Rebuild a result from :meth:`to_row`, also after CSV turned its numbers into strings."""
        numbers: dict[str, Any] = {name: int(row[name]) for name in ("iterations", "n", "k", "seed")}
        moments = (tuple(map(float, moment.split(":"))) for moment in str(row["history"]).split())
        a, b = map(int, str(row["critical_pair"]).split())
        return cls(
            indices=np.array(str(row["indices"]).split(), dtype=np.int64),
            objective=float(row["objective"]),
            upper_bound=float(row["upper_bound"]),
            status=Status(row["status"]),
            critical_pair=(a, b),
            history=tuple(Incumbent(*moment) for moment in moments),
            runtime=float(row["runtime"]),
            solver=str(row["solver"]),
            metric=str(row["metric"]),
            notes=json.loads(row["notes"]),
            **numbers,
        )

    def to_json(self) -> str:
        """Return the row of :meth:`to_row` as one JSON object; an infinite bound is written as ``Infinity``."""
        return json.dumps(self.to_row())

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Rebuild a result from :meth:`to_json`."""
        return cls.from_row(json.loads(text))
