"""Threshold search: the strongest heuristic here, on matrices and on points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock, InvalidOptionError, Problem, Stop
from mmdp.bounds import included_bound
from mmdp.metrics import Vector
from mmdp.problem import Indices
from solvers._base import Run, Solver
from solvers._kernels.near_pairs import near_pairs, roomy_cap
from solvers._kernels.threshold import BEYOND_CAP, BLOCKED, MOVES, RAISED_AT, State, new_state, search
from solvers._slices import Slices
from solvers.greedy import Greedy

Mask = NDArray[np.bool_]
_CORE = 3000  # points whose distances to each other are kept at a time


@dataclass(frozen=True)
class LocalSearch(Solver):
    """Tabu search for k points pairwise farther apart than z, with z raised at each success, from the greedy start.

    Della Croce, Grosso, Locatelli (Computers & Operations Research 36(8), 2009) with a swap search on conflict
    degrees; a move costs the points near the two that it swaps. Never below ``greedy``. Beyond 3,000 candidates it
    searches the greedy picks among a sample of the others.

    Parameters
    ----------
    patience : int
        Moves without fewer conflicts after which the search restarts from rarely chosen points.
    """

    cost = "O(n) a move at most, memory O(min(n, 3000)^2)"
    default_stop: ClassVar[Stop] = Stop(no_improvement=100_000)

    patience: int = 3000

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise InvalidOptionError(f"patience = {self.patience}: wait at least one move before a restart")

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        start = np.asarray(Greedy()._run(problem, clock, rng).indices)
        clock.report(start, problem.objective(start)[0], included_bound(problem))
        core = _core(problem, start, rng)
        D = problem.surrogates(core, core)
        fixed = np.isin(core, problem.include)
        state = _state(D, np.isin(core, start), fixed, seed=int(rng.integers(2**62)))
        slices = Slices(clock, int(self.default_stop.no_improvement or 0))
        while moves := slices.next():
            why = search(state, problem.k, moves, self.patience)
            clock.iterations = int(state.counter[RAISED_AT])
            clock.report(core[state.best], problem.value(float(state.threshold[0])))
            slices.done(int(state.counter[MOVES]))
            if why == BLOCKED:
                break
            if why == BEYOND_CAP:
                state = _state(D, state.chosen, fixed, int(state.random[0]), state)
        assert clock.indices is not None
        return Run(clock.indices, iterations=clock.iterations)


def _core(problem: Problem, start: Indices, rng: np.random.Generator) -> Indices:
    candidates = problem.candidates
    if len(candidates) <= max(_CORE, problem.k):
        return candidates
    others = np.setdiff1d(candidates, start)
    sample = rng.choice(others, size=max(_CORE, 2 * problem.k) - problem.k, replace=False)
    return np.sort(np.concatenate((start, sample)))


def _state(D: Vector, chosen: Mask, fixed: Mask, seed: int, before: State | None = None) -> State:
    picked = np.flatnonzero(chosen)
    closest = float(D[np.ix_(picked, picked)][np.triu_indices(len(picked), 1)].min())
    state = new_state(near_pairs(D, roomy_cap(D, closest)), chosen, fixed, seed)
    if before is not None:
        state.counter[:], state.frequency[:], state.tabu[:] = before.counter, before.frequency, before.tabu
    return state
