"""Proof on the full matrix: one clique search at the next larger distance, and others above it for a bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from mmdp import Clock, Problem
from solvers._exact.clique_search import EXHAUSTED, FOUND, PAUSED, CliqueSearch
from solvers._exact.threshold_graph import Adjacency, pairs_above
from solvers._framework.subprocesses import call

_GLANCE, _LOOK = 2_000, 200_000  # nodes of proof before a patient heuristic, and before anything is spent on bounds
_PROOF_SHARE, _BOUND_SHARE = 0.6, 0.1  # of the time left, at most, for a turn at the proof and at a bound,
_LAST_SHARE = 0.2  # and of all time at the end, which goes to the bound alone
_PROBES = 16  # questions about a bound may cost as many nodes, all together, as the turn at the proof before them;
_PROBE_SHARE = 0.25  # one takes at most this share of their time,
_FINE = 0.1  # and none is asked about less than this share of the gap
_SORTABLE = 5000**2  # entries of a matrix that are sorted in about a second
_FEW_CONFLICTS = 0.1  # share of pairs below which an integer program takes turns with the clique search,
_CLIQUE_SHARE, _PACKING_SHARE = 0.25, 0.75  # shares of the time left that each gets then, at most,
_PACKING_TURN, _PACKING_PROBE = 120.0, 4.0  # and seconds of its first turn, and for a question about a bound


def on_matrix(problem: Problem, clock: Clock) -> Problem:
    """State a problem by its distances, so that heuristics and proof read the same ones and compute them once.

    Raises
    ------
    TooLargeError
        If the matrix does not fit the memory, or, once there is an incumbent, the time of the clock.
    """
    D = problem.matrix(lambda: clock.indices is not None and clock.remaining <= 0)
    if problem.geometry.function is not None:  # may differ in the last digit between (x, y) and (y, x)
        D = np.minimum(D, D.T)
        np.fill_diagonal(D, 0.0)
    return Problem(problem.k, distances=D, include=problem.include, exclude=problem.exclude)


class MatrixProof:
    """The optimum of a problem whose distances fit a matrix, or the best bound in the time of the clock.

    ``clock`` holds an incumbent when it comes, and hears of every improvement.
    """

    def __init__(self, problem: Problem, clock: Clock, improve: Callable[[], None], threads: int = 1) -> None:
        self._improve, self._threads = improve, threads
        self._problem, self._clock = problem, clock
        self._points = problem.candidates
        self._forced = np.searchsorted(self._points, sorted(problem.include)).tolist()
        whole = problem.matrix(lambda: clock.remaining <= 0)
        self._D = whole if len(self._points) == problem.n else whole[np.ix_(self._points, self._points)]

    def run(self) -> None:
        """Search until the optimum is proven or the clock expires."""
        while not self._clock.expired:
            search = self._search(pairs_above(self._D, self._clock.objective))
            if not self._settle(search):
                break
            if search.outcome == EXHAUSTED:
                self._clock.report(upper_bound=self._clock.objective)

    def _search(self, adjacent: Adjacency) -> CliqueSearch:
        return CliqueSearch(adjacent, self._problem.k, self._forced, self._threads)

    def _settle(self, search: CliqueSearch) -> bool:
        """Answer the question next above the incumbent, in turns four times as long each; False if time is up first."""
        clock, objective = self._clock, self._clock.objective
        if self._ask(search, clock.remaining, _GLANCE):
            return True
        self._improve()
        nodes, last = _LOOK, _LAST_SHARE * clock.remaining
        seconds, longest = _PACKING_TURN, 0.0
        packs = search.conflicts < _FEW_CONFLICTS
        while not clock.expired and clock.objective == objective:
            if self._ask(search, (_CLIQUE_SHARE if packs else _PROOF_SHARE) * clock.remaining, nodes):
                return True
            self._lower_bound(min(_BOUND_SHARE * clock.remaining, clock.elapsed), nodes // _PROBES)
            allowed = min(seconds, _PACKING_SHARE * clock.remaining)
            if packs and nodes > _LOOK and allowed > longest:  # it begins anew each time
                seconds, longest = 4 * seconds, allowed
                if self._pack(search, allowed):
                    return True
            nodes *= 4
            if clock.remaining < last:
                self._lower_bound(clock.remaining, math.inf)
        return clock.objective > objective

    def _pack(self, search: CliqueSearch, seconds: float) -> bool:
        """Put the question to an integer program instead, which is better at graphs with few conflicts."""
        if not seconds > 0:
            return False
        answer = call("solvers._exact.packing:independent", *search.as_packing(), seconds=seconds)
        chosen, refuted = answer or (None, False)
        if chosen is not None:
            self._report(search.chosen(chosen))
        if refuted:
            search.outcome = EXHAUSTED
        return refuted or chosen is not None

    def _report(self, clique: NDArray[np.int64]) -> None:
        chosen = self._points[clique]
        self._clock.report(chosen, self._problem.objective(chosen)[0])

    def _ask(self, search: CliqueSearch, seconds: float, nodes: float = math.inf) -> bool:
        """Run a search, and report the clique if it finds one; whether the question is answered."""
        clock, before = self._clock, search.nodes
        budget = nodes if clock.stop.iterations is None else min(nodes, clock.stop.iterations - clock.iterations)
        outcome = search.run(seconds, budget)
        clock.iterations += search.nodes - before
        if outcome == FOUND:
            self._report(search.clique)
        return outcome != PAUSED

    def _lower_bound(self, patience: float, nodes: float) -> None:
        """Binary search for the smallest distance that is refuted within some nodes and a part of the time given.

        The larger the distance, the easier. It ends where more of it would hardly make the gap smaller.
        """
        clock, end = self._clock, self._clock.elapsed + patience
        levels, complete = self._levels
        first, last = np.searchsorted(levels, [clock.objective, clock.upper_bound], side="right")
        above = levels[first:last]
        low, high = -1, len(above) - 1  # not answered, or kept by k points; not yet refuted
        while low < high and clock.elapsed < end and not clock.expired:
            known = above[low] if low >= 0 else clock.objective
            if above[high] - known < _FINE * (above[high] - clock.objective):
                break
            middle = (low + high + 1) // 2
            search = self._search(pairs_above(self._D, np.nextafter(above[middle], -math.inf)))
            answered = self._ask(search, min(_PROBE_SHARE * patience, clock.remaining), nodes)
            if not answered and search.conflicts < _FEW_CONFLICTS:
                self._pack(search, min(_PROBE_SHARE * patience, _PACKING_PROBE, clock.remaining))
            if search.outcome == EXHAUSTED:
                high = middle - 1
                below = float(above[high]) if high >= 0 else clock.objective
                clock.report(upper_bound=below if complete else float(above[middle]))
            else:
                low = middle

    @cached_property
    def _levels(self) -> tuple[NDArray[np.float64], bool]:
        """Distances in ascending order, and whether these are all: of a large matrix some rows are enough."""
        step = 1 + self._D.size // _SORTABLE
        values = squareform(self._D, checks=False) if step == 1 else self._D[::step]
        return np.unique(values), step == 1
