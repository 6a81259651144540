"""What the rounds from coarse nets to the points near the picks have in common, with group counts and without."""

from __future__ import annotations

import numpy as np

from mmdp.arrays import Indices
from solvers._local_search.search_run import SearchRun

FRESH = 0.2  # share of rounds that forget the incumbent: more explore, fewer improve on what was found
STALL = 1500  # moves without a larger z, at which a candidate set is left: more find more in it, fewer see more sets
SHRINK = 4  # how many times fewer points each refinement samples from: more is faster, and misses places between
HOPELESS = 0.97  # of the best objective, below which a coarse refinement ends before its last steps
LOSS = 0.01  # share of the best objective that a round may fall short, at random, to be the next incumbent
BLUNT = 0.6  # share of nets, the worse ones so far, that are not refined: a refinement takes longer than a net
NEVER = 2**62


def without_some_neighbours(run: SearchRun, base: Indices) -> Indices:
    """Drop a random pick and those nearest to it, up to half of all, but no fixed one."""
    rng = run.rng
    centre = base[rng.integers(len(base))]
    order = np.argsort(run.problem.reduced_distances(centre, base)[0], kind="stable")
    dropped = base[order[: rng.integers(1, max(2, len(base) // 2 + 1))]]
    return np.setdiff1d(base, np.setdiff1d(dropped, run.fixed))
