"""The doubling algorithm: one pass over the points, memory for fewer than 3 k of them, and a guarantee."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from mmdp import Clock, Problem
from mmdp.arrays import Indices, Matrix, Points, Vector
from mmdp.metrics import Metric
from mmdp.tables import Table
from mmdp.traversal import farthest_first
from solvers._framework.base import Solver
from solvers._framework.grading import Run, held_problem
from solvers._framework.table_problem import TableProblem, TableRun

_FACTOR = 8.0  # in distances that obey the triangle inequality


@dataclass(frozen=True)
class Streaming(Solver):
    """Read each point once and keep fewer than 3 k of them.

    The centres are pairwise at least tau apart. When there are k of them, they are a solution. Then tau doubles, and of
    centres that are now too close only one stays. Every point seen so far is within 2 tau of a centre, and fewer than k
    centres are left, so two points of any solution share one. Hence no solution exceeds 4 tau, while the last solution
    reaches tau / 2: at least an eighth of the optimum under a metric. The doubling is that of Charikar, Chekuri, Feder,
    Motwani (STOC 1997, section 3), applied to remote-edge diversity. If the greedy on the kept points is better, its
    solution is returned.

    ``notes["approximation_factor"]`` is infinite if no factor holds. Required points are added at the end; with them,
    no factor is claimed.

    Examples
    --------
    >>> from solvers import solve
    >>> solve([[0.0], [1.0], [5.0]], k=2, solver="streaming").objective
    5.0
    """

    cost = "O(n k d) in one pass, memory O(k d)"

    @property
    def stops(self) -> bool:
        """One solution is constructed."""
        return False

    def _reads(self, asked: TableProblem) -> bool:
        return isinstance(asked.table, Table) and asked.checkpoint is None

    def _run_table(self, asked: TableProblem) -> TableRun:
        """In one pass, holding fewer than 3 k rows and a few blocks."""
        table, k, geometry = asked.table, asked.k, asked.geometry
        assert isinstance(table, Table)
        include = np.array(asked.include, dtype=np.int64)
        held = _Held(geometry)
        stream = Doubling(k, geometry, held.between)
        with tqdm(total=table.n, unit="row", disable=not asked.progress) as bar:
            for start, block in table.blocks(geometry):
                held.take(start, block)
                stream.add(np.setdiff1d(np.arange(start, start + len(block)), asked.exclude))
                held.keep(np.union1d(stream.kept(), include[include < start + len(block)]))
                bar.update(len(block))
        here = held_problem(held.vectors, k, geometry, held.places(include).tolist())
        best = np.array(_best(here, np.arange(here.n), held.places(stream.solution)))
        notes = {"approximation_factor": approximation_factor(geometry, asked.include), "kept": len(held.ids)}
        run = Run(held.ids[best], stream.upper_bound(), iterations=table.n, notes=notes)
        return TableRun(run, held.vectors[best], table.n)

    def _notes_of_only_solution(self, problem: Problem, indices: ArrayLike) -> Mapping[str, Any]:
        return {"approximation_factor": 1.0}

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        stream = Doubling(problem.k, problem.geometry, problem.reduced_distances)
        for block in problem.blocks(problem.k):
            low, high = np.searchsorted(problem.candidates, (block.start, block.stop))
            stream.add(problem.candidates[low:high])
        kept = stream.kept()
        best = _best(problem, kept, stream.solution)
        notes = {"approximation_factor": approximation_factor(problem.geometry, problem.include), "kept": len(kept)}
        return Run(best, stream.upper_bound(), iterations=problem.n, notes=notes)


class _Held:
    """Rows of a source that are in memory: those the stream keeps and those of the present block."""

    def __init__(self, geometry: Metric) -> None:
        self.geometry = geometry
        self.ids: Indices = np.empty(0, np.int64)
        self.vectors: Points = np.empty((0, 0))

    def take(self, start: int, block: Points) -> None:
        """Add a block, whose rows come after all that are held."""
        self.ids = np.concatenate([self.ids, np.arange(start, start + len(block))])
        self.vectors = np.concatenate([self.vectors, block]) if self.vectors.size else block

    def keep(self, ids: Indices) -> None:
        """Forget all rows but these, in ascending order."""
        places = self.places(ids)
        self.ids, self.vectors = ids, self.vectors[places]

    def places(self, ids: Indices) -> Indices:
        """Where the rows are held."""
        return np.searchsorted(self.ids, ids)

    def between(self, rows: Indices, columns: Indices) -> Matrix:
        """Reduced distances of rows and columns."""
        return self.geometry.pairwise(self.vectors[self.places(rows)], self.vectors[self.places(columns)])


class Doubling:
    """Centres, the solution they were when they last were k, and the threshold, as a reduced distance."""

    def __init__(self, k: int, geometry: Metric, between: Callable[[Indices, Indices], Matrix]) -> None:
        self.k, self.geometry, self.between = k, geometry, between
        self.constant = geometry.triangle_constant or 2.0
        self.centres: Indices = np.empty(0, np.int64)
        self.solution: Indices = np.empty(0, np.int64)
        self.spare: Indices = np.empty(0, np.int64)
        self.threshold = 0.0

    def add(self, indices: Indices) -> None:
        """Take the next points of the stream."""
        if len(self.spare) < self.k:  # should fewer than k points be distinct
            self.spare = np.concatenate([self.spare, indices[: self.k - len(self.spare)]])
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
            if len(self.centres) == self.k:
                self._double()

    def kept(self) -> Indices:
        """All points in memory."""
        return np.unique(np.concatenate([self.centres, self.solution, self.spare]))

    def upper_bound(self) -> float:
        """No k points seen are farther apart than four times the threshold, where the triangle inequality holds."""
        if self.geometry.triangle_constant is None:
            return math.inf
        return self.geometry.bound(self.constant**2 * self.threshold)

    def _far(self, batch: Indices) -> NDArray[np.bool_]:
        if not len(self.centres):
            return np.ones(len(batch), dtype=bool)
        nearest = self.between(batch, self.centres).min(axis=1)
        return np.asarray(nearest >= self.threshold if self.threshold > 0 else nearest > 0)

    def _double(self) -> None:
        while len(self.centres) == self.k:
            self.solution = self.centres
            apart = self.between(self.centres, self.centres)
            np.fill_diagonal(apart, np.inf)
            self.threshold = max(self.threshold, float(apart.min())) * self.constant
            kept: list[int] = []
            for i in range(len(apart)):
                if (apart[i, kept] >= self.threshold).all():
                    kept.append(i)
            self.centres = self.centres[kept]


def approximation_factor(geometry: Metric, include: Sequence[int] = ()) -> float:
    """Return the factor between the optimum and what streaming returns; none is known with fixed picks."""
    root = geometry.root
    return math.inf if root is None or include else _FACTOR**root


def _best(problem: Problem, kept: Indices, solution: Indices) -> list[int]:
    """The greedy on the points kept, or the last solution of the stream where that is better."""
    best = _farthest_first(problem, kept, list(problem.include))
    if problem.include or not len(solution) or problem.objective(solution)[0] <= problem.objective(best)[0]:
        return best
    return [int(i) for i in solution]


def _farthest_first(problem: Problem, among: Indices, first: list[int]) -> list[int]:
    """Greedy on a few points; from the two farthest apart where no pick is fixed."""
    among = np.union1d(among, first).astype(np.int64)
    D = problem.reduced_distances(among, among)
    start = [int(i) for i in np.searchsorted(among, first)] or [int(i) for i in np.unravel_index(D.argmax(), D.shape)]
    if len(set(start)) < len(start):
        start = start[:1]
    lower = partial(_lower, D)
    picks, _ = farthest_first(lower, np.full(len(among), np.inf), start, problem.k)
    return [int(i) for i in among[picks]]


def _lower(D: Matrix, nearest: Vector, place: int) -> None:
    np.minimum(nearest, D[place], out=nearest)
