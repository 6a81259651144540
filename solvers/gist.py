"""GIST: a useful and diverse set, by a greedy on utility for each of several distance thresholds."""

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
    a geometric sequence below the diameter, go through the points from the most to the least useful and take those that
    are at least the threshold away from all points taken. Return the best set found. The paper allows sets of at most k
    points. Here a set has exactly k points, so smaller sets are completed by farthest-first before they are compared,
    and no approximation factor is claimed.

    Parameters
    ----------
    utility : (n,) sequence of float, optional
        One non-negative value per point. Without it, only the distance counts.
    weight : float
        How much utility one unit of distance is worth.
    epsilon : float
        Each threshold is smaller than the one before by the factor 1 + epsilon; between 0 and 1.

    Notes
    -----
    O(n k) distances for each of about log(1 / epsilon) / epsilon thresholds. ``notes["value"]`` is the maximised value;
    the result's ``objective`` and ``upper_bound`` are those of the smallest distance alone.

    Examples
    --------
    >>> from solvers import solve
    >>> result = solve([[0.0], [1.0], [5.0]], k=2, solver="gist", utility=[9.0, 9.0, 0.0])
    >>> sorted(result.indices.tolist()), result.notes["value"]
    ([0, 1], 19.0)
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
