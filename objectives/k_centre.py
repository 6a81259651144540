"""The smallest radius: every point within it has a chosen one (k-centre, minimax facility location)."""

from __future__ import annotations

import numpy as np

from mmdp import Clock, Status
from mmdp.arrays import Indices, Matrix
from objectives.data import Data
from objectives.measures import coverage_radius
from objectives.solution import Answer


def measure(data: Data, chosen: Indices) -> float:
    """The radius of a subset."""
    return coverage_radius(data.distances, chosen, data.weights)


def greedy(data: Data, clock: Clock) -> Answer:
    """Begin with the best single centre; then add the point that is farthest from the chosen ones.

    At most twice the smallest radius under a metric without weights: Gonzalez (Theoretical Computer Science 38, 1985).
    With weights, the costliest point is added, as in Dyer, Frieze (Operations Research Letters 3(6), 1985). O(n k) time
    beside the matrix.
    """
    costs = data.costs
    picks = [int(costs.max(axis=0).argmin())]
    nearest = costs[:, picks[0]].copy()
    while len(picks) < data.k:
        nearest[picks] = -1.0  # so that copies of a chosen point come last, and no point twice
        picks.append(int(nearest.argmax()))
        np.minimum(nearest, costs[:, picks[-1]], out=nearest)
    radius = max(0.0, float(np.delete(nearest, picks).max(initial=0.0)))
    return Answer(picks, data.separated(radius), Status.HEURISTIC)


def local_search(data: Data, clock: Clock) -> Answer:
    """Swap a chosen point for one that serves the farthest point better, while the radius falls; from the greedy.

    O(n^2 k) time for each swap.
    """
    start = greedy(data, clock)
    picks = np.asarray(start.indices, dtype=np.int64)
    while not clock.expired:
        better = _best_swap(data.costs, picks)
        if better is None:
            break
        picks = better
        clock.iterations += 1
    return Answer(picks, start.bound, Status.HEURISTIC)


def _best_swap(costs: Matrix, picks: Indices) -> Indices | None:
    """The swap with the smallest radius, if it is smaller than now."""
    served = costs[:, picks]
    radius = served.min(axis=1).max()
    farthest = int(served.min(axis=1).argmax())
    candidates = np.setdiff1d(np.flatnonzero(costs[farthest] < radius), picks)
    best: Indices | None = None
    for place in range(len(picks)):
        without = np.delete(served, place, axis=1).min(axis=1, initial=np.inf)
        reached = np.minimum(without[:, None], costs[:, candidates]).max(axis=0)
        if len(reached) and reached.min() < radius:
            radius = reached.min()
            best = picks.copy()
            best[place] = candidates[int(reached.argmin())]
    return best


def exact(data: Data, clock: Clock) -> Answer:
    """Halve the range of radii; for each one, CP-SAT decides whether k points cover everything within it.

    The smallest radius is an entry of the matrix of costs, and a radius r can be reached iff the sets of points within
    r of each candidate contain a cover of k sets: Minieka (SIAM Review 12(1), 1970). The search begins between the
    local search's radius and its bound.
    """
    from objectives.models import smallest_cover  # OR-Tools, loaded when it is needed

    start = local_search(data, clock)
    picks = np.asarray(start.indices, dtype=np.int64)
    radii = np.unique(data.costs)
    low = int(np.searchsorted(radii, start.bound))
    high = int(np.searchsorted(radii, measure(data, picks)))
    while low < high and not clock.expired:
        middle = (low + high) // 2
        cover = smallest_cover(data.costs <= radii[middle], data.k, clock.remaining)
        if cover is None:
            break
        if len(cover):
            picks = completed(cover, data)
            high = int(np.searchsorted(radii, measure(data, picks)))
        else:
            low = middle + 1
        clock.iterations += 1
    return Answer(picks, float(radii[low]), Status.OPTIMAL if low >= high else Status.STOPPED)


def completed(cover: Indices, data: Data) -> Indices:
    """The cover and the costliest further points, k in all."""
    picks = cover.tolist()
    nearest = data.costs[:, picks].min(axis=1)
    while len(picks) < data.k:
        nearest[picks] = -1.0
        picks.append(int(nearest.argmax()))
        np.minimum(nearest, data.costs[:, picks[-1]], out=nearest)
    return np.array(picks, dtype=np.int64)
