"""Which candidates must be branched on: greedy colouring as a bound on cliques, and its repair by MaxSAT reasoning."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, bit, lowest, popcount
from solvers._framework.compilation import njit

Numbers = NDArray[np.int64]


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
    while width > 0 and not candidates[width - 1]:
        width -= 1
    for w in range(len(candidates)):
        rest[w] = candidates[w]
    first = 0
    free = classes[need - 1]
    for c in range(need - 1):
        while first < width and not rest[first]:
            first += 1
        if first == width:
            return False
        for w in range(first, width):
            free[w] = rest[w]
        members = classes[c]
        members[:] = 0
        for w in range(first, width):
            while free[w]:
                b = lowest(free[w])
                vertex = 64 * w + b
                members[w] |= bit(b)
                free[w] &= ~bit(b)
                for x in range(np.uint64(w), np.uint64(width)):  # of unsigned numbers, which the compiler vectorises
                    free[x] &= ~adjacent[vertex, x]
            rest[w] &= ~members[w]
    left = np.uint64(0)
    for w in range(width):
        left |= rest[w]
    return bool(left)


@register_jitable
def repair(adjacent: Words, need: int, classes: Words, used: NDArray[np.bool_], rest: Words) -> bool:
    """Take vertices out of ``rest`` that the classes can absorb; True if any are left.

    Say that a clique holds v of ``rest`` and one vertex of each class. Then the only neighbour of v in a class is in
    it, and so is the only common neighbour of the two in another class, and so on. If at the end a class has nothing
    to choose from, then v and the classes that led there, r of them, add at most r to a clique instead of r + 1. Each
    class is used once, so all vertices absorbed add nothing: the bound of Li and Quan (AAAI 2010), of which the
    infra-chromatic bound (San Segundo, Nikolaev, Batsyn, Computers & Operations Research 64, 2015) is the first step.
    """
    left = False
    used[: need - 1] = False
    common = np.empty(len(rest), np.uint64)
    step, taken, taken_from = np.empty(need - 1, np.int64), np.empty(need, np.int64), np.empty(need, np.int64)
    because = np.empty(need, np.bool_)
    for w in range(len(rest)):
        waiting = rest[w]
        while waiting:
            taken[0] = 64 * w + lowest(waiting)
            waiting &= waiting - np.uint64(1)
            empty, steps = propagate(adjacent, classes, used, common, step, taken, taken_from)
            if empty >= 0:
                rest[w] &= ~bit(taken[0])
                use_classes(adjacent, classes, used, empty, steps, taken, taken_from, because)
            else:
                left = True
    return left


@register_jitable
def propagate(
    adjacent: Words,
    classes: Words,
    used: NDArray[np.bool_],
    common: Words,
    step: Numbers,
    taken: Numbers,
    taken_from: Numbers,
) -> tuple[int, int]:
    """Take ``taken[0]`` and all that follows; return the class that is left with nothing or -1, and how many steps."""
    width = len(common)
    for x in range(width):
        common[x] = adjacent[taken[0], x]
    step[:] = 0
    steps = 1
    before = 0
    while before < steps:
        before = steps
        for c in range(len(step)):
            if used[c] or step[c]:
                continue
            choices = np.uint64(0)
            for x in range(width):
                choices += popcount(common[x] & classes[c, x])
            if choices > 1:
                continue
            if choices == 0:
                return c, steps
            u = 0
            for x in range(width):
                if common[x] & classes[c, x]:
                    u = 64 * x + lowest(common[x] & classes[c, x])
            for x in range(width):
                common[x] &= adjacent[u, x]
            taken[steps], taken_from[steps] = u, c
            step[c] = steps
            steps += 1
    return -1, steps


@register_jitable
def use_classes(
    adjacent: Words,
    classes: Words,
    used: NDArray[np.bool_],
    empty: int,
    steps: int,
    taken: Numbers,
    taken_from: Numbers,
    because: NDArray[np.bool_],
) -> None:
    """Mark the classes that led to the ``empty`` one as used, from the last step to the first."""
    because[:steps] = False
    used[empty] = True
    _give_reasons(adjacent, classes[empty], np.int64(-1), taken, steps, because)
    for s in range(steps - 1, 0, -1):
        if because[s]:
            used[taken_from[s]] = True
            _give_reasons(adjacent, classes[taken_from[s]], taken[s], taken, s, because)


@register_jitable
def _give_reasons(
    adjacent: Words, members: Words, kept: int | np.int64, taken: Numbers, steps: int, because: NDArray[np.bool_]
) -> None:
    """Mark for every member but ``kept`` the first step that took a vertex not adjacent to it."""
    for x in range(len(members)):
        waiting = members[x]
        while waiting:
            member = 64 * x + lowest(waiting)
            waiting &= waiting - np.uint64(1)
            if member == kept:
                continue
            for s in range(steps):
                if not adjacent[taken[s], x] & bit(member):
                    because[s] = True
                    break
