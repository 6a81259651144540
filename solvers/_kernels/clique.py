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
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solvers._kernels.bits import Words, bit, highest, popcount
from solvers._kernels.colouring import colour, repair

EXHAUSTED, FOUND, PAUSED = range(3)
DEPTH, NODES = range(2)
_NEAR = 32  # columns of refuted sets that are tried in no time

Numbers = NDArray[np.int64]


class State(NamedTuple):
    """A search on its explicit stack; row d of ``candidates``, ``origin``, ``branches`` and ``path`` is level d.

    ``refuted[need]`` keeps the latest candidate sets known to hold no clique of ``need`` vertices: ``kept[need]`` of
    them, the next one to be written to column ``oldest[need]``. A set is a column, so that one word of all sets is
    read in a row. ``holds`` marks levels below which a clique was found.
    """

    adjacent: Words
    candidates: Words
    origin: Words
    branches: Words
    path: Numbers
    holds: NDArray[np.bool_]
    classes: Words
    used: NDArray[np.bool_]
    refuted: NDArray[np.uint64]
    kept: Numbers
    oldest: Numbers
    counter: Numbers


def new_state(adjacent: Words, start: Words, k: int, memory: int = 0) -> State:
    """Begin a search for k vertices of the set ``start``, with room for ``memory`` refuted sets a level."""
    width = adjacent.shape[1]
    candidates, origin, branches, classes = np.zeros((4, k + 1, width), dtype=np.uint64)
    state = State(
        adjacent,
        candidates,
        origin,
        branches,
        path=np.zeros(k + 1, dtype=np.int64),
        holds=np.zeros(k + 1, dtype=np.bool_),
        classes=classes,
        used=np.zeros(k + 1, dtype=np.bool_),
        refuted=np.zeros((k + 1, width, memory), dtype=np.uint64),
        kept=np.zeros(k + 1, dtype=np.int64),
        oldest=np.zeros(k + 1, dtype=np.int64),
        counter=np.zeros(2, dtype=np.int64),
    )
    state.candidates[0] = start
    if not open_level(state, 0, k):
        state.counter[DEPTH] = -1
    return state


@njit(cache=True, nogil=True)
def open_level(state: State, depth: int, need: int) -> bool:
    """Find what to branch on at a level whose candidates are set; False if they hold no clique of ``need``."""
    branches = state.branches[depth]
    state.origin[depth] = state.candidates[depth]
    state.holds[depth] = False
    if not colour(state.adjacent, state.candidates[depth], need, state.classes, branches):
        return False
    return repair(state.adjacent, need, state.classes, state.used, branches)


@njit(cache=True, nogil=True)
def search(state: State, k: int, nodes: int) -> int:
    """Run for at most ``nodes`` more nodes; on FOUND the clique is ``path``, and a further call goes on after it."""
    depth = state.counter[DEPTH]
    goal = state.counter[NODES] + nodes
    while depth >= 0:
        if state.counter[NODES] >= goal:
            state.counter[DEPTH] = depth
            return PAUSED
        v = _last(state.branches[depth])
        if v < 0:
            if not state.holds[depth]:
                _remember(state, depth, k - depth)
            depth -= 1
            continue
        state.branches[depth, v >> 6] &= ~bit(v)
        state.candidates[depth, v >> 6] &= ~bit(v)
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
        if np.int64(size) < need or _is_refuted(state, depth + 1, need):
            continue
        if open_level(state, depth + 1, need):
            depth += 1
    state.counter[DEPTH] = depth
    return EXHAUSTED


@njit(inline="always")
def _last(words: Words) -> int:
    for w in range(len(words) - 1, -1, -1):
        if words[w]:
            return int(64 * w + highest(words[w]))
    return -1


@njit(inline="always")
def _remember(state: State, depth: int, need: int) -> None:
    memory = state.refuted.shape[2]
    if memory > 0:
        column = state.oldest[need]
        state.refuted[need, :, column] = state.origin[depth]
        state.oldest[need] = (column + 1) % memory
        state.kept[need] = min(memory, state.kept[need] + 1)


@njit(cache=True, nogil=True)
def _is_refuted(state: State, depth: int, need: int) -> bool:
    """Whether the candidates of a level lie within a set that was refuted for the same need, the latest tried first."""
    memory, newest = state.refuted.shape[2], state.oldest[need]
    candidates, table = state.candidates[depth], state.refuted[need]
    top = len(candidates) - 1
    while top > 0 and not candidates[top]:
        top -= 1
    for first, last in ((0, newest), (newest, memory if state.kept[need] == memory else newest)):
        for column in range(last - 1, first - 1, -1):
            if candidates[top] & ~table[top, column]:
                continue
            x = top - 1
            while x >= 0 and not candidates[x] & ~table[x, column]:
                x -= 1
            if x < 0:
                _advance(table, column, newest - 1 if newest > 0 else memory - 1)
                return True
    return False


@njit(inline="always")
def _advance(table: Words, column: int, latest: int) -> None:
    """Let a set change places with the latest, if far from it: the next candidates probably lie within it too."""
    if abs(latest - column) > _NEAR:
        for x in range(len(table)):
            word = table[x, column]
            table[x, column] = table[x, latest]
            table[x, latest] = word
