"""OPT >= t iff the pairs at distance >= t contain a clique of k points: a CP-SAT model that decides it for one t."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from ortools.sat.python import cp_model

from mmdp.arrays import Indices, Matrix
from solvers._exact.clique_cover import clique_cover
from solvers._exact.threshold_graph import core
from solvers._ilp.interruptible import wait_for

Count = tuple[Indices, int, int]  # members of a group, at least and at most how many of them


class Weights(NamedTuple):
    """What each point weighs, and how much a solution has to weigh."""

    of_each: Indices
    needed: int


@dataclass(frozen=True)
class Answer:
    """Whether k points pairwise at distance >= t exist: the points, a proof that there are none, or neither."""

    chosen: Indices | None = None
    refuted: bool = False


def decide(
    distances: Matrix,
    t: float,
    k: int,
    forced: Sequence[int],
    counts: Sequence[Count],
    weights: Weights | None,
    hint: Indices,
    *,
    seconds: float,
    threads: int,
    seed: int,
) -> Answer:
    """Look for k points pairwise at distance >= t, the forced ones among them.

    With ``weights`` it looks for at least k points that weigh enough. The model has one Boolean for each point of the
    (k-1)-core, at most one point from each clique of a clique cover of the pairs that are too close, and sum = k
    (Sayyady and Fathi 2016, node packing; as in Erkut 1990). Each group that is counted is one more sum, and the
    weights are one in place of sum = k.

    Raises
    ------
    KeyboardInterrupt
        After CP-SAT was told to stop and did.
    """
    compatible = distances >= t
    np.fill_diagonal(compatible, False)
    if not all(compatible[a, b] for i, a in enumerate(forced) for b in forced[:i]):
        return Answer(refuted=True)
    points = core(compatible, k, forced)
    if len(points) < k or not set(forced) <= set(points.tolist()):
        return Answer(refuted=True)
    model = cp_model.CpModel()
    chosen = [model.new_bool_var(f"x{i}") for i in points]
    start, members = clique_cover(~compatible[np.ix_(points, points)])
    for low, high in pairwise(start.tolist()):
        model.add_at_most_one(chosen[i] for i in members[low:high])
    if weights is None:
        model.add(sum(chosen) == k)
    else:
        model.add(cp_model.LinearExpr.weighted_sum(chosen, weights.of_each[points].tolist()) >= weights.needed)
    for group, least, most in counts:
        left = np.flatnonzero(np.isin(points, group))
        model.add_linear_constraint(sum(chosen[i] for i in left), least, most)
    hinted = set(hint.tolist())
    for i, x in zip(points.tolist(), chosen, strict=True):
        model.add_hint(x, i in hinted)
        if i in forced:
            model.add(x == 1)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = threads
    solver.parameters.random_seed = seed % 2**31
    solver.parameters.catch_sigint_signal = False
    if np.isfinite(seconds):
        solver.parameters.max_time_in_seconds = seconds
    status = wait_for(lambda: solver.solve(model), solver.stop_search)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(chosen=points[[solver.boolean_value(x) for x in chosen]])
    return Answer(refuted=status == cp_model.INFEASIBLE)
