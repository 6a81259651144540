"""Which candidates must be branched on: greedy colouring as a bound on cliques, and its infra-chromatic repair."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solvers._kernels.bits import Words, bit, lowest, popcount


@njit(cache=True, nogil=True)
def colour(adjacent: Words, candidates: Words, need: int, classes: Words, rest: Words) -> bool:
    """Fill ``need - 1`` colour classes greedily, lowest vertex first; True if some candidates are left in ``rest``.

    A clique takes at most one vertex of a class, so a clique of ``need`` vertices takes one of ``rest``: the formula
    of Tomita and Seki (2003), on bitsets as San Segundo et al. (Computers & Operations Research 38(2), 2011) run it.

    Parameters
    ----------
    adjacent : (n, w) uint64 array
        Rows of the graph, no vertex adjacent to itself.
    candidates : (w,) uint64 array
    need : int
        Size of the clique looked for.
    classes : (>= need, w) uint64 array
        Filled with the classes; row ``need - 1`` is scratch.
    rest : (w,) uint64 array
        Filled with the candidates that got no colour.
    """
    width = len(candidates)
    rest[:] = candidates
    first = 0
    free = classes[need - 1]
    for c in range(need - 1):
        while first < width and not rest[first]:
            first += 1
        if first == width:
            return False
        free[first:] = rest[first:]
        members = classes[c]
        members[:] = 0
        for w in range(first, width):
            while free[w]:
                b = lowest(free[w])
                vertex = 64 * w + b
                members[w] |= bit(b)
                free[w] &= ~bit(b)
                for x in range(w, width):
                    free[x] &= ~adjacent[vertex, x]
            rest[w] &= ~members[w]
    return bool(rest.any())


@njit(cache=True, nogil=True)
def repair(adjacent: Words, need: int, classes: Words, used: NDArray[np.bool_], rest: Words) -> bool:
    """Take vertices out of ``rest`` that two classes can absorb; True if any are left.

    A vertex v with a single neighbour u in one class, and no common neighbour with u in a second one, forms no
    triangle with the two classes: the three of them still add at most two to a clique, and are not used again
    (San Segundo, Nikolaev, Batsyn, Computers & Operations Research 64, 2015, infra-chromatic bound).
    """
    left = False
    used[: need - 1] = False
    for w in range(len(rest)):
        waiting = rest[w]
        while waiting:
            b = lowest(waiting)
            waiting &= ~bit(b)
            if _absorbed(adjacent, need, classes, used, 64 * w + b):
                rest[w] &= ~bit(b)
            else:
                left = True
    return left


@njit(cache=True, nogil=True)
def _absorbed(adjacent: Words, need: int, classes: Words, used: NDArray[np.bool_], v: int) -> bool:
    for c in range(need - 1):
        if used[c]:
            continue
        u = _only_neighbour(adjacent[v], classes[c])
        if u == -1:
            classes[c, v >> 6] |= bit(v)
            return True
        if u == -2:
            continue
        for e in range(need - 1):
            if e == c or used[e]:
                continue
            triangle = False
            for x in range(adjacent.shape[1]):
                if adjacent[v, x] & adjacent[u, x] & classes[e, x]:
                    triangle = True
                    break
            if not triangle:
                used[c] = used[e] = True
                return True
    return False


@njit(inline="always")
def _only_neighbour(neighbours: Words, members: Words) -> int:
    """Return the only member that is a neighbour, -1 if there is none, -2 if there are several."""
    only = -1
    for x in range(len(members)):
        common = neighbours[x] & members[x]
        if common:
            if only >= 0 or popcount(common) > 1:
                return -2
            only = 64 * x + lowest(common)
    return only
