"""The first pick of a traversal, where nothing is chosen yet, by compiled rows of distances."""

from __future__ import annotations

import numpy as np

from mmdp import Problem
from mmdp.arrays import Vector
from solvers._framework.distance_forms import KINDS, lower_nearest, neighbour_extremes

QUADRATIC_START_LIMIT = 4096  # points up to which all pairs are compared for the first pick
RANKED = ("isolated", "farthest_pair")  # starts that compare all pairs


class Rows:
    """Distance rows of a problem: compiled for the named forms, through the problem for the rest."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.kind = KINDS.get(problem.geometry.form)

    def lower(self, nearest: Vector, centre: int) -> None:
        """``nearest = min(nearest, row(centre))`` in place."""
        if self.kind is None:
            self.problem.lower(nearest, centre)
        else:
            lower_nearest(self.kind, self.problem.vectors, centre, nearest)

    def farthest_from(self, i: int) -> int:
        """The candidate other than i farthest from it."""
        row = np.full(self.problem.n, np.inf)
        self.lower(row, i)
        row[i] = -1.0
        return int(self.problem.candidates[int(row[self.problem.candidates].argmax())])

    def neighbour_extremes(self) -> tuple[Vector, Vector]:
        """Reduced distance to the nearest and the farthest other candidate, for each candidate; O(n^2 d)."""
        candidates = self.problem.candidates
        if self.kind is not None:
            extremes: tuple[Vector, Vector] = neighbour_extremes(self.kind, self.problem.vectors, candidates)
            return extremes
        nearest, farthest = np.empty(len(candidates)), np.empty(len(candidates))
        for block in self.problem.blocks(len(candidates)):
            rows = self.problem.reduced_distances(candidates[block], candidates)
            own = np.arange(len(rows))
            rows[own, block.start + own] = np.inf
            nearest[block] = rows.min(axis=1)
            rows[own, block.start + own] = -np.inf
            farthest[block] = rows.max(axis=1)
        return nearest, farthest


def first_pick(rows: Rows, start: str | int) -> int:
    """Return the candidate that a start begins with; "random" has become an index by now."""
    candidates = rows.problem.candidates
    if start == "sweep":
        return rows.farthest_from(int(candidates[0]))
    if isinstance(start, str):
        nearest, farthest = rows.neighbour_extremes()
        return int(candidates[int((nearest if start == "isolated" else farthest).argmax())])
    return int(start)


def default_start(n: int) -> str:
    """Return the start that a traversal of n points has by default."""
    return "isolated" if n <= QUADRATIC_START_LIMIT else "sweep"
