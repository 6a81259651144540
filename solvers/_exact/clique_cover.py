"""Edge clique cover: at-most-one constraints that say in few lines which pairs are too close."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)
def clique_cover(conflict: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cover every edge of a graph with cliques, greedily.

    For each edge not yet covered, in lexicographic order, the clique grows by the common neighbour that covers most
    new edges, until no common neighbour is left. So every clique is maximal, and an at-most-one constraint on each
    is at least as tight as the constraints x_i + x_j <= 1 on its edges.

    Parameters
    ----------
    conflict : (n, n) bool array
        Symmetric adjacency; the diagonal is ignored.

    Returns
    -------
    start : (number of cliques + 1,) int64 array
        Clique c is ``members[start[c] : start[c + 1]]``.
    members : int64 array

    Notes
    -----
    O(n) for every member added, so at most O(n m) for m edges and O(n^2) for the usual geometric conflicts.
    """
    n = len(conflict)
    open_edge = conflict.copy()
    start = [0]
    members = [0 for _ in range(0)]
    common = np.empty(n, np.int64)
    gain = np.empty(n, np.int64)
    for u in range(n):
        for v in range(u + 1, n):
            if not open_edge[u, v]:
                continue
            first = len(members)
            members.append(u)
            members.append(v)
            size = 0
            for w in range(n):
                if w != u and w != v and conflict[u, w] and conflict[v, w]:
                    common[size] = w
                    gain[size] = np.int64(open_edge[u, w]) + np.int64(open_edge[v, w])
                    size += 1
            while size > 0:
                best = 0
                for c in range(1, size):
                    if gain[c] > gain[best]:
                        best = c
                chosen = common[best]
                members.append(chosen)
                kept = 0
                for c in range(size):
                    w = common[c]
                    if w != chosen and conflict[chosen, w]:
                        common[kept] = w
                        gain[kept] = gain[c] + np.int64(open_edge[chosen, w])
                        kept += 1
                size = kept
            for a in range(first, len(members)):
                for b in range(a + 1, len(members)):
                    open_edge[members[a], members[b]] = False
                    open_edge[members[b], members[a]] = False
            start.append(len(members))
    return np.array(start, dtype=np.int64), np.array(members, dtype=np.int64)
