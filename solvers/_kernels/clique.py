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
from numba import njit
from numpy.typing import NDArray

from solvers._kernels.bits import Words, bit, count, highest, popcount
from solvers._kernels.colouring import colour, repair
from solvers._kernels.refuted import BLOCK, Refuted, closest, new_refuted, remember

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
def open_level(state: State, depth: int, need: int) -> bool:
    """Find what to branch on at a level whose candidates are set; False if they hold no clique of ``need``.

    Where refuted sets are kept, these leave little for a repair of the colours to gain.
    """
    candidates, barren, branches = state.candidates[depth], state.barren[depth], state.branches[depth]
    state.holds[depth] = False
    keeps = state.refuted.sets.shape[1] > 0
    place, left = closest(state.refuted, need, candidates, _NEARLY)
    if left == 0:
        barren[:] = state.refuted.sets[need, place // BLOCK, :, place % BLOCK]
        return False
    going_on = colour(state.adjacent, candidates, need, state.classes, branches)
    if going_on and not keeps:
        going_on = repair(state.adjacent, need, state.classes, state.used, branches)
    if going_on and place >= 0 and left < count(branches):
        barren[:] = state.refuted.sets[need, place // BLOCK, :, place % BLOCK]
        branches[:] = candidates & ~barren
    else:
        barren[:] = candidates & ~branches
    state.chosen[depth] = branches
    return going_on


@njit(cache=True, nogil=True)
def search(state: State, k: int, nodes: int) -> int:
    """Run for at most ``nodes`` more nodes; on FOUND the clique is ``path``, and a further call goes on after it."""
    depth = state.counter[DEPTH]
    goal = state.counter[NODES] + nodes
    keeps = state.refuted.sets.shape[1] > 0
    while depth >= 0:
        if state.counter[NODES] >= goal:
            state.counter[DEPTH] = depth
            return PAUSED
        v = _take_last(state, depth)
        if v < 0:
            if keeps and not state.holds[depth]:
                state.barren[depth] |= state.chosen[depth]
                remember(state.refuted, k - depth, state.barren[depth])
                if depth > 0:
                    _narrow(state, depth - 1, state.barren[depth])
            depth -= 1
            continue
        state.path[depth] = v
        state.counter[NODES] += 1
        need = k - depth - 1
        if need == 0:
            state.holds[: depth + 1] = True
            state.counter[DEPTH] = depth
            return FOUND
        size = np.uint64(0)
        for x in range(state.adjacent.shape[1]):
            state.candidates[depth + 1, x] = state.candidates[depth, x] & state.adjacent[v, x]
            size += popcount(state.candidates[depth + 1, x])
        if np.int64(size) < need:
            if keeps:
                _narrow(state, depth, state.candidates[depth + 1])
        elif open_level(state, depth + 1, need):
            depth += 1
        elif keeps:
            _narrow(state, depth, state.barren[depth + 1])
    state.counter[DEPTH] = depth
    return EXHAUSTED


@njit(cache=True, nogil=True)
def cut_branch(state: State, depth: int) -> tuple[int, Words]:
    """Take the next branch of a level out of a paused search: its vertex and its candidates, -1 if there is none."""
    v = _take_last(state, depth)
    return v, state.candidates[depth] & state.adjacent[v]


@njit(inline="always")
def _take_last(state: State, depth: int) -> int:
    v = _last(state.branches[depth])
    if v >= 0:
        state.branches[depth, v >> 6] &= ~bit(v)
        state.candidates[depth, v >> 6] &= ~bit(v)
    return v


@njit(inline="always")
def _last(words: Words) -> int:
    for w in range(len(words) - 1, -1, -1):
        if words[w]:
            return int(64 * w + highest(words[w]))
    return -1


@njit(inline="always")
def _narrow(state: State, depth: int, refuted: Words) -> None:
    """Leave in ``barren`` only what the refutation of the latest branch covers, were it among the candidates."""
    neighbours, barren = state.adjacent[state.path[depth]], state.barren[depth]
    for x in range(len(barren)):
        barren[x] &= refuted[x] | ~neighbours[x]
