"""Samples of the candidates of a problem: nets that cover all of them, and neighbourhoods of picks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from mmdp import Problem
from mmdp.arrays import Indices, Vector
from mmdp.traversal import farthest_first
from solvers._local_search.nets import net

_NET, _PER_PICK = 400, 8  # points of a net, and for each pick: a search of fewer is faster, and of more is sharper
_EVERYTHING = 0.1  # share of nets made of all points, which is slow; the others are made of a sample
_SAMPLE = 10  # times as many points as a net: the sample that most nets are made of
_OVERSAMPLE = 4  # points drawn for each neighbour that is wanted: more come nearer to the nearest, and cost more
_TREE_DIMENSIONS = 8  # up to which a k-d tree finds neighbours faster than a row of distances
_NET_WORK = 5 * 10**7  # coordinates read for a net, or for the neighbours of all picks


class CandidateSampler:
    """The candidates of a problem, to be sampled.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._problem, self._all = problem, problem.candidates
        has_vectors = problem.points is not None
        self._euclidean = has_vectors and problem.geometry.form == "sqeuclidean"
        self._dimension = int(problem.vectors.shape[1]) if has_vectors else 1
        treelike = self._euclidean and self._dimension <= _TREE_DIMENSIONS
        self._tree = cKDTree(problem.vectors[self._all]) if treelike else None

    def net(self, rng: np.random.Generator) -> Indices:
        """Return farthest-first points of all points or of a sample, ascending."""
        size = min(len(self._all), max(_NET, _PER_PICK * self._problem.k))
        affordable = max(2 * size, _NET_WORK // (size * self._dimension))
        wanted = len(self._all) if rng.random() < _EVERYTHING else _SAMPLE * size
        points = self._sample(min(wanted, affordable), rng)
        place = int(rng.integers(len(points)))
        if self._euclidean:
            columns = np.ascontiguousarray(self._problem.vectors[points].T, dtype=np.float64)
            return np.sort(np.asarray(points[net(columns, place, size)]))
        picks, _ = farthest_first(self._lower_among(points), np.full(len(points), np.inf), [place], size)
        return np.asarray(points[np.sort(picks)])

    def near(self, chosen: Indices, nearest: int, width: int, rng: np.random.Generator) -> Indices:
        """Return the chosen points and, for each, ``width`` of its ``nearest`` points, or nearly so; ascending."""
        if self._tree is not None and nearest <= _OVERSAMPLE * width:
            _, neighbours = self._tree.query(self._problem.vectors[chosen], k=min(nearest, len(self._all)))
            rows = self._all[np.reshape(neighbours, (len(chosen), -1))]
            if nearest > width:
                rows = rng.permuted(rows, axis=1)[:, :width]
            return np.union1d(chosen, rows)
        affordable = max(20 * width, _NET_WORK // (len(chosen) * self._dimension))
        enough = len(self._all) * _OVERSAMPLE * width // nearest
        columns = self._sample(min(max(enough, 20 * width), affordable), rng)
        nearest = max(width, nearest * len(columns) // len(self._all))
        parts = [chosen]
        step = max(1, 2**21 // len(columns))
        for start in range(0, len(chosen), step):
            for row in self._problem.reduced_distances(chosen[start : start + step], columns):
                close = np.argpartition(row, nearest - 1)[:nearest] if nearest < len(row) else np.arange(len(row))
                close = close if len(close) <= width else rng.choice(close, width, replace=False)
                parts.append(columns[close])
        return np.unique(np.concatenate(parts))

    def completed(self, kept: Indices, net: Indices, rng: np.random.Generator, choices: int) -> Indices:
        """Add points of the net to ``kept`` until there are k, each time one of the ``choices`` farthest ones."""
        points = np.union1d(net, kept)

        def next_pick(nearest: Vector) -> int:
            free = int((nearest >= 0).sum())
            far = np.argsort(-nearest, kind="stable")[: min(choices, free)]
            return int(rng.choice(far))

        first = [int(place) for place in np.searchsorted(points, kept)] or [int(rng.integers(len(points)))]
        lower, nearest = self._lower_among(points), np.full(len(points), np.inf)
        picks, _ = farthest_first(lower, nearest, first, self._problem.k, next_pick)
        return points[picks]

    def _sample(self, size: int, rng: np.random.Generator) -> Indices:
        return self._all if size >= len(self._all) else np.sort(rng.choice(self._all, size, replace=False))

    def _lower_among(self, points: Indices) -> Callable[[Vector, int], object]:
        """Return what lowers distances of all ``points`` to those from the place of one of them."""
        problem = self._problem
        if problem.points is None:
            return lambda nearest, place: np.minimum(
                nearest, problem.reduced_distances(points[place], points)[0], out=nearest
            )
        x = problem.vectors[points].astype(np.float64)
        return lambda nearest, place: np.minimum(
            nearest, problem.geometry.pairwise(x[place : place + 1], x)[0], out=nearest
        )
