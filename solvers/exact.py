"""Proven optima: a heuristic incumbent, then the proof that no k points are farther apart."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmdp import Clock, InvalidOptionError, Problem, Status, Stop, TooLargeError
from mmdp.bounds import cheap_bound
from solvers._exact import proof_warm_up
from solvers._exact.certificate_file import RecordedProof, recorded_proof
from solvers._exact.certificate_writer import proof_tree
from solvers._exact.choice_of_proof import METHODS, choose, prove
from solvers._exact.incumbents import from_sample, has_sample, patient_start, restarts, suitable, warm_start
from solvers._exact.matrix_proof import on_matrix, seconds_of_matrix
from solvers._exact.optimal_subsets import optimal_subsets
from solvers._framework.base import Solver, check_whole
from solvers._framework.grading import Run
from solvers._framework.limited_picks import has_other_limits, no_solution, no_solution_yet
from solvers._framework.registry import make

_FEW = 32  # points whose proof takes less time than a local search
_LARGE_MATRIX = 2000  # points whose matrix takes so long that the greedy answers first
_SLOW_MATRIX = 10**8  # coordinates compared for a matrix, some hundredths of a second: worth a look at the clock
_MATRIX_SHARE = 0.06  # of the time left: where its distances take more, heuristics search the points first
_MANY = 100_000  # points from which the optimum of a sample is a better start than a local search


@dataclass(frozen=True)
class Exact(Solver):
    """Best heuristic first, then one infeasibility proof: OPT >= t iff the pairs at distance >= t have a k-clique.

    With group counts the clique has to keep them, and the search carries what is left of each group. It then takes the
    matrix, whatever the number of points, and one thread. So does a demand, for which the clique has to weigh enough.

    Parameters
    ----------
    method : str
        "matrix": clique search on the n x n matrix. "cells": clique search on boxes of points, which are split where
        needed, without a matrix; for the squared Euclidean, Manhattan and Chebyshev forms. "auto": cells for many
        points in few dimensions, the matrix otherwise.
    heuristics : tuple of str
        Solvers that find incumbents: the first one runs at the start, the others if the proof takes longer.
    certificate_nodes : int
        Record the proof if it has at most this many nodes; ``Certificate(**result.notes["certificate"])`` is then an
        argument for :func:`mmdp.certificate.check`. There is no record if the proof is longer or the time is up. It
        numbers the points of the problem, so rows that were dropped do not count. It takes the n x n matrix, and where
        there is no room or no time for that, ``result.notes["no_matrix"]`` says so.
    certificate_file : str
        Write the proof of an optimum to this file, for :func:`mmdp.check_certificate.check`; docs/certificates.md tells
        what is in it. ``result.notes["certificate_file"]`` says whether it was written, and its size and SHA-256.
    certificate_bytes : int
        Write no file that would be larger than this.
    max_optima : int
        List up to this many optimal subsets as ``result.notes["optima"]``. If there are fewer, and time remains, the
        list is complete. It takes the n x n matrix, as ``certificate_nodes`` does.
    threads : int
        How many parts of a long proof run at the same time; the optimum does not depend on it.

    Examples
    --------
    >>> from solvers import solve
    >>> solve([[0.0], [1.0], [5.0]], k=2, solver="exact", max_optima=9).notes["optima"]
    [[0, 2]]
    """

    exact = True
    keeps_group_counts = True
    keeps_apart = True
    reaches_demand = True
    takes_initial = True
    cost = "exponential time; memory O(n^2), or O(n) in few dimensions"

    method: str = "auto"
    heuristics: tuple[str, ...] = ("greedy", "local_search")
    certificate_nodes: int = 0
    certificate_file: str = ""
    certificate_bytes: int = 2**26
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
        check_whole(self, "certificate_nodes", "certificate_bytes", "max_optima", least=0)

    def refusal(self, problem: Problem) -> str:
        """Say why this solver does not take a problem; empty if it does."""
        if self.certificate_nodes and has_other_limits(problem):
            return "certificate_nodes: certificates state neither apart nor demand; drop it for such a problem"
        if self.max_optima and problem.capacities is not None:
            return "max_optima lists subsets of k points, and with a demand there is no k; drop it"
        return super().refusal(problem)

    def warm_up(self, problem: Problem) -> None:
        """Compile the heuristics and the proof on small parts of the problem."""
        method = choose(problem, self.method)
        proof_warm_up.warm_up(problem, method, suitable(problem, self.heuristics))
        if self.certificate_file:
            proof_warm_up.warm_up_record(problem, method)
        if method == "matrix" and (problem.n > _LARGE_MATRIX or _has_slow_matrix(problem)):
            for name in suitable(problem, self.heuristics):
                make(name).warm_up(problem)

    def warm_up_proof(self, problem: Problem) -> None:
        """Compile what :meth:`prove` needs, before its clock starts."""
        proof_warm_up.warm_up(problem, choose(problem, self.method), ())

    def prove(self, problem: Problem, clock: Clock) -> None:
        """Search for better subsets and smaller bounds than those of the clock, until they meet or it expires.

        Raises
        ------
        TooLargeError
            If the matrix that the method needs fits neither memory nor time.
        """
        prove(problem, clock, self.method, threads=self.threads)

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        if self.certificate_file:
            _check_recordable(problem)
        proven_by = ""
        try:
            proven_by = self._search(problem, clock, rng)
        except TooLargeError:
            if clock.remaining > 0:
                raise
        proven = clock.objective >= clock.upper_bound
        if not proven:
            clock.report(upper_bound=cheap_bound(problem))
        if clock.indices is None:
            raise no_solution(problem) if proven else no_solution_yet(self.keyword(), problem)
        status = Status.OPTIMAL if proven else Status.STOPPED
        notes = {"proven_by": proven_by} if proven and proven_by else {}
        if proven_by == "vectors" and not proven:
            notes["bounded_by"] = proven_by
        return Run(clock.best(), clock.upper_bound, status, clock.iterations, notes)

    def _proof_notes(self, problem: Problem, clock: Clock) -> Mapping[str, Any]:
        notes: dict[str, Any] = {}
        try:
            if self.certificate_nodes and (tree := proof_tree(problem, clock, self.certificate_nodes)):
                notes["certificate"] = tree
            if self.max_optima:
                notes["optima"] = optimal_subsets(problem, clock, self.max_optima)
        except TooLargeError as error:  # the optimum, which cells have proven without a matrix, stands
            notes["no_matrix"] = str(error)
        if self.certificate_file:
            notes["certificate_file"] = self._write_certificate(problem, clock)
        return notes

    def _start_on_points(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> None:
        """Find an incumbent before the matrix, where that takes long."""
        if _has_slow_matrix(problem) and seconds_of_matrix(problem) > _MATRIX_SHARE * clock.remaining:
            warm_start(problem, clock, rng, suitable(problem, self.heuristics))
        elif len(problem.candidates) > _LARGE_MATRIX:
            warm_start(problem, clock, rng, suitable(problem, self.heuristics)[:1])

    def certificate(
        self, problem: Problem, indices: ArrayLike, upper_bound: float, stop: Stop | None = None
    ) -> RecordedProof | None:
        """Prove a bound once more, and record the proof for :func:`mmdp.check_certificate.check`.

        Parameters
        ----------
        problem : Problem
        indices : (k,) sequence of int
            A subset that does not exceed the bound; if it reaches the bound, the record proves it optimal.
        upper_bound : float
            Of a result of this solver: proving it takes as long as it took there, or less.
        stop : Stop, optional
            Limit in seconds.

        Returns
        -------
        RecordedProof or None
            Its ``content`` is what the file holds. None if there was no time left, or it would have more than
            ``certificate_bytes``.

        Raises
        ------
        SolverContractError
            If there are k points farther apart than the bound.
        InvalidOptionError
            If the problem has group counts, groups that are apart, or a demand.
        """
        _check_recordable(problem)
        method = choose(problem, self.method)
        proof_warm_up.warm_up_record(problem, method)
        on_cells, clock = method == "cells", Clock(stop or Stop())
        return recorded_proof(problem, np.asarray(indices), upper_bound, on_cells, clock, self.certificate_bytes)

    def _write_certificate(self, problem: Problem, clock: Clock) -> Mapping[str, Any]:
        started, written = clock.elapsed, {"path": self.certificate_file, "written": False}
        stop = Stop(seconds=clock.remaining if math.isfinite(clock.remaining) else None)
        try:
            proof = self.certificate(problem, clock.best(), clock.objective, stop)
        except TooLargeError as error:
            return written | {"why": str(error)}
        if proof is None:
            return written | {"why": "no time was left" if clock.remaining <= 0 else "it is larger than the limit"}
        try:
            Path(self.certificate_file).write_bytes(proof.content)
        except OSError as error:
            return written | {"why": str(error)}
        return {
            "path": self.certificate_file,
            "written": True,
            "bytes": len(proof.content),
            "sha256": hashlib.sha256(proof.content).hexdigest(),
            "cells": proof.cells,
            "lemmas": proof.lemmas,
            "seconds": clock.elapsed - started,
        }

    def _search(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> str:
        method, n = choose(problem, self.method), len(problem.candidates)
        stated, is_given = problem, clock.indices is not None
        if method == "matrix":
            if not is_given:
                self._start_on_points(problem, clock, rng)
            stated = on_matrix(problem, clock)
        heuristics = suitable(problem, self.heuristics)
        many = method == "cells" and not problem.include and n > _MANY and not is_given and has_sample(problem)
        if not is_given:
            warm_start(stated, clock, rng, heuristics[:1] if n <= _FEW or many else heuristics)
        if many:
            from_sample(stated, clock, rng)
        if method == "cells":  # cells find what is near an incumbent; other arrangements need other starts
            attempts = restarts(stated, clock, rng, heuristics[1:])
        else:
            others = heuristics[1:] or (heuristics if has_other_limits(stated) else ())
            attempts = patient_start(stated, clock, rng, others)
        return prove(stated, clock, method, lambda: next(attempts, None), self.threads)


def _check_recordable(problem: Problem) -> None:
    if problem.group_counts is not None:
        raise InvalidOptionError(
            "a certificate file states no group counts; certificate_nodes=10_000 records such a proof in the notes"
        )
    if has_other_limits(problem):
        raise InvalidOptionError(
            "a certificate file states neither apart nor demand; drop certificate_file for such a problem"
        )


def _has_slow_matrix(problem: Problem) -> bool:
    return problem.points is not None and problem.n * problem.vectors.size > _SLOW_MATRIX
