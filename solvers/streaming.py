"""The doubling algorithm: one pass over the points, memory for a few times k of them, and a guarantee."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mmdp import Clock, Problem
from mmdp.metrics import Vector
from mmdp.problem import Indices
from solvers._base import Run, Solver

_RATIO = 8.0  # in distances that obey the triangle inequality


@dataclass(frozen=True)
class Streaming(Solver):
    """Read each point once and keep fewer than 3 k.

    Centres are pairwise at least tau apart. When there are k of them they are a solution, tau doubles, and of those now
    too close only one stays. Every point seen is within 2 tau of some centre, of which fewer than k are left, so two
    points of any solution share one: nothing exceeds 4 tau, and the last solution reaches tau / 2. Hence at least an
    eighth of the optimum under a metric; ``notes["ratio"]`` states the factor, infinite where none holds. The doubling
    is that of Charikar, Chekuri, Feder, Motwani (STOC 1997, section 3), for remote-edge diversity. The greedy on the
    points kept is returned where it is better.

    Fixed picks are added at the end, and the factor is only claimed without them.
    """

    cost = "O(n k d) in one pass, memory O(k d)"

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        stream = Doubling(problem)
        for block in problem.blocks(problem.k):
            low, high = np.searchsorted(problem.candidates, (block.start, block.stop))
            stream.add(problem.candidates[low:high])
        kept = stream.kept()
        best = _farthest_first(problem, kept, list(problem.include))
        if (
            not problem.include
            and len(stream.solution)
            and problem.objective(stream.solution)[0] > problem.objective(best)[0]
        ):
            best = stream.solution.tolist()
        return Run(best, stream.upper_bound(), iterations=problem.n, notes={"ratio": ratio(problem), "kept": len(kept)})


class Doubling:
    """Centres, the solution they were when they last were k, and the threshold, as a surrogate."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.growth = problem.geometry.two_hops or 2.0
        self.centres: Indices = np.empty(0, np.int64)
        self.solution: Indices = np.empty(0, np.int64)
        self.spare: Indices = np.empty(0, np.int64)
        self.threshold = 0.0

    def add(self, indices: Indices) -> None:
        """Take the next points of the stream."""
        if len(self.spare) < self.problem.k:  # should fewer than k points be distinct
            self.spare = np.concatenate([self.spare, indices[: self.problem.k - len(self.spare)]])
        place = 0
        while place < len(indices):
            batch = indices[place : place + 1024]
            far = self._far(batch)
            if not far.any():
                place += len(batch)
                continue
            first = int(far.argmax())
            self.centres = np.append(self.centres, batch[first])
            place += first + 1
            if len(self.centres) == self.problem.k:
                self._double()

    def kept(self) -> Indices:
        """All points in memory."""
        return np.unique(np.concatenate([self.centres, self.solution, self.spare]))

    def upper_bound(self) -> float:
        """No k points seen are farther apart than four times the threshold, where the triangle inequality holds."""
        if self.problem.geometry.two_hops is None:
            return math.inf
        return float(self.problem.value(self.growth**2 * self.threshold))

    def _far(self, batch: Indices) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        if not len(self.centres):
            return np.ones(len(batch), dtype=bool)
        nearest = self._between(batch, self.centres).min(axis=1)
        return np.asarray(nearest >= self.threshold if self.threshold > 0 else nearest > 0)

    def _between(self, rows: Indices, columns: Indices) -> Vector:
        return self.problem.surrogates(rows, columns)

    def _double(self) -> None:
        while len(self.centres) == self.problem.k:
            self.solution = self.centres
            apart = self._between(self.centres, self.centres)
            np.fill_diagonal(apart, np.inf)
            self.threshold = max(self.threshold, float(apart.min())) * self.growth
            kept: list[int] = []
            for i in range(len(apart)):
                if (apart[i, kept] >= self.threshold).all():
                    kept.append(i)
            self.centres = self.centres[kept]


def ratio(problem: Problem) -> float:
    """The factor between the optimum and what streaming returns, in the distances of the problem."""
    root = problem.geometry.root
    return math.inf if root is None or problem.include else _RATIO**root


def _farthest_first(problem: Problem, among: Indices, first: list[int]) -> list[int]:
    """Greedy on a few points; from the two farthest apart where no pick is fixed."""
    among = np.union1d(among, first).astype(np.int64)
    D = problem.surrogates(among, among)
    picks = [int(i) for i in np.searchsorted(among, first)] or [int(i) for i in np.unravel_index(D.argmax(), D.shape)]
    if len(set(picks)) < len(picks):
        picks = picks[:1]
    while len(picks) < problem.k:
        nearest = D[picks].min(axis=0)
        nearest[picks] = -1.0
        picks.append(int(nearest.argmax()))
    return [int(i) for i in among[picks]]
