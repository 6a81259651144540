"""The referee: what a method hands in is checked, measured again in float64, and becomes a result, only here."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmdp import (
    Clock,
    Incumbent,
    InvalidOptionError,
    InvalidProblemError,
    Problem,
    Result,
    SolverContractError,
    Status,
    TooLargeError,
)
from mmdp.arrays import Indices, Points, describe_rows
from mmdp.bounds import area_bound, attainable, averaging_bound, cheap_bound, included_bound
from mmdp.coverage import in_blocks, in_memory
from mmdp.metrics import METRICS, Metric

_IN_A_SECOND = 5e8  # coordinates that are compared, of what is left of the time and of a tenth of a second in any case
ROUNDING = 1e-9  # relative; a kernel may sum in another order than the referee


@dataclass(frozen=True)
class Run:
    """What a solver's ``_run`` returns: a subset and, if the method proves one, an upper bound.

    Parameters
    ----------
    indices : (k,) sequence of int
        The chosen points, in any order.
    upper_bound : float
        A proven bound on the optimum, as a true distance; infinite if the method proves none.
    status : Status
        ``Status.OPTIMAL`` claims that ``indices`` are optimal; ``STOPPED`` says that a limit ended a proof.
    iterations : int
        In the solver's own unit; 0 takes the number that the clock counted.
    notes : mapping
        Anything else worth reporting, which becomes ``Result.notes``.
    """

    indices: ArrayLike
    upper_bound: float = math.inf
    status: Status = Status.HEURISTIC
    iterations: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)


def checked_indices(keyword: str, problem: Problem, answer: ArrayLike) -> Indices:
    """Return the answer as indices of a solution.

    Raises
    ------
    SolverContractError
        If they are none; the message says why.
    """
    indices = np.asarray(answer, dtype=np.int64)
    if wrong := fault(problem, indices):
        raise SolverContractError(f"{keyword} returned {wrong}")
    return indices


def fault(problem: Problem, indices: Indices) -> str:
    """Say why indices are no solution; empty if they are one."""
    size = problem.k if problem.capacities is None else len(indices)
    return (
        f"{indices.shape} indices instead of ({size},)"
        if indices.shape != (size,)
        else "no index"
        if not size
        else "an index twice"
        if len(np.unique(indices)) < size
        else "an index out of range"
        if indices.min() < 0 or indices.max() >= problem.n
        else "an excluded index"
        if np.isin(indices, problem.exclude).any()
        else "a set without all included indices"
        if not np.isin(problem.include, indices).all()
        else _broken_limit(problem, indices)
    )


def _broken_limit(problem: Problem, indices: Indices) -> str:
    sized = (limits for limits in (problem.group_counts, problem.capacities) if limits is not None)
    return next(filter(None, (limits.violation(indices) for limits in sized)), "") or problem.too_close(indices)


def _rows_of_distances(problem: Problem) -> int:
    """How many coordinates are compared for a bound by k rows of distances."""
    has_vectors = problem.points is not None and problem.geometry.function is None
    return problem.n * problem.k * (problem.vectors.shape[1] if has_vectors else 1)


def checked_bound(keyword: str, problem: Problem, run: Run, clock: Clock, objective: float) -> float:
    """Return the smallest upper bound that the run and its clock claim, or a cheap one.

    Raises
    ------
    SolverContractError
        If the objective exceeds it.
    InvalidOptionError
        If the caller gave the bound that the objective exceeds.
    """
    claimed = min(run.upper_bound, clock.upper_bound)
    if run.status is Status.OPTIMAL:
        claimed = min(claimed, objective)
    elif math.isinf(claimed) and _rows_of_distances(problem) <= _IN_A_SECOND * max(0.1, clock.remaining):
        with suppress(TooLargeError):  # distances that take longer than the time that is left
            claimed = cheap_bound(problem)
    else:
        claimed = min(claimed, averaging_bound(problem), area_bound(problem), included_bound(problem))
    if claimed < objective * (1 - ROUNDING):
        if clock.stop.upper_bound is not None and claimed == clock.stop.upper_bound:
            raise InvalidOptionError(f"Stop(upper_bound={claimed!r}): {objective!r} has been reached")
        raise SolverContractError(f"{keyword} claims that nothing exceeds {claimed!r} and returns {objective!r}")
    return max(attainable(problem, claimed), objective)


def graded(
    keyword: str,
    problem: Problem,
    run: Run,
    *,
    indices: Indices,
    objective: float,
    pair: tuple[int, int],
    bound: float,
    history: Sequence[Incumbent],
    runtime: float,
    seed: int,
) -> Result:
    """Put together what is known of a run on a problem that is in memory."""
    return Result(
        indices=indices,
        objective=objective,
        upper_bound=bound,
        status=Status.OPTIMAL if bound == objective else run.status,
        critical_pair=pair,
        history=tuple(replace(moment, upper_bound=max(moment.upper_bound, bound)) for moment in history),
        runtime=runtime,
        iterations=run.iterations,
        solver=keyword,
        metric=problem.geometry.name,
        n=problem.n,
        k=len(indices),
        seed=int(seed),
        notes=run.notes,
        origin=in_memory(problem, indices),
    )


def held_problem(vectors: Points, k: int, geometry: Metric, include: Sequence[int] = ()) -> Problem:
    """State the choice of k among embedded points, all of them in memory."""
    return Problem(k, points=vectors, metric=replace(geometry, embed=METRICS["euclidean"].embed), include=include)


def graded_rows(
    keyword: str,
    chosen: Points,
    run: Run,
    geometry: Metric,
    *,
    n: int,
    runtime: float,
    seed: int,
    read: Callable[[], Iterator[Points]] | None = None,
) -> Result:
    """Grade the embedded points ``chosen``, which are rows ``run.indices`` of a table of n rows.

    ``read`` gives all embedded rows block by block, where that is possible.
    """
    rows = np.asarray(run.indices, dtype=np.int64)
    if len(np.unique(rows)) < len(rows) or rows.min() < 0 or rows.max() >= n:
        raise SolverContractError(f"{keyword} returned rows that are not {len(rows)} different ones of {n}")
    held = held_problem(chosen, len(rows), geometry)
    objective, places = held.objective(np.arange(len(rows)))
    bound = max(run.upper_bound, objective)
    first, second = sorted(int(rows[place]) for place in places)
    result = graded(
        keyword,
        held,
        run,
        indices=rows,
        objective=objective,
        pair=(first, second),
        bound=bound,
        history=[Incumbent(runtime, objective, bound)],
        runtime=runtime,
        seed=seed,
    )
    return replace(result, n=n, origin=in_blocks(held, geometry, read))


def renumbered(result: Result, row_numbers: Indices | None) -> Result:
    """The result of points that are these rows of a table; as it is where they are all rows."""
    if row_numbers is None:
        return result
    first, second = sorted(int(row_numbers[place]) for place in result.critical_pair)
    notes = dict(result.notes)
    if "optima" in notes:
        notes["optima"] = [row_numbers[places].tolist() for places in notes["optima"]]
    return replace(result, indices=row_numbers[result.indices], critical_pair=(first, second), notes=notes)


def places_of(rows: Iterable[int], row_numbers: Indices | None, name: str) -> list[int]:
    """Places of some rows of a table among the points that it gives; as they are where all rows are points.

    A row that is no point needs no excluding.
    """
    try:
        asked = [operator.index(row) for row in rows]
    except TypeError as error:
        raise InvalidProblemError(f"{name} is a sequence of whole numbers: {error}") from error
    if row_numbers is None or not asked:
        return asked
    places = np.minimum(np.searchsorted(row_numbers, asked), len(row_numbers) - 1)
    is_point = row_numbers[places] == asked
    if name != "exclude" and not is_point.all():
        lost = np.array(asked)[~is_point]
        raise InvalidProblemError(
            f"{name}: {describe_rows(lost)} cannot be used: a value is missing there, or the table has no such row"
        )
    return [int(place) for place in places[is_point]]
