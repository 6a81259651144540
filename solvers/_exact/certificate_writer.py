"""Writing down why there is no better subset, for :mod:`mmdp.certificate` to check."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mmdp import Clock, Problem
from solvers._exact.bitsets import Words, full, members, pack
from solvers._exact.colouring import colour
from solvers._exact.threshold_graph import core_in_order


def proof_tree(problem: Problem, clock: Clock, limit: int) -> dict[str, Any] | None:
    """Return the fields of a ``Certificate`` that the objective of the clock is the optimum.

    None beyond ``limit`` nodes, or when the time is up.
    """
    D = problem.matrix()
    D = np.where(np.eye(len(D), dtype=bool), -1.0, D)
    larger = D[np.ix_(problem.candidates, problem.candidates)]
    larger = larger[larger > clock.objective]
    threshold = float(larger.min()) if len(larger) else math.inf
    free = np.setdiff1d(problem.candidates, problem.include)
    free = free[np.greater_equal(D[list(problem.include)][:, free], threshold).all(axis=0)]
    adjacent = np.greater_equal(D[np.ix_(free, free)], threshold)
    order = core_in_order(adjacent, np.arange(len(adjacent)), 0)
    writer = _Writer(pack(adjacent[np.ix_(order, order)]), free[order].tolist(), limit, clock)
    try:
        tree = writer.node(full(len(free)), problem.k - len(problem.include))
    except _TooLongError:
        return None
    return {"k": problem.k, "threshold": threshold, "tree": tree}


class _TooLongError(Exception):
    pass


class _Writer:
    def __init__(self, adjacent: Words, names: list[int], limit: int, clock: Clock) -> None:
        self._adjacent, self._names, self._left, self._clock = adjacent, names, limit, clock

    def node(self, candidates: Words, need: int) -> list[Any]:
        """Return groups and branches for a set of candidates without a clique of ``need``."""
        self._left -= 1
        if self._left < 0 or self._clock.remaining <= 0:
            raise _TooLongError
        classes = np.zeros((max(1, need), len(candidates)), dtype=np.uint64)
        rest = np.zeros_like(candidates)
        colour(self._adjacent, candidates, need, classes, rest)
        groups = [self._named(group) for group in classes[: need - 1] if group.any()]
        branches = []
        left = candidates.copy()
        while rest.any():
            word = int(np.flatnonzero(rest)[-1])
            vertex = 64 * word + int(rest[word]).bit_length() - 1
            for words in (rest, left):
                words[word] &= ~(np.uint64(1) << np.uint64(vertex % 64))
            branches.append([self._names[vertex], self.node(left & self._adjacent[vertex], need - 1)])
        return [groups, branches]

    def _named(self, words: Words) -> list[int]:
        return [self._names[vertex] for vertex in members(words)]
