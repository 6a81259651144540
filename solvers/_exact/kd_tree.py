"""A k-d tree down to single points, whose nodes are the cells of the lazy search, and which of them hold a far pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers._exact.boxes import farthest, nearest
from solvers._framework.compilation import njit

_SPLITS = 8  # of two nodes before they count as far: more join fewer cells, and take longer for each pair

Numbers = NDArray[np.int64]


class Tree(NamedTuple):
    """Node i holds ``points[first[i] : last[i]]`` in the tight box [low[i], high[i]].

    Its children are ``left[i]`` and ``left[i] + 1``, or ``left[i]`` is -1 for a place: a point and its duplicates.
    """

    points: Numbers
    first: Numbers
    last: Numbers
    left: Numbers
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def build(x: NDArray[np.float64]) -> Tree:
    """Split the widest side of the tight box at its middle until only places are left; O(n log n) on usual data.

    Parameters
    ----------
    x : (n, d) float64 array
    """
    n, d = x.shape
    room = 2 * n - 1
    first, last, left = np.empty((3, room), dtype=np.int64)
    low, high = np.empty((2, room, d))
    points = np.arange(n)
    size = _build(x, Tree(points, first, last, left, low, high))
    return Tree(points, first[:size], last[:size], left[:size], low[:size], high[:size])


@njit(cache=True)
def _fit(x: NDArray[np.float64], tree: Tree, node: int) -> None:
    tree.low[node] = x[tree.points[tree.first[node]]]
    tree.high[node] = tree.low[node]
    for i in tree.points[tree.first[node] + 1 : tree.last[node]]:
        for c in range(x.shape[1]):
            tree.low[node, c] = min(tree.low[node, c], x[i, c])
            tree.high[node, c] = max(tree.high[node, c], x[i, c])


@njit(cache=True)
def _build(x: NDArray[np.float64], tree: Tree) -> int:
    tree.first[0], tree.last[0] = 0, len(x)
    size, node = 1, 0
    while node < size:  # nodes are appended as their parents are split, so this visits every one
        _fit(x, tree, node)
        side = 0
        for c in range(1, x.shape[1]):
            if tree.high[node, c] - tree.low[node, c] > tree.high[node, side] - tree.low[node, side]:
                side = c
        low, high = tree.low[node, side], tree.high[node, side]
        if not low < high:
            tree.left[node] = -1
            node += 1
            continue
        middle = low + (high - low) / 2
        if middle >= high:  # neighbouring numbers: the middle rounds up
            middle = low
        border = tree.first[node]
        for place in range(tree.first[node], tree.last[node]):
            i = tree.points[place]
            if x[i, side] <= middle:
                tree.points[place] = tree.points[border]
                tree.points[border] = i
                border += 1
        tree.left[node] = size
        tree.first[size], tree.last[size] = tree.first[node], border
        tree.first[size + 1], tree.last[size + 1] = border, tree.last[node]
        size += 2
        node += 1
    return size


@njit(cache=True, nogil=True)
def may_be_far(kind: int, tree: Tree, a: int, b: int, t: float, splits: int = _SPLITS) -> bool:
    """Whether a point of node a may be at least t from one of node b, as seen by the boxes some generations below.

    Never False if there is such a pair; where these are single points, True only if there is one. The formula::

        def may_be_far(a, b, splits=_SPLITS):
            if farthest(a, b) < t:
                return False
            if splits == 0 or nearest(a, b) >= t:
                return True
            wide, other = sorted((a, b), key=diameter, reverse=True)
            return any(may_be_far(child, other, splits - 1) for child in children(wide))
    """
    low, high, left = tree.low, tree.high, tree.left
    pairs = np.empty((splits + 2, 3), np.int64)
    pairs[0] = a, b, splits
    size = 1
    while size > 0:
        size -= 1
        a, b, splits = pairs[size, 0], pairs[size, 1], pairs[size, 2]
        if farthest(kind, low, high, a, b) < t:
            continue
        if splits == 0 or nearest(kind, low, high, a, b) >= t:
            return True
        if farthest(kind, low, high, a, a) < farthest(kind, low, high, b, b):
            a, b = b, a
        for child in range(left[a], left[a] + 2):
            pairs[size, 0], pairs[size, 1], pairs[size, 2] = child, b, splits - 1
            size += 1
    return False
