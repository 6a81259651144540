"""The result of a solver that read its points block by block and holds only those that matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp import Incumbent, Problem, Result, Status
from mmdp.metrics import METRICS, Metric
from mmdp.problem import Indices


def held_problem(vectors: NDArray[Any], k: int, geometry: Metric) -> Problem:
    """The problem of choosing among embedded points."""
    return Problem(k, points=vectors, metric=replace(geometry, embed=METRICS["euclidean"].embed))


def graded(
    chosen: NDArray[Any],
    indices: Indices,
    geometry: Metric,
    bound: float,
    *,
    solver: str,
    n: int,
    runtime: float,
    iterations: int,
    notes: Mapping[str, Any],
) -> Result:
    """Grade the embedded points ``chosen``, which are the rows ``indices`` of n."""
    k = len(indices)
    objective, (a, b) = held_problem(chosen, k, geometry).objective(np.arange(k))
    bound = max(bound, objective)
    first, second = sorted((int(indices[a]), int(indices[b])))
    return Result(
        indices=np.asarray(indices, dtype=np.int64),
        objective=objective,
        upper_bound=bound,
        status=Status.OPTIMAL if bound == objective else Status.HEURISTIC,
        critical_pair=(first, second),
        history=(Incumbent(runtime, objective, bound),),
        runtime=runtime,
        iterations=iterations,
        solver=solver,
        metric=geometry.name,
        n=n,
        k=k,
        seed=0,
        notes=notes,
    )
