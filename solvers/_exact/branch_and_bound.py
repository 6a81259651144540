"""Branch and bound for a clique of k vertices, on bitsets, in slices that pause between two nodes.

The readable formula::

    def clique(candidates, need):
        if need == 0:
            return True
        branches = uncoloured(candidates, need - 1)      # the others hold no clique of that size
        for v in reversed(branches):
            candidates = candidates - {v}
            if clique(candidates & neighbours(v), need - 1):
                return True
        return False                                     # candidates, and every subset, are a nogood for this need

With a table of nogoods, candidates within one of them need no search, and candidates that are nearly within one
are branched on only where they are not. What is remembered is larger than the candidates: the branches, and of the
nogood that they were chosen against all that no branch's own refutation lacks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, bit, highest, popcount
from solvers._exact.colouring import colour, repair
from solvers._exact.nogoods import Nogoods, find, remember
from solvers._framework.compilation import njit

EXHAUSTED, FOUND, PAUSED = range(3)
DEPTH, NODES = range(2)
_NEARLY = 6  # vertices outside a nogood from which a colouring is worth its time: it branches on fewer, but is slower

Numbers = NDArray[np.int64]


class State(NamedTuple):
    """A search on its explicit stack; row d of the arrays of words, and of ``path``, is level d.

    ``nogood`` holds no clique of the size that its level looks for, so that every such clique takes a vertex of
    ``chosen``; of these, ``branches`` are still to come. ``holds`` marks levels below which a clique was found, or
    not everything was searched.
    """

    adjacent: Words
    candidates: Words
    nogood: Words
    chosen: Words
    branches: Words
    path: Numbers
    holds: NDArray[np.bool_]
    classes: Words
    used: NDArray[np.bool_]
    counter: Numbers


def new_state(adjacent: Words, start: Words, k: int, nogoods: Nogoods | None = None) -> State:
    """Begin a search for k vertices of the set ``start``."""
    width = adjacent.shape[1]
    candidates, nogood, chosen, branches, classes = np.zeros((5, k + 1, width), dtype=np.uint64)
    state = State(
        adjacent,
        candidates,
        nogood,
        chosen,
        branches,
        path=np.zeros(k + 1, dtype=np.int64),
        holds=np.zeros(k + 1, dtype=np.bool_),
        classes=classes,
        used=np.zeros(k + 1, dtype=np.bool_),
        counter=np.zeros(2, dtype=np.int64),
    )
    state.candidates[0] = start
    if not open_level(state, nogoods, 0, k, False):
        state.counter[DEPTH] = -1
    return state


@njit(cache=True, nogil=True)
def open_level(state: State, nogoods: Nogoods | None, depth: int, need: int, is_near: bool) -> bool:
    """Find what to branch on at a level whose candidates are set; False if they hold no clique of ``need``.

    Where the level's nogood is set, too, and near: what it lacks is fewer than a colouring would leave, and found in no
    time. With nogoods, a repair of the colours gains little.
    """
    candidates, branches, nogood, chosen = state.candidates, state.branches, state.nogood, state.chosen
    width = candidates.shape[1]
    state.holds[depth] = False
    going_on = True
    if is_near:
        for x in range(width):
            branches[depth, x] = candidates[depth, x] & ~nogood[depth, x]
    else:
        going_on = colour(state.adjacent, candidates[depth], need, state.classes, branches[depth])
        if nogoods is None and going_on:
            going_on = repair(state.adjacent, need, state.classes, state.used, branches[depth])
        for x in range(width):
            nogood[depth, x] = candidates[depth, x] & ~branches[depth, x]
    for x in range(width):
        chosen[depth, x] = branches[depth, x]
    return going_on


@njit(cache=True, nogil=True)
def search(state: State, nogoods: Nogoods | None, fresh: Nogoods | None, k: int, nodes: int) -> int:
    """Run for at most ``nodes`` more nodes; on FOUND the clique is ``path``, and a further call goes on after it.

    New nogoods go to the table ``fresh`` if there is one, so that threads may look through the other at the same time.
    Numba compiles neither a table that is None nor what uses it.
    """
    # Looked up once, because to look them up counts references to them
    adjacent, candidates, nogood, branches = state.adjacent, state.candidates, state.nogood, state.branches
    counter, path, holds, chosen = state.counter, state.path, state.holds, state.chosen
    depth, width = counter[DEPTH], adjacent.shape[1]
    goal = counter[NODES] + nodes
    while depth >= 0:
        if counter[NODES] >= goal:
            counter[DEPTH] = depth
            return PAUSED
        v = _take_last(branches, candidates, depth)
        if v < 0:
            if nogoods is not None and not holds[depth]:
                for x in range(width):
                    nogood[depth, x] |= chosen[depth, x]
                if fresh is None:
                    remember(nogoods, k - depth, nogood[depth])
                else:
                    remember(fresh, k - depth, nogood[depth])
                if depth > 0:
                    _narrow(adjacent, nogood, depth - 1, path[depth - 1])
            depth -= 1
            continue
        path[depth] = v
        counter[NODES] += 1
        need = k - depth - 1
        if need == 0:
            for level in range(depth + 1):
                holds[level] = True
            counter[DEPTH] = depth
            return FOUND
        size = np.uint64(0)
        for x in range(width):
            candidates[depth + 1, x] = candidates[depth, x] & adjacent[v, x]
            size += popcount(candidates[depth + 1, x])
        left = _NEARLY
        if np.int64(size) < need:
            left = 0
            for x in range(width):
                nogood[depth + 1, x] = candidates[depth + 1, x]
        elif nogoods is not None:
            left = find(nogoods, fresh, need, candidates[depth + 1], _NEARLY, nogood[depth + 1])
        if left > 0 and open_level(state, nogoods, depth + 1, need, left < _NEARLY):
            depth += 1
        elif nogoods is not None:
            _narrow(adjacent, nogood, depth, v)
    counter[DEPTH] = depth
    return EXHAUSTED


def cut_branch(state: State, depth: int) -> tuple[int, Words]:
    """Take the next branch of a level out of a paused search: its vertex and its candidates, -1 if there is none."""
    v = take_last(state.branches, state.candidates, depth)
    return v, state.candidates[depth] & state.adjacent[v]


@njit(inline="always")
def _take_last(branches: Words, candidates: Words, depth: int) -> int:
    """Take the last branch of a level out of both sets; -1 if there is none."""
    for w in range(branches.shape[1] - 1, -1, -1):
        if branches[depth, w]:
            b = highest(branches[depth, w])
            branches[depth, w] &= ~bit(b)
            candidates[depth, w] &= ~bit(b)
            return int(64 * w + b)
    return -1


@njit(cache=True, nogil=True)
def take_last(branches: Words, candidates: Words, depth: int) -> int:
    """Do the same, for callers in Python."""
    return int(_take_last(branches, candidates, depth))


@njit(inline="always")
def _narrow(adjacent: Words, nogood: Words, depth: int, v: int) -> None:
    """Leave in a nogood only what the refutation of its branch v, one level deeper, covers, if v sees it."""
    for x in range(nogood.shape[1]):
        nogood[depth, x] &= nogood[depth + 1, x] | ~adjacent[v, x]
