"""PyPI ``max-div`` as a rival in the search experiment; ``pip install 'mmdp[rivals-search]'``."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np

from mmdp import Problem
from mmdp.arrays import Indices

NAME = "max-div"


def missing() -> str:
    """Return why the rival cannot take part, or nothing."""
    return "" if find_spec("max_div") else f"{NAME} is not installed: pip install 'mmdp[rivals-search]'"


def select(problem: Problem, seconds: float, seed: int) -> tuple[Indices, float]:
    """Return its subset under the max-min objective, and the seconds it took, its own set-up included."""
    from max_div import DistanceMetric, DiversityMetric, MaxDivProblem, MaxDivSolverBuilder
    from max_div import seconds as budget

    start = time.perf_counter()
    goal = getattr(DiversityMetric, "MIN_SEPARATION", None) or DiversityMetric.min_separation()  # until 0.17, and since
    if problem.points is None:
        stated = MaxDivProblem.from_distances(problem.distances.astype(np.float32), problem.k, goal)
    else:
        metric = DistanceMetric.l2_euclidean()
        stated = MaxDivProblem.new(problem.points.astype(np.float32), problem.k, metric, goal)
    builder = MaxDivSolverBuilder(stated).with_preset(budget(seconds)).with_seed(seed).with_end_to_end_budget()
    chosen = np.array(builder.build().solve().i_selected, dtype=np.int64)
    return chosen, time.perf_counter() - start
