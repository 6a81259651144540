"""The plain traversal in NumPy and compiled rows: the rule that every faster way has to reproduce."""

from __future__ import annotations

import numpy as np

from mmdp import Problem
from mmdp.arrays import Vector
from mmdp.traversal import farthest_first
from solvers._farthest_first import accelerated
from solvers._framework.distance_forms import KINDS, lower_nearest, neighbour_extremes

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


def extend(problem: Problem, first: list[int], start: str | int, accelerate: bool) -> tuple[list[int], float]:
    """As :func:`mmdp.traversal.farthest_first`, begun by a start where ``first`` is empty.

    ``accelerate`` leaves out the distances that bounds prove needless. Returns k picks, ``first`` before the others,
    and the reduced distance of the last one to those before it.
    """
    rows = Rows(problem)
    picks = first or [first_pick(rows, start)]
    if accelerate and accelerated.applies(problem):
        return accelerated.traverse(problem, _nothing_near(problem), picks)
    return farthest_first(rows.lower, _nothing_near(problem), picks, problem.k)


def _nothing_near(problem: Problem) -> Vector:
    """No pick is near any candidate yet; what is no candidate stays below zero."""
    nearest = np.full(problem.n, -1.0)
    nearest[problem.candidates] = np.inf
    return nearest
