"""Picks one after the other such that group counts can be kept in the end, and subsets repaired to keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mmdp import Problem
from mmdp.arrays import Indices, Vector
from mmdp.completion import Completion
from mmdp.groups import GroupCounts
from mmdp.traversal import farthest, farthest_first
from solvers._framework.limited_picks import farthest_first_within, is_packing


def one_group(problem: Problem) -> GroupCounts:
    """State that there are no counts: all points are one group without limits."""
    every = np.zeros(1, dtype=np.int64)
    return GroupCounts(
        np.zeros((problem.n, 1), dtype=np.int64), every, every + len(problem.candidates), ("all points",), every
    )


def within_counts(
    problem: Problem,
    limits: GroupCounts,
    kept: Iterable[int] = (),
    choose: Callable[[Vector], int] = farthest,
    among: Indices | None = None,
) -> list[int]:
    """Extend the fixed picks by those of ``kept`` that counts allow, and then farthest-first within the counts.

    Where there are no picks yet, it begins far from the first candidate. O(n d) a pick; with several attributes also
    an integer program for some of the picks.

    Parameters
    ----------
    problem : Problem
    limits : GroupCounts
    kept : iterable of int
        Candidates to keep, the earlier ones first.
    choose : callable, optional
        Takes the place of the next pick among the points from the distances to the picks, negative where none is
        allowed.
    among : int64 array, optional
        Ascending candidates to choose from, all if not given: there is a solution among them, and all that are kept.
    """
    points = problem.candidates if among is None else among
    columns = None if len(points) == problem.n else points
    picks = list(problem.include)
    completion = Completion(limits, problem.k, points, picks)
    for point in kept:
        kind = int(limits.kind[point])
        if point not in picks and completion.admits_open(kind):
            picks.append(int(point))
    kinds = limits.kind[points]

    def next_place(nearest: Vector) -> int:
        while True:
            place = int(choose(np.where(completion.open_kinds()[kinds], nearest, -1.0)))
            if completion.admits(int(kinds[place])):
                return place

    def lower(nearest: Vector, place: int) -> None:
        np.minimum(nearest, problem.reduced_distances(points[place], columns)[0], out=nearest)

    first = np.searchsorted(points, picks).tolist()
    if not first:
        begin = np.full(len(points), np.inf)
        lower(begin, 0)
        first = [next_place(begin)]
    places, _ = farthest_first(lower, np.full(len(points), np.inf), first, problem.k, next_place)
    return [int(i) for i in points[places]]


def random_within_counts(problem: Problem, limits: GroupCounts, rng: np.random.Generator) -> Indices:
    """Return k points, fixed ones first, the others drawn one after the other from those that counts allow."""
    picks = list(problem.include)
    completion = Completion(limits, problem.k, problem.candidates, picks)
    for point in rng.permutation(np.setdiff1d(problem.candidates, picks)).tolist():
        if len(picks) == problem.k:
            break
        if completion.admits_open(int(limits.kind[point])):
            picks.append(point)
    return np.array(picks, dtype=np.int64)


def repaired(problem: Problem, subset: Sequence[int] | Indices) -> Indices | None:
    """Return a solution that keeps as much of a subset as comes before what counts, ``apart`` or k forbid.

    None if groups that have to be apart leave no points to complete it.

    Parameters
    ----------
    subset : sequence of int
        Different points, those to keep first.
    """
    usable = np.asarray(subset, dtype=np.int64)
    usable = usable[np.isin(usable, problem.candidates)]
    if is_packing(problem):
        return farthest_first_within(problem, usable.tolist())
    limits = problem.group_counts or one_group(problem)
    solution = np.array(within_counts(problem, limits, usable.tolist()), dtype=np.int64)
    return None if problem.too_close(solution) else solution
