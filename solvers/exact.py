"""Proven optima: a heuristic incumbent, then the proof that no k points are farther apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmdp import Clock, InvalidOptionError, Problem, Status, TooLargeError
from mmdp.bounds import cheap_bound
from solvers import make
from solvers._exact.certificates import proof_tree
from solvers._exact.incumbents import from_sample, restarts, warm_start
from solvers._exact.matrix_proof import on_matrix, seconds_of_matrix
from solvers._exact.optimal_subsets import optimal_subsets
from solvers._exact.proof import METHODS, choose, prove
from solvers._exact.warm_up import warm_up
from solvers._framework.base import Run, Solver, check_whole

_FEW = 32  # points whose proof takes less time than a local search
_LARGE_MATRIX = 2000  # points whose matrix takes so long that the greedy answers first
_SLOW_MATRIX = 10**8  # coordinates compared for a matrix, some hundredths of a second: worth a look at the clock
_MATRIX_SHARE = 0.06  # of the time left: where its distances take more, heuristics search the points first
_MANY = 100_000  # points from which the optimum of a sample is a better start than a local search


@dataclass(frozen=True)
class Exact(Solver):
    """Best heuristic first, then one infeasibility proof: OPT >= t iff the pairs at distance >= t have a k-clique.

    Parameters
    ----------
    method : str
        "matrix": clique search on the n x n matrix. "cells": clique search on boxes of points, split where needed,
        for the metrics that are squared Euclidean, manhattan or chebyshev distances of some vectors; no n x n matrix.
        "auto": cells for many points of few dimensions, the matrix otherwise.
    heuristics : tuple of str
        Solvers of incumbents: the first one to start with, the others where the first nodes are not a proof.
    certificate_nodes : int
        Write down a proof of at most so many nodes: ``Certificate(**result.notes["certificate"])`` is for
        :func:`mmdp.certificate.check`. There is none if the proof is longer, or the time is up before.
    max_optima : int
        List up to so many optimal subsets as ``result.notes["optima"]``: all of them if there are fewer and there was
        time.
    threads : int
        How many parts of a long proof on the matrix run at the same time; value and bound do not depend on it.
    """

    exact = True
    cost = "exponential time; memory O(n^2), or O(n) in few dimensions"

    method: str = "auto"
    heuristics: tuple[str, ...] = ("greedy", "local_search")
    certificate_nodes: int = 0
    max_optima: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InvalidOptionError(f"method = {self.method!r}; choose one of {', '.join(METHODS)}")
        if not self.heuristics:
            raise InvalidOptionError("heuristics: name at least one, such as ('greedy',)")
        if isinstance(self.heuristics, str):
            raise InvalidOptionError(f"heuristics = {self.heuristics!r}: give a tuple of names")
        check_whole(self, "threads")
        check_whole(self, "certificate_nodes", "max_optima", least=0)

    def _prepare(self, problem: Problem) -> None:
        method = choose(problem, self.method)
        warm_up(problem, method, self.heuristics)
        if method == "matrix" and (problem.n > _LARGE_MATRIX or _has_slow_matrix(problem)):
            for name in self.heuristics:
                make(name)._prepare(problem)

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        try:
            self._search(problem, clock, rng)
        except TooLargeError:
            if clock.remaining > 0:
                raise
        proven = clock.objective >= clock.upper_bound
        if not proven:
            clock.report(upper_bound=cheap_bound(problem))
        status = Status.OPTIMAL if proven else Status.STOPPED
        return Run(clock.best(), clock.upper_bound, status, clock.iterations)

    def _proof_notes(self, problem: Problem, clock: Clock) -> Mapping[str, Any]:
        notes: dict[str, Any] = {}
        if self.certificate_nodes and (tree := proof_tree(problem, clock, self.certificate_nodes)):
            notes["certificate"] = tree
        if self.max_optima:
            notes["optima"] = optimal_subsets(problem, clock, self.max_optima)
        return notes

    def _search(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> None:
        method, n = choose(problem, self.method), len(problem.candidates)
        stated = problem
        if method == "matrix":
            if _has_slow_matrix(problem) and seconds_of_matrix(problem) > _MATRIX_SHARE * clock.remaining:
                warm_start(problem, clock, rng, self.heuristics)
            elif n > _LARGE_MATRIX:
                warm_start(problem, clock, rng, self.heuristics[:1])
            stated = on_matrix(problem, clock)
        many = method == "cells" and not problem.include and n > _MANY
        warm_start(stated, clock, rng, self.heuristics[:1] if n <= _FEW or many else self.heuristics)
        if many:
            from_sample(stated, clock, rng)

        def improve() -> None:
            if method == "cells":  # cells find what is near an incumbent; other arrangements need other starts
                restarts(stated, clock, rng, self.heuristics[1:])
            else:
                warm_start(stated, clock, rng, self.heuristics[1:], quick=False)

        prove(stated, clock, method, improve, self.threads)


def _has_slow_matrix(problem: Problem) -> bool:
    return problem.points is not None and problem.n * problem.vectors.size > _SLOW_MATRIX
