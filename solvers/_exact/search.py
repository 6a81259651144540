"""A clique search of one graph that runs for as long as it is given, and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from solvers._kernels.bits import count, full, pack
from solvers._kernels.clique import EXHAUSTED, FOUND, NODES, PAUSED, new_state, search
from solvers._kernels.graph import Adjacency, core_in_order

_SLICE_SECONDS = 0.02


class CliqueSearch:
    """The question whether there are k pairwise adjacent vertices, the forced ones among them.

    Parameters
    ----------
    adjacent : (n, n) bool array
        Symmetric, False on the diagonal.
    k : int
    forced : sequence of int
    """

    def __init__(self, adjacent: Adjacency, k: int, forced: Sequence[int] = ()) -> None:
        self._forced = list(forced)
        self._need = k - len(self._forced)
        self._slice = 500
        self.nodes = 0
        clash = not adjacent[np.ix_(self._forced, self._forced)][np.triu_indices(len(self._forced), 1)].all()
        free = np.flatnonzero(adjacent[self._forced].all(axis=0))
        self._vertices = core_in_order(adjacent, free, self._need)
        m = len(self._vertices)
        self.outcome = EXHAUSTED if clash or m < self._need else PAUSED
        if self.outcome == PAUSED:
            inside = pack(adjacent[self._vertices][:, self._vertices])
            self._state = new_state(inside, full(m), self._need)

    @property
    def clique(self) -> NDArray[np.int64]:
        """The k vertices, once the outcome is FOUND."""
        return self.chosen(self._state.path[: self._need])

    def chosen(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the vertices at places of the search order, after the forced ones."""
        return np.concatenate((self._forced, self._vertices[places])).astype(np.int64)

    @property
    def conflicts(self) -> float:
        """Share of pairs that are not adjacent, among the vertices searched."""
        m = len(self._vertices)
        return 1.0 - sum(map(count, self._state.adjacent)) / max(1, m * (m - 1))

    def as_packing(self) -> tuple[NDArray[np.bool_], int]:
        """Return the same question for ``packing.independent``: conflicts in search order, and how many to choose."""
        m = len(self._vertices)
        bits = np.unpackbits(self._state.adjacent.view(np.uint8), axis=1, count=m, bitorder="little")
        conflict = bits == 0
        np.fill_diagonal(conflict, False)
        return conflict, self._need

    def run(self, seconds: float, nodes: float = np.inf) -> int:
        """Search on for that long or that many nodes, whichever ends first; EXHAUSTED, FOUND or PAUSED.

        After FOUND, a further call looks for the next clique.
        """
        if self.outcome == EXHAUSTED:
            return EXHAUSTED
        end, last = time.perf_counter() + seconds, self.nodes + nodes
        while True:
            started = time.perf_counter()
            self.outcome = search(self._state, self._need, int(min(self._slice, last - self.nodes)))
            self.nodes = int(self._state.counter[NODES])
            now = time.perf_counter()
            if self.outcome != PAUSED or now >= end or self.nodes >= last:
                return self.outcome
            if now - started < _SLICE_SECONDS:
                self._slice *= 2
            elif now - started > 2 * _SLICE_SECONDS:
                self._slice = max(1, self._slice // 2)


__all__ = ["EXHAUSTED", "FOUND", "PAUSED", "CliqueSearch"]
