"""The threshold search within group counts: all points together, or from coarse nets to the points near the picks."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from mmdp import Clock, Problem, Stop
from mmdp.arrays import Indices
from mmdp.groups import GroupCounts
from solvers._framework.counted_picks import within_counts
from solvers._framework.warm_up import counted_part_of, kind_of, once
from solvers._local_search.counts_candidates import CountedCandidates
from solvers._local_search.counts_sampler import CountedSampler
from solvers._local_search.counts_state import MOST_COUNTED_PICKS
from solvers._local_search.rounds import BLUNT, FRESH, HOPELESS, LOSS, NEVER, SHRINK, STALL, without_some_neighbours
from solvers._local_search.search_run import Pauses, SearchRun

_TOGETHER = 2500  # points that are searched all together: a matrix of 50 MB
_MOST_PICKS = min(5000, MOST_COUNTED_PICKS)  # beyond, not even the distances among the picks are kept
_NEAR = 900  # points of all neighbourhoods together; more for large k
_PART, _PICKS, _MOVES, _PATIENCE = 60, 6, 200, 50  # points, picks, moves and patience of a run that compiles


def counted_search(
    problem: Problem,
    clock: Clock,
    first: Indices,
    rng: np.random.Generator,
    rest: int,
    patience: int,
    together: int = _TOGETHER,
) -> Generator[None, None, None]:
    """Improve a solution within its group counts until the clock or ``rest`` moves without a gain end it.

    Parameters
    ----------
    problem : Problem
        With group counts.
    clock : Clock
    first : (k,) int64 array
        A solution.
    rng : numpy.random.Generator
    rest : int
        As of :class:`SearchRun`.
    patience : int
        Moves without fewer conflicts that lead to a restart.
    together : int
        Candidates up to which all are searched at once.
    """
    limits = problem.group_counts
    if limits is None or problem.k > _MOST_PICKS:
        return
    first = np.sort(first)  # so that a solution leads to the same search in whatever order it comes
    run = SearchRun(problem, clock, first, rng, rest)
    run.fixed = np.union1d(run.fixed, _without_choice(problem, limits)).astype(np.int64)
    usable = problem.candidates[(limits.high > 0)[limits.member[problem.candidates]].all(axis=1)]
    if len(usable) <= together:
        yield from run.search(CountedCandidates(problem, limits, usable), first, patience)
    else:
        yield from _coarse_to_fine(run, limits)


def warm_up_counts(problem: Problem) -> None:
    """Compile the search on a few points, once for points of this kind."""

    def run() -> None:
        counted = counted_part_of(problem, _PART, _PICKS)
        assert counted.group_counts is not None
        first = np.array(within_counts(counted, counted.group_counts))
        for together in (_TOGETHER, 0):
            rng, clock = np.random.default_rng(0), Clock(Stop(iterations=_MOVES))
            for _ in counted_search(counted, clock, first, rng, 0, _PATIENCE, together):
                pass

    once(("within counts", kind_of(problem)), run)


def _without_choice(problem: Problem, limits: GroupCounts) -> Indices:
    """Points of groups all of whose candidates every solution contains."""
    there = limits.taken(problem.candidates)
    whole = (limits.low >= there) & (there > 0)
    return problem.candidates[whole[limits.member[problem.candidates]].any(axis=1)]


def _coarse_to_fine(run: SearchRun, limits: GroupCounts) -> Generator[None, None, None]:
    """Play rounds as in :mod:`coarse_to_fine`, with points of the kinds that a solution takes."""
    problem, rng, sampler = run.problem, run.rng, CountedSampler(run.problem, limits)
    base = yield from _refine(run, limits, sampler, run.best)
    on_nets: list[float] = []
    while not run.over:
        net = np.union1d(sampler.net(base, rng), base)
        is_fresh = rng.random() < FRESH
        choices = 1 if is_fresh else max(3, len(net) // 50)
        kept = run.fixed if is_fresh else without_some_neighbours(run, base)
        chosen = _completed(problem, limits, kept, net, rng, choices)
        run.bill(len(net))
        chosen = yield from run.search(CountedCandidates(problem, limits, net), chosen, NEVER, STALL)
        on_nets.append(run.closest_found)
        if run.closest_found < np.quantile(on_nets, BLUNT):
            continue
        chosen = yield from _refine(run, limits, sampler, chosen)
        if run.over:
            break
        found = problem.value(max(run.closest_found, 0.0))
        if found >= (1 - LOSS * rng.random()) * problem.value(max(run.closest, 0.0)):
            base = chosen


def _refine(run: SearchRun, limits: GroupCounts, sampler: CountedSampler, chosen: Indices) -> Pauses:
    problem = run.problem
    width = max(4, _NEAR // problem.k)
    scale, found = 1.0, -1.0
    while not run.over:
        points, finest = sampler.near(chosen, scale, width, run.rng)
        run.bill(len(points))
        chosen = yield from run.search(CountedCandidates(problem, limits, points), chosen, NEVER, STALL)
        if run.over:
            break
        gained, found = run.closest_found > found, max(found, run.closest_found)
        hopeless = problem.value(max(found, 0.0)) < HOPELESS * problem.value(max(run.closest, 0.0))
        if (finest and not gained) or (hopeless and scale < 1 / SHRINK):
            break
        if not finest or not gained:
            scale /= SHRINK
    return chosen


def _completed(
    problem: Problem, limits: GroupCounts, kept: Indices, net: Indices, rng: np.random.Generator, choices: int
) -> Indices:
    """Extend ``kept`` within the counts by points of the net, each time one of the ``choices`` farthest ones."""

    def one_of_the_farthest(nearest: np.ndarray) -> int:
        far = np.argsort(-nearest, kind="stable")[: min(choices, max(1, int((nearest >= 0).sum())))]
        return int(rng.choice(far))

    return np.array(within_counts(problem, limits, kept.tolist(), one_of_the_farthest, net), dtype=np.int64)
