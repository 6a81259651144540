"""The best coverage: the mean similarity of all points to the most similar chosen one (facility location, p-median)."""

from __future__ import annotations

import math

import numpy as np

from mmdp import Clock, Status
from mmdp.arrays import Indices, Matrix
from objectives.data import Data
from objectives.measures import mean_similarity
from objectives.solution import Answer

SPHERE = 2.0  # the largest cosine distance


def similarities(data: Data, reach: float) -> Matrix:
    """``reach`` minus the distances, which makes them similarities: 1 + cosine under cosine distance and reach 2."""
    return np.asarray(reach - data.distances)


def measure(data: Data, chosen: Indices, reach: float) -> float:
    """The mean similarity of a subset."""
    return mean_similarity(similarities(data, reach), chosen, data.weights)


def greedy(data: Data, clock: Clock, reach: float) -> Answer:
    """Add the point that raises the mean similarity most.

    At least 1 - 1/e of the largest one, as it is monotone, submodular and, up to ``reach``, not negative: Nemhauser,
    Wolsey, Fisher (Mathematical Programming 14, 1978). For the same reason no k points reach more than what is chosen
    plus the k largest gains over it, which is the bound. O(n^2 k) time.
    """
    rows = data.weights[:, None] * similarities(data, reach)
    covered = np.zeros(data.n)
    picks: list[int] = []
    while len(picks) < data.k:
        gains = np.maximum(rows - covered[:, None], 0).sum(axis=0)
        gains[picks] = -1.0
        picks.append(int(gains.argmax()))
        np.maximum(covered, rows[:, picks[-1]], out=covered)
    return Answer(picks, bound_by_gains(data, np.array(picks), reach), Status.HEURISTIC)


def bound_by_gains(data: Data, chosen: Indices, reach: float) -> float:
    """A subset's mean similarity plus its k largest gains."""
    rows = data.weights[:, None] * similarities(data, reach)
    covered = rows[:, chosen].max(axis=1)
    gains = np.maximum(rows - covered[:, None], 0).sum(axis=0)
    return (math.fsum(covered) + math.fsum(np.sort(gains)[-data.k :])) / math.fsum(data.weights)


def local_search(data: Data, clock: Clock, reach: float) -> Answer:
    """Make the best swap of a chosen point for another while the mean similarity rises; from the greedy.

    The SWAP phase of PAM, all swaps in one pass: Schubert, Rousseeuw (Information Systems 101, 2021). O(n^2 k) time for
    each swap.
    """
    start = greedy(data, clock, reach)
    picks, bound = np.asarray(start.indices, dtype=np.int64), start.bound
    while not clock.expired:
        better = _best_swap(data.costs, picks)
        if better is None:
            break
        picks = better
        clock.iterations += 1
    return Answer(picks, min(bound, bound_by_gains(data, picks, reach)), Status.HEURISTIC)


def _best_swap(costs: Matrix, picks: Indices) -> Indices | None:
    """The swap that lowers the sum of costs most, if any lowers it by more than rounding."""
    n, k = len(costs), len(picks)
    order = np.argsort(costs[:, picks], axis=1, kind="stable")
    every = np.arange(n)
    owner = order[:, 0]
    first = costs[every, picks[owner]]
    second = costs[every, picks[order[:, 1]]] if k > 1 else np.full(n, np.inf)
    joined = np.minimum(costs - first[:, None], 0)  # if the candidate is added
    own = (owner[:, None] == np.arange(k)).astype(np.float64)
    moved = np.minimum(costs, second[:, None]) - first[:, None] - joined  # if the owner is removed besides
    change = joined.sum(axis=0)[:, None] + moved.T @ own
    change[picks] = np.inf
    candidate, place = np.unravel_index(int(change.argmin()), change.shape)
    if change[candidate, place] >= -1e-12 * (1 + first.sum()):
        return None
    better = picks.copy()
    better[place] = candidate
    return better


def exact(data: Data, clock: Clock, reach: float) -> Answer:
    """Solve the p-median problem by CP-SAT, from the local search's answer.

    The model is Elloumi's radius formulation (Computers and Operations Research 37, 2010), in whole numbers: costs are
    rounded to about 1e-13 of their sum, and the bound allows for it.
    """
    from objectives.models import p_median  # OR-Tools, loaded when it is needed

    start = local_search(data, clock, reach)
    hint = np.asarray(start.indices, dtype=np.int64)
    chosen, cost, proven = p_median(data.costs, hint, clock.remaining)
    total = math.fsum(data.weights)
    bound = min(start.bound, reach - cost / total)
    better = measure(data, chosen, reach) >= measure(data, hint, reach)
    return Answer(chosen if better else hint, bound, Status.OPTIMAL if proven else Status.STOPPED)
