"""A clique of cells, looked at closely: split its cells until k points prove it, or until nothing is left of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, bit, lowest, popcount
from solvers._exact.boxes import farthest, nearest
from solvers._exact.kd_tree import Tree, may_be_far
from solvers._framework.compilation import njit

DISSOLVED, REAL, FULL = range(3)

Numbers = NDArray[np.int64]


class Parts(NamedTuple):
    """Part p of the k cells is tree node ``node[p]`` in cell ``cell[p]``; ``of_cell[c]`` is the set of parts of c."""

    node: Numbers
    cell: Numbers
    adjacent: Words
    of_cell: Words


@njit(cache=True, nogil=True)
def refine(
    kind: int, tree: Tree, cells: Numbers, t: float, is_split: NDArray[np.bool_], room: int
) -> tuple[int, Numbers]:
    """Split parts of k cells until they hold k points pairwise at distance >= t, or can be seen not to.

    Parameters
    ----------
    cells : (k,) int64 array
        Nodes of the tree.
    t : float
        Reduced distance.
    is_split : (nodes,) bool array
        Which nodes are split already; the new ones are marked.
    room : int
        Give up (FULL) at this many parts.

    Returns
    -------
    outcome : int
        DISSOLVED, REAL or FULL.
    transversal : (k,) int64 array
        After REAL, nodes any of whose points are pairwise at distance >= t.
    """
    k = len(cells)
    width = (room + 63) // 64
    parts = Parts(
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.zeros((room, width), np.uint64),
        np.zeros((k, width), np.uint64),
    )
    size = 0
    stack = [0 for _ in range(0)]
    for c in range(k):
        stack.append(cells[c])
        while stack:
            node = stack.pop()
            if is_split[node]:
                stack.append(tree.left[node])
                stack.append(tree.left[node] + 1)
                continue
            if size == room:
                return FULL, cells
            _place(kind, tree, parts, size, size, node, c, t)
            size += 1
    chosen = np.empty(k, np.int64)
    while _transversal(parts, chosen):
        while True:
            p = _least_certain(kind, tree, parts, chosen, t)
            if p < 0:
                return REAL, parts.node[chosen]
            if size == room:
                return FULL, cells
            node = parts.node[p]
            is_split[node] = True
            c = parts.cell[p]
            _place(kind, tree, parts, p, size, tree.left[node], c, t)
            _place(kind, tree, parts, size, size, tree.left[node] + 1, c, t)
            size += 1
            if not _fits(parts, chosen, c):
                chosen[c] = size - 1
                if not _fits(parts, chosen, c):
                    break
    return DISSOLVED, cells


@register_jitable
def _place(kind: int, tree: Tree, parts: Parts, p: int, size: int, node: int, c: int, t: float) -> None:
    """Make a node part p of cell c, and compare it with the first ``size`` parts."""
    parts.node[p], parts.cell[p] = node, c
    parts.of_cell[c, p >> 6] |= bit(p)
    for q in range(size):
        if q == p:
            continue
        other = parts.node[q]
        if parts.cell[q] != c and may_be_far(kind, tree, node, other, t):
            parts.adjacent[p, q >> 6] |= bit(q)
            parts.adjacent[q, p >> 6] |= bit(p)
        else:
            parts.adjacent[p, q >> 6] &= ~bit(q)
            parts.adjacent[q, p >> 6] &= ~bit(p)


@register_jitable
def _fits(parts: Parts, chosen: Numbers, c: int) -> bool:
    for other in range(len(chosen)):
        q = chosen[other]
        if other != c and not parts.adjacent[chosen[c], q >> 6] & bit(q):
            return False
    return True


@register_jitable
def _least_certain(kind: int, tree: Tree, parts: Parts, chosen: Numbers, t: float) -> int:
    """Of the chosen pair whose points may be nearest, return the wider part; -1 if all pairs are surely far."""
    closest, widest = t, -1
    for a in range(len(chosen)):
        one = parts.node[chosen[a]]
        for b in range(a):
            two = parts.node[chosen[b]]
            gap = nearest(kind, tree.low, tree.high, one, two)
            if gap < closest:
                closest = gap
                wide_one = farthest(kind, tree.low, tree.high, one, one)
                wide_two = farthest(kind, tree.low, tree.high, two, two)
                widest = chosen[a] if wide_one >= wide_two else chosen[b]
    return widest


@register_jitable
def _transversal(parts: Parts, chosen: Numbers) -> bool:
    """Choose one part of each cell, pairwise adjacent: depth first, the cell with the fewest parts left next."""
    k, width = parts.of_cell.shape
    left = np.zeros((k + 1, width), np.uint64)
    choices = np.zeros((k, width), np.uint64)
    cell_at = np.empty(k, np.int64)
    decided = np.zeros(k, np.bool_)
    for c in range(k):
        left[0] |= parts.of_cell[c]
    depth = 0
    entering = True
    while depth >= 0:
        if entering:
            if depth == k:
                return True
            fewest = np.int64(2) ** 40
            for c in range(k):
                if decided[c]:
                    continue
                options = np.int64(0)
                for w in range(width):
                    options += np.int64(popcount(left[depth, w] & parts.of_cell[c, w]))
                if options < fewest:
                    fewest = options
                    cell_at[depth] = c
            if fewest == 0:
                depth -= 1
                entering = False
                continue
            choices[depth] = left[depth] & parts.of_cell[cell_at[depth]]
            decided[cell_at[depth]] = True
        p = -1
        for w in range(width):
            if choices[depth, w]:
                p = 64 * w + lowest(choices[depth, w])
                break
        if p < 0:
            decided[cell_at[depth]] = False
            depth -= 1
            entering = False
            continue
        choices[depth, p >> 6] &= ~bit(p)
        chosen[cell_at[depth]] = p
        left[depth + 1] = left[depth] & parts.adjacent[p]
        depth += 1
        entering = True
    return False
