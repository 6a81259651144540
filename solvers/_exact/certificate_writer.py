"""Writing down why there is no better subset, for :mod:`mmdp.certificate` to check."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock, Problem
from mmdp.arrays import Indices
from solvers._exact.bitsets import Words, count, full, members, pack
from solvers._exact.colouring import colour
from solvers._exact.counted_clique import unions
from solvers._exact.threshold_graph import core_in_order


def proof_tree(problem: Problem, clock: Clock, limit: int) -> dict[str, Any] | None:
    """Return the fields of a ``Certificate`` that the objective of the clock is the optimum.

    None beyond ``limit`` nodes, or when the time is up.

    Raises
    ------
    TooLargeError
        If the matrix fits neither memory nor time.
    """
    D = problem.matrix(lambda: clock.remaining <= 0)
    D = np.where(np.eye(len(D), dtype=bool), -1.0, D)
    larger = D[np.ix_(problem.candidates, problem.candidates)]
    larger = larger[larger > clock.objective]
    threshold = float(larger.min()) if len(larger) else math.inf
    free = np.setdiff1d(problem.candidates, problem.include)
    free = free[np.greater_equal(D[list(problem.include)][:, free], threshold).all(axis=0)]
    adjacent = np.greater_equal(D[np.ix_(free, free)], threshold)
    order = core_in_order(adjacent, np.arange(len(adjacent)), 0)
    graph, names = pack(adjacent[np.ix_(order, order)]), free[order]
    writer = _Writer(graph, names, problem, limit, clock)
    try:
        tree = writer.node(full(len(free)), list(problem.include))
    except _TooLongError:
        return None
    return {"k": problem.k, "threshold": threshold, "tree": tree}


class _TooLongError(Exception):
    pass


class _Writer:
    def __init__(self, adjacent: Words, names: Indices, problem: Problem, limit: int, clock: Clock) -> None:
        self._adjacent, self._names, self._left, self._clock = adjacent, names.tolist(), limit, clock
        self._k, self._limits = problem.k, problem.group_counts
        self._unions: list[tuple[list[int], Words]] = []
        if self._limits is not None:
            self._member = self._limits.member[names]
            for inside in unions(self._limits.attribute, self._limits.low, self._limits.high):
                groups = np.flatnonzero(inside).tolist()
                self._unions.append((groups, _with_any(np.isin(self._member, groups))))

    def node(self, candidates: Words, chosen: list[int]) -> list[Any]:
        """Return groups and branches for a set of candidates that do not complete the chosen points to a solution."""
        self._left -= 1
        if self._left < 0 or self._clock.remaining <= 0:
            raise _TooLongError
        if self._limits is not None:
            is_open = self._limits.open(self._limits.taken(chosen), self._k)
            candidates = candidates & ~_with_any(~is_open[self._member])
        classes, rest, union = self._cover(candidates, chosen)
        branches = []
        left = candidates.copy()
        while rest.any():
            word = int(np.flatnonzero(rest)[-1])
            vertex = 64 * word + int(rest[word]).bit_length() - 1
            for words in (rest, left):
                words[word] &= ~(np.uint64(1) << np.uint64(vertex % 64))
            name = self._names[vertex]
            branches.append([name, self.node(left & self._adjacent[vertex], [*chosen, name])])
        groups = [self._named(group) for group in classes if group.any()]
        return [groups, branches, union] if union else [groups, branches]

    def _cover(self, candidates: Words, chosen: list[int]) -> tuple[Words, Words, list[int]]:
        """Colour classes, what they leave, and the union of groups that is covered, which is empty for all points."""
        need = self._k - len(chosen)
        best = (*self._coloured(candidates, need), list[int]())
        if self._limits is not None:
            taken = self._limits.taken(chosen)
            for groups, members_of in self._unions:
                least = self._limits.least_of(groups, taken, self._k)
                if least > 0:
                    classes, rest = self._coloured(candidates & members_of, least)
                    if count(rest) < count(best[1]):
                        best = (classes, rest, groups)
        return best

    def _coloured(self, candidates: Words, need: int) -> tuple[Words, Words]:
        classes = np.zeros((max(1, need), len(candidates)), dtype=np.uint64)
        rest = np.zeros_like(candidates)
        colour(self._adjacent, candidates, need, classes, rest)
        return classes[: need - 1], rest

    def _named(self, words: Words) -> list[int]:
        return [self._names[vertex] for vertex in members(words)]


def _with_any(marks: NDArray[np.bool_]) -> Words:
    """Return the set of the rows with a mark."""
    return np.asarray(pack(np.atleast_2d(marks.any(axis=1)))[0])
