"""The clique search of one graph of cells, with nogoods, which threads divide once it takes long."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

from mmdp.arrays import Indices
from solvers._exact.bitsets import Words, full
from solvers._exact.branch_and_bound import DEPTH, EXHAUSTED, FOUND, NODES, new_state, search
from solvers._exact.cell_graph import inherit
from solvers._exact.nogoods import BLOCK, Nogoods, beside, hand_over, new_nogoods
from solvers._exact.search_parts import Part, divide

_BLOCKS = 64  # of 64 nogoods each, for each size of clique: more spare nodes, and take longer to look through
_FRESH_BLOCKS = 8  # of those that a thread keeps for itself in a slice
_MEMORY_BYTES = 2**27  # of all nogoods together, of which there are fewer where this is not enough
_SLICE = 5000  # nodes between two looks at the clock: a few hundredths of a second
_SLICE_WORDS = 10**8  # of the graph times nodes between two looks, so that there are fewer nodes in a large graph
_DIVIDED_SLICES = 5  # for each thread between two exchanges of nogoods: fewer exchange more, and wait more often
_ALONE = 10_000  # nodes before threads divide the work: most graphs have cliques by then


class _Run(NamedTuple):
    """What a thread did in a slice: its nodes, its parts that are not searched to their end, and cliques."""

    nodes: int
    left: list[Part]
    cliques: list[Indices]


class GraphSearch:
    """A search for cliques of k vertices, in slices.

    Parameters
    ----------
    adjacent : (m, words) uint64 array
    k : int
    threads : int
    before : GraphSearch, optional
        Of an earlier graph, whose nogoods hold for this one, too.
    parent : (m,) int64 array, optional
        Which of its vertices each vertex comes from.

    Attributes
    ----------
    nodes : int
        So far.
    """

    def __init__(
        self,
        adjacent: Words,
        k: int,
        threads: int,
        before: GraphSearch | None = None,
        parent: Indices | None = None,
    ) -> None:
        m, width = adjacent.shape
        self.adjacent, self.nodes = adjacent, 0
        self._k, self._threads = k, threads
        blocks = min(_BLOCKS, _MEMORY_BYTES // (8 * BLOCK * (k + 1) * width))
        self._nogoods = new_nogoods(k, blocks, width) if blocks else None
        if before is not None and before._nogoods is not None and self._nogoods is not None and parent is not None:
            inherit(before._nogoods, parent, self._nogoods)
        self._parts = [Part(np.empty(0, np.int64), k, new_state(adjacent, full(m), k, self._nogoods))]
        self._tables: list[tuple[Nogoods | None, Nogoods | None]] = [(self._nogoods, None)]  # of all; a thread's own

    @property
    def unfinished(self) -> bool:
        """Whether there is anything left to search."""
        return bool(self._parts)

    def advance(self, pool: Executor, most: int) -> list[Indices]:
        """Search for a slice, or until there are about ``most`` cliques that differ early in the search."""
        if self._threads > 1 and self._nogoods is not None and self.nodes >= _ALONE:
            self._divide(self._nogoods)
        threads = len(self._tables)
        run_all = map if threads == 1 else pool.map
        runs = list(run_all(self._run_parts, range(threads), [max(1, most // threads)] * threads))
        for table, fresh in self._tables:
            if table is not None and fresh is not None:
                hand_over(fresh, table)
        self.nodes += sum(run.nodes for run in runs)
        self._parts = [part for run in runs for part in run.left]
        return [clique for run in runs for clique in run.cliques]

    def _divide(self, nogoods: Nogoods) -> None:
        """Divide the search; each thread looks through the nogoods of all, and keeps its own until all have paused."""
        divide(self._parts, self._threads, nogoods)
        if len(self._tables) == 1:
            _, blocks, width, _ = nogoods.sets.shape
            fresh = [new_nogoods(self._k, min(blocks, _FRESH_BLOCKS), width) for _ in range(self._threads)]
            self._tables = [(beside(nogoods), own) for own in fresh]

    def _run_parts(self, thread: int, most: int) -> _Run:
        """Search the parts of a thread, one after the other, for a slice of nodes or until there are cliques enough."""
        threads, tables = len(self._tables), self._tables[thread]
        left, cliques, nodes = self._parts[thread::threads], list[Indices](), 0
        slices = 1 if threads == 1 else _DIVIDED_SLICES
        slice_ = slices * max(1, min(_SLICE, _SLICE_WORDS // self.adjacent.size))
        while left and len(cliques) < most and nodes < slice_:
            part = left[0]
            before = int(part.state.counter[NODES])
            outcome = search(part.state, *tables, part.need, slice_ - nodes)
            nodes += int(part.state.counter[NODES]) - before
            if outcome == EXHAUSTED:
                left = left[1:]
            elif outcome == FOUND:
                cliques.append(np.concatenate((part.prefix, part.state.path[: part.need])))
                part.state.counter[DEPTH] = min(part.state.counter[DEPTH], 1)
        return _Run(nodes, left, cliques)
