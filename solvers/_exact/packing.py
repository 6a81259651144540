"""The same question for graphs with few conflicts, where linear programming bounds more than colours do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from solvers._exact.clique_cover import clique_cover

_INFEASIBLE = 2  # status of scipy.optimize.milp


def independent(conflict: NDArray[np.bool_], need: int, seconds: float) -> tuple[NDArray[np.int64] | None, bool]:
    """Look for ``need`` vertices without a conflict among them, by HiGHS.

    One variable a vertex, at most one from each clique of a clique cover of the conflicts (Padberg, Mathematical
    Programming 5, 1973), and at least ``need`` in all.

    Returns
    -------
    chosen : array or None
    refuted : bool
        Whether there is no such set.
    """
    start, members = clique_cover(conflict)
    cliques = csr_array((np.ones(len(members)), members, start), shape=(len(start) - 1, len(conflict)))
    everyone = np.ones(len(conflict))
    constraints = [LinearConstraint(everyone, need, np.inf)]
    if cliques.shape[0]:
        constraints.append(LinearConstraint(cliques, -np.inf, 1.0))
    limit = {"time_limit": seconds} if np.isfinite(seconds) else {}
    answer = milp(-everyone, constraints=constraints, integrality=everyone, bounds=Bounds(0, 1), options=limit)
    if answer.x is not None:
        chosen = np.flatnonzero(answer.x > 0.5)[:need]
        if len(chosen) == need and not conflict[np.ix_(chosen, chosen)].any():
            return chosen, False
    return None, answer.status == _INFEASIBLE
