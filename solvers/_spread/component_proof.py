"""How many points of one connected component can be chosen at most, in turns that grow until that is proven."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock
from mmdp.arrays import Indices
from solvers._exact.clique_search import EXHAUSTED, FOUND, CliqueSearch
from solvers._framework.subprocesses import call
from solvers._spread import clique_constraints
from solvers._spread.conflict_graph import ConflictGraph
from solvers._spread.independent_set import clique_cover

_SEARCHED = 4000  # vertices up to which the clique search has its matrix
_NODES = 10_000  # of the clique search in the first turn: fewer leave easy proofs to the integer program
_SECONDS = 8.0  # of the integer program in the first turn; it begins anew in the next
_SEARCH_SHARE = 0.2  # of the time left, for a turn of the clique search: the integer program comes after it
_GROWTH = 4  # of both from turn to turn
_RELAXED_FIRST = 100  # vertices from which the linear relaxation bounds more than the clique search in the same time
_IN_PROCESS = {  # vertices up to which a program is over sooner than a process that can be interrupted has started
    "fractional_bound": 1500,
    "largest_independent": 200,
}


class ComponentProof:
    """The largest set without conflicts among the vertices of one component.

    Attributes
    ----------
    chosen : array of int
        The best set so far, as places in the component.
    bound : int
        No set has more vertices.
    """

    def __init__(self, graph: ConflictGraph, vertices: Indices, chosen: NDArray[np.bool_]) -> None:
        self.vertices = vertices
        self.chosen: Indices = np.flatnonzero(chosen[vertices])
        self._graph = graph.part(vertices)
        degree = np.diff(self._graph.start)
        covers = (clique_cover(self._graph.start, self._graph.members, order) for order in _orders(degree))
        self.bound = min(int(cover.max()) + 1 for cover in covers)
        self._search: CliqueSearch | None = None
        self._nodes = 0

    @property
    def is_proven(self) -> bool:
        """Whether no set is larger than the one that was found."""
        return len(self.chosen) == self.bound

    def work(self, turn: int, clock: Clock) -> int:
        """Take a turn at the proof or at a larger set, within the time of the clock; return how many nodes it took."""
        before = self._nodes
        if turn == 0 and len(self.vertices) > _RELAXED_FIRST:
            self._lower(self._call("fractional_bound", clock.remaining))
        if not self.is_proven and len(self.vertices) <= _SEARCHED:
            self._search_cliques(_NODES * _GROWTH**turn, _SEARCH_SHARE * clock.remaining)
        if not self.is_proven:
            self._pack(min(clock.remaining, _SECONDS * _GROWTH**turn))
        return self._nodes - before

    def improve(self, chosen: Indices) -> None:
        """Take a larger set that was found elsewhere."""
        if len(chosen) > len(self.chosen):
            self.chosen, self._search = chosen, None

    def _search_cliques(self, nodes: float, seconds: float) -> None:
        while not self.is_proven and nodes > 0:
            if self._search is None:
                far = ~self._graph.dense()
                np.fill_diagonal(far, False)
                self._search = CliqueSearch(far, len(self.chosen) + 1)
            before = self._search.nodes
            outcome = self._search.run(seconds, nodes)
            self._nodes += self._search.nodes - before
            nodes -= self._search.nodes - before + 1
            if outcome == FOUND:
                self.improve(self._search.clique)
            elif outcome == EXHAUSTED:
                self.bound = len(self.chosen)
            else:
                return

    def _pack(self, seconds: float) -> None:
        found, bound = self._call("largest_independent", seconds, len(self.chosen) + 1, self.bound) or (None, None)
        if found is not None:
            self.improve(found)
        self._lower(bound)

    def _lower(self, bound: float | None) -> None:
        if bound is not None and bound < self.bound:
            self.bound = max(len(self.chosen), int(bound))

    def _call(self, name: str, seconds: float, *limits: int) -> Any:
        """Call a function of ``clique_constraints``; where that takes long, in a process that can be interrupted."""
        if len(self.vertices) <= _IN_PROCESS[name]:
            return getattr(clique_constraints, name)(self._graph.start, self._graph.members, *limits, seconds)
        path = f"{clique_constraints.__name__}:{name}"
        return call(path, self._graph.start, self._graph.members, *limits, seconds=seconds)


def _orders(degree: Indices) -> tuple[Indices, Indices, Indices]:
    """Orders in which a clique cover takes the vertices; one or another of them needs fewer cliques."""
    by_degree = np.argsort(degree, kind="stable")
    return by_degree, by_degree[::-1].copy(), np.arange(len(degree))
