"""Threshold search where the points are too many to look at together: from a coarse net to the points near the picks.

A round starts on a net, from a fresh farthest-first subset or from the incumbent with a few neighbouring picks drawn
anew. Then it refines: the search goes on among points sampled near its picks, fewer and nearer ones each time, until
all of the nearest are there and none helps. The nets find the arrangement, the refinement its best place.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from mmdp.arrays import Indices
from solvers._local_search.candidate_sampler import CandidateSampler
from solvers._local_search.candidate_set import CandidateSet
from solvers._local_search.rounds import BLUNT, FRESH, HOPELESS, LOSS, NEVER, SHRINK, STALL, without_some_neighbours
from solvers._local_search.search_run import Pauses, SearchRun

_NEAR, _LEAST_NEAR = 800, 14  # points of all neighbourhoods together, and of each: fewer miss better places
_LOOK = 0.8  # moves of looking elsewhere for each move so far: more is lost where looking finds nothing

Look = Callable[
    [int], bool
]  # goes on for so many moves, tells the clock what it finds, says if nothing is left to find


def coarse_to_fine_search(run: SearchRun, look: Look | None = None) -> Generator[None, None, None]:
    """Play rounds until the run is over, and between them ``look`` elsewhere for better incumbents."""
    problem, rng, sampler = run.problem, run.rng, CandidateSampler(run.problem)
    base = yield from _refine(run, sampler, run.best)
    looked = 0
    on_nets: list[float] = []
    while not run.over:
        if look is not None:
            before = run.clock.iterations
            run.over = look(int(_LOOK * before) - looked) or run.clock.expired
            looked += run.clock.iterations - before
            base = run.best if run.adopt() else base
            if run.over:
                break
        net = sampler.net(rng)
        if rng.random() < FRESH:
            chosen = sampler.completed(run.fixed, net, rng, choices=1)
        else:
            chosen = sampler.completed(without_some_neighbours(run, base), net, rng, choices=max(3, len(net) // 50))
        candidate_set = CandidateSet(problem, np.union1d(net, chosen))
        run.bill(len(candidate_set.points))
        chosen = yield from run.search(candidate_set, chosen, NEVER, STALL)
        on_nets.append(run.closest_found)
        if run.closest_found < np.quantile(on_nets, BLUNT):
            continue
        chosen = yield from _refine(run, sampler, chosen)
        if run.over:
            break
        found = problem.value(max(run.closest_found, 0.0))
        if found >= (1 - LOSS * rng.random()) * problem.value(max(run.closest, 0.0)):
            base = chosen


def _refine(run: SearchRun, sampler: CandidateSampler, chosen: Indices) -> Pauses:
    problem = run.problem
    n, k = len(problem.candidates), problem.k
    width = max(_LEAST_NEAR, _NEAR // k)
    nearest = max(width, n // k)
    found = -1.0
    while not run.over:
        candidate_set = CandidateSet(problem, sampler.near(chosen, nearest, width, run.rng))
        run.bill(len(candidate_set.points))
        chosen = yield from run.search(candidate_set, chosen, NEVER, STALL)
        if run.over:
            break
        gained, found = run.closest_found > found, max(found, run.closest_found)
        hopeless = problem.value(max(found, 0.0)) < HOPELESS * problem.value(max(run.closest, 0.0))
        if (nearest <= width and not gained) or (hopeless and nearest * SHRINK**2 < n // k):
            break
        if nearest > width or not gained:
            nearest = max(width, nearest // SHRINK)
    return chosen
