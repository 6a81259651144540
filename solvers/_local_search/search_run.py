"""One threshold search over changing sets of points, as a generator that pauses after every slice of moves."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock, Problem
from mmdp.arrays import Indices
from solvers._framework.slices import Slices
from solvers._local_search.threshold_search import BLOCKED, MOVES, RAISED_AT

Pauses = Generator[None, None, Indices]


class Candidates(Protocol):
    """Points to be searched together, in whatever layout; ``state`` is what the kernel of that layout changes."""

    points: Indices

    def begin(self, chosen: NDArray[np.bool_], fixed: Indices, seed: int) -> Any:
        """Begin a search from the ``chosen`` points."""

    def go_on(self, state: Any, moves: int, patience: int) -> tuple[Any, int]:
        """Make up to ``moves`` moves; return the state to go on with and why the search came back."""


class SearchRun:
    """The incumbent, the random numbers and the count of moves of one search.

    Parameters
    ----------
    problem : Problem
    clock : Clock
        Told of every better incumbent; its iterations are moves.
    start : (k,) int64 array
        The first incumbent.
    rng : numpy.random.Generator
    rest : int
        Moves without a better incumbent that end a run limited neither in time nor in moves.
    """

    def __init__(self, problem: Problem, clock: Clock, start: Indices, rng: np.random.Generator, rest: int) -> None:
        self.problem, self.clock, self.rng = problem, clock, rng
        self.best, self.closest, self.closest_found = start, -1.0, -1.0
        self.fixed = np.array(problem.include, dtype=np.int64)
        self.over = False
        self._slices = Slices(clock, rest)

    def bill(self, moves: int) -> None:
        """Count work that is not moves, so that counted limits bound the time as well."""
        self.clock.iterations += moves

    def adopt(self) -> bool:
        """Take over the incumbent of the clock if another search has found a better one, and say so."""
        chosen = np.sort(self.clock.best())
        distances = self.problem.reduced_distances(chosen, chosen)
        closest = float(distances[np.triu_indices(len(chosen), 1)].min())
        if closest <= self.closest:
            return False
        self.best, self.closest = chosen, closest
        return True

    def search(self, candidate_set: Candidates, start: Indices, patience: int, stall: int | None = None) -> Pauses:
        """Search the candidate set from the subset ``start`` until ``stall`` moves in a row have not raised z.

        Returns the best subset found here; ``closest_found`` is its smallest reduced distance.
        """
        counted = self.clock.iterations
        state = candidate_set.begin(np.isin(candidate_set.points, start), self.fixed, int(self.rng.integers(2**62)))
        while not self.over:
            quiet = int(state.counter[MOVES] - state.counter[RAISED_AT])
            if stall is not None and quiet >= stall:
                break
            moves = self._slices.next()
            if moves == 0:
                self.over = True
                break
            allowed = moves if stall is None else min(moves, stall - quiet)
            state, why = candidate_set.go_on(state, allowed, patience)
            self.closest_found = float(state.threshold[0])
            if self.closest_found > self.closest:
                self.best, self.closest = candidate_set.points[state.best], self.closest_found
                self.clock.iterations = counted + int(state.counter[RAISED_AT])
                self.clock.report(self.best, self.problem.value(self.closest))
            self._slices.done(counted + int(state.counter[MOVES]))
            if why == BLOCKED:
                self.over = True
            yield
        found: Indices = candidate_set.points[state.best]
        return found
