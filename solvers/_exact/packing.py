"""The clique search as an integer program, for graphs with few conflicts, where colours bound little."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from solvers._exact.clique_cover import clique_cover

_SLACK = 1e-5  # relative; ten times HiGHS's tolerance
_SPREAD = 1e4  # of weights; HiGHS 1.8 found none where there was one, with coefficients of 1 and 1e-6
_INFEASIBLE = 2  # status of scipy.optimize.milp


def independent(
    conflict: NDArray[np.bool_], need: int, weight: NDArray[np.int64], seconds: float
) -> tuple[NDArray[np.int64] | None, bool]:
    """Look for vertices of total weight ``need`` without a conflict among them, by HiGHS.

    One variable a vertex, at most one from each clique of a clique cover of the conflicts (Padberg, Mathematical
    Programming 5, 1973), and at least ``need`` in all. Weights other than 1 are scaled to at most 1, and a little less
    is asked for than they need, so that rounding refutes nothing.

    Returns
    -------
    chosen : array or None
    infeasible : bool
        Whether it is proven that there is no such set. Neither is found out where weights differ by too many orders.
    """
    started = time.perf_counter()
    largest = max(1, int(weight.max(initial=1)))
    if largest > _SPREAD * weight.min(where=weight > 0, initial=largest):
        return None, False
    start, members = clique_cover(conflict)
    cliques = csr_array((np.ones(len(members)), members, start), shape=(len(start) - 1, len(conflict)))
    everyone = np.ones(len(conflict))
    scaled, asked = weight / largest, need / largest * (1.0 if largest == 1 else 1 - _SLACK)
    constraints = [LinearConstraint(scaled, asked, np.inf)]
    if cliques.shape[0]:
        constraints.append(LinearConstraint(cliques, -np.inf, 1.0))
    left = seconds - (time.perf_counter() - started)
    if left <= 0:
        return None, False
    limit = {"time_limit": left} if np.isfinite(left) else {}
    answer = milp(-scaled, constraints=constraints, integrality=everyone, bounds=Bounds(0, 1), options=limit)
    if answer.x is not None:
        chosen = np.flatnonzero(answer.x > 0.5)
        reached = np.cumsum(weight[chosen])
        chosen = chosen[: 1 + np.searchsorted(reached, need)]
        if len(reached) and reached[-1] >= need and not conflict[np.ix_(chosen, chosen)].any():
            return chosen, False
    return None, answer.status == _INFEASIBLE
