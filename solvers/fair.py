"""Fair max-min diversification: a solution that keeps group counts, by clusters of different groups and a flow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from mmdp import Clock, InvalidOptionError, Problem
from mmdp.arrays import Indices
from mmdp.bounds import farthest_first_bound
from mmdp.groups import GroupCounts
from solvers._framework.base import Solver
from solvers._framework.counted_picks import one_group, within_counts
from solvers._framework.grading import Run
from solvers._local_search.counts_search import counted_search, warm_up_counts

_ROUNDING = 1e-7  # relative; far above what a sum of distances along a chain loses, even of arcs near half a turn
_SMALLEST = 1e-300
_REST, _PATIENCE = 100_000, 3000  # moves without a gain that end the search, or make it restart
_SWAP_ENTRIES = 2**24  # distances from the picks to all points up to which picks are exchanged


@dataclass(frozen=True)
class Fair(Solver):
    """Keep the group counts, and guarantee an (m + 1)-th of the best value that keeps them, for m groups.

    Groups without a count together are one of the m groups. For a guess g of the optimum, let r = g / (m + 1). A
    cluster begins with any point. It then takes one point from every other group that has a point nearer than r to the
    cluster. All other points nearer than r to the cluster are discarded, and the next cluster begins. So points of
    different clusters are at least r apart. If the guess is not too high, every point of an optimal solution has a
    cluster with a point of its group, and no two of them share a cluster, because they would be nearer than (m + 1) r.
    A maximum flow decides from which group each cluster contributes its point (Addanki, McGregor, Meliou, Moumoulidou,
    ICDT 2022, FairGreedyFlow, stated there for exact counts). If there is no such flow, the guess exceeds the optimum.

    Farthest-first within the counts gives another solution. The better of the two is improved by exchanging picks, and
    a run with a limit in seconds or iterations goes on as ``local_search`` does until that is reached.

    Parameters
    ----------
    epsilon : float
        The search over guesses ends when the best guess with a flow and the next one without differ by this relative
        amount.

    Notes
    -----
    ``notes["approximation_factor"]`` is (m + 1)(1 + epsilon) under a metric, (m + 1)^2 (1 + epsilon) for squared
    Euclidean and cosine distances, infinite without a triangle inequality or with required points. With several
    attributes, m is the number of combinations of their groups, and an integer program replaces the flow. O(m k n d)
    time for each of about log(log(range of the guesses) / epsilon) guesses.

    Examples
    --------
    >>> from mmdp import Problem
    >>> from solvers import solve
    >>> problem = Problem(2, points=[[0.0], [1.0], [5.0]], groups=["a", "a", "b"], counts={"a": 2})
    >>> sorted(solve(problem, solver="fair").indices.tolist())
    [0, 1]
    """

    keeps_group_counts = True
    takes_initial = True
    cost = "O(m k n d) a guess, memory O(n)"

    epsilon: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise InvalidOptionError(f"epsilon = {self.epsilon}: give a number above 0, at most 1")

    def warm_up(self, problem: Problem) -> None:
        """Compile the search that uses the time that is left."""
        if problem.group_counts is not None:
            warm_up_counts(problem)

    def _notes_of_only_solution(self, problem: Problem, indices: ArrayLike) -> Mapping[str, Any]:
        return {"approximation_factor": 1.0}

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        limits = problem.group_counts or one_group(problem)
        bound, factor = fair_solution(problem, limits, clock, self.epsilon)
        stop = clock.stop
        if problem.group_counts is not None and (stop.seconds, stop.iterations, stop.no_improvement) != (None,) * 3:
            for _ in counted_search(problem, clock, clock.best(), rng, _REST, _PATIENCE):
                pass
        return Run(clock.best(), bound, iterations=clock.iterations, notes={"approximation_factor": factor})


def fair_solution(problem: Problem, limits: GroupCounts, clock: Clock, epsilon: float = 0.01) -> tuple[float, float]:
    """Report the solution that has the guarantee, improved by exchanges.

    Returns
    -------
    bound, factor : float
        Both infinite where nothing is guaranteed.
    """
    best = within_counts(problem, limits)
    clock.report(best, problem.objective(best)[0])
    bound, factor = math.inf, math.inf
    root = problem.geometry.root
    if root is not None and not problem.include:
        bound, finished = _guess(problem, limits, root, clock, epsilon)
        if finished:
            factor = (len(limits.groups_of_kind) + 1) ** root * (1 + epsilon) * (1 + 2 * _ROUNDING)
    _exchange(problem, limits, clock)
    return bound, factor


def _guess(problem: Problem, limits: GroupCounts, root: float, clock: Clock, epsilon: float) -> tuple[float, bool]:
    """Report what the highest guess with a flow gives; return a bound, and whether the factor holds."""
    top = farthest_first_bound(problem)
    if top == 0:
        return 0.0, True
    shrink = (1 - _ROUNDING) / (len(limits.groups_of_kind) + 1) ** root
    most = math.ceil((math.log(max(top, _SMALLEST)) - math.log(_SMALLEST)) / math.log1p(epsilon))
    refuted, served, step = -1, most + 1, 1  # powers of 1 + epsilon below the top: no flow, and a flow
    while served - refuted > 1 and not clock.expired:
        power = min(refuted + step, most) if served > most else (refuted + served) // 2
        step *= 2
        picks = _spaced(problem, limits, shrink * top * (1 + epsilon) ** -power)
        clock.iterations += 1
        if picks is None:
            refuted = power
        else:
            served = power
            clock.report(picks, problem.objective(picks)[0])
    return top * (1 + epsilon) ** -max(refuted, 0), served - refuted == 1


def _spaced(problem: Problem, limits: GroupCounts, apart: float) -> Indices | None:
    """K points at least ``apart`` from each other that keep the counts, if the clusters allow it."""
    clusters = _clusters(problem, limits, apart)
    return _assigned(clusters, limits, problem.k) if len(clusters) >= problem.k else None


def _clusters(problem: Problem, limits: GroupCounts, apart: float) -> list[Indices]:
    """Points of different kinds, one after the other within ``apart`` of the cluster and beyond it from all others.

    A kind that k clusters have is left out of further ones, because it finds a free cluster whatever the others take.
    """
    clusters: list[Indices] = []
    spread = np.zeros(len(limits.groups_of_kind), dtype=np.int64)
    left = problem.candidates
    while len(left):
        kind = limits.kind[left]
        nearest = np.full(len(left), np.inf)
        wanted = np.ones(len(left), dtype=bool)
        place, cluster = 0, []
        while True:
            cluster.append(left[place])
            nearest = np.minimum(nearest, problem.value(problem.reduced_distances(left[place], left)[0]))
            wanted &= kind != kind[place]
            near = np.flatnonzero(wanted & (nearest < apart))
            if not len(near):
                break
            place = int(near[nearest[near].argmin()])
        clusters.append(np.array(cluster))
        spread[limits.kind[cluster]] += 1
        left = left[(nearest >= apart) & (spread[kind] < problem.k)]
    return clusters


def _assigned(clusters: Sequence[Indices], limits: GroupCounts, k: int) -> Indices | None:
    """One point from each of k clusters such that the counts hold.

    With several attributes, an integer program over clusters and their points. With one, a flow: from each cluster one
    unit to a group it has, from each group its least count to the sink, what it may have beyond that through a spare
    node that passes on k less all least counts. Counts hold iff k units arrive.
    """
    m, points = len(limits.low), np.concatenate(clusters)
    owner = np.repeat(np.arange(len(clusters)), [len(cluster) for cluster in clusters])
    if limits.member.shape[1] > 1:
        return _assigned_by_program(points, owner, limits, k)
    source, spare, sink = len(clusters) + m, len(clusters) + m + 1, len(clusters) + m + 2
    groups = len(clusters) + np.arange(m)
    arcs = [
        (np.full(len(clusters), source), np.arange(len(clusters)), np.ones(len(clusters))),
        (owner, groups[limits.member[points, 0]], np.ones(len(points))),
        (groups, np.full(m, sink), limits.low),
        (groups, np.full(m, spare), np.minimum(limits.high, k) - np.minimum(limits.low, k)),
        (np.array([spare]), np.array([sink]), np.array([k - limits.low.sum()])),
    ]
    tails, heads, room = (np.concatenate(part) for part in zip(*arcs, strict=True))
    network = csr_array((room.astype(np.int32), (tails, heads)), shape=(sink + 1, sink + 1))
    flow = maximum_flow(network, source, sink)
    if flow.flow_value < k:
        return None
    return points[np.asarray(flow.flow[owner, groups[limits.member[points, 0]]]).ravel() > 0]


def _assigned_by_program(points: Indices, owner: Indices, limits: GroupCounts, k: int) -> Indices | None:
    """One point from each of k clusters such that the counts of several attributes hold."""
    ones, every = np.ones(len(points)), np.arange(len(points))
    member = limits.member[points]
    once = csr_array((ones, (owner, every)))
    belongs = csr_array(
        (np.repeat(ones, member.shape[1]), (member.ravel(), np.repeat(every, member.shape[1]))),
        shape=(len(limits.low), len(points)),
    )
    answer = milp(
        np.zeros(len(points)),
        constraints=[
            LinearConstraint(once, -np.inf, 1),
            LinearConstraint(belongs, limits.low, np.minimum(limits.high, k)),
            LinearConstraint(ones, k, k),
        ],
        integrality=ones,
        bounds=Bounds(0, 1),
    )
    return None if answer.x is None else points[answer.x > 0.5]


def _exchange(problem: Problem, limits: GroupCounts, clock: Clock) -> None:
    """Replace a point of the closest pair by the point farthest from all others, while that is farther."""
    picks = clock.best().copy()
    if problem.n * problem.k > _SWAP_ENTRIES:
        return
    rows = problem.reduced_distances(picks)
    while not clock.expired:
        place, pick = _best_exchange(problem, limits, picks, rows)
        if place < 0:
            break
        picks[place], rows[place] = pick, problem.reduced_distances(pick)[0]
        clock.iterations += 1
        clock.report(picks.copy(), problem.objective(picks)[0])


def _best_exchange(problem: Problem, limits: GroupCounts, picks: Indices, rows: NDArray[np.float64]) -> tuple[int, int]:
    """Place of the pick to replace and the point to take, or -1 if none is farther from the others."""
    between = rows[:, picks]
    np.fill_diagonal(between, np.inf)
    closest, best = between.min(), (-1, -1)
    for place in np.unravel_index(int(between.argmin()), between.shape):
        if picks[place] in problem.include:
            continue
        others = np.delete(picks, place)
        nearest = np.delete(rows, place, axis=0).min(axis=0)
        allowed = problem.candidates[limits.exchangeable(limits.taken(picks), int(picks[place]))[problem.candidates]]
        allowed = np.setdiff1d(allowed, others)
        pick = int(allowed[nearest[allowed].argmax()])
        if nearest[pick] > closest:
            closest, best = nearest[pick], (int(place), pick)
    return best
