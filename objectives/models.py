"""The integer programs, in CP-SAT: a set cover for one radius, and the p-median problem."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from mmdp.arrays import Indices, Matrix

_LARGEST_SUM = 2**46  # of whole costs: far from overflow, and fine enough for proofs to 1e-12


def smallest_cover(within: NDArray[np.bool_], k: int, seconds: float) -> Indices | None:
    """Look for k columns that have a True in every row.

    Returns
    -------
    (m,) int64 array, or None
        m <= k columns; none at all if there is no such cover; None if the time was up.
    """
    model = cp_model.CpModel()
    chosen = [model.new_bool_var(f"x{j}") for j in range(within.shape[1])]
    for row in np.unique(within, axis=0):
        model.add_bool_or([chosen[j] for j in np.flatnonzero(row)])
    model.add(sum(chosen) <= k)
    solver = _solver(seconds)
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return np.flatnonzero([solver.boolean_value(x) for x in chosen]).astype(np.int64)
    return np.array([], dtype=np.int64) if status == cp_model.INFEASIBLE else None


def p_median(costs: Matrix, hint: Indices, seconds: float) -> tuple[Indices, float, bool]:
    """Choose len(hint) columns with the smallest sum over the rows of the cheapest chosen entry.

    Row i has the levels D_0 < D_1 < ... of its costs, and z_r says that no chosen column costs at most D_r, so the row
    costs D_0 plus the sum of (D_{r+1} - D_r) z_r. Levels beyond the (n - k + 1)-th entry are never paid.

    Returns
    -------
    chosen, bound, proven
        The columns, a bound below every choice's sum, and whether the choice is optimal for the rounded costs.
    """
    n, k = len(costs), len(hint)
    total = float(costs.max(axis=1).sum())
    scale = _LARGEST_SUM / total if total > 0 else 1.0
    whole = np.rint(costs * scale).astype(np.int64)
    model = cp_model.CpModel()
    chosen = [model.new_bool_var(f"x{j}") for j in range(n)]
    model.add(sum(chosen) == k)
    terms: list[cp_model.LinearExprT] = []
    fixed = 0
    hinted = set(hint.tolist())
    for row in whole:
        levels = np.unique(row[row <= np.sort(row)[n - k]])
        fixed += int(levels[0])
        before: cp_model.IntVar | None = None
        for level, following in pairwise(levels.tolist()):
            beyond = model.new_bool_var("")
            at = [chosen[j] for j in np.flatnonzero(row == level)]
            model.add_bool_or([*at, beyond] if before is None else [*at, beyond, before.negated()])
            model.add_hint(beyond, all(row[j] > level for j in hinted))
            terms.append((following - level) * beyond)
            before = beyond
    for j, x in enumerate(chosen):
        model.add_hint(x, j in hinted)
    model.minimize(sum(terms) + fixed)
    solver = _solver(seconds)
    status = solver.solve(model)
    rounding = (0.5 + 1e-3) * n
    bound = max(0.0, (solver.best_objective_bound - rounding) / scale)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return hint, bound if math.isfinite(bound) else 0.0, False
    found = np.flatnonzero([solver.boolean_value(x) for x in chosen]).astype(np.int64)
    return found, bound, status == cp_model.OPTIMAL


def _solver(seconds: float) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1  # one answer for one problem
    solver.parameters.linearization_level = 2  # the relaxations of both models are strong
    if math.isfinite(seconds):
        solver.parameters.max_time_in_seconds = max(seconds, 1e-3)
    return solver
