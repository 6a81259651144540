"""The largest set without conflicts as an integer program: at most one vertex of each clique."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

from solvers._framework.compilation import njit

Numbers = NDArray[np.int64]
Members = NDArray[np.int32]

_INFEASIBLE = 2  # status of scipy.optimize.milp
_ROUNDING = 1e-6  # relative to one point, of a bound on their number


def largest_independent(
    start: Numbers, members: Members, least: int, most: int, seconds: float
) -> tuple[Numbers | None, int]:
    """Look for a largest set without conflicts by HiGHS, given that its size is from ``least`` to ``most`` or no such.

    Returns
    -------
    chosen : array or None
        A set of at least ``least`` vertices, if one was found.
    bound : int
        No set has more vertices; ``least - 1`` if there is none of ``least``.
    """
    started = time.perf_counter()
    first, among = edge_clique_cover(start, members)
    n = len(start) - 1
    cliques = csr_array((np.ones(len(among)), among, first), shape=(len(first) - 1, n))
    everyone = np.ones(n)
    constraints = [LinearConstraint(everyone, least, most), LinearConstraint(cliques, -np.inf, 1.0)]
    left = seconds - (time.perf_counter() - started)
    if left <= 0:
        return None, most
    limit = {"time_limit": left} if np.isfinite(left) else {}
    answer = milp(-everyone, constraints=constraints, integrality=everyone, bounds=Bounds(0, 1), options=limit)
    if answer.status == _INFEASIBLE:
        return None, least - 1
    dual = getattr(answer, "mip_dual_bound", None)
    bound = most if dual is None or not math.isfinite(dual) else min(most, math.floor(_ROUNDING - dual))
    if answer.x is None:
        return None, bound
    chosen = np.flatnonzero(answer.x > 0.5)
    if len(chosen) < least or not _is_independent(start, members, chosen):
        return None, bound
    return chosen, bound


def fractional_bound(start: Numbers, members: Members, seconds: float) -> float:
    """Return how large a set can be at most by the linear relaxation, infinite if the time is up first.

    By an interior point method, which takes a tenth of the time of the simplex method on large graphs.
    """
    first, among = edge_clique_cover(start, members)
    cliques = csr_array((np.ones(len(among)), among, first), shape=(len(first) - 1, len(start) - 1))
    answer = linprog(
        -np.ones(cliques.shape[1]),
        A_ub=cliques,
        b_ub=np.ones(cliques.shape[0]),
        bounds=(0, 1),
        method="highs-ipm",
        options={"time_limit": seconds} if np.isfinite(seconds) else {},
    )
    return math.floor(_ROUNDING - answer.fun) if answer.status == 0 else math.inf


def _is_independent(start: Numbers, members: Members, chosen: Numbers) -> bool:
    inside = np.zeros(len(start) - 1, np.bool_)
    inside[chosen] = True
    return not any(inside[members[start[v] : start[v + 1]]].any() for v in chosen)


@njit(cache=True)
def edge_clique_cover(start: Numbers, members: Members) -> tuple[Numbers, Numbers]:
    """Cover every edge with maximal cliques, greedily; as ``solvers._exact.clique_cover``, on neighbour lists.

    Returns
    -------
    first : (number of cliques + 1,) int64 array
        Clique c is ``among[first[c] : first[c + 1]]``.
    among : int64 array
    """
    n = len(start) - 1
    covered = np.zeros(len(members), np.bool_)
    seen, mark = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    first, among = [0], [0 for _ in range(0)]
    for u in range(n):
        for edge in range(start[u], start[u + 1]):
            v = members[edge]
            if v < u or covered[edge]:
                continue
            clique = [int(u), int(v)]
            for w in clique:
                for place in range(start[w], start[w + 1]):
                    seen[members[place]] += 1
            for place in range(start[u], start[u + 1]):
                w = int(members[place])
                if w != v and seen[w] == len(clique):
                    clique.append(w)
                    for other in range(start[w], start[w + 1]):
                        seen[members[other]] += 1
            number = len(first)
            for w in clique:
                mark[w] = number
                among.append(w)
            for w in clique:
                for place in range(start[w], start[w + 1]):
                    seen[members[place]] = 0
                    if mark[members[place]] == number:
                        covered[place] = True
            first.append(len(among))
    return np.array(first, dtype=np.int64), np.array(among, dtype=np.int64)
