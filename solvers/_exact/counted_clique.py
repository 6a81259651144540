"""The clique search of one graph within group counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices
from mmdp.groups import GroupCounts
from solvers._exact.bitsets import full, pack
from solvers._exact.branch_and_bound import EXHAUSTED, PAUSED
from solvers._exact.clique_search import SingleSearch
from solvers._exact.counted_branching import CountedState, counted_search, new_counted_state
from solvers._exact.threshold_graph import Adjacency, beside, core_in_order

_FEW_GROUPS = 4  # of an attribute up to which every union of them is coloured: 14 at most
_BLOCK = 2**24  # entries of the graph that are numbers at a time
_MANY_GROUPS = 12  # of an attribute that are coloured one by one at most


class CountedCliqueSearch(SingleSearch[CountedState]):
    """Decides whether there are k pairwise adjacent vertices that keep group counts, the forced ones among them.

    Parameters
    ----------
    adjacent : (n, n) bool array
        Symmetric, False on the diagonal.
    k : int
    forced : sequence of int
    limits : GroupCounts
    points : (n,) int64 array
        Which points of the problem the vertices are.
    """

    def __init__(
        self, adjacent: Adjacency, k: int, forced: Sequence[int], limits: GroupCounts, points: Indices
    ) -> None:
        super().__init__(forced)
        self._need = k - len(self._forced)
        taken = limits.taken(points[self._forced])
        wanted, room = _tightened(limits, np.maximum(limits.low - taken, 0), limits.high - taken, self._need)
        member = limits.member[points]
        free = beside(adjacent, self._forced)
        if free is None:
            self.outcome = EXHAUSTED
            return
        inside = np.flatnonzero(free & (room > 0)[member].all(axis=1))
        graph, kept = _core(adjacent, inside, member, self._need, wanted, room)
        order = core_in_order(graph, np.arange(len(kept)), 0)
        self._vertices = kept[order]
        m = len(kept)
        self.outcome = EXHAUSTED if (room < wanted).any() or m < self._need else PAUSED
        if self.outcome == PAUSED:
            groups = np.ascontiguousarray(member[self._vertices])
            mask = pack((groups[:, :, None] == np.arange(len(wanted))).any(axis=1).T)
            adjacency = pack(graph[np.ix_(order, order)])
            self._state = new_counted_state(
                adjacency,
                full(m),
                self._need,
                mask,
                unions(limits.attribute, wanted, room),
                groups,
                limits.attribute,
                wanted,
                room,
            )

    def _search(self, state: CountedState, nodes: int) -> int:
        return counted_search(state, self._need, nodes)


def unions(attribute: Indices, wanted: Indices, room: Indices) -> NDArray[np.bool_]:
    """Unions of groups of one attribute to be coloured, as rows of groups, (u, m) bool.

    All of them for an attribute of few groups; otherwise those of one group and of all but one. Groups with room for
    one that want none say no more than that their vertices are not adjacent.
    """
    rows: list[NDArray[np.bool_]] = []
    for a in range(int(attribute.max()) + 1):
        own = np.flatnonzero(attribute == a).tolist()
        telling = [g for g in own if wanted[g] > 0 or room[g] > 1]
        if len(own) <= _FEW_GROUPS:
            chosen = [set(some) for size in range(1, len(own)) for some in combinations(own, size)]
        elif len(telling) <= _MANY_GROUPS:
            chosen = [{g} for g in telling] + [set(own) - {g} for g in telling]
        else:
            chosen = [{g} for g in sorted(telling, key=lambda g: -wanted[g])[:_MANY_GROUPS] if wanted[g] > 0]
        rows += [np.isin(np.arange(len(attribute)), list(some)) for some in chosen]
    return np.array(rows, dtype=np.bool_).reshape(len(rows), len(attribute))


def _tightened(
    limits: GroupCounts, wanted: Indices, room: Indices, need: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Raise least and lower most counts by what the other groups of the attribute leave of ``need``."""
    wanted, room = wanted.copy(), np.minimum(room, need)
    for attribute in range(limits.member.shape[1]):
        own = limits.attribute == attribute
        least, most = wanted[own].sum(), room[own].sum()
        spare, missing = need - (least - wanted[own]), need - (most - room[own])
        wanted[own], room[own] = np.maximum(wanted[own], missing), np.minimum(room[own], spare)
    return wanted, room


def _core(
    adjacent: Adjacency, free: Indices, member: NDArray[np.int64], need: int, wanted: Indices, room: Indices
) -> tuple[Adjacency, Indices]:
    """Graph of the vertices that have enough neighbours, in every group as well, and which vertices these are.

    Of a group with room for one, no two vertices are adjacent in it.
    """
    graph = adjacent[np.ix_(free, free)]
    for single in np.flatnonzero(room == 1):
        own = (member[free] == single).any(axis=1)
        graph[np.ix_(own, own)] = False
    while True:
        belongs = (member[free][:, :, None] == np.arange(len(wanted))).any(axis=1)
        every = np.ones((len(free), 1), dtype=np.bool_)
        sets = np.hstack((every, belongs, ~belongs)).astype(np.float32)
        least = np.concatenate(([need], wanted, need - room))
        enough = np.empty(len(free), dtype=np.bool_)
        step = max(1, _BLOCK // max(1, len(free)))
        for start in range(0, len(free), step):
            rows = slice(start, start + step)
            enough[rows] = (graph[rows].astype(np.float32) @ sets + sets[rows] >= least).all(axis=1)
        if enough.all():
            return graph, free
        graph, free = graph[np.ix_(enough, enough)], free[enough]
