"""Proof on cells of points: a clique search on few cells, which are split only where a clique of them needs it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock, Problem
from solvers._exact.kd_tree import Tree, build
from solvers._exact.reduced_thresholds import least_reduced_above
from solvers._exact.relaxation import Relaxation
from solvers._framework.distance_forms import KINDS

BOX_FORMS = ("sqeuclidean", "manhattan", "chebyshev")
_BOUND_SHARE = 0.15  # of a limited time, to lower the bound when the proof is not through,
_PROBE_SHARE = 0.5  # of which one question takes at most this much of what is left
_GLANCE = 1_000_000  # nodes of proof before anything is spent on a better incumbent
_NEAR, _NEAR_SHARE = 300, 1 / 16  # points around each pick that may replace it: so many, or this share of n / k
_CLIMB_NODES = 20_000  # of search for a better choice among those
_CLOSE = 1e-6  # relative width at which the bound is not halved further

Indices = NDArray[np.int64]


class CellProof:
    """The optimum of a problem on points of few dimensions; what is not proven stays with the clock.

    A relaxation that splits only what a solution of it uses is due to Contardo (INFORMS Journal on Optimization 2(2),
    2020). Here a cell has a diameter below the threshold, so that it holds one chosen point at most, cells are joined
    if their boxes allow a far pair, and one infeasible clique search is the proof. Sets of cells without a clique
    remain without one when cells are split or the threshold rises, and are carried along.
    """

    def __init__(self, problem: Problem, clock: Clock, improve: Callable[[], None]) -> None:
        self._improve = improve
        self._problem, self._clock = problem, clock
        self._kind = KINDS[problem.geometry.form]
        self._free = np.setdiff1d(problem.candidates, problem.include)
        self._need = problem.k - len(problem.include)

    def run(self) -> None:
        """Search until the optimum is proven or the clock expires."""
        clock, relaxation = self._clock, None
        end = clock.elapsed + (1 - _BOUND_SHARE) * clock.remaining
        if not clock.satisfied:
            self._climb()
        while not clock.satisfied:
            objective = clock.objective
            relaxation = self._relax_above_incumbent(relaxation, self._free)
            if not self._settle(relaxation, end):
                self._lower_bound()
                return
            if clock.objective == objective:
                clock.report(upper_bound=objective)

    def _settle(self, relaxation: Relaxation, end: float) -> bool:
        """Answer the question next above the incumbent; False if the moment ``end`` comes first."""
        clock, objective = self._clock, self._clock.objective
        if self._ask(relaxation, end, relaxation.nodes + _GLANCE):
            return True
        if clock.elapsed < end:
            self._improve()
            if clock.objective > objective:
                self._climb()
        return clock.objective > objective or self._ask(relaxation, end)

    def _relax_above_incumbent(self, relaxation: Relaxation | None, points: Indices) -> Relaxation:
        """State the question next above the incumbent, from the last one on the same points if there is one."""
        t = least_reduced_above(self._problem, self._clock.objective)
        if relaxation is None or self._problem.include:
            return self._relax(t, points)
        relaxation.raise_to(t)
        return relaxation

    def _relax(self, t: float, points: Indices) -> Relaxation:
        """State the question for one threshold; with fixed picks, only the points far enough from them take part."""
        if self._problem.include:
            far = self._problem.reduced_distances(self._problem.include, points).min(axis=0) >= t
            points = points[far]
        few_or_all = len(points) < self._need or len(points) == len(self._free)
        tree = self._tree if few_or_all else build(self._vectors(points))
        return Relaxation(self._kind, tree, points, self._need, t)

    @cached_property
    def _tree(self) -> Tree:
        return build(self._vectors(self._free))

    def _vectors(self, points: Indices) -> NDArray[np.float64]:
        return self._problem.vectors[points].astype(np.float64)

    def _ask(self, relaxation: Relaxation, end: float, nodes: float = math.inf) -> bool:
        """Search until the moment ``end`` or so many nodes at most, and report k points if there are any.

        Returns whether the question is answered.
        """
        answered = self._search(relaxation, nodes, end)
        if relaxation.points is not None:
            self._climb()
        return answered

    def _search(self, relaxation: Relaxation, nodes: float, end: float = math.inf) -> bool:
        clock, counted = self._clock, [relaxation.nodes]

        def expired() -> bool:
            clock.iterations += relaxation.nodes - counted[0]
            counted[0] = relaxation.nodes
            return clock.expired or clock.elapsed > end or relaxation.nodes >= nodes

        answered = relaxation.solve(expired)
        if relaxation.points is not None:
            chosen = np.concatenate((self._problem.include, relaxation.points)).astype(np.int64)
            clock.report(chosen, self._problem.objective(chosen)[0])
        return answered

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
        assert self._clock.indices is not None
        rows = (self._problem.reduced_distances(pick, self._free)[0] for pick in self._clock.indices)
        return np.unique(np.concatenate([self._free[np.argpartition(row, near - 1)[:near]] for row in rows]))

    def _lower_bound(self) -> None:
        """Halve the interval between incumbent and bound as long as time is left; larger thresholds are easier."""
        clock = self._clock
        low, high = clock.objective, clock.upper_bound
        while not clock.expired and math.isfinite(high) and high - low > _CLOSE * high:
            middle = (low + high) / 2
            relaxation = self._relax(least_reduced_above(self._problem, middle), self._free)
            if self._ask(relaxation, clock.elapsed + _PROBE_SHARE * clock.remaining) and relaxation.points is None:
                high = middle
                clock.report(upper_bound=middle)
            else:
                low = middle
