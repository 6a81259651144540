"""GIST: a useful and diverse set, by the greedy on utility over a ladder of distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdp import Clock, InvalidOptionError, Problem
from mmdp.arrays import Indices, Vector
from mmdp.traversal import farthest_first
from solvers._framework.base import Solver
from solvers._framework.grading import Run


@dataclass(frozen=True)
class Gist(Solver):
    """Maximise the sum of utilities plus ``weight`` times the smallest pairwise distance.

    Fahrbach, Ramalingam, Zadimoghaddam, Ahmadian, Citovsky, DeSalvo (NeurIPS 2025, algorithm 1): for each threshold of
    a geometric ladder below the diameter take, most useful first, the points at least that far from those taken, and
    return the best set met. That is for at most k points. A set here has exactly k, so one that stays smaller is filled
    up farthest first before it is judged, and no factor is claimed.

    Parameters
    ----------
    utility : sequence of float, optional
        One non-negative value a point. None given means zeros, and only diversity counts.
    weight : float
        What a unit of distance is worth in utility.
    epsilon : float
        Ratio between two thresholds less one, smaller than 1 for a finer ladder.

    Notes
    -----
    O(n k) distances for each of about log(1 / epsilon) / epsilon thresholds. ``notes["value"]`` is what is maximised;
    ``objective`` and the upper bound of the result are those of the smallest distance alone.
    """

    cost = "O(n k d) a threshold"

    utility: Sequence[float] | None = None
    weight: float = 1.0
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < 1 or not self.weight >= 0:
            raise InvalidOptionError(
                f"epsilon = {self.epsilon}, weight = {self.weight}: epsilon lies between 0 and 1, weight is >= 0"
            )

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        utility = self._utilities(problem)
        order = problem.candidates[np.argsort(-utility[problem.candidates], kind="stable")]
        start = int(problem.include[0] if problem.include else order[0])
        reach = float(problem.value(problem.reduced_distances(start)[0, problem.candidates].max()))
        best: list[int] = []
        best_value = -np.inf
        ladder = 2 * reach * (1 + self.epsilon) ** -np.arange(np.log(2 / self.epsilon) / np.log1p(self.epsilon) + 1)
        for threshold in (*ladder, 0.0):
            picks = _spaced(problem, order, threshold)
            objective = problem.objective(picks)[0]
            value = float(utility[picks].sum()) + self.weight * objective
            if value > best_value:
                best, best_value = picks, value
                clock.report(picks, objective)
            clock.iterations += 1
            if clock.expired:
                break
        return Run(best, iterations=clock.iterations, notes={"value": best_value})

    def _utilities(self, problem: Problem) -> Vector:
        utility = np.zeros(problem.n) if self.utility is None else np.asarray(self.utility, dtype=np.float64)
        if utility.shape != (problem.n,) or not np.isfinite(utility).all() or utility.min() < 0:
            raise InvalidOptionError(
                f"utility has shape {utility.shape}: give one finite value >= 0 for each of {problem.n} points"
            )
        return utility


def _spaced(problem: Problem, order: Indices, threshold: float) -> list[int]:
    """The fixed picks, then most useful first whatever is ``threshold`` away, then farthest first."""

    def next_pick(nearest: Vector) -> int:
        left = order[nearest[order] >= 0]
        far = left[problem.value(nearest[left]) >= threshold]
        return int(far[0] if len(far) else left[nearest[left].argmax()])

    nearest = np.full(problem.n, np.inf)
    nearest[list(problem.exclude)] = -1.0
    return farthest_first(problem.lower, nearest, problem.include, problem.k, next_pick)[0]
