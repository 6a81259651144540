"""Cells: nodes of a k-d tree that cover all points, and the graph of those that may hold a far pair."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, bit, lowest, popcount
from solvers._exact.boxes import farthest, nearest
from solvers._exact.kd_tree import Tree, may_be_far
from solvers._exact.nogoods import BLOCK, Nogoods
from solvers._framework.compilation import njit

Numbers = NDArray[np.int64]


@njit(cache=True)
def frontier(kind: int, tree: Tree, t: float, count: int) -> Numbers:
    """Return about ``count`` nodes that cover all points, each of diameter < t: always the widest is split next."""
    heap = [(0.0, 0)]
    heap[0] = (-farthest(kind, tree.low, tree.high, 0, 0), 0)
    while heap[0][0] <= -t or (len(heap) < count and heap[0][0] < 0):
        _, node = heapq.heappop(heap)
        for child in (tree.left[node], tree.left[node] + 1):
            heapq.heappush(heap, (-farthest(kind, tree.low, tree.high, child, child), child))
    return np.array([node for _, node in heap])


@njit(cache=True, nogil=True)
def join(
    kind: int, tree: Tree, cells: Numbers, t: float, order: Numbers, adjacent: Words, first: int, last: int
) -> None:
    """Join the cells ``order[first:last]`` with those before them in that order which may hold points at least t away.

    ``order`` sorts the cells as the points lie in the tree, so that those below a node stand side by side. The formula,
    to be begun at the root for every cell::

        def join(cell, node):
            if farthest(cell, node) >= t:
                if nearest(cell, node) >= t:
                    adjacent[cell, cells below node] = True
                elif node in cells:
                    adjacent[cell, node] = may_be_far(cell, node)
                else:
                    for child in children(node):
                        join(cell, child)
    """
    low, high = tree.low, tree.high
    starts = tree.first[cells[order]]
    for place in range(first, last):
        i = order[place]
        cell = cells[i]
        stack = [0]
        while stack:
            node = stack.pop()
            begin = np.searchsorted(starts, tree.first[node])
            end = min(place, np.searchsorted(starts, tree.last[node]))
            if begin >= end or farthest(kind, low, high, cell, node) < t:
                continue
            if nearest(kind, low, high, cell, node) < t:
                if node != cells[order[begin]]:
                    stack.append(tree.left[node])
                    stack.append(tree.left[node] + 1)
                    continue
                if not may_be_far(kind, tree, cell, node, t):
                    continue
            for j in order[begin:end]:
                adjacent[i, j >> 6] |= bit(j)
                adjacent[j, i >> 6] |= bit(i)


class Pieces(NamedTuple):
    """How sets of an earlier graph become sets of a later one: bits of words are moved to bits of other words."""

    source: Numbers
    place: Words
    mask: Words
    target: Numbers
    shift: Words


@njit(cache=True, nogil=True)
def pieces_of(parent: Numbers) -> Pieces:
    """Cut the vertices into runs within a word that were neighbours within a word before."""
    m = len(parent)
    source, target = np.empty(m, np.int64), np.empty(m, np.int64)
    place, mask, shift = np.empty(m, np.uint64), np.empty(m, np.uint64), np.empty(m, np.uint64)
    size = j = 0
    while j < m:
        room = min(64 - (j & 63), 64 - (parent[j] & 63), m - j)
        run = 1
        while run < room and parent[j + run] == parent[j] + run:
            run += 1
        source[size], target[size] = parent[j] >> 6, j >> 6
        place[size], shift[size] = parent[j] & 63, j & 63
        mask[size] = ~np.uint64(0) >> np.uint64(64 - run)
        size += 1
        j += run
    return Pieces(source[:size], place[:size], mask[:size], target[:size], shift[:size])


@njit(cache=True, nogil=True)
def refined_graph(
    kind: int, tree: Tree, cells: Numbers, t: float, old_cells: Numbers, parent: Numbers, old: Words
) -> Words:
    """Return ``cell_graph`` of cells whose parents' graph is known: only pairs with a new cell are measured."""
    m = len(cells)
    adjacent = np.zeros((m, (m + 63) // 64), np.uint64)
    pieces = pieces_of(parent)
    for i in range(m):
        for p in range(len(pieces.source)):
            bits = (old[parent[i], pieces.source[p]] >> pieces.place[p]) & pieces.mask[p]
            adjacent[i, pieces.target[p]] |= bits << pieces.shift[p]
    for i in range(m):
        if cells[i] == old_cells[parent[i]]:
            continue
        for w in range(adjacent.shape[1]):
            rest = adjacent[i, w]
            while rest:
                b = lowest(rest)
                rest &= ~bit(b)
                j = 64 * w + b
                if not may_be_far(kind, tree, cells[i], cells[j], t):
                    adjacent[i, w] &= ~bit(j)
                    adjacent[j, i >> 6] &= ~bit(i)
    return adjacent


@njit(cache=True, nogil=True)
def core_of(adjacent: Words, k: int) -> NDArray[np.bool_]:
    """Mark the vertices that can be in a k-clique: repeatedly drop those with fewer than k - 1 neighbours left."""
    m, width = adjacent.shape
    degree = np.zeros(m, np.int64)
    for i in range(m):
        for w in range(width):
            degree[i] += int(popcount(adjacent[i, w]))
    alive = np.ones(m, np.bool_)
    dropped = [i for i in range(m) if degree[i] < k - 1]
    alive[np.array(dropped, dtype=np.int64)] = False
    while dropped:
        i = dropped.pop()
        for j in range(m):
            if alive[j] and adjacent[i, j >> 6] & bit(j):
                degree[j] -= 1
                if degree[j] < k - 1:
                    alive[j] = False
                    dropped.append(j)
    return alive


@njit(cache=True, nogil=True)
def split_cells(tree: Tree, cells: Numbers, is_split: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """Replace split cells by the unsplit ones below them: the new cells, and the position of each one's old cell."""
    below = [0 for _ in range(0)]
    parent = [0 for _ in range(0)]
    stack = [0 for _ in range(0)]
    for place in range(len(cells)):
        stack.append(cells[place])
        while stack:
            node = stack.pop()
            if is_split[node]:
                stack.append(tree.left[node])
                stack.append(tree.left[node] + 1)
            else:
                below.append(node)
                parent.append(place)
    return np.array(below), np.array(parent)


@njit(cache=True, nogil=True)
def inherit(old: Nogoods, parent: Numbers, new: Nogoods) -> None:
    """Hand on the nogoods of an earlier graph: vertex j is in where its ``parent[j]`` was."""
    blocks = min(old.sets.shape[1], new.sets.shape[1])
    pieces = pieces_of(parent)
    for need in range(len(old.kept)):
        kept = min(old.kept[need], BLOCK * blocks)
        new.kept[need], new.oldest[need] = kept, old.oldest[need]
        new.recent[need], new.useful[need, :kept] = max(0, min(kept - 1, old.recent[need])), old.useful[need, :kept]
        if new.sets.shape[1] < old.sets.shape[1]:
            new.oldest[need] = kept % (BLOCK * blocks) if blocks > 0 else 0
        for b in range((kept + BLOCK - 1) // BLOCK):
            for p in range(len(pieces.source)):
                source, target = old.sets[need, b, pieces.source[p]], new.sets[need, b, pieces.target[p]]
                place, mask, shift = pieces.place[p], pieces.mask[p], pieces.shift[p]
                for lane in range(BLOCK):
                    target[lane] |= ((source[lane] >> place) & mask) << shift
