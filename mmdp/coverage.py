"""What chosen points mean for all points: when each was picked, which is nearest to each row, how far any row is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices, Matrix, Vector
from mmdp.exceptions import InvalidProblemError
from mmdp.metrics import Metric
from mmdp.problem import Problem

_BLOCK_ENTRIES = 2**21


class Assignment(NamedTuple):
    """The nearest chosen point of each row.

    Attributes
    ----------
    labels : (n,) int64 array
        Place of it in ``Result.indices``, the first one among equals.
    distances : (n,) float64 array
        How far it is.
    """

    labels: NDArray[np.int64]
    distances: Vector


@dataclass(frozen=True)
class Origin:
    """The points that a result was chosen from, where they are still at hand.

    Parameters
    ----------
    picks : Problem
        One that holds the chosen points, as its rows ``places``.
    places : (k,) int64 array
    blocks : callable, optional
        Begins a pass over all rows: reduced distances (k, rows of a block) from the chosen points. None where the other
        points are not at hand.
    """

    picks: Problem
    places: Indices
    blocks: Callable[[], Iterator[Matrix]] | None

    def radii(self) -> Vector:
        """Distance of each chosen point to those before it, infinite for the first."""
        k = len(self.places)
        radii = np.full(k, np.inf)
        step = max(1, _BLOCK_ENTRIES // k)
        for start in range(0, k, step):
            rows = self.places[start : start + step]
            before = self.picks.reduced_distances(rows, self.places[: start + len(rows)])
            for place in range(len(rows)):
                if start + place:
                    radii[start + place] = before[place, : start + place].min()
        radii[1:] = self.picks.value(radii[1:])
        return radii

    def assignment(self) -> Assignment:
        """Return the nearest chosen point of each row, in one pass; O(n k d)."""
        if self.blocks is None:
            raise InvalidProblemError(
                "the points that were not chosen are not in memory: they stayed in their partitions; compare "
                "result.indices with the points yourself"
            )
        labels, nearest = [], []
        for block in self.blocks():
            labels.append(block.argmin(axis=0))
            nearest.append(block.min(axis=0))
        return Assignment(
            np.concatenate(labels).astype(np.int64), np.asarray(self.picks.value(np.concatenate(nearest)))
        )


def in_memory(problem: Problem, indices: Indices) -> Origin:
    """All points are those of the problem."""
    step = max(1, _BLOCK_ENTRIES // len(indices))

    def blocks() -> Iterator[Matrix]:
        for start in range(0, problem.n, step):
            yield problem.reduced_distances(indices, np.arange(start, min(problem.n, start + step)))

    return Origin(problem, indices, blocks)


def in_blocks(held: Problem, geometry: Metric, read: Callable[[], Iterator[NDArray[np.generic]]] | None) -> Origin:
    """The chosen points are those of ``held``, and ``read`` gives all embedded rows block by block, if it can."""
    if read is None:
        return Origin(held, np.arange(held.n), None)

    def blocks() -> Iterator[Matrix]:
        step = max(1, _BLOCK_ENTRIES // held.n)
        for block in read():
            for start in range(0, len(block), step):
                yield geometry.pairwise(held.vectors, block[start : start + step])

    return Origin(held, np.arange(held.n), blocks)
