"""Random subsets to start from, between a uniformly random one and a farthest-first one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmdp import Clock, Problem
from mmdp.arrays import Indices, Vector
from mmdp.traversal import farthest_first
from solvers._framework.counted_picks import random_within_counts, within_counts


def random_subset(problem: Problem, rng: np.random.Generator) -> Indices:
    """Return k points, fixed ones first, the others uniformly random."""
    if problem.group_counts is not None:
        return random_within_counts(problem, problem.group_counts, rng)
    fixed = np.array(problem.include, dtype=np.int64)
    free = np.setdiff1d(problem.candidates, fixed)
    return np.concatenate((fixed, rng.choice(free, problem.k - len(fixed), replace=False)))


def randomized_greedy(problem: Problem, rng: np.random.Generator, greed: float, clock: Clock | None = None) -> Indices:
    """Add points drawn from those whose distance to the chosen ones is within a share of the largest such distance.

    Parameters
    ----------
    problem : Problem
    rng : numpy.random.Generator
    greed : float
        The share: 1 is farthest-first, 0 uniformly random.
    clock : Clock, optional
        Once its time is up, no more distances are computed: the points that are left to choose are those farthest from
        the picks by then.
    """

    def lower(nearest: Vector, pick: int) -> None:
        if clock is None or clock.remaining > 0:
            problem.lower(nearest, pick)

    def next_pick(nearest: Vector) -> int:
        values = problem.value(np.maximum(nearest, 0.0))
        good = np.flatnonzero((nearest >= 0) & (values >= greed * values[int(nearest.argmax())]))
        return int(rng.choice(good))

    if problem.group_counts is not None:
        some = [] if problem.include else [int(rng.choice(problem.candidates))]
        return np.array(within_counts(problem, problem.group_counts, some, next_pick), dtype=np.int64)
    first = list(problem.include) or [int(rng.choice(problem.candidates))]
    nearest = np.full(problem.n, np.inf)
    nearest[list(problem.exclude)] = -1.0
    return np.array(farthest_first(lower, nearest, first, problem.k, next_pick)[0])


def fixed_first(problem: Problem, chosen: Indices) -> Indices:
    """Return a solution with its fixed points before the others."""
    fixed = np.array(problem.include, dtype=np.int64)
    return np.concatenate((fixed, np.setdiff1d(chosen, fixed)))


def given_or(problem: Problem, clock: Clock, start: Callable[[], Indices]) -> Indices:
    """Return the solution that the caller gave to start from, or else a fresh start."""
    return start() if clock.indices is None else fixed_first(problem, clock.indices)
