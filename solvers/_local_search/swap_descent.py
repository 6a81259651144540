"""Swaps until none improves, in slices that the clock and Ctrl-C can end."""

from __future__ import annotations

import numpy as np

from mmdp import Clock, Problem, Stop
from solvers._local_search.counts_table import CountsTable, recount
from solvers._local_search.pick_distances import Picks, closest, improve

_SWAPS = 16  # in one slice


def climb(
    problem: Problem, state: Picks, clock: Clock, rng: np.random.Generator, counts: CountsTable | None = None
) -> float:
    """Improve the picks in place to a local optimum or until time is up; report and return their reduced distance."""
    recount(counts, state.picks)
    made = _SWAPS
    while made == _SWAPS and clock.remaining > 0:
        made = improve(state, _SWAPS, int(rng.integers(len(state.free))), counts)
    z: float = closest(state)[0]
    clock.report(state.picks, problem.value(z))
    return z


def going_on(clock: Clock, default: Stop) -> bool:
    """Whether a run goes on, with the natural end of ``default`` if it is limited neither in time nor in count."""
    stop = clock.stop
    if stop.seconds is None and stop.iterations is None and stop.no_improvement is None:
        assert default.no_improvement is not None
        return not clock.expired and clock.iterations - clock.last_gain < default.no_improvement
    return not clock.expired
