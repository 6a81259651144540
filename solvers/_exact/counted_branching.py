"""Branch and bound for a clique of k vertices that keeps group counts.

Beside ``need``, the number of vertices still to be chosen, a node carries what the counts leave::

    wanted[g] = least count of group g less what is chosen of it, at least 0
    room[g]   = most count of group g less what is chosen of it

Vertices of a group without room are no candidates, nor, if the groups of an attribute want as many as ``need``, those
of its groups that want none. Of a union U of groups of one attribute, every clique takes at least::

    least(U) = max(sum of wanted in U, need - sum of room outside U)

candidates. So U is coloured with ``least(U) - 1`` colours, as all candidates are with ``need - 1``. The union that
leaves the fewest uncoloured vertices is the one to branch on; one that leaves none refutes the node.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, count, popcount
from solvers._exact.branch_and_bound import DEPTH, EXHAUSTED, FOUND, NODES, PAUSED, Numbers, take_last
from solvers._exact.colouring import colour, repair
from solvers._framework.compilation import njit


class CountedState(NamedTuple):
    """A search on its explicit stack; row d of ``candidates`` to ``room`` is level d."""

    adjacent: Words
    candidates: Words
    branches: Words
    wanted: NDArray[np.int64]
    room: NDArray[np.int64]
    path: Numbers
    mask: Words  # the vertices of each group
    union: Words  # and of each union of groups that is coloured
    inside: NDArray[np.bool_]  # the groups in each of these
    groups: NDArray[np.int64]  # of each vertex, one for each attribute
    attribute: Numbers  # of each group
    classes: Words
    scratch: Words
    used: NDArray[np.bool_]
    counter: Numbers


def new_counted_state(
    adjacent: Words,
    start: Words,
    k: int,
    mask: Words,
    inside: NDArray[np.bool_],
    groups: NDArray[np.int64],
    attribute: Numbers,
    wanted: Numbers,
    room: Numbers,
) -> CountedState:
    """Begin a search for k vertices of the set ``start``, ``wanted`` to ``room`` of each group."""
    width = adjacent.shape[1]
    candidates, branches, classes = np.zeros((3, k + 1, width), dtype=np.uint64)
    state = CountedState(
        adjacent,
        candidates,
        branches,
        wanted=np.zeros((k + 1, len(wanted)), dtype=np.int64),
        room=np.zeros((k + 1, len(wanted)), dtype=np.int64),
        path=np.zeros(k + 1, dtype=np.int64),
        mask=mask,
        union=np.array([np.bitwise_or.reduce(mask[some], axis=0) for some in inside], np.uint64).reshape(-1, width),
        inside=inside,
        groups=groups,
        attribute=attribute,
        classes=classes,
        scratch=np.zeros((2, width), dtype=np.uint64),
        used=np.zeros(k + 1, dtype=np.bool_),
        counter=np.zeros(2, dtype=np.int64),
    )
    state.candidates[0], state.wanted[0], state.room[0] = start, wanted, room
    if not open_counted_level(state, 0, k):
        state.counter[DEPTH] = -1
    return state


@register_jitable
def _keep_counts(s: CountedState, depth: int, need: int) -> bool:
    """Take candidates out that counts forbid; False if the counts cannot be kept."""
    candidates, wanted, room = s.candidates[depth], s.wanted[depth], s.room[depth]
    width = len(candidates)
    for a in range(s.groups.shape[1]):
        total = 0
        for g in range(len(wanted)):
            if s.attribute[g] == a:
                total += wanted[g]
        if total > need:
            return False
        for g in range(len(wanted)):
            if s.attribute[g] == a and (room[g] <= 0 or (total == need and wanted[g] == 0)):
                for x in range(width):
                    candidates[x] &= ~s.mask[g, x]
    return True


@register_jitable
def _least(s: CountedState, j: int, wanted: Numbers, room: Numbers, need: int) -> int:
    """How many candidates of a union of groups a clique takes at least."""
    a, inner, outer = -1, 0, 0
    for g in range(len(wanted)):
        if s.inside[j, g]:
            a = s.attribute[g]
            inner += wanted[g]
    for g in range(len(wanted)):
        if s.attribute[g] == a and not s.inside[j, g]:
            outer += room[g]
    return max(inner, need - outer)


@register_jitable
def _uncoloured(s: CountedState, subset: Words, need: int, rest: Words) -> int:
    """How many vertices of a set get none of ``need - 1`` colours; 0 if the set has no clique of ``need``."""
    if count(subset) < need or not colour(s.adjacent, subset, need, s.classes, rest):
        return 0
    return int(count(rest))


@njit(cache=True, nogil=True)
def open_counted_level(s: CountedState, depth: int, need: int) -> bool:
    """Find what to branch on at a level whose candidates are set; False if they hold no clique that keeps counts."""
    if not _keep_counts(s, depth, need):
        return False
    candidates, branches, wanted, room = s.candidates[depth], s.branches[depth], s.wanted[depth], s.room[depth]
    subset, rest = s.scratch[0], s.scratch[1]
    width, fewest, best, best_need = len(candidates), _uncoloured(s, candidates, need, branches), -1, need
    if fewest == 0:
        return False
    for j in range(len(s.union)):
        least = _least(s, j, wanted, room, need)
        if least <= 0:
            continue
        for x in range(width):
            subset[x] = candidates[x] & s.union[j, x]
        left = _uncoloured(s, subset, least, rest)
        if left == 0:
            return False
        if left < fewest:
            fewest, best, best_need = left, j, least
            for x in range(width):
                branches[x] = rest[x]
    for x in range(width):
        subset[x] = candidates[x] & s.union[best, x] if best >= 0 else candidates[x]
    colour(s.adjacent, subset, best_need, s.classes, branches)
    return bool(repair(s.adjacent, best_need, s.classes, s.used, branches))


@njit(cache=True, nogil=True)
def counted_search(s: CountedState, k: int, nodes: int) -> int:
    """Run for at most ``nodes`` more nodes; on FOUND the clique is ``path``, and a further call goes on after it."""
    candidates, branches, wanted, room = s.candidates, s.branches, s.wanted, s.room
    counter, path = s.counter, s.path
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
        path[depth] = v
        counter[NODES] += 1
        need = k - depth - 1
        if need == 0:
            counter[DEPTH] = depth
            return FOUND
        size = np.uint64(0)
        for x in range(width):
            candidates[depth + 1, x] = candidates[depth, x] & s.adjacent[v, x]
            size += popcount(candidates[depth + 1, x])
        if np.int64(size) < need:
            continue
        for g in range(wanted.shape[1]):
            wanted[depth + 1, g], room[depth + 1, g] = wanted[depth, g], room[depth, g]
        for a in range(s.groups.shape[1]):
            g = s.groups[v, a]
            wanted[depth + 1, g] = max(0, wanted[depth, g] - 1)
            room[depth + 1, g] -= 1
        if open_counted_level(s, depth + 1, need):
            depth += 1
    counter[DEPTH] = depth
    return EXHAUSTED
