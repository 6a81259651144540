"""Uniformly random subsets, as a baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmdp import Clock, Problem
from solvers._framework.base import Solver, check_whole
from solvers._framework.counted_picks import random_within_counts
from solvers._framework.grading import Run


@dataclass(frozen=True)
class Random(Solver):
    """The best of ``tries`` uniformly random subsets.

    With group counts, points are drawn one after the other from those with which the counts can still be kept.

    Parameters
    ----------
    tries : int
        How many subsets to draw; O(k^2 d) each.
    """

    keeps_group_counts = True
    cost = "O(k^2 d) a try"

    tries: int = 1

    def __post_init__(self) -> None:
        check_whole(self, "tries")

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        fixed = np.array(problem.include, dtype=np.int64)
        free = np.setdiff1d(problem.candidates, fixed)
        for _ in range(self.tries):
            if problem.group_counts is not None:
                indices = random_within_counts(problem, problem.group_counts, rng)
            else:
                drawn = rng.choice(free, size=problem.k - len(fixed), replace=False)
                indices = np.concatenate((fixed, drawn))
            clock.iterations += 1
            clock.report(indices, problem.objective(indices)[0])
            if clock.expired:
                break
        return Run(clock.best(), iterations=clock.iterations)
