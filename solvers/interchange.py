"""First-improvement interchange from random subsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmdp import Clock, Problem, Stop
from solvers._framework.base import Solver
from solvers._framework.grading import Run
from solvers._framework.warm_up import on_part
from solvers._local_search.counts_table import counts_of_all
from solvers._local_search.pick_distances import new_picks, reset
from solvers._local_search.random_starts import fixed_first, given_or, random_subset
from solvers._local_search.swap_descent import climb, going_on


@dataclass(frozen=True)
class Interchange(Solver):
    """Swap an end of a critical pair for the first point that improves the subset; restart if there is none.

    A swap improves the subset if the smallest distance rises, or if it stays and there are fewer critical pairs. This
    is the local search of Erkut (European Journal of Operational Research 46(1), 1990), with the tie rule of Resende et
    al. (Computers & Operations Research 37(3), 2010). A swap takes O(n k). The limits of :class:`~mmdp.Stop` count
    starts. With group counts, only swaps that keep them are made.
    """

    keeps_group_counts = True
    takes_initial = True
    cost = "O(n k) a swap, memory O(n k)"
    default_stop: ClassVar[Stop] = Stop(no_improvement=10)

    def warm_up(self, problem: Problem) -> None:
        """Compile on a few points."""
        on_part(self, problem, 2)

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        first = given_or(problem, clock, lambda: random_subset(problem, rng))
        clock.report(first, problem.objective(first)[0])
        state, counts, start = new_picks(problem), counts_of_all(problem, first), fixed_first(problem, first)
        while going_on(clock, self.default_stop) and reset(state, start, clock):
            climb(problem, state, clock, rng, counts)
            clock.iterations += 1
            start = random_subset(problem, rng)
        return Run(clock.best(), iterations=clock.iterations)
