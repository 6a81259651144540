"""Cells that cover all points, their graph, and what is known about it: the relaxation that the lazy search refines."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices, Matrix, Vector
from solvers._exact.cell_graph import core_of, frontier, join, refined_graph, split_cells
from solvers._exact.cell_splitting import REAL, refine
from solvers._exact.graph_search import GraphSearch
from solvers._exact.kd_tree import Tree

_CELLS = 20  # for each pick at the beginning: more make the first graph tighter, and every search of it slower
_MOST_CELLS = 4000  # at the beginning for any number of picks, unless they would be wider than the threshold
_CLIQUES = 8  # refined before the graph is searched again: more save searches, and split cells in vain
_SPLITS = 2048  # of the cells of one clique before it counts as refined for now
_SPLIT_PAIRS = 10**8  # pairs of picks looked at for one clique, so that there are fewer splits for many picks
_LEAST_SPLITS = 64  # however many picks there are, or nothing would come of a clique
_PAIRS = 300_000  # of cells joined between two looks at the clock: a few hundredths of a second


class _Graph:
    """A graph of cells of which the first ``joined`` in order are joined, and their parents' places in the last one."""

    def __init__(self, tree: Tree, cells: Indices, parent: Indices | None) -> None:
        self.adjacent = np.zeros((len(cells), (len(cells) + 63) // 64), np.uint64)
        self.order = np.argsort(tree.first[cells])
        self.joined, self.parent = 0, parent


class Relaxation:
    """Decides whether k points are pairwise at distance >= t, for a t that may rise.

    Parameters
    ----------
    kind : int
        Kernel of the reduced distance.
    tree : Tree
        Of the points that take part.
    vertices : (m,) int64 array
        Which points of the problem these are.
    k : int
    t : float
        Reduced distance, above zero.
    threads : int
        How many parts of a long search run at the same time.

    Attributes
    ----------
    points : (k,) int64 array or None
        Answer of the last ``solve``.
    nodes : int
        Of the clique searches so far.
    """

    def __init__(self, kind: int, tree: Tree, vertices: Indices, k: int, t: float, threads: int = 1) -> None:
        self._threads = threads
        self._kind, self._tree, self._vertices, self._k, self._t = kind, tree, vertices, k, t
        self.points: Indices | None = None
        self.nodes = 0
        self._search: GraphSearch | None = None
        self._coming: _Graph | None = None
        self._cliques: list[Indices] = []  # of cells, found in this graph and not yet refined
        if len(vertices) < k or not math.isfinite(t):
            return
        self._is_split = np.zeros(len(tree.first), dtype=np.bool_)
        self._first_cells = cells = frontier(kind, tree, t, min(_CELLS * k, _MOST_CELLS))
        centres = self._centres(cells)
        self._origin = centres.mean(axis=0)
        self._axis = np.linalg.svd(centres - self._origin, full_matrices=False)[2][0]
        self._cells = cells[np.argsort(self._along(cells), kind="stable")]
        self._coming = _Graph(tree, self._cells, None)

    def raise_to(self, t: float) -> None:
        """Raise the threshold; nogoods stay nogoods."""
        self._t, self.points, self._cliques = t, None, []
        if self._coming is not None:
            self._coming = _Graph(self._tree, self._cells, self._coming.parent)
        elif self._search is not None:
            parent = self._apply_splits()  # which replaces the cells
            self._coming = _Graph(self._tree, self._cells, parent)

    def solve(self, expired: Callable[[], bool]) -> bool:
        """Whether the threshold was decided before ``expired()``: by ``points``, or by their absence.

        After False, a further call goes on where this one stopped.
        """
        room = self._k + max(_LEAST_SPLITS, min(_SPLITS, _SPLIT_PAIRS // self._k**2))
        while self._join(expired) and self._collect(expired):
            if not self._cliques:
                return True
            while self._cliques:
                clique = self._cliques.pop(0)
                outcome, nodes = refine(self._kind, self._tree, clique, self._t, self._is_split, room)
                if outcome == REAL:
                    self.points = self._vertices[self._tree.points[self._tree.first[nodes]]]
                    return True
                if self._cliques and expired():
                    return False
            self._refine_graph()
        return False

    def partition(self) -> Indices:
        """The first cells with all splits made, in search order: of all points, those too that are in no clique."""
        cells, _ = split_cells(self._tree, self._first_cells, self._is_split)
        return np.asarray(cells[np.argsort(self._along(cells), kind="stable")])

    def split_all(self) -> None:
        """Split every cell of more than one place, whether a clique asks for it or not."""
        self._join(lambda: False)
        self._is_split[self._cells] = self._tree.left[self._cells] >= 0
        self._refine_graph()

    def _refine_graph(self) -> None:
        """Search the graph of the cells that are left of the split ones from now on."""
        assert self._search is not None
        old, graph = self._cells, self._search.adjacent
        parent = self._apply_splits()
        self._adopt(refined_graph(self._kind, self._tree, self._cells, self._t, old, parent, graph), parent)

    def _join(self, expired: Callable[[], bool]) -> bool:
        """Finish the graph that is coming, and search it from now on; False if there was no time."""
        graph = self._coming
        if graph is None:
            return True
        rows = max(1, _PAIRS // len(self._cells))
        while graph.joined < len(self._cells):
            first, graph.joined = graph.joined, min(graph.joined + rows, len(self._cells))
            join(self._kind, self._tree, self._cells, self._t, graph.order, graph.adjacent, first, graph.joined)
            if expired():
                return False
        self._coming = None
        self._adopt(graph.adjacent, graph.parent)
        return True

    def _collect(self, expired: Callable[[], bool]) -> bool:
        """Find up to ``_CLIQUES`` cliques of cells that differ early in the search; False if there was no time.

        The search has left behind what it found: this graph is not searched to its end once there are cliques.
        """
        search = self._search
        with ThreadPoolExecutor(self._threads) as pool:  # starts no thread before there is work for it
            while search is not None and search.unfinished and len(self._cliques) < _CLIQUES:
                before = search.nodes
                self._cliques += [self._cells[places] for places in search.advance(pool, _CLIQUES - len(self._cliques))]
                self.nodes += search.nodes - before
                if search.unfinished and expired():
                    return False
        return True

    def _apply_splits(self) -> Indices:
        """Replace the split cells; the position that each new cell's cell had before."""
        cells, parent = split_cells(self._tree, self._cells, self._is_split)
        order = np.argsort(self._along(cells), kind="stable")
        self._cells = cells[order]
        return np.asarray(parent[order])

    def _adopt(self, graph: NDArray[np.uint64], parent: Indices | None) -> None:
        """Search this graph from now on, its core only, with the nogoods of the graph before."""
        kept = np.flatnonzero(core_of(graph, self._k))
        if len(kept) < len(self._cells):
            cells = self._cells[kept]
            graph = refined_graph(self._kind, self._tree, cells, self._t, self._cells, kept, graph)
            self._cells, parent = cells, None if parent is None else parent[kept]
        enough = len(kept) >= self._k
        self._search = GraphSearch(graph, self._k, self._threads, self._search, parent) if enough else None

    def _centres(self, cells: Indices) -> Matrix:
        centres: Matrix = (self._tree.low[cells] + self._tree.high[cells]) / 2
        return centres

    def _along(self, cells: Indices) -> Vector:
        """Position along the axis in which the first cells spread most: neighbours in space are so in the sets."""
        position: Vector = (self._centres(cells) - self._origin) @ self._axis
        return position
