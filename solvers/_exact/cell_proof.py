"""Proof on cells of points: a clique search on few cells, which are split only where a clique of them needs it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np

from mmdp import Clock, Problem
from mmdp.arrays import Indices, Points
from mmdp.bounds import attainable, cheap_bound
from solvers._exact.kd_tree import Tree, build
from solvers._exact.reduced_thresholds import least_reduced_above
from solvers._exact.relaxation import Relaxation
from solvers._exact.vector_bound import VectorBound, suits
from solvers._framework.distance_forms import KINDS

BOX_FORMS = ("sqeuclidean", "manhattan", "chebyshev")
_BOUND_SHARE = 0.15  # of a limited time, kept for the bound: lost if the proof would have ended in it
_VECTOR_SHARE = 0.4  # of a limited time, kept for the bound where vectors suit
_PROBE_REST = 0.1  # of the time that is kept, left by the vectors for searches
_PROBE_SHARE = 0.5  # of the time left for the bound, for one threshold: less gives up on harder ones, more tries fewer
_TURN_NODES = 1_000_000  # of proof before each restart: fewer delay easy proofs, more keep a weak incumbent
_TURN_NODES_PER_POINT = 50  # at least, because restarts take longer for many points
_TURN_PICKS = 20  # beyond which there are fewer nodes, as each takes longer, by the square of the picks
_NEAR = 300  # points around each pick that may replace it: more find better places, and take longer at every incumbent
_NEAR_SHARE = 1 / 16  # of n / k, which these may not exceed, so that they stay around the pick
_CLIMB_NODES = 20_000  # of search for a better choice among those: more find it, and are lost where there is none
_CLOSE = 1e-6  # relative width of the interval of bounds at which halving ends


class CellProof:
    """The optimum of a problem on points of few dimensions; what is not proven stays with the clock.

    A relaxation that splits only what a solution of it uses is due to Contardo (INFORMS Journal on Optimization 2(2),
    2020). Here a cell has a diameter below the threshold, so that it holds one chosen point at most, cells are joined
    if their boxes allow a far pair, and one infeasible clique search is the proof. Sets of cells without a clique
    remain without one when cells are split or the threshold rises, and are carried along.

    Attributes
    ----------
    bounded_by : str
        "vectors" if the least bound is theirs, "clique search" otherwise.
    """

    def __init__(
        self, problem: Problem, clock: Clock, improve: Callable[[], None] = lambda: None, threads: int = 1
    ) -> None:
        self._improve, self._threads = improve, threads
        self._problem, self._clock = problem, clock
        self._kind = KINDS[problem.geometry.form]
        self._free = np.setdiff1d(problem.candidates, problem.include)
        self._need = problem.k - len(problem.include)
        slower = max(1.0, problem.k / _TURN_PICKS) ** 2
        self._turn = int(max(_TURN_NODES, _TURN_NODES_PER_POINT * len(self._free)) / slower)
        self._restart_at = clock.iterations + self._turn
        self.bounded_by = "clique search"
        self._looked: Relaxation | None = None
        self._looked_above = -math.inf

    def look(self, nodes: int) -> bool:
        """Look for better incumbents for about so many nodes; True if the clock has what it wants, or there are none.

        A further call goes on where this one stopped.
        """
        clock, end = self._clock, self._clock.iterations + nodes
        while not clock.expired and clock.iterations < end:
            if self._looked is None or clock.objective > self._looked_above:
                self._climb()
                self._looked_above = clock.objective
                self._looked = self._relax_above_incumbent(self._looked, self._free)
            left = end - clock.iterations
            if self._search(self._looked, self._looked.nodes + left) and self._looked.points is None:
                clock.report(upper_bound=clock.objective)
        return clock.satisfied

    def run(self) -> None:
        """Search until the optimum is proven or the clock expires."""
        clock, relaxation = self._clock, None
        share = _VECTOR_SHARE if suits(self._problem) else _BOUND_SHARE
        end = clock.elapsed + (1 - share) * clock.remaining
        if not clock.satisfied:
            self._climb()
        while not clock.satisfied:
            objective = clock.objective
            relaxation = self._relax_above_incumbent(relaxation, self._free)
            if not self._decide(relaxation, end):
                self._tighten_bound()
                return
            if clock.objective == objective:
                clock.report(upper_bound=objective)

    def _decide(self, relaxation: Relaxation, end: float) -> bool:
        """Decide the threshold above the incumbent; False if the moment ``end`` comes first."""
        clock, objective = self._clock, self._clock.objective
        while not self._run(relaxation, end, relaxation.nodes + self._restart_at - clock.iterations):
            if clock.expired or clock.elapsed >= end:
                return False
            self._improve()
            self._restart_at = clock.iterations + self._turn
            if clock.objective > objective:
                self._climb()
                break
        return True

    def _relax_above_incumbent(self, relaxation: Relaxation | None, points: Indices) -> Relaxation:
        """Set the threshold above the incumbent, in the last relaxation of the same points if there is one."""
        t = least_reduced_above(self._problem, self._clock.objective)
        if relaxation is None or self._problem.include:
            return self._relax(t, points)
        relaxation.raise_to(t)
        return relaxation

    def _relax(self, t: float, points: Indices) -> Relaxation:
        """Relax one threshold; with fixed picks, only the points far enough from them take part."""
        if self._problem.include:
            far = self._problem.reduced_distances(self._problem.include, points).min(axis=0) >= t
            points = points[far]
        few_or_all = len(points) < self._need or len(points) == len(self._free)
        tree = self._tree if few_or_all else build(self._vectors(points))
        return Relaxation(self._kind, tree, points, self._need, t, self._threads)

    @cached_property
    def _tree(self) -> Tree:
        return build(self._vectors(self._free))

    def _vectors(self, points: Indices) -> Points:
        return self._problem.vectors[points].astype(np.float64)

    def _run(self, relaxation: Relaxation, end: float, node_limit: float = math.inf) -> bool:
        """Search until the moment ``end`` or the node limit, and improve on k points if there are any.

        Returns whether the threshold is decided.
        """
        decided = self._search(relaxation, node_limit, end)
        if relaxation.points is not None:
            self._climb()
        return decided

    def _search(self, relaxation: Relaxation, node_limit: float, end: float = math.inf) -> bool:
        clock, counted = self._clock, [relaxation.nodes]

        def expired() -> bool:
            clock.iterations += relaxation.nodes - counted[0]
            counted[0] = relaxation.nodes
            return clock.expired or clock.elapsed > end or relaxation.nodes >= node_limit

        decided = relaxation.solve(expired)
        if relaxation.points is not None:
            chosen = np.concatenate((self._problem.include, relaxation.points)).astype(np.int64)
            clock.report(chosen, self._problem.objective(chosen)[0])
        return decided

    def _climb(self) -> None:
        """Look for better incumbents among the points around the picks of this one until there are none."""
        clock, before = self._clock, -math.inf
        while clock.objective > before and not clock.expired:
            before, around = clock.objective, self._around_picks()
            relaxation, reached = None, -math.inf
            while clock.objective > reached and not clock.expired:
                reached = clock.objective
                relaxation = self._relax_above_incumbent(relaxation, around)
                self._search(relaxation, _CLIMB_NODES)

    def _around_picks(self) -> Indices:
        """The points nearest to each of the picks."""
        near = min(_NEAR, 1 + int(_NEAR_SHARE * len(self._free) / self._problem.k))
        rows = (self._problem.reduced_distances(pick, self._free)[0] for pick in self._clock.best())
        return np.unique(np.concatenate([self._free[np.argpartition(row, near - 1)[:near]] for row in rows]))

    def _tighten_bound(self) -> None:
        """Halve the interval between incumbent and upper bound until time is up; larger thresholds are easier."""
        clock = self._clock
        clock.report(upper_bound=cheap_bound(self._problem))
        if suits(self._problem) and math.isfinite(clock.upper_bound):
            before = clock.upper_bound
            VectorBound(self._problem, clock, self._threads).lower((1 - _PROBE_REST) * clock.remaining)
            if clock.upper_bound < before:
                self.bounded_by = "vectors"
        low, high = clock.objective, clock.upper_bound
        while not clock.expired and math.isfinite(high) and high - low > _CLOSE * high:
            middle = (low + high) / 2
            relaxation = self._relax(least_reduced_above(self._problem, middle), self._free)
            if self._run(relaxation, clock.elapsed + _PROBE_SHARE * clock.remaining) and relaxation.points is None:
                high = attainable(self._problem, middle)
                clock.report(upper_bound=high)
                self.bounded_by = "clique search"
            else:
                low = middle
