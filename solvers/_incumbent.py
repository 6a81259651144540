"""A first incumbent for the methods that prove: what the heuristics reach, told to the clock of the proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmdp import Clock, Problem, Status
from solvers import make

_TIME_SHARE = 0.2  # of what is left, for each heuristic
_PATIENCE = 40  # moves without a gain for each point that end a quick start,
_MOVES = 500_000  # and this many moves are its most: a few seconds of the local searches


def warm_start(
    problem: Problem, clock: Clock, rng: np.random.Generator, heuristics: Sequence[str], quick: bool = True
) -> None:
    """Run the heuristics in turn, each within its default limits and a share of the time that is left.

    A quick start is enough for a search that proves in no time, or that finds better incumbents on its way.

    Raises
    ------
    KeyboardInterrupt
        When a heuristic was interrupted; its incumbent is with the clock by then.
    """
    for name in heuristics:
        solver = make(name)
        rest = solver.default_stop.no_improvement
        stop = replace(solver.default_stop, target=clock.stop.target, upper_bound=clock.upper_bound)
        if quick:
            stop = replace(stop, no_improvement=rest and min(rest, _PATIENCE * problem.n), iterations=_MOVES)
        if np.isfinite(clock.remaining):
            stop = replace(stop, seconds=_TIME_SHARE * clock.remaining)
        found = solver.solve(problem, stop, seed=int(rng.integers(2**31)))
        clock.report(found.indices, found.objective, found.upper_bound)
        if found.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if clock.expired:
            break
