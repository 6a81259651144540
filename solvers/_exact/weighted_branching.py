"""Branch and bound for a clique of at least a given weight.

Beside its candidates a node carries ``need``, the weight that is still missing. The candidates are covered by sets
without an edge, and each set is given a share, which is taken off the weight of every member: a vertex that belongs to
several sets has its weight split among them. A clique has at most one vertex of a set, so of the vertices whose whole
weight is taken off it has at most the sum of the shares. That sum is kept below ``need``, so a clique that weighs
enough has one of the other candidates, and these are the branches; if there are none, the node is refuted. Splitting
weights is due to Babel (Computing 52, 1994) and, for branching, Held, Cook, Sewell (Mathematical Programming
Computation 4, 2012).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, bit, lowest
from solvers._exact.branch_and_bound import DEPTH, EXHAUSTED, FOUND, NODES, PAUSED, Numbers, take_last
from solvers._framework.compilation import njit


class WeightedState(NamedTuple):
    """A search on its explicit stack; ``candidates[d]``, ``branches[d]`` and ``need[d]`` are level d."""

    adjacent: Words
    weight: NDArray[np.int64]
    candidates: Words
    branches: Words
    need: NDArray[np.int64]
    path: Numbers
    left: NDArray[np.int64]  # what no set has taken off a weight yet
    scratch: Words
    counter: Numbers


def new_weighted_state(adjacent: Words, weight: Numbers, start: Words, need: int, deepest: int) -> WeightedState:
    """Begin a search for a clique of weight ``need`` in the set ``start``, of at most ``deepest`` vertices."""
    width = adjacent.shape[1]
    candidates, branches = np.zeros((2, deepest + 1, width), dtype=np.uint64)
    state = WeightedState(
        adjacent,
        weight,
        candidates,
        branches,
        need=np.zeros(deepest + 1, dtype=np.int64),
        path=np.zeros(deepest + 1, dtype=np.int64),
        left=np.zeros(len(weight), dtype=np.int64),
        scratch=np.zeros((2, width), dtype=np.uint64),
        counter=np.zeros(2, dtype=np.int64),
    )
    state.candidates[0], state.need[0] = start, need
    if not open_weighted_level(state, 0):
        state.counter[DEPTH] = -1
    return state


@njit(cache=True, nogil=True)
def open_weighted_level(s: WeightedState, depth: int) -> bool:
    """Find what to branch on at a level whose candidates are set; False if no clique of them weighs enough."""
    rest, left, width = s.branches[depth], s.left, s.candidates.shape[1]
    total = 0
    for w in range(width):
        rest[w] = s.candidates[depth, w]
        waiting = rest[w]
        while waiting:
            v = 64 * w + lowest(waiting)
            waiting &= waiting - np.uint64(1)
            left[v] = s.weight[v]
            total += s.weight[v]
    if total < s.need[depth]:
        return False
    budget = s.need[depth] - 1
    free, members = s.scratch[0], s.scratch[1]
    first = 0
    while budget > 0:
        while first < width and not rest[first]:
            first += 1
        if first == width:
            return False
        for w in range(first, width):
            free[w] = rest[w]
            members[w] = 0
        share = budget
        for w in range(first, width):
            while free[w]:
                b = lowest(free[w])
                v = 64 * w + b
                members[w] |= bit(b)
                free[w] &= ~bit(b)
                share = min(share, left[v])
                for x in range(np.uint64(w), np.uint64(width)):
                    free[x] &= ~s.adjacent[v, x]
        budget -= share
        for w in range(first, width):
            while members[w]:
                b = lowest(members[w])
                members[w] &= ~bit(b)
                left[64 * w + b] -= share
                if left[64 * w + b] == 0:
                    rest[w] &= ~bit(b)
    some = np.uint64(0)
    for w in range(first, width):
        some |= rest[w]
    return bool(some)


@njit(cache=True, nogil=True)
def weighted_search(s: WeightedState, nodes: int) -> int:
    """Run for at most ``nodes`` more nodes; on FOUND the clique is ``path`` up to ``counter[DEPTH]``, inclusive.

    A further call goes on after it.
    """
    candidates, branches, counter = s.candidates, s.branches, s.counter
    depth, width = counter[DEPTH], s.adjacent.shape[1]
    goal = counter[NODES] + nodes
    while depth >= 0:
        if counter[NODES] >= goal:
            counter[DEPTH] = depth
            return PAUSED
        v = take_last(branches, candidates, depth)
        if v < 0:
            depth -= 1
            continue
        s.path[depth] = v
        counter[NODES] += 1
        need = s.need[depth] - s.weight[v]
        if need <= 0:
            counter[DEPTH] = depth
            return FOUND
        s.need[depth + 1] = need
        for x in range(width):
            candidates[depth + 1, x] = candidates[depth, x] & s.adjacent[v, x]
        if open_weighted_level(s, depth + 1):
            depth += 1
    counter[DEPTH] = depth
    return EXHAUSTED
