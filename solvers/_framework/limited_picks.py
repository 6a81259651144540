"""Picks one after the other where groups have to be apart, or capacities have to reach a demand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mmdp import InvalidProblemError, NoSolutionError, Problem
from mmdp.arrays import Indices


def farthest_first_within(problem: Problem, kept: Iterable[int] = ()) -> Indices | None:
    """Extend the fixed picks by those of ``kept`` that may still be chosen, and then farthest-first to a solution.

    Without picks it begins far from the first candidate. None if every point that is left is too close to a pick of a
    group that it has to be apart from. O(n d) a pick.

    Parameters
    ----------
    problem : Problem
        Without group counts.
    kept : iterable of int
        Candidates to keep, the earlier ones first.
    """
    every, capacities = np.arange(problem.n), problem.capacities
    picks: list[int] = []
    nearest = np.full(problem.n, -1.0)
    nearest[problem.candidates] = np.inf

    def take(point: int) -> None:
        row = np.maximum(problem.reduced_distances(point)[0], 0.0)
        np.minimum(nearest, row, out=nearest)
        if problem.separations is not None:
            close = problem.separations.broken(problem.value(row)[None], np.array([point]), every)[0]
            nearest[close] = -1.0
        nearest[point] = -1.0
        picks.append(point)

    def is_complete() -> bool:
        return len(picks) >= problem.k if capacities is None else not capacities.violation(picks)

    for point in problem.include:
        take(point)
    for point in kept:
        if capacities is None and is_complete():
            break
        if nearest[point] >= 0:
            take(int(point))
    if not picks and not is_complete():
        first = problem.reduced_distances(problem.candidates[0])[0]
        take(int(problem.candidates[first[problem.candidates].argmax()]))
    while not is_complete():
        if nearest[point := int(nearest.argmax())] < 0:
            return None
        take(point)
    return np.array(picks, dtype=np.int64)


def has_other_limits(problem: Problem) -> bool:
    """Whether other limits than group counts restrict the solutions: ``apart`` or a demand."""
    return problem.separations is not None or problem.capacities is not None


def is_packing(problem: Problem) -> bool:
    """Whether a solution is a heavy enough set without two points that are too close: with ``apart`` or a demand.

    Group counts ask for more than that.
    """
    return problem.capacities is not None or (problem.separations is not None and problem.group_counts is None)


def no_solution_yet(keyword: str, problem: Problem) -> NoSolutionError:
    """Return the error of a run that ended without a solution and without a proof that there is none."""
    return NoSolutionError(
        f"{keyword} found no {_wanted(problem)} that keep the distances of apart before its limits ended it; there may "
        "be none: given enough time, exact finds some or proves that there are none"
    )


def no_solution(problem: Problem) -> InvalidProblemError:
    """Return the error of a problem that is proven to have no solution."""
    counted = " and the counts" if problem.group_counts is not None else ""
    return InvalidProblemError(
        f"it is proven that no {_wanted(problem)} keep the distances of apart{counted}; shorten one of them"
    )


def _wanted(problem: Problem) -> str:
    return f"{problem.k} points" if problem.capacities is None else "points with the capacity demanded"
