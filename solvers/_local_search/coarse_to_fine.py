"""Threshold search where the points are too many to look at together: from a coarse net to the points near the picks.

A round starts on a net, from a fresh farthest-first subset or from the incumbent with a few neighbouring picks drawn
anew. Then it zooms in: the search goes on among points sampled near its picks, fewer and nearer ones each time, until
all of the nearest are there and none helps. The nets find the arrangement, the zoom its best place.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from mmdp.problem import Indices
from solvers._local_search.candidate_sampler import Ground
from solvers._local_search.candidate_set import Core
from solvers._local_search.search_run import Pauses, Trail

_NEAR = 800  # points of all neighbourhoods together; more for large k
_FRESH = 0.2  # share of rounds that forget the incumbent
_STALL = 1500
_SHRINK = 4  # how many times fewer points come into question from one zoom to the next
_HOPELESS = 0.97
_LOSS = 0.01
_BLUNT = 0.6
_NEVER = 2**62


def zooming_search(trail: Trail) -> Generator[None, None, None]:
    """Play rounds until the trail is over."""
    problem, rng, ground = trail.problem, trail.rng, Ground(trail.problem)
    base = yield from _zoom(trail, ground, trail.best)
    on_nets: list[float] = []
    while not trail.over:
        net = ground.net(rng)
        if rng.random() < _FRESH:
            chosen = ground.completed(trail.fixed, net, rng, choices=1)
        else:
            chosen = ground.completed(_without_some_neighbours(trail, base), net, rng, choices=max(3, len(net) // 50))
        core = Core(problem, np.union1d(net, chosen))
        trail.bill(len(core.points))
        chosen = yield from trail.search(core, chosen, _NEVER, _STALL)
        on_nets.append(trail.closest_found)
        if trail.closest_found < np.quantile(on_nets, _BLUNT):
            continue
        chosen = yield from _zoom(trail, ground, chosen)
        if trail.over:
            break
        found = problem.value(max(trail.closest_found, 0.0))
        if found >= (1 - _LOSS * rng.random()) * problem.value(max(trail.closest, 0.0)):
            base = chosen


def _zoom(trail: Trail, ground: Ground, chosen: Indices) -> Pauses:
    problem = trail.problem
    n, k = len(problem.candidates), problem.k
    width = max(4, _NEAR // k)
    nearest = max(width, n // k)
    found = -1.0
    while not trail.over:
        core = Core(problem, ground.near(chosen, nearest, width, trail.rng))
        trail.bill(len(core.points))
        chosen = yield from trail.search(core, chosen, _NEVER, _STALL)
        if trail.over:
            break
        gained, found = trail.closest_found > found, max(found, trail.closest_found)
        hopeless = problem.value(max(found, 0.0)) < _HOPELESS * problem.value(max(trail.closest, 0.0))
        if (nearest <= width and not gained) or (hopeless and nearest * _SHRINK**2 < n // k):
            break
        if nearest > width or not gained:
            nearest = max(width, nearest // _SHRINK)
    return chosen


def _without_some_neighbours(trail: Trail, base: Indices) -> Indices:
    """Drop a random pick and those nearest to it, up to half of all, but no fixed one."""
    rng = trail.rng
    centre = base[rng.integers(len(base))]
    order = np.argsort(trail.problem.surrogates(centre, base)[0], kind="stable")
    dropped = base[order[: rng.integers(1, max(2, len(base) // 2 + 1))]]
    return np.setdiff1d(base, np.setdiff1d(dropped, trail.fixed))
