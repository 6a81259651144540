"""Proven optima: a heuristic incumbent, then the proof that no k points are farther apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmdp import Clock, InvalidOptionError, Problem, Status
from solvers._base import Run, Solver
from solvers._exact.cells import BOX_KERNELS, CellProof
from solvers._exact.dense import DenseProof
from solvers._incumbent import warm_start

METHODS = ("auto", "dense", "cells")
_BOX_DIMENSIONS = 6  # beyond, boxes say little about distances
_DENSE_POINTS = 1000  # up to which the matrix is faster


@dataclass(frozen=True)
class Exact(Solver):
    """Best heuristic first, then one infeasibility proof: OPT >= t iff the pairs at distance >= t have a k-clique.

    Parameters
    ----------
    method : str
        "dense": clique search on the n x n matrix. "cells": clique search on boxes of points, split where needed,
        for the euclidean, haversine, cosine, manhattan and chebyshev kernels; no matrix. "auto": cells for many
        points of few dimensions, dense otherwise.
    heuristics : tuple of str
        Solvers whose best answer is the first incumbent.
    """

    exact = True
    cost = "exponential time; memory O(n^2), or O(n) in few dimensions"

    method: str = "auto"
    heuristics: tuple[str, ...] = ("greedy", "local_search")

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InvalidOptionError(f"method = {self.method!r}; choose one of {', '.join(METHODS)}")
        if not self.heuristics:
            raise InvalidOptionError("heuristics: name at least one, such as ('greedy',)")

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        warm_start(problem, clock, rng, self.heuristics)
        proof = CellProof if self._choose(problem) == "cells" else DenseProof
        proof(problem, clock).run()
        assert clock.indices is not None
        status = Status.OPTIMAL if clock.objective >= clock.upper_bound else Status.STOPPED
        return Run(clock.indices, clock.upper_bound, status, clock.iterations)

    def _choose(self, problem: Problem) -> str:
        has_boxes = problem.points is not None and problem.geometry.kernel in BOX_KERNELS
        if self.method == "cells" and not has_boxes:
            raise InvalidOptionError(f"method = 'cells' needs points under one of the kernels {', '.join(BOX_KERNELS)}")
        if self.method != "auto":
            return self.method
        few_dimensions = has_boxes and problem.vectors.shape[1] <= _BOX_DIMENSIONS
        return "cells" if few_dimensions and len(problem.candidates) > _DENSE_POINTS else "dense"
