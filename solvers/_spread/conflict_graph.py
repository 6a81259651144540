"""Which points are too close to be chosen together, as lists of neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.spatial import KDTree

from mmdp import Problem
from mmdp.arrays import Indices
from solvers._spread.independent_set import component_labels

_NORMS = {"sqeuclidean": 2.0, "manhattan": 1.0, "chebyshev": math.inf}
_TREE_POINTS, _TREE_DIMENSIONS = 4000, 6  # from and up to which a k-d tree finds the pairs sooner than all rows do
_SAMPLE = 1000  # points whose neighbours tell how many pairs there are, about; to count all takes as long as listing
_TREE_SHARE = 0.05  # of all pairs that are too close, from which on rows are sooner all the same
_NEAR = 1e-9  # relative; a pair this close to the threshold is compared again as the referee does
_MEMORY_SHARE = 0.25  # of the free memory, for the pairs: they are sorted, which takes as much again


class ConflictGraph(NamedTuple):
    """Neighbours of vertex v: ``members[start[v] : start[v + 1]]``, ascending; v stands for point ``points[v]``."""

    points: Indices
    start: Indices
    members: NDArray[np.int32]

    def components(self) -> list[Indices]:
        """Vertices of each connected component, the smallest component first."""
        label = component_labels(self.start, self.members)
        parts = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1])
        return sorted(parts, key=len)

    def part(self, vertices: Indices) -> ConflictGraph:
        """Return the graph of some vertices, in ascending order, and the conflicts among them."""
        if len(vertices) == len(self.points):
            return self
        inside = self._as_matrix()[vertices][:, vertices]
        inside.sort_indices()
        return ConflictGraph(self.points[vertices], inside.indptr.astype(np.int64), inside.indices.astype(np.int32))

    def dense(self) -> NDArray[np.bool_]:
        """Conflicts as a matrix."""
        return np.asarray(self._as_matrix().toarray())

    def _as_matrix(self) -> csr_array:
        n = len(self.points)
        return csr_array((np.ones(len(self.members), np.bool_), self.members, self.start), shape=(n, n))


def conflict_graph(
    problem: Problem, points: Indices, threshold: float, expired: Callable[[], bool]
) -> ConflictGraph | None:
    """Build the graph of the pairs of ``points`` at a reduced distance below ``threshold``.

    None if there are more pairs than fit into memory, or if the time is up before they are all known. O(n^2 d) time, or
    about O(n log n) plus the pairs for many points of few dimensions.
    """
    most = int(_MEMORY_SHARE * psutil.virtual_memory().available) // 16
    n = len(points)
    pairs = _from_tree(problem, points, threshold, most) if _has_tree(problem, points) else None
    pairs = _from_rows(problem, points, threshold, most, expired) if pairs is None else pairs
    if pairs is None or expired():
        return None
    above = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    both = above + above.T.tocsr()
    both.sort_indices()
    return ConflictGraph(points, both.indptr.astype(np.int64), both.indices.astype(np.int32))


def closest_distance(problem: Problem, points: Indices) -> float:
    """Return the smallest distance of two of the points; by a k-d tree where there is one."""
    if not _has_tree(problem, points):
        return problem.objective(points)[0]
    x, norm = problem.vectors[points].astype(np.float64), _NORMS[problem.geometry.form]
    apart, nearest = KDTree(x).query(x, k=2, p=norm)
    close = np.flatnonzero(apart[:, 1] <= apart[:, 1].min() * (1 + _NEAR))
    pairs = {(min(i, j), max(i, j)) for i, j in zip(close.tolist(), nearest[close, 1].tolist(), strict=True) if i != j}
    return min(problem.objective(points[list(pair)])[0] for pair in pairs)


def _has_tree(problem: Problem, points: Indices) -> bool:
    is_sum = problem.points is not None and problem.geometry.form in _NORMS
    return is_sum and len(points) >= _TREE_POINTS and problem.vectors.shape[1] <= _TREE_DIMENSIONS


def _from_rows(
    problem: Problem, points: Indices, threshold: float, most: int, expired: Callable[[], bool]
) -> NDArray[np.int32] | None:
    found, total = [np.empty((0, 2), np.int32)], 0
    step = max(1, 2**21 // len(points))
    for begin in range(0, len(points), step):
        if expired() or total > most:
            return None
        rows = points[begin : begin + step]
        close = problem.reduced_distances(rows, points[begin:]) < threshold
        pairs = np.argwhere(np.triu(close, 1)) + begin  # a row and a column of the block begin at the same point
        found.append(pairs.astype(np.int32))
        total += len(pairs)
    return np.concatenate(found)


def _from_tree(problem: Problem, points: Indices, threshold: float, most: int) -> NDArray[np.int32] | None:
    """Pairs from a k-d tree; None if they are so many that rows find them sooner, or do not fit."""
    x = problem.vectors[points].astype(np.float64)
    norm = _NORMS[problem.geometry.form]
    radius = math.sqrt(threshold) if norm == 2 else threshold
    if not math.isfinite(radius):
        return None
    tree = KDTree(x)
    some = KDTree(np.random.default_rng(0).choice(x, min(len(x), _SAMPLE), replace=False))
    count = (some.count_neighbors(tree, radius * (1 + _NEAR), p=norm) / some.n - 1) * len(x) / 2
    if count > min(most, _TREE_SHARE * len(x) ** 2 / 2):
        return None
    pairs = tree.query_pairs(radius * (1 + _NEAR), p=norm, output_type="ndarray")
    differences = np.abs(x[pairs[:, 0]] - x[pairs[:, 1]])
    distance = differences.max(axis=1) if norm == math.inf else (differences**norm).sum(axis=1)
    kept = distance < threshold
    for place in np.flatnonzero(np.abs(distance - threshold) <= 4 * _NEAR * threshold):
        i, j = points[pairs[place]]
        kept[place] = problem.reduced_distances(i, [j])[0, 0] < threshold
    return np.asarray(pairs[kept], dtype=np.int32)
