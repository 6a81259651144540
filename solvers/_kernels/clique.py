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
BLOCK = 64

Numbers = NDArray[np.int64]


class State(NamedTuple):
    """A search on its explicit stack; row d of ``candidates``, ``origin``, ``branches`` and ``path`` is level d.

    ``refuted[need]`` keeps the latest candidate sets known to hold no clique of ``need`` vertices: ``kept[need]`` of
    them, the next one to be written to place ``oldest[need]``. They lie in blocks of 64, where a word of one set is
    beside the same word of the others, because most sets are told apart by a single word. ``holds`` marks levels
    below which a clique was found.
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


def new_state(adjacent: Words, start: Words, k: int, blocks: int = 0) -> State:
    """Begin a search for k vertices of the set ``start``, with room for ``blocks`` of refuted sets a level."""
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
        refuted=np.zeros((k + 1, blocks, width, BLOCK), dtype=np.uint64),
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
    """Find what to branch on at a level whose candidates are set; False if they hold no clique of ``need``.

    Where refuted sets are kept, these leave little for a repair of the colours to gain.
    """
    branches = state.branches[depth]
    state.origin[depth] = state.candidates[depth]
    state.holds[depth] = False
    if not colour(state.adjacent, state.candidates[depth], need, state.classes, branches):
        return False
    return state.refuted.shape[1] > 0 or repair(state.adjacent, need, state.classes, state.used, branches)


@njit(cache=True, nogil=True)
def search(state: State, k: int, nodes: int) -> int:
    """Run for at most ``nodes`` more nodes; on FOUND the clique is ``path``, and a further call goes on after it."""
    depth = state.counter[DEPTH]
    goal = state.counter[NODES] + nodes
    while depth >= 0:
        if state.counter[NODES] >= goal:
            state.counter[DEPTH] = depth
            return PAUSED
        v = _take_last(state, depth)
        if v < 0:
            if not state.holds[depth]:
                _remember(state, depth, k - depth)
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
        if np.int64(size) < need or _is_refuted(state, depth + 1, need):
            continue
        if open_level(state, depth + 1, need):
            depth += 1
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
def _remember(state: State, depth: int, need: int) -> None:
    memory = BLOCK * state.refuted.shape[1]
    if memory > 0:
        place = state.oldest[need]
        state.refuted[need, place // BLOCK, :, place % BLOCK] = state.origin[depth]
        state.oldest[need] = (place + 1) % memory
        state.kept[need] = min(memory, state.kept[need] + 1)


@njit(cache=True, nogil=True)
def _is_refuted(state: State, depth: int, need: int) -> bool:
    """Whether the candidates of a level lie within a set that was refuted for the same need, the latest tried first."""
    blocks = state.refuted.shape[1]
    candidates, kept = state.candidates[depth], state.kept[need]
    if kept == 0:
        return False
    top = len(candidates) - 1
    while top > 0 and not candidates[top]:
        top -= 1
    place = state.oldest[need] - 1
    for tried in range((kept + BLOCK - 1) // BLOCK + 1):
        if place < 0:
            place = kept - 1
        block = state.refuted[need, place // BLOCK]
        for lane in range(place % BLOCK, -1, -1):
            if candidates[top] & ~block[top, lane]:
                continue
            x = top - 1
            while x >= 0 and not candidates[x] & ~block[x, lane]:
                x -= 1
            if x < 0:
                if tried > 0:
                    latest = (state.oldest[need] - 1) % (BLOCK * blocks)
                    _swap(block, lane, state.refuted[need, latest // BLOCK], latest % BLOCK)
                return True
        place -= place % BLOCK + 1
    return False


@njit(inline="always")
def _swap(block: Words, lane: int, latest_block: Words, latest: int) -> None:
    """Let a set change places with the latest one: the next candidates probably lie within it too."""
    for x in range(len(block)):
        word = block[x, lane]
        block[x, lane] = latest_block[x, latest]
        latest_block[x, latest] = word
