"""Proof on the full matrix: one clique search at the threshold above the incumbent, and others for a bound."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from mmdp import Clock, Problem
from mmdp.arrays import Indices
from solvers._exact.clique_search import EXHAUSTED, FOUND, PAUSED, CliqueSearch, PacedSearch
from solvers._exact.counted_clique import CountedCliqueSearch
from solvers._exact.open_levels import OpenLevels
from solvers._exact.schrijver_bound import SchrijverBound
from solvers._exact.threshold_graph import Adjacency, pairs_above, pairs_from
from solvers._exact.weighted_clique import WeightedCliqueSearch
from solvers._framework.subprocesses import call
from solvers._framework.trimming import trimmed

_QUICK_NODES = 2_000  # of proof before a patient heuristic: fewer delay easy proofs, more keep a weak incumbent
_TURN_NODES = 200_000  # of the first turn at the proof: fewer delay proofs, more leave large gaps for long
_PROOF_SHARE = 0.6  # of the time left, for one turn at the proof: less leaves it more often, more delays the bound
_BOUND_SHARE = 0.1  # of the time left, for one turn at the bound: lost if the proof succeeds after all
_LAST_SHARE = 0.2  # of the time, kept for the bound alone: lost if the proof would have ended in it
_PROBES = 16  # nodes of the turn at the proof before, for each node that one threshold of a bound may take
_PROBE_SHARE = 0.25  # of a turn at the bound, for one threshold: less gives up on harder ones, more tries fewer
_SAMPLED_ROWS = 16  # of a matrix, to estimate its time: a few milliseconds
_FEW_CONFLICTS = 0.1  # share of pairs below which an integer program takes turns: colours bound little there
_CLIQUE_SHARE = 0.25  # of the time left, for a turn of the clique search beside the integer program
_PACKING_SHARE = 0.75  # of the time left, for a turn of the integer program, which begins anew each time
_PACKING_TURN = 120.0  # seconds of its first turn at most: more delay the clique search, fewer are lost more often
_LEAST_PACKING = 1.0  # seconds that are worth starting it: its process alone takes about as long
_PACKABLE = (CliqueSearch, WeightedCliqueSearch)
_PACKING_PROBE = 4.0  # seconds of the integer program for one threshold of a bound at most
_NUMBER_SHARE = 0.15  # of the time left, for one turn at the Schrijver number: lost where the search bounds better
_LAST_NUMBER_SHARE = 0.6  # of the time for the bound alone: less leaves it to the search, which bounds less


def on_matrix(problem: Problem, clock: Clock) -> Problem:
    """State a problem by its distances, so that heuristics and proof read the same ones and compute them once.

    Raises
    ------
    TooLargeError
        If the matrix does not fit the memory, or, once there is an incumbent, the time of the clock.
    """
    D = problem.matrix(lambda: clock.indices is not None and clock.remaining <= 0)
    return problem.with_distances(D)


def seconds_of_matrix(problem: Problem) -> float:
    """Estimate how long :func:`on_matrix` takes, from a few rows; each pair is computed once."""
    rows = problem.candidates[: min(_SAMPLED_ROWS, len(problem.candidates))]
    started = time.perf_counter()
    problem.reduced_distances(rows)
    return (time.perf_counter() - started) * problem.n / len(rows) / 2


class MatrixProof:
    """The optimum of a problem whose distances fit a matrix, or the best bound in the time of the clock.

    ``clock`` holds an incumbent when it comes, and hears of every improvement.

    Attributes
    ----------
    proven_by : str
        What decided the last threshold: "clique search", "HiGHS" or "Schrijver number".
    """

    def __init__(self, problem: Problem, clock: Clock, improve: Callable[[], None], threads: int = 1) -> None:
        self._improve, self._threads = improve, threads
        self.proven_by = "clique search"
        self._problem, self._clock = problem, clock
        self._points = problem.candidates
        self._forced = np.searchsorted(self._points, sorted(problem.include)).tolist()
        whole = problem.matrix(lambda: clock.remaining <= 0)
        self._D = problem.kept_apart(whole if len(self._points) == problem.n else whole[np.ix_(*2 * [self._points])])
        self._levels = OpenLevels(self._D, clock)
        self._number = SchrijverBound(self._D, problem.k, self._forced, self._levels, clock)

    def run(self) -> None:
        """Search until the optimum is proven or the clock expires."""
        while not self._clock.expired:
            search, self.proven_by = self._search(pairs_above(self._D, self._clock.objective)), "clique search"
            if not self._decide(search):
                break
            if search.outcome == EXHAUSTED:
                self._clock.report(upper_bound=self._clock.objective)

    def _search(self, adjacent: Adjacency) -> PacedSearch:
        if limits := self._problem.group_counts:
            return CountedCliqueSearch(adjacent, self._problem.k, self._forced, limits, self._points)
        if capacities := self._problem.capacities:
            return WeightedCliqueSearch(adjacent, capacities.units[self._points], capacities.needed, self._forced)
        return CliqueSearch(adjacent, self._problem.k, self._forced, self._threads)

    def _decide(self, search: PacedSearch) -> bool:
        """Decide the threshold above the incumbent, in turns four times as long each; False if time is up first."""
        clock, objective = self._clock, self._clock.objective
        if self._run(search, clock.remaining, _QUICK_NODES):
            return True
        self._improve()
        nodes, last = _TURN_NODES, _LAST_SHARE * clock.remaining
        seconds, longest = _PACKING_TURN, 0.0
        packs = _packs(search)
        while not clock.expired and clock.objective == objective:
            if self._run(search, (_CLIQUE_SHARE if packs else _PROOF_SHARE) * clock.remaining, nodes):
                return True
            self._tighten_bound(min(_BOUND_SHARE * clock.remaining, clock.elapsed), nodes // _PROBES)
            self._lower_by_number(min(_NUMBER_SHARE * clock.remaining, clock.elapsed))
            allowed = min(seconds, _PACKING_SHARE * clock.remaining)
            if packs and nodes > _TURN_NODES and allowed > longest:  # it begins anew each time
                seconds, longest = 4 * seconds, allowed
                if self._pack(search, allowed):
                    return True
            nodes *= 4
            if clock.remaining < last:
                self._lower_by_number(_LAST_NUMBER_SHARE * clock.remaining)
                self._tighten_bound(clock.remaining, math.inf)
        return clock.objective > objective

    def _run(self, search: PacedSearch, seconds: float, node_limit: float = math.inf) -> bool:
        """Run a search, and report the clique if it finds one; whether its threshold is decided."""
        clock, before = self._clock, search.nodes
        if clock.stop.iterations is not None:
            node_limit = min(node_limit, clock.stop.iterations - clock.iterations)
        outcome = search.run(seconds, node_limit)
        clock.iterations += search.nodes - before
        if outcome == FOUND:
            self._report(search.clique)
        return outcome != PAUSED

    def _pack(self, search: PacedSearch, seconds: float) -> bool:
        """Decide the same threshold by an integer program instead, which is better at graphs with few conflicts."""
        if seconds < _LEAST_PACKING or not isinstance(search, _PACKABLE):
            return False
        answer = call("solvers._exact.packing:independent", *search.as_packing(), seconds=seconds)
        chosen, infeasible = answer or (None, False)
        if chosen is not None:
            self._report(search.chosen(chosen))
        if infeasible:
            search.outcome, self.proven_by = EXHAUSTED, "HiGHS"
        return infeasible or chosen is not None

    def _report(self, clique: Indices) -> None:
        chosen = self._points[clique]
        if self._problem.capacities is not None:
            chosen = trimmed(self._problem, chosen)
        self._clock.report(chosen, self._problem.objective(chosen)[0])

    def _lower_by_number(self, seconds: float) -> None:
        """Lower the upper bound by the Schrijver number of thresholds, which knows nothing of a demand."""
        if self._problem.capacities is None and self._levels.has_time and self._number.lower(seconds):
            self.proven_by = "Schrijver number"

    def _tighten_bound(self, seconds: float, node_limit: float) -> None:
        """Lower the upper bound: binary search for the smallest distance that is refuted within nodes and seconds.

        The larger the distance, the easier. It ends where more of it would hardly make the gap smaller.
        """
        clock, end = self._clock, self._clock.elapsed + seconds
        if not self._levels.has_time:
            return
        above = self._levels.above
        low, high = -1, len(above) - 1  # undecided, or kept by k points; not yet refuted
        while low < high and clock.elapsed < end and not clock.expired:
            if self._levels.is_fine(above, low, high):
                break
            middle = (low + high + 1) // 2
            search = self._search(pairs_from(self._D, float(above[middle])))
            decided = self._run(search, min(_PROBE_SHARE * seconds, clock.remaining), node_limit)
            if not decided and _packs(search):
                self._pack(search, min(_PROBE_SHARE * seconds, _PACKING_PROBE, clock.remaining))
            if search.outcome == EXHAUSTED:
                high = middle - 1
                self._levels.refuted(above, middle)
            else:
                low = middle


def _packs(search: PacedSearch) -> bool:
    """Whether an integer program, which knows no counts, takes turns with the search."""
    return isinstance(search, _PACKABLE) and search.conflicts < _FEW_CONFLICTS
