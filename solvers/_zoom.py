"""Threshold search where the points are too many to look at together: from a coarse net to the points near the picks.

A round starts on a net, from a fresh farthest-first subset or from the incumbent with a few neighbouring picks drawn
anew. Then it zooms in: the search goes on among points sampled near its picks, fewer and nearer ones each time, until
all of the nearest are there and none helps. The nets find the arrangement, the zoom its best place.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

from mmdp import Problem
from mmdp.metrics import Vector
from mmdp.problem import Indices
from solvers._core import Core
from solvers._trail import Pauses, Trail

_NET, _NEAR = 400, 800  # points of a net, and of all neighbourhoods together; more for large k
_FRESH = 0.2  # share of rounds that forget the incumbent
_STALL = 1500
_SHRINK = 4  # how many times fewer points come into question from one zoom to the next
_HOPELESS = 0.97
_LOSS = 0.01
_BLUNT = 0.6
_NET_WORK = 2 * 10**8  # coordinates read for a net, or for the neighbours of all picks
_NEVER = 2**62


def zooming_search(trail: Trail) -> Generator[None, None, None]:
    """Play rounds until the trail is over."""
    problem, rng = trail.problem, trail.rng
    base = yield from _zoom(trail, trail.best)
    on_nets: list[float] = []
    while not trail.over:
        net = _net(problem, rng)
        if rng.random() < _FRESH:
            chosen = _complete(problem, net, trail.fixed, rng, choices=1)
        else:
            chosen = _complete(problem, net, _without_some_neighbours(trail, base), rng, choices=max(3, len(net) // 50))
        core = Core(problem, np.union1d(net, chosen))
        trail.bill(len(core.points))
        chosen = yield from trail.search(core, chosen, _NEVER, _STALL)
        on_nets.append(trail.closest_found)
        if trail.closest_found < np.quantile(on_nets, _BLUNT):
            continue
        chosen = yield from _zoom(trail, chosen)
        if trail.over:
            break
        found = problem.value(max(trail.closest_found, 0.0))
        if found >= (1 - _LOSS * rng.random()) * problem.value(max(trail.closest, 0.0)):
            base = chosen


def _zoom(trail: Trail, chosen: Indices) -> Pauses:
    problem = trail.problem
    n, k = len(problem.candidates), problem.k
    width = max(4, _NEAR // k)
    nearest = max(width, n // k)
    found = -1.0
    while not trail.over:
        core = Core(problem, _near(problem, chosen, nearest, width, trail.rng))
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


def _near(problem: Problem, chosen: Indices, nearest: int, width: int, rng: np.random.Generator) -> Indices:
    """Return the chosen points and, for each, ``width`` of its ``nearest`` points."""
    columns = problem.candidates
    affordable = max(20 * width, _NET_WORK // (len(chosen) * _dimension(problem)))
    if len(columns) > affordable:
        columns = np.sort(rng.choice(columns, affordable, replace=False))
    nearest = max(width, nearest * len(columns) // len(problem.candidates))
    parts = [chosen]
    step = max(1, 2**21 // len(columns))
    for start in range(0, len(chosen), step):
        for row in problem.surrogates(chosen[start : start + step], columns):
            near = np.argpartition(row, nearest - 1)[:nearest] if nearest < len(row) else np.arange(len(row))
            near = near if len(near) <= width else rng.choice(near, width, replace=False)
            parts.append(columns[near])
    return np.unique(np.concatenate(parts))


def _dimension(problem: Problem) -> int:
    return 1 if problem.points is None else int(problem.vectors.shape[1])


def _rows_among(problem: Problem, points: Indices) -> Callable[[int], Vector]:
    """Return the function from the place of a point to its surrogates to all ``points``."""
    if problem.points is None:
        return lambda place: problem.surrogates(points[place], points)[0]
    x = problem.vectors[points].astype(np.float64)
    return lambda place: problem.geometry.pairwise(x[place : place + 1], x)[0]


def _net(problem: Problem, rng: np.random.Generator) -> Indices:
    """Farthest-first points of a sample of all points, which half of the times is everything."""
    candidates = problem.candidates
    size = min(len(candidates), max(_NET, 4 * problem.k))
    affordable = max(2 * size, _NET_WORK // (size * _dimension(problem)))
    sample = min(len(candidates), affordable, 10 * size if rng.random() < 0.5 else len(candidates))
    points = candidates if sample == len(candidates) else np.sort(rng.choice(candidates, sample, replace=False))
    row, place = _rows_among(problem, points), int(rng.integers(len(points)))
    nearest, picked = np.full(len(points), np.inf), np.zeros(len(points), dtype=bool)
    for _ in range(size):
        picked[place] = True
        np.minimum(nearest, row(place), out=nearest)
        nearest[picked] = -1.0
        place = int(nearest.argmax())
    return points[picked]


def _without_some_neighbours(trail: Trail, base: Indices) -> Indices:
    """Drop a random pick and those nearest to it, up to half of all, but no fixed one."""
    rng = trail.rng
    centre = base[rng.integers(len(base))]
    order = np.argsort(trail.problem.surrogates(centre, base)[0], kind="stable")
    dropped = base[order[: rng.integers(1, max(2, len(base) // 2 + 1))]]
    return np.setdiff1d(base, np.setdiff1d(dropped, trail.fixed))


def _complete(problem: Problem, net: Indices, kept: Indices, rng: np.random.Generator, choices: int) -> Indices:
    """Add points to ``kept``, each time one of the ``choices`` farthest of the net."""
    points = np.union1d(net, kept)
    row, chosen = _rows_among(problem, points), list(np.searchsorted(points, kept))
    chosen = chosen or [int(rng.integers(len(points)))]
    nearest = np.min([row(place) for place in chosen], axis=0)
    while True:
        nearest[chosen] = -1.0
        if len(chosen) == problem.k:
            return points[chosen]
        far = np.argsort(-nearest, kind="stable")[: min(choices, len(points) - len(chosen))]
        chosen.append(int(rng.choice(far)))
        np.minimum(nearest, row(chosen[-1]), out=nearest)
