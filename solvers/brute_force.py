"""Every subset, by depth-first search: for small problems, and as a reference for the other solvers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock, InvalidOptionError, Problem, Status
from solvers._framework.base import Solver
from solvers._framework.grading import Run
from solvers._framework.limited_picks import no_solution


@dataclass(frozen=True)
class BruteForce(Solver):
    """Enumerate the subsets; leave a branch when its smallest distance is no better than the incumbent's.

    Parameters
    ----------
    limit : int
        Problems with more subsets than this raise :class:`~mmdp.InvalidOptionError`.
    """

    exact = True
    keeps_group_counts = True
    keeps_apart = True
    reaches_demand = True
    takes_initial = True
    cost = "O(C(n, k)), up to `limit` subsets"

    limit: int = 50_000_000

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        fixed = list(problem.include)
        free = np.setdiff1d(problem.candidates, fixed)
        subsets = math.comb(len(free), problem.k - len(fixed)) if problem.capacities is None else 2 ** len(free)
        if subsets > self.limit:
            raise InvalidOptionError(
                f"{subsets:.3g} subsets are more than limit = {self.limit}; use solver='exact' or 'ilp' for a proof"
            )
        every = np.arange(problem.n)
        D = problem.reduced_matrix()
        if problem.separations is not None:
            D = np.where(problem.separations.broken(problem.value(D), every, every), -np.inf, D)
        start = min((D[i, j] for i in fixed for j in fixed if i < j), default=math.inf)
        nearest = np.min(D[fixed], axis=0) if fixed else np.full(problem.n, math.inf)
        best = -math.inf
        if clock.indices is not None:
            given = D[np.ix_(clock.indices, clock.indices)]
            best = float(given[np.triu_indices(len(given), 1)].min())
        # depth first over (chosen, their smallest distance, distance of every point to them, next position in free)
        stack = [(fixed, float(start), nearest, 0)]
        while stack:
            chosen, smallest, nearest, position = stack.pop()
            if smallest <= best:
                continue
            is_complete = _is_complete(problem, chosen)
            if is_complete:
                if problem.group_counts is not None and problem.group_counts.violation(chosen):
                    continue
                best = smallest
                clock.report(chosen, problem.value(best))
            allowed = _allowed(problem, chosen)
            for place in range(len(free) - max(1, problem.k - len(chosen)), position - 1, -1):
                if is_complete or not allowed[free[place]]:
                    continue
                i = int(free[place])
                if (gain := min(smallest, float(nearest[i]))) > best:
                    stack.append(([*chosen, i], gain, np.minimum(nearest, D[i]), place + 1))
            clock.iterations += 1
            if clock.expired and clock.indices is not None:
                break
        finished = not stack
        if clock.indices is None:
            raise no_solution(problem)
        status = Status.OPTIMAL if finished else Status.STOPPED
        return Run(clock.best(), status=status, iterations=clock.iterations)


def _is_complete(problem: Problem, chosen: list[int]) -> bool:
    return len(chosen) == problem.k if problem.capacities is None else not problem.capacities.violation(chosen)


def _allowed(problem: Problem, chosen: list[int]) -> NDArray[np.bool_]:
    """Points whose groups may give one more; with one group a point, exactly those with which counts can be kept."""
    if problem.group_counts is None:
        return np.ones(problem.n, dtype=bool)
    return problem.group_counts.addable(problem.group_counts.taken(chosen), problem.k)
