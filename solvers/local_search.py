"""Threshold search: the strongest heuristic here, on matrices and on points."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmdp import Clock, Problem, Stop
from mmdp.arrays import Indices
from mmdp.bounds import included_bound
from solvers._exact.cell_proof import CellProof
from solvers._exact.choice_of_proof import choose
from solvers._exact.proof_warm_up import warm_up as warm_up_cells
from solvers._framework.base import Solver, check_whole
from solvers._framework.grading import Run
from solvers._framework.limited_picks import farthest_first_within, has_other_limits, is_packing, no_solution_yet
from solvers._framework.trimming import trimmed
from solvers._framework.warm_up import kind_of, once, part_of
from solvers._local_search.candidate_sampler import CandidateSampler
from solvers._local_search.candidate_set import IN_BYTES, CandidateSet, warm_up_lists
from solvers._local_search.coarse_to_fine import coarse_to_fine_search
from solvers._local_search.counts_search import counted_search, warm_up_counts
from solvers._local_search.demand_search import demand_search, warm_up_demand_search
from solvers._local_search.ranked_search import clock_of_ranks, ranked, told
from solvers._local_search.search_run import SearchRun
from solvers._local_search.tie_break import fewer_critical_pairs
from solvers.fair import fair_solution
from solvers.greedy import Greedy

_SMALL = 500  # points that are always searched all together
_SHARE = 40  # points for each pick, up to which they are searched all together: beyond, nets find arrangements sooner
_MATRIX_POINTS = 3000  # points of a matrix that are searched all together: their near pairs cost no distances
_LISTABLE = 15_000  # points whose near pairs are listed at all: it takes seconds
_PAIRS = 3 * 10**7  # near pairs that are listed at most, 12 bytes each
_CELL_DIMENSIONS, _CELL_PICKS = 2, 25  # up to which cells of the exact method are looked at between two rounds
_PART = 3001  # points of a run that compiles at most: one more than are searched all together as a matrix
_WARM_UP_MOVES = 2000


@dataclass(frozen=True)
class LocalSearch(Solver):
    """Tabu search for k points pairwise farther apart than z, with z raised at each success, from the greedy start.

    The threshold search of Della Croce, Grosso, Locatelli (Computers & Operations Research 36(8), 2009), with a swap
    search on conflict degrees. The time of a move depends on the number of points near the two that it swaps. The
    result is never worse than that of ``greedy``. With many points per pick, the search begins on a coarse net and
    continues among the points near its picks. On a map, for up to 25 picks, it also asks now and then what ``exact``
    asks, whether k points are farther apart than the incumbent, and ends if that is disproved. It builds no n x n
    matrix of points.

    With group counts the start is that of ``fair``, and the result is never worse. With one attribute every swap keeps
    the counts; with several, a violated count weighs as much as a pair in conflict until it is repaired. Beyond 5,000
    picks the start is the answer.

    With a demand, or groups that have to be apart, it is a tabu search for a heavy enough set of points of which no two
    are at a distance of z or less, on the n x n matrix.

    The limits of :class:`~mmdp.Stop` count moves, separately for each start, and the points that a refinement looks at.

    Parameters
    ----------
    patience : int
        How many moves without fewer conflicts lead to a restart from rarely chosen points. The number doubles with each
        restart that brings no improvement, up to 64 times ``patience``.
    starts : int
        How many independent searches to run; the best answer counts. If several reach ``Stop(target=)``, which of them
        is told first depends on the speed of the machine.
    threads : int
        How many starts run at the same time. It changes the speed, not the answer.
    tie_break : bool
        At the end, swap for fewer critical pairs and then for a larger sum of distances, at the same objective.

    Examples
    --------
    >>> from solvers import solve
    >>> solve([[0.0], [1.0], [5.0]], k=2, solver="local_search", starts=2).objective
    5.0
    """

    keeps_group_counts = True
    keeps_apart = True
    reaches_demand = True
    takes_initial = True
    cost = "near pairs of two points a move, memory O(near pairs)"
    default_stop: ClassVar[Stop] = Stop(no_improvement=100_000)

    patience: int = 3000
    starts: int = 1
    threads: int = 1
    tie_break: bool = False

    def __post_init__(self) -> None:
        check_whole(self, "patience", "starts", "threads")

    def refusal(self, problem: Problem) -> str:
        """Say why this solver does not take a problem; empty if it does."""
        if self.tie_break and has_other_limits(problem):
            return "tie_break=True swaps points one for one, regardless of apart and demand; drop it for them"
        return super().refusal(problem)

    def warm_up(self, problem: Problem) -> None:
        """Compile on the problem, or on a part of it that is searched in the same way, once a process."""
        if is_packing(problem):
            once(("sets of some weight",), warm_up_demand_search)
            return
        if problem.group_counts is not None:
            warm_up_counts(problem if problem.separations is None else Problem(2, distances=1.0 - np.eye(5)))
            return
        is_small = problem.n <= _PART and problem.geometry.form != "callable"
        part = problem if is_small else part_of(problem, _PART, max(5, problem.k * _PART // problem.n))

        def run() -> None:
            self._run(part, Clock(Stop(iterations=_WARM_UP_MOVES)), np.random.default_rng(0))
            if not _is_direct(part):
                CandidateSampler(part).net(np.random.default_rng(0))  # which few moves may not come to

        Greedy().warm_up(problem)
        once((self.keyword(), kind_of(problem), _is_direct(part), part.n > IN_BYTES), run)
        if problem.n > IN_BYTES:
            once((self.keyword(), "lists"), warm_up_lists)
        if not _is_direct(problem) and _has_few_cliques(problem):
            warm_up_cells(problem, "cells", ())

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        first = self._start(problem, clock, rng)
        if first is not None:
            clock.report(first, problem.objective(first)[0], included_bound(problem))
        if self.starts == 1:
            for _ in self._search(problem, clock, first, rng):
                pass
        else:
            self._search_from_many_starts(problem, clock, first, rng)
        if clock.indices is None:
            raise no_solution_yet(self.keyword(), problem)
        chosen = clock.best()
        if self.tie_break:
            chosen = fewer_critical_pairs(problem, chosen, clock)
        return Run(chosen, iterations=clock.iterations)

    def _start(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Indices | None:
        """A solution to begin with; None where groups have to be apart and the first try leads nowhere."""
        if is_packing(problem):
            found = farthest_first_within(problem) if clock.indices is None else clock.indices
            return None if found is None else trimmed(problem, found)
        if problem.separations is not None:
            return clock.indices
        if problem.group_counts is not None:
            fair_solution(problem, problem.group_counts, clock)
            return clock.best()
        if clock.indices is not None:
            return np.sort(clock.indices)
        greedy = Greedy()._run(problem, clock, rng)
        if not _is_direct(problem):  # where a bound of its own would take as long again
            clock.report(upper_bound=greedy.upper_bound)
        return np.sort(np.asarray(greedy.indices))

    def _search(
        self, problem: Problem, clock: Clock, first: Indices | None, rng: np.random.Generator, looks: bool = True
    ) -> Generator[None, None, None]:
        rest = int(self.default_stop.no_improvement or 0)
        if is_packing(problem):
            yield from demand_search(problem, clock, first, rng, rest, self.patience)
            return
        if problem.separations is not None:
            yield from self._search_ranks(problem, clock, first, rng)
            return
        assert first is not None
        if problem.group_counts is not None:
            yield from counted_search(problem, clock, first, rng, rest, self.patience)
            return
        run = SearchRun(problem, clock, first, rng, rest)
        if _is_direct(problem):
            candidate_set = CandidateSet(problem, problem.candidates)
            if candidate_set.expected_pairs(_closest(problem, first)) <= _PAIRS:
                yield from run.search(candidate_set, first, self.patience)
                return
        yield from coarse_to_fine_search(
            run, CellProof(problem, clock).look if looks and _has_few_cliques(problem) else None
        )

    def _search_ranks(
        self, problem: Problem, clock: Clock, first: Indices | None, rng: np.random.Generator
    ) -> Generator[None, None, None]:
        """Search for the largest smallest rank of a distance, which is 0 for groups that are not apart."""
        stated, own = ranked(problem, clock), clock_of_ranks(clock)
        assert stated.group_counts is not None
        if first is not None:
            own.report(first, stated.objective(first)[0])
        fair_solution(stated, stated.group_counts, own)
        yield from told(problem, clock, own, self._search(stated, own, own.best(), rng))

    def _search_from_many_starts(
        self, problem: Problem, clock: Clock, first: Indices | None, rng: np.random.Generator
    ) -> None:
        clocks = [Clock(clock.stop) for _ in range(self.starts)]
        for own in clocks if first is not None else ():
            own.report(first, clock.objective, clock.upper_bound)
        searches = [
            self._search(problem, own, first, r, looks=own is clocks[0])  # they would all look in the same places
            for own, r in zip(clocks, rng.spawn(self.starts), strict=True)
        ]
        with ThreadPoolExecutor(self.threads) as pool:
            while searches and not (clock.remaining <= 0 or clock.satisfied):
                going_on = list(pool.map(_advance, searches))
                searches = [search for search, on in zip(searches, going_on, strict=True) if on]
                clock.iterations = max(own.iterations for own in clocks)
                leader = max(clocks, key=lambda own: own.objective)
                clock.report(leader.indices, leader.objective, clocks[0].upper_bound)


def _is_direct(problem: Problem) -> bool:
    """Whether all points are searched together."""
    n = len(problem.candidates)
    return n <= min(_LISTABLE, max(_SMALL, _SHARE * problem.k)) or (problem.points is None and n <= _MATRIX_POINTS)


def _has_few_cliques(problem: Problem) -> bool:
    """Whether cliques of cells are found, or seen not to exist, in about the time of a search."""
    if problem.points is None or problem.points.shape[1] > _CELL_DIMENSIONS or problem.k > _CELL_PICKS:
        return False
    return choose(problem, "auto") == "cells"


def _advance(search: Generator[None, None, None]) -> bool:
    return next(search, search) is None


def _closest(problem: Problem, chosen: Indices) -> float:
    distances = problem.reduced_distances(chosen, chosen)
    return float(distances[np.triu_indices(len(chosen), 1)].min())
