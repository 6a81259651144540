"""The clique search of one graph where the weight of a clique counts, and not how many vertices it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solvers._exact.bitsets import conflicts_of, full, pack, share_of_conflicts
from solvers._exact.branch_and_bound import EXHAUSTED, PAUSED
from solvers._exact.clique_search import SingleSearch
from solvers._exact.threshold_graph import Adjacency, beside
from solvers._exact.weighted_branching import WeightedState, new_weighted_state, weighted_search
from solvers._framework.compilation import njit

_REMOVED = 2**63 - 1


class WeightedCliqueSearch(SingleSearch[WeightedState]):
    """Decides whether there are pairwise adjacent vertices of a total weight, the forced ones among them.

    Parameters
    ----------
    adjacent : (n, n) bool array
        Symmetric, False on the diagonal.
    weight : (n,) int64 array
        Not negative.
    needed : int
    forced : sequence of int
    """

    def __init__(self, adjacent: Adjacency, weight: NDArray[np.int64], needed: int, forced: Sequence[int] = ()) -> None:
        super().__init__(forced)
        self._need = needed - int(weight[self._forced].sum())
        free = beside(adjacent, self._forced)
        if free is None:
            self.outcome = EXHAUSTED
            return
        self._vertices = heavy_core_in_order(adjacent, np.flatnonzero(free & (weight > 0)), weight, self._need)
        self.outcome = EXHAUSTED if weight[self._vertices].sum() < self._need else PAUSED
        if self.outcome == PAUSED:
            self._weight = weight[self._vertices]
            self._adjacent = pack(adjacent[np.ix_(self._vertices, self._vertices)])
            deepest = len(self._vertices)
            self._state = new_weighted_state(self._adjacent, self._weight, full(deepest), self._need, deepest)

    @property
    def conflicts(self) -> float:
        """Share of pairs that are not adjacent, among the vertices searched."""
        return share_of_conflicts(self._adjacent)

    def as_packing(self) -> tuple[NDArray[np.bool_], int, NDArray[np.int64]]:
        """Return the same problem for ``packing.independent``: conflicts in search order, weight to reach, weights."""
        return conflicts_of(self._adjacent), self._need, self._weight

    def _search(self, state: WeightedState, nodes: int) -> int:
        return weighted_search(state, nodes)


@njit(cache=True, nogil=True)
def heavy_core_in_order(
    adjacent: Adjacency, vertices: NDArray[np.int64], weight: NDArray[np.int64], need: int
) -> NDArray[np.int64]:
    """Vertices that can be in a clique of weight ``need``, each with the lightest neighbourhood among those up to it.

    O(n^2) time. The first vertices removed from the end are those that are too light together with all neighbours left.
    """
    n = len(vertices)
    reach = np.zeros(n, np.int64)
    for i in range(n):
        reach[i] = weight[vertices[i]]
        for j in range(n):
            if adjacent[vertices[i], vertices[j]]:
                reach[i] += weight[vertices[j]]
    order = np.empty(n, np.int64)
    size = n
    for place in range(n - 1, -1, -1):
        least = 0
        for i in range(1, n):
            if reach[i] < reach[least]:
                least = i
        if size == place + 1 and reach[least] < need:
            size = place
        order[place] = vertices[least]
        for j in range(n):
            if adjacent[vertices[least], vertices[j]]:
                reach[j] -= weight[vertices[least]]
        reach[least] = _REMOVED
    return order[:size]
