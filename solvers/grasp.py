"""GRASP with path relinking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmdp import Clock, InvalidOptionError, Problem, Stop
from mmdp.arrays import Indices
from solvers._framework.base import Solver, check_whole
from solvers._framework.grading import Run
from solvers._framework.warm_up import on_part
from solvers._local_search.counts_table import counts_of_all
from solvers._local_search.pick_distances import Picks, closest, new_picks, put, reset
from solvers._local_search.random_starts import fixed_first, given_or, randomized_greedy
from solvers._local_search.swap_descent import climb, going_on


@dataclass(frozen=True)
class Grasp(Solver):
    """Randomized farthest-first, interchange, and paths between the best subsets found.

    Resende, Marti, Gallego, Duarte (Computers & Operations Research 37(3), 2010). Each local optimum is linked with a
    subset from an elite set: the points of that subset are swapped in one by one, each time the one that keeps the
    smallest distance largest. The best subset on this path is improved again. A path takes O(k^2 (n + k)). The limits
    of :class:`~mmdp.Stop` count constructions. With group counts every subset keeps them, and a path ends where no swap
    does.

    Parameters
    ----------
    greed : float
        A point may be drawn if its distance is at least this fraction of the largest one; 1 is greedy, 0 is random.
    elite : int
        How many of the best subsets are kept.
    """

    keeps_group_counts = True
    takes_initial = True
    cost = "O(n k) a swap, memory O(n k)"
    default_stop: ClassVar[Stop] = Stop(no_improvement=10)

    greed: float = 0.9
    elite: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.greed <= 1:
            raise InvalidOptionError(f"greed = {self.greed}: a share between 0 (random) and 1 (farthest-first)")
        check_whole(self, "elite")

    def warm_up(self, problem: Problem) -> None:
        """Compile on a few points."""
        on_part(self, problem, 3)

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        first = given_or(problem, clock, lambda: randomized_greedy(problem, rng, self.greed, clock))
        clock.report(first, problem.objective(first)[0])
        state, elite = new_picks(problem), list[tuple[float, tuple[int, ...]]]()
        counts, start = counts_of_all(problem, first), fixed_first(problem, first)
        while going_on(clock, self.default_stop) and reset(state, start, clock):
            z = climb(problem, state, clock, rng, counts)
            if elite:
                guide = elite[int(rng.integers(len(elite)))][1]
                self._keep(elite, z, state)
                if not _relink(problem, state, np.array(guide), clock):
                    break
                z = climb(problem, state, clock, rng, counts)
            self._keep(elite, z, state)
            clock.iterations += 1
            start = fixed_first(problem, randomized_greedy(problem, rng, self.greed, clock))
        return Run(clock.best(), iterations=clock.iterations)

    def _keep(self, elite: list[tuple[float, tuple[int, ...]]], z: float, state: Picks) -> None:
        entry = (z, tuple(np.sort(state.picks).tolist()))
        if entry not in elite:
            elite.append(entry)
            elite.sort(reverse=True)
            del elite[self.elite :]


def _relink(problem: Problem, state: Picks, guide: Indices, clock: Clock) -> bool:
    """Walk from the picks to ``guide`` and leave the state at the best subset strictly between the two.

    False if the time was up before it was there.
    """
    best, best_z, limits = state.picks.copy(), -1.0, problem.group_counts
    arriving = np.setdiff1d(guide, state.picks)
    while len(arriving) > 1 and clock.remaining > 0:
        leaving = np.flatnonzero(~np.isin(state.picks, guide))
        rows = state.to_pick[arriving]
        # smallest distance from each arriving point to the picks that would stay, for each leaving pick
        two = np.partition(rows, 1, axis=1)[:, :2]
        to_rest = np.where(rows[:, leaving] == two[:, :1], two[:, 1:], two[:, :1])
        if limits is not None:
            taken = limits.taken(state.picks)
            keeps = [limits.exchangeable(taken, int(pick))[arriving] for pick in state.picks[leaving]]
            to_rest = np.where(np.stack(keeps, axis=1), to_rest, -1.0)
            if to_rest.max() < 0:
                break
        at, which = np.unravel_index(int(to_rest.argmax()), to_rest.shape)
        put(state, int(leaving[which]), int(arriving[at]))
        arriving = np.delete(arriving, at)
        z = closest(state)[0]
        if z > best_z:
            best, best_z = state.picks.copy(), z
    return reset(state, best, clock)
