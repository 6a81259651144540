"""Compiling the searches before the clock of a run starts, on a few points of its problem."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmdp import Clock, Problem, Stop
from solvers._exact.bitsets import count, full, members
from solvers._exact.branch_and_bound import new_state, search
from solvers._exact.certificate_file import recorded_proof
from solvers._exact.counted_clique import CountedCliqueSearch
from solvers._exact.kd_tree import build
from solvers._exact.matrix_proof import on_matrix
from solvers._exact.nogoods import closest, hand_over, new_nogoods
from solvers._exact.relaxation import Relaxation
from solvers._exact.vector_bound import VectorBound, suits
from solvers._exact.weighted_clique import WeightedCliqueSearch
from solvers._framework.distance_forms import KINDS
from solvers._framework.limited_picks import has_other_limits
from solvers._framework.registry import make
from solvers._framework.warm_up import kind_of, once, part_of
from solvers._local_search.candidate_set import IN_BYTES
from solvers._local_search.conflict_matrix import MOST_PICKS

_PICKS = 5
_ONES = np.ones(4, dtype=np.int64)
_POINTS, _ROWS = 700, 60
_WIDE = 3001  # rows of a matrix that the local search refines from coarse to fine
_STOP = Stop(iterations=2000)  # counted: a limit in seconds would end it in the middle of compiling


def warm_up(problem: Problem, method: str, heuristics: Sequence[str]) -> None:
    """Prove a small part of the problem, and warm up the heuristics for what they will get."""

    def compile_proof() -> None:
        part = part_of(problem, _POINTS if method == "cells" else _ROWS, _PICKS)
        make("exact", method=method, heuristics=("random",)).solve(part, _STOP)
        if method == "cells":
            _refine_cells(part)
        else:
            members(full(count(full(3))))  # where so few pairs conflict that an integer program takes a turn

    once(("exact", method, kind_of(problem)), compile_proof)
    if problem.group_counts is not None:
        corners = Problem(2, distances=1.0 - np.eye(4), groups=[0, 0, 1, 1], counts={0: 1})
        limits = corners.group_counts
        assert limits is not None
        graph = ~np.eye(4, dtype=np.bool_)
        once("cliques within counts", lambda: CountedCliqueSearch(graph, 2, (), limits, corners.candidates).run(1.0))
        for name in heuristics:
            make(name).warm_up(corners)
        return
    if has_other_limits(problem):
        once("cliques of some weight", lambda: WeightedCliqueSearch(~np.eye(4, dtype=np.bool_), _ONES, 2).run(1.0))
        for name in heuristics:
            make(name).warm_up(problem)
        return
    if method == "cells":
        if suits(problem):
            once(("vectors", kind_of(problem)), lambda: _bound_by_vectors(part_of(problem, _ROWS, _PICKS)))
        for name in heuristics:
            make(name).warm_up(problem)
        return
    size = min(problem.n, _WIDE)

    def compile_heuristics() -> None:
        part = on_matrix(part_of(problem, size, max(_PICKS, problem.k * size // problem.n)), Clock(Stop()))
        for name in heuristics:
            make(name).warm_up(part)

    if heuristics:
        once(("on matrices", *heuristics, size > IN_BYTES, size == _WIDE, problem.k > MOST_PICKS), compile_heuristics)


def warm_up_record(problem: Problem, method: str) -> None:
    """Record the proof for a small part of the problem."""

    def compile_record() -> None:
        part = part_of(problem, _ROWS, 2)
        bound = float(part.matrix(lambda: False).max())
        recorded_proof(part, np.arange(2), bound, method == "cells", Clock(Stop()))

    once(("record", method, kind_of(problem)), compile_record)


def _bound_by_vectors(problem: Problem) -> None:
    """Compile the bound that only problems of many picks get."""
    clock, chosen = Clock(Stop(iterations=1)), problem.candidates[: problem.k]
    objective, _ = problem.objective(chosen)
    clock.report(chosen, objective, upper_bound=max(1.0, 2 * objective))
    VectorBound(problem, clock).lower(seconds=math.inf)


def _refine_cells(problem: Problem) -> None:
    """Go through a refinement that a proof on few points may do without."""
    x = np.unique(problem.vectors.astype(np.float64), axis=0)
    if len(x) > 2:
        reach = float(problem.geometry.pairwise(x[:1], x).max())
        relaxation = Relaxation(KINDS[problem.geometry.form], build(x), np.arange(len(x)), 2, reach / 2)
        relaxation.split_all()
    one, other = new_nogoods(1, 1, 1), new_nogoods(1, 1, 1)
    search(new_state(np.zeros((1, 1), np.uint64), full(1), 1, one), one, other, 1, 1)
    hand_over(other, one)
    closest(one, 1, full(1), 1)
