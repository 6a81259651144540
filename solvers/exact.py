"""Proven optima: a heuristic incumbent, then the proof that no k points are farther apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmdp import Clock, InvalidOptionError, Problem, Status
from solvers import names
from solvers._base import Run, Solver
from solvers._exact.dense import DenseProof
from solvers._incumbent import warm_start


@dataclass(frozen=True)
class Exact(Solver):
    """Best heuristic first, then one infeasibility proof: OPT >= t iff the pairs at distance >= t have a k-clique.

    Parameters
    ----------
    heuristics : tuple of str
        Solvers whose best answer is the first incumbent.
    """

    exact = True
    cost = "exponential time; n x n matrix"

    heuristics: tuple[str, ...] = ("greedy", "local_search")

    def __post_init__(self) -> None:
        if not self.heuristics:
            raise InvalidOptionError("heuristics: name at least one, such as ('greedy',)")

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        warm_start(problem, clock, rng, [name for name in self.heuristics if name in names()])
        DenseProof(problem, clock).run()
        assert clock.indices is not None
        status = Status.OPTIMAL if clock.objective >= clock.upper_bound else Status.STOPPED
        return Run(clock.indices, clock.upper_bound, status, clock.iterations)
