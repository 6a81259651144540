"""Random subsets to start from, between a uniformly random one and a farthest-first one."""

from __future__ import annotations

import numpy as np

from mmdp import Problem
from mmdp.arrays import Indices
from solvers._local_search.candidate_set import reduced_rows


def random_subset(problem: Problem, rng: np.random.Generator) -> Indices:
    """Return k points, fixed ones first, the others uniformly random."""
    fixed = np.array(problem.include, dtype=np.int64)
    free = np.setdiff1d(problem.candidates, fixed)
    return np.concatenate((fixed, rng.choice(free, problem.k - len(fixed), replace=False)))


def randomized_greedy(problem: Problem, rng: np.random.Generator, greed: float) -> Indices:
    """Add points drawn from those whose distance to the chosen ones is within a share of the largest such distance.

    Parameters
    ----------
    problem : Problem
    rng : numpy.random.Generator
    greed : float
        The share: 1 is farthest-first, 0 uniformly random.
    """
    chosen = list(problem.include) or [int(rng.choice(problem.candidates))]
    nearest = reduced_rows(problem, np.array(chosen)).min(axis=0)
    nearest[list(problem.exclude)] = -1.0
    while len(chosen) < problem.k:
        nearest[chosen] = -1.0
        values = problem.value(np.maximum(nearest, 0.0))
        good = np.flatnonzero((nearest >= 0) & (values >= greed * values[int(nearest.argmax())]))
        chosen.append(int(rng.choice(good)))
        np.minimum(nearest, problem.reduced_distances(chosen[-1])[0], out=nearest)
    return np.array(chosen)
