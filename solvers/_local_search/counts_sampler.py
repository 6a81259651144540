"""Samples of the candidates of a problem with group counts: nets that cover each kind, and neighbourhoods of picks."""

from __future__ import annotations

import numpy as np

from mmdp import Problem
from mmdp.arrays import Indices
from mmdp.groups import GroupCounts
from mmdp.traversal import farthest_first

_NET = 500  # points of a net of all kinds, more for large k: a search of fewer is faster, and of more is sharper
_MOST = 4000  # points of a net at most, whose distances are a matrix
_SAMPLE = 8  # times as many points as a net takes of a kind: the sample that its part is made of
_NET_WORK = 2 * 10**7  # coordinates read for a net, or for the neighbours of all picks


class CountedSampler:
    """The candidates of a problem by kind, to be sampled.

    Parameters
    ----------
    problem : Problem
    limits : GroupCounts
    """

    def __init__(self, problem: Problem, limits: GroupCounts) -> None:
        self._problem, self._limits = problem, limits
        self._all = problem.candidates
        order = np.argsort(limits.kind[self._all], kind="stable")
        cuts = np.searchsorted(limits.kind[self._all][order], np.arange(1, len(limits.groups_of_kind)))
        self._of_kind = np.split(self._all[order], cuts)
        self._dimension = 1 if problem.points is None else int(problem.vectors.shape[1])
        self._rigid = limits.member.shape[1] == 1 and bool((limits.low == limits.high).all())

    def net(self, chosen: Indices, rng: np.random.Generator) -> Indices:
        """Return farthest-first points of a sample of each kind, in the proportions of a solution; ascending."""
        k = self._problem.k
        size = min(len(self._all), max(_NET, min(4 * k, _MOST)))
        taken = np.bincount(self._limits.kind[chosen], minlength=len(self._of_kind))
        extra = 0.0 if self._rigid else k / max(1, 4 * sum(len(points) > 0 for points in self._of_kind))
        share = np.where([len(points) > 0 for points in self._of_kind], taken + extra, 0.0)
        parts = []
        for points, wanted in zip(self._of_kind, np.ceil(size * share / share.sum()).astype(int), strict=True):
            if wanted:
                parts.append(self._spread(self._sample(points, _SAMPLE * wanted, rng), int(wanted), rng))
        return np.sort(np.concatenate(parts))

    def near(self, chosen: Indices, scale: float, width: int, rng: np.random.Generator) -> tuple[Indices, bool]:
        """Return the chosen points and, for each, ``width`` points drawn from its nearest ones; ascending.

        ``scale`` is the share of the points between a pick and its neighbours that are drawn from; the second value
        says whether these were no more than ``width``. Half of the points are of the kind of the pick, and all where
        only points of one kind can take each other's place.
        """
        columns = self._sample(self._all, max(20 * width, _NET_WORK // (len(chosen) * self._dimension)), rng)
        kinds, parts, finest = self._limits.kind, [chosen], True
        own_width = width if self._rigid else max(1, width // 2)
        step = max(1, 2**21 // len(columns))
        for start in range(0, len(chosen), step):
            block = chosen[start : start + step]
            for pick, row in zip(block, self._problem.reduced_distances(block, columns), strict=True):
                own = np.flatnonzero(kinds[columns] == kinds[pick])
                rivals = max(1, int((kinds[chosen] == kinds[pick]).sum()))
                close, fine = self._draw(row[own], own_width, scale / rivals, rng)
                parts.append(columns[own[close]])
                finest &= fine
                if not self._rigid:
                    close, fine = self._draw(row, width - own_width, scale / len(chosen), rng)
                    parts.append(columns[close])
                    finest &= fine
        return np.unique(np.concatenate(parts)), finest

    @staticmethod
    def _draw(row: Indices, width: int, share: float, rng: np.random.Generator) -> tuple[Indices, bool]:
        nearest = max(width, int(share * len(row)))
        close = np.argpartition(row, nearest - 1)[:nearest] if nearest < len(row) else np.arange(len(row))
        if len(close) <= width:
            return close, True
        return rng.choice(close, width, replace=False), nearest <= width

    def _spread(self, points: Indices, size: int, rng: np.random.Generator) -> Indices:
        if size >= len(points):
            return points
        problem = self._problem
        x = None if problem.points is None else problem.vectors[points].astype(np.float64)

        def lower(nearest: np.ndarray, place: int) -> None:
            if x is None:
                row = problem.reduced_distances(points[place], points)[0]
            else:
                row = problem.geometry.pairwise(x[place : place + 1], x)[0]
            np.minimum(nearest, row, out=nearest)

        picks, _ = farthest_first(lower, np.full(len(points), np.inf), [int(rng.integers(len(points)))], size)
        return np.asarray(points[picks])

    @staticmethod
    def _sample(points: Indices, size: int, rng: np.random.Generator) -> Indices:
        return points if size >= len(points) else np.sort(rng.choice(points, size, replace=False))
