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
        return False                                     # candidates, and every subset, are refuted for this need

Where refuted sets are kept, candidates within one of them need no search, and candidates that are nearly within one
are branched on only where they are not. What is remembered is larger than the candidates: the branches, and of the
set without a clique that they were chosen against all that no branch's own refutation lacks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, bit, highest, popcount
from solvers._exact.colouring import colour, repair
from solvers._exact.nogoods import BLOCK, Refuted, closest, new_refuted, remember
from solvers._framework.compilation import njit

EXHAUSTED, FOUND, PAUSED = range(3)
DEPTH, NODES = range(2)
_NEARLY = 6  # vertices outside a refuted set, at which it is still worth branching on them

Numbers = NDArray[np.int64]


class State(NamedTuple):
    """A search on its explicit stack; row d of the arrays of words, and of ``path``, is level d.

    ``barren`` holds no clique of the size that its level looks for, so that every such clique takes a vertex of
    ``chosen``; of these, ``branches`` are still to come. ``holds`` marks levels below which a clique was found.
    """

    adjacent: Words
    candidates: Words
    barren: Words
    chosen: Words
    branches: Words
    path: Numbers
    holds: NDArray[np.bool_]
    classes: Words
    used: NDArray[np.bool_]
    refuted: Refuted
    counter: Numbers


def new_state(adjacent: Words, start: Words, k: int, blocks: int = 0) -> State:
    """Begin a search for k vertices of the set ``start``, with room for ``blocks`` of refuted sets a level."""
    width = adjacent.shape[1]
    candidates, barren, chosen, branches, classes = np.zeros((5, k + 1, width), dtype=np.uint64)
    state = State(
        adjacent,
        candidates,
        barren,
        chosen,
        branches,
        path=np.zeros(k + 1, dtype=np.int64),
        holds=np.zeros(k + 1, dtype=np.bool_),
        classes=classes,
        used=np.zeros(k + 1, dtype=np.bool_),
        refuted=new_refuted(k, blocks, width),
        counter=np.zeros(2, dtype=np.int64),
    )
    state.candidates[0] = start
    if not open_level(state, 0, k):
        state.counter[DEPTH] = -1
    return state


@njit(cache=True, nogil=True)
def open_level(state: State, depth: int, need: int, nearly: int = -1) -> bool:
    """Find what to branch on at a level whose candidates are set; False if they hold no clique of ``need``.

    ``nearly`` is the place of a refuted set that holds most candidates: what it leaves out is fewer than a colouring
    would leave, and found in no time. Where refuted sets are kept, a repair of the colours gains little.
    """
    candidates, barren, branches = state.candidates[depth], state.barren[depth], state.branches[depth]
    state.holds[depth] = False
    if nearly >= 0:
        barren[:] = state.refuted.sets[need, nearly // BLOCK, :, nearly % BLOCK]
        branches[:] = candidates & ~barren
        going_on = True
    else:
        going_on = colour(state.adjacent, candidates, need, state.classes, branches)
        if going_on and state.refuted.sets.shape[1] == 0:
            going_on = repair(state.adjacent, need, state.classes, state.used, branches)
        barren[:] = candidates & ~branches
    state.chosen[depth] = branches
    return going_on


@njit(cache=True, nogil=True)
def search(state: State, k: int, nodes: int) -> int:
    """Run for at most ``nodes`` more nodes; on FOUND the clique is ``path``, and a further call goes on after it."""
    # Looked up once, because to look them up counts references to them
    adjacent, candidates, barren, branches = state.adjacent, state.candidates, state.barren, state.branches
    counter, path, refuted, sets = state.counter, state.path, state.refuted, state.refuted.sets
    depth, keeps, width = counter[DEPTH], sets.shape[1] > 0, adjacent.shape[1]
    goal = counter[NODES] + nodes
    while depth >= 0:
        if counter[NODES] >= goal:
            counter[DEPTH] = depth
            return PAUSED
        v = _take_last(branches, candidates, depth)
        if v < 0:
            if keeps and not state.holds[depth]:
                barren[depth] |= state.chosen[depth]
                remember(refuted, k - depth, barren[depth])
                if depth > 0:
                    _narrow(adjacent, barren, depth - 1, path[depth - 1])
            depth -= 1
            continue
        path[depth] = v
        counter[NODES] += 1
        need = k - depth - 1
        if need == 0:
            state.holds[: depth + 1] = True
            counter[DEPTH] = depth
            return FOUND
        size = np.uint64(0)
        for x in range(width):
            candidates[depth + 1, x] = candidates[depth, x] & adjacent[v, x]
            size += popcount(candidates[depth + 1, x])
        place, left = -1, 1
        if np.int64(size) < need:
            left = 0
            for x in range(width):
                barren[depth + 1, x] = candidates[depth + 1, x]
        elif keeps:
            place, left = closest(refuted, need, candidates[depth + 1], _NEARLY)
            if left == 0:
                for x in range(width):
                    barren[depth + 1, x] = sets[need, place // BLOCK, x, place % BLOCK]
        if left > 0 and open_level(state, depth + 1, need, place):
            depth += 1
        elif keeps:
            _narrow(adjacent, barren, depth, v)
    counter[DEPTH] = depth
    return EXHAUSTED


@njit(cache=True, nogil=True)
def cut_branch(state: State, depth: int) -> tuple[int, Words]:
    """Take the next branch of a level out of a paused search: its vertex and its candidates, -1 if there is none."""
    v = _take_last(state.branches, state.candidates, depth)
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


@njit(inline="always")
def _narrow(adjacent: Words, barren: Words, depth: int, v: int) -> None:
    """Leave in a barren set only what the refutation of its branch v, one level deeper, covers, if v sees it."""
    for x in range(barren.shape[1]):
        barren[depth, x] &= barren[depth + 1, x] | ~adjacent[v, x]
