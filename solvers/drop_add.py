"""Drop-add tabu search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmdp import Clock, Problem, Stop
from solvers._framework.base import Solver, check_whole
from solvers._framework.grading import Run
from solvers._framework.slices import Slices
from solvers._framework.warm_up import on_part
from solvers._local_search.counts_table import counts_of_all, recount
from solvers._local_search.pick_distances import new_picks, reset
from solvers._local_search.random_starts import fixed_first, given_or, randomized_greedy
from solvers._local_search.tabu_move import BEST_AT, MADE, drop_and_add, new_ages

_READ = 2**22  # numbers in the moves of the first slice: some milliseconds


@dataclass(frozen=True)
class DropAdd(Solver):
    """Drop the oldest pick, add the point best by (smallest distance to the others, sum of distances).

    Porumbel, Hao, Glover (Annals of Operations Research 186:275, 2011). Implemented literally, the search soon cycles,
    so it restarts from another farthest-first subset. A move takes O(n k + n d). The limits of :class:`~mmdp.Stop`
    count moves. With group counts, only points that keep them are added.

    Parameters
    ----------
    patience : int
        How many moves without a better subset end a start.
    """

    keeps_group_counts = True
    takes_initial = True
    cost = "O(n k) a move, memory O(n k)"
    default_stop: ClassVar[Stop] = Stop(no_improvement=5000)

    patience: int = 1000

    def __post_init__(self) -> None:
        check_whole(self, "patience")

    def warm_up(self, problem: Problem) -> None:
        """Compile on a few points."""
        on_part(self, problem, 2 * self.patience)

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        first = given_or(problem, clock, lambda: randomized_greedy(problem, rng, 1.0, clock))
        clock.report(first, problem.objective(first)[0])
        state, ages, counts = new_picks(problem), new_ages(problem.k), counts_of_all(problem, first)
        few = _READ // (state.to_pick.size + state.data.size)
        slices = Slices(clock, int(self.default_stop.no_improvement or 0), few)
        before, start = 0, fixed_first(problem, first)
        is_whole = reset(state, start, clock)
        while is_whole and (moves := slices.next()):
            stuck = drop_and_add(state, ages, moves, self.patience, counts)
            clock.iterations = before + int(ages.counter[BEST_AT])
            clock.report(ages.best, problem.value(float(ages.best_closest[0])))
            slices.done(before + int(ages.counter[MADE]))
            if stuck:
                before, ages = clock.iterations, new_ages(problem.k)
                start = randomized_greedy(problem, rng, 1.0, clock)
                recount(counts, start)
                is_whole = reset(state, start, clock)
        return Run(clock.best(), iterations=clock.iterations)
