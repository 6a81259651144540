"""The textbook models, for comparison, in OR-Tools' ModelBuilder.

All have a variable x_i in {0, 1} for each point and sum x = k. Pairs are i < j; D_0 < D_1 < ... are the distinct
distances from the incumbent's value up to a bound.

- ``big_m`` (Kuby, Geographical Analysis 19(4), 1987): maximise z with z <= d_ij + (M - d_ij) (2 - x_i - x_j) for all
  pairs, M the largest distance
- ``compact`` (Sayah and Irnich, European Journal of Operational Research 256(1), 2017): maximise
  D_0 + sum (D_r - D_{r-1}) y_r with y_{r+1} <= y_r and x_i + x_j + y_r <= 2 for all pairs at distance D_{r-1}
- ``node_packing`` (Sayyady and Fathi, Computers and Operations Research 70, 2016): for one threshold t, as many x_i
  as possible with x_i + x_j <= 1 for all pairs closer than t

Group counts are sums of x_i between two bounds, in each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from ortools.linear_solver.python import model_builder

from mmdp.arrays import Indices, Matrix
from solvers._ilp.threshold_model import Count

Built = tuple[model_builder.Model, list[model_builder.Variable]]


def _start(n: int, forced: Sequence[int], counts: Sequence[Count]) -> Built:
    model = model_builder.Model()
    chosen = [model.new_bool_var(f"x{i}") for i in range(n)]
    for i in forced:
        chosen[i].lower_bound = 1
    for members, least, most in counts:
        model.add_linear_constraint(sum(chosen[i] for i in members), least, most)
    return model, chosen


def big_m(D: Matrix, k: int, forced: Sequence[int], counts: Sequence[Count], low: float, high: float) -> Built:
    """Maximise z between the bounds ``low`` and ``high``; pairs at ``high`` or farther constrain nothing."""
    model, x = _start(len(D), forced, counts)
    model.add(sum(x) == k)
    z = model.new_num_var(low, high, "z")
    largest = float(D.max())
    for i, j in zip(*np.nonzero(np.tril(high > D, -1)), strict=True):
        slack = largest - float(D[i, j])
        model.add(z + slack * x[i] + slack * x[j] <= float(D[i, j]) + 2 * slack)
    model.maximize(z)
    return model, x


def compact(D: Matrix, k: int, forced: Sequence[int], counts: Sequence[Count], low: float, high: float) -> Built:
    """Maximise the largest distance kept; pairs closer than ``low`` exclude each other from the start."""
    model, x = _start(len(D), forced, counts)
    model.add(sum(x) == k)
    levels = np.unique(np.clip(D, low, high))
    keeps = [model.new_bool_var(f"y{r}") for r in range(1, len(levels))]
    for lower, higher in pairwise(keeps):
        model.add(higher <= lower)
    for i, j in zip(*np.nonzero(np.tril(high > D, -1)), strict=True):
        if D[i, j] < low:
            model.add(x[i] + x[j] <= 1)
        else:
            model.add(x[i] + x[j] + keeps[int(np.searchsorted(levels, D[i, j]))] <= 2)
    model.maximize(float(levels[0]) + sum(float(step) * y for step, y in zip(np.diff(levels), keeps, strict=True)))
    return model, x


def node_packing(D: Matrix, k: int, forced: Sequence[int], counts: Sequence[Count], t: float) -> Built:
    """Choose as many points as possible, no two of them closer than t; not more than k where groups are counted."""
    model, x = _start(len(D), forced, counts)
    if counts:
        model.add(sum(x) <= k)
    for i, j in zip(*np.nonzero(np.tril(t > D, -1)), strict=True):
        model.add(x[i] + x[j] <= 1)
    model.maximize(sum(x))
    return model, x


def maximise(
    model: str, arguments: tuple[Any, ...], hint: Indices, backend: str, seconds: float
) -> tuple[Indices | None, float]:
    """Build the model of that name and solve it: the chosen points, if any, and a bound on the objective.

    Parameters
    ----------
    arguments : tuple
        Of the function of this module that builds it.
    hint : (k,) int64 array
        Points to start from.
    backend : str
        "highs" or "scip".
    seconds : float
        Time limit of building and solving, may be infinite.
    """
    started = time.perf_counter()
    builders: dict[str, Callable[..., Built]] = {"big_m": big_m, "compact": compact, "node_packing": node_packing}
    built, chosen = builders[model](*arguments)
    if backend != "highs":  # OR-Tools 9.15 crashes on a hint for HiGHS
        for i, x in enumerate(chosen):
            built.add_hint(x, float(i in hint))
    solver = model_builder.Solver(backend)
    if np.isfinite(seconds):
        if (left := seconds - (time.perf_counter() - started)) <= 0:
            return None, np.inf
        solver.set_time_limit_in_seconds(left)
    status = solver.solve(built)
    if status == model_builder.SolveStatus.INFEASIBLE:
        return None, -np.inf
    if status not in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE):
        return None, np.inf
    return np.flatnonzero([solver.value(x) > 0.5 for x in chosen]), float(solver.best_objective_bound)
