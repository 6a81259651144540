"""GIST: a useful and diverse set, by a greedy on utility for each of several distance thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmdp import Clock, InvalidOptionError, Problem, Status
from mmdp.arrays import Indices, Vector, compiled_dtype, is_tensor, to_numpy
from mmdp.bounds import cheap_bound
from mmdp.metrics import METRICS
from mmdp.pairs import FunctionPairs
from mmdp.traversal import farthest_first
from mmdp.validation import point_table
from solvers._framework.base import Solver
from solvers._framework.grading import Run
from solvers._framework.interrupts import interrupted


@dataclass(frozen=True)
class Gist(Solver):
    """Maximise the sum of utilities plus ``weight`` times the smallest pairwise distance.

    Fahrbach, Ramalingam, Zadimoghaddam, Ahmadian, Citovsky, DeSalvo (NeurIPS 2025, algorithm 1): for each threshold of
    a geometric sequence below the diameter, go through the points from the most to the least useful and take those that
    are at least the threshold away from all points taken. Return the best set found. The paper allows sets of at most k
    points, of utilities that are not negative, and proves half the best value. Here a set has exactly k points, so
    smaller sets are completed by farthest-first before they are compared, and utilities may have any sign. So no factor
    is claimed; ``notes["value_upper_bound"]`` says what any k points can reach.

    ``Stop(target=)`` and ``Stop(gap=)`` are about the smallest distance: the search ends when that of the best set is
    large enough.

    Parameters
    ----------
    utility : (n,) sequence of float, optional
        One value per point, of any sign. Without it and without a query, only the distance counts.
    query : (d,) or (q, d) array, optional
        In place of utilities: what the points should be near. The utility of a point is minus its distance from the
        nearest query, under the metric of the problem. With a function as metric, a point or a list of points.
    weight : float
        How much utility one unit of distance is worth.
    epsilon : float
        Each threshold is smaller than the one before by the factor 1 + epsilon; between 0 and 1.

    Notes
    -----
    O(n k) distances for each of about log(1 / epsilon) / epsilon thresholds. ``notes["value"]`` is the maximised value;
    the result's ``objective`` and ``upper_bound`` are those of the smallest distance alone. The bound on the value is
    the sum of the k largest utilities plus ``weight`` times the bound on the distance.

    Examples
    --------
    >>> from solvers import solve
    >>> result = solve([[0.0], [1.0], [5.0]], k=2, solver="gist", utility=[9.0, 9.0, 0.0])
    >>> sorted(result.indices.tolist()), result.notes["value"]
    ([0, 1], 19.0)
    >>> near = solve([[0.0], [1.0], [2.0], [9.0]], k=2, solver="gist", query=[1.4], weight=0.5)
    >>> sorted(near.indices.tolist()), round(near.notes["value"], 6)
    ([1, 2], -0.5)
    """

    cost = "O(n k d) a threshold"

    utility: Sequence[float] | None = None
    query: Any = None
    weight: float = 1.0
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < 1 or not self.weight >= 0:
            raise InvalidOptionError(
                f"epsilon = {self.epsilon}, weight = {self.weight}: epsilon lies between 0 and 1, weight is >= 0"
            )
        if self.utility is not None and self.query is not None:
            raise InvalidOptionError("utility and query both say how useful the points are: give one of them")

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        utility = self._utilities(problem)
        order = problem.candidates[np.argsort(-utility[problem.candidates], kind="stable")]
        start = int(problem.include[0] if problem.include else order[0])
        reach = float(problem.value(problem.reduced_distances(start)[0, problem.candidates].max()))
        best: list[int] = []
        best_value, status = -np.inf, Status.HEURISTIC
        ladder = 2 * reach * (1 + self.epsilon) ** -np.arange(np.log(2 / self.epsilon) / np.log1p(self.epsilon) + 1)
        enough = min(self._distances_asked_for(clock), default=np.inf)
        try:
            for threshold in (*ladder, 0.0):
                picks = _spaced(problem, order, threshold)
                value = self._value(problem, utility, picks)
                if value > best_value:
                    best, best_value = picks, value
                clock.iterations += 1
                if clock.expired or problem.objective(best)[0] >= enough:
                    break
        except (KeyboardInterrupt, SystemError) as stopped:  # of what the clock keeps, the distance is the largest
            if not best or not interrupted(stopped):
                raise
            status = Status.INTERRUPTED
        bound = cheap_bound(problem)
        useful = np.sort(np.delete(utility[problem.candidates], np.searchsorted(problem.candidates, problem.include)))
        most = utility[list(problem.include)].sum() + useful[len(useful) - (problem.k - len(problem.include)) :].sum()
        notes = {
            "value": best_value,
            "value_upper_bound": max(best_value, float(most) + (self.weight * bound if self.weight else 0.0)),
        }
        return Run(best, bound, status=status, iterations=clock.iterations, notes=notes)

    def _notes_of_only_solution(self, problem: Problem, indices: ArrayLike) -> Mapping[str, Any]:
        value = self._value(problem, self._utilities(problem), indices)
        return {"value": value, "value_upper_bound": value}

    def _value(self, problem: Problem, utility: Vector, picks: ArrayLike) -> float:
        return float(utility[np.asarray(picks)].sum()) + self.weight * problem.objective(picks)[0]

    @staticmethod
    def _distances_asked_for(clock: Clock) -> Iterator[float]:
        """What ``Stop(target=)`` and ``Stop(gap=)`` ask of the smallest distance."""
        if clock.stop.target is not None:
            yield clock.stop.target
        if clock.stop.gap is not None:
            yield (1 - clock.stop.gap) * clock.upper_bound

    def _utilities(self, problem: Problem) -> Vector:
        if self.query is not None:
            return relevance(problem, self.query)
        try:
            utility = np.zeros(problem.n) if self.utility is None else np.asarray(self.utility, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise InvalidOptionError(f"utility holds something else than numbers: {error}") from error
        if utility.shape != (problem.n,) or not np.isfinite(utility).all():
            raise InvalidOptionError(
                f"utility has shape {utility.shape}: give one finite value for each of {problem.n} points"
            )
        return utility


def relevance(problem: Problem, query: Any) -> Vector:
    """Minus the distance of each point from the nearest query, (n,) float64.

    Raises
    ------
    InvalidOptionError
        If the points are given by their distances alone, or have another width than the queries.
    """
    geometry = problem.geometry
    pairs = geometry.function
    if isinstance(pairs, FunctionPairs):
        is_list = isinstance(query, (list, tuple)) and not isinstance(pairs.items[0], (list, tuple))
        queries = list(query) if is_list or (isinstance(query, np.ndarray) and query.ndim == 2) else [query]
        distances = [[pairs.function(item, one) for one in queries] for item in pairs.items]
        return np.asarray(-np.min(np.asarray(distances, dtype=np.float64), axis=1))
    named = METRICS.get(geometry.name)
    if named is None or pairs is not None:
        raise InvalidOptionError(
            f"query: the metric {geometry.name} compares these points only with one another; give utility= instead"
        )
    rows = to_numpy(point_table(np.atleast_2d(query) if not is_tensor(query) else query.reshape(-1, query.shape[-1])))
    embedded = np.ascontiguousarray(compiled_dtype(named.embed(rows)))
    if embedded.shape[1] != problem.vectors.shape[1]:
        raise InvalidOptionError(
            f"query has {rows.shape[1]} coordinates, and the points are compared by {problem.vectors.shape[1]}"
        )
    nearest = np.empty(problem.n)
    for block in problem.blocks(embedded.shape[0] + embedded.shape[1]):
        nearest[block] = geometry.pairwise(problem.vectors[block], embedded).min(axis=1)
    return -np.asarray(problem.value(nearest))


def _spaced(problem: Problem, order: Indices, threshold: float) -> list[int]:
    """The fixed picks, then most useful first whatever is ``threshold`` away, then farthest first."""

    def next_pick(nearest: Vector) -> int:
        left = order[nearest[order] >= 0]
        far = left[problem.value(nearest[left]) >= threshold]
        return int(far[0] if len(far) else left[nearest[left].argmax()])

    nearest = np.full(problem.n, np.inf)
    nearest[list(problem.exclude)] = -1.0
    return farthest_first(problem.lower, nearest, problem.include, problem.k, next_pick)[0]
