"""Integer programming through OR-Tools: proven optima of small and medium problems, by independent solvers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmdp import Clock, InvalidOptionError, Problem, Status, TooLargeError
from mmdp.arrays import Indices
from mmdp.bounds import upper_bound
from solvers._exact.incumbents import suitable, warm_start
from solvers._framework.base import Solver, check_whole
from solvers._framework.grading import ROUNDING, Run
from solvers._framework.limited_picks import has_other_limits, no_solution, no_solution_yet
from solvers._framework.registry import make
from solvers._framework.subprocesses import call
from solvers._framework.trimming import trimmed
from solvers._framework.warm_up import once
from solvers._ilp.threshold_model import Answer, Count, Weights, decide

FORMULATIONS = ("thresholds", "node_packing", "compact", "big_m")
BACKENDS = ("highs", "scip")
_SOLVER_TOLERANCE = 1e-6  # of 1, the scale they are given; to which floating-point solvers satisfy their constraints


@dataclass(frozen=True)
class Ilp(Solver):
    """Search for the largest distance that k points can keep, with a CP-SAT model for each threshold.

    The optimum is one of the n (n - 1) / 2 distances, and OPT >= t iff the graph of pairs at distance >= t has a clique
    of k points. Thresholds are distances of the problem, compared exactly by their rank. A heuristic incumbent is often
    optimal already, so the search first tries thresholds close to it, in growing steps, and then halves the remaining
    range. If a model is not decided in time, binary search above its threshold turns the remaining time into a smaller
    upper bound.

    Parameters
    ----------
    formulation : str
        - "thresholds" (default): CP-SAT, with cliques of pairs that are too close as at-most-one constraints
        - "node_packing": the same search with a constraint for each pair (Sayyady and Fathi 2016)
        - "compact": one model over the sorted distances (Sayah and Irnich 2017)
        - "big_m": one model with a continuous objective (Kuby 1987)

        The last three are for comparison and run in a separate process. CP-SAT then decides between distances that are
        too close for a floating-point solver to distinguish.
    backend : str
        "highs" or "scip", for the last three.
    threads : int
        Workers of CP-SAT. More than one is faster on hard problems, but may return another optimum.
    heuristics : tuple of str
        Solvers whose best answer is the first incumbent and the hint for the models. With group counts, "local_search"
        is used.

    Notes
    -----
    O(n^2) memory. The thresholds are those of Sayyady and Fathi, Computers and Operations Research 70 (2016).
    """

    exact = True
    keeps_group_counts = True
    keeps_apart = True
    reaches_demand = True
    takes_initial = True
    cost = "n x n matrix, exponential time"

    formulation: str = "thresholds"
    backend: str = "highs"
    threads: int = 1
    heuristics: tuple[str, ...] = ("greedy",)

    def __post_init__(self) -> None:
        for name, known in (("formulation", FORMULATIONS), ("backend", BACKENDS)):
            if getattr(self, name) not in known:
                raise InvalidOptionError(f"{name} = {getattr(self, name)!r}; choose one of {', '.join(known)}")
        check_whole(self, "threads")
        if not self.heuristics:
            raise InvalidOptionError("heuristics: name at least one, such as ('greedy',)")
        if isinstance(self.heuristics, str):
            raise InvalidOptionError(f"heuristics = {self.heuristics!r}: give a tuple of names")

    def refusal(self, problem: Problem) -> str:
        """Say why this solver does not take a problem; empty if it does."""
        if self.formulation != "thresholds" and has_other_limits(problem):
            return f"formulation = {self.formulation!r} states neither apart nor demand; drop it to use thresholds"
        return super().refusal(problem)

    def warm_up(self, problem: Problem) -> None:
        """Compile the heuristics, and load OR-Tools."""
        for name in self._starts(problem):
            make(name).warm_up(problem)
        corners = 1.0 - np.eye(3)
        once(
            self.keyword(),
            lambda: decide(corners, 1.0, 2, [], [], None, np.arange(2), seconds=1.0, threads=1, seed=0),
        )

    def _starts(self, problem: Problem) -> tuple[str, ...]:
        """Heuristics for the first incumbent."""
        return suitable(problem, self.heuristics if problem.group_counts is None else ("local_search",))

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        if clock.indices is None:
            warm_start(problem, clock, rng, self._starts(problem))
        clock.report(upper_bound=upper_bound(problem))
        try:
            search = _Search(self, problem, clock, int(rng.integers(2**31)))
        except TooLargeError:
            if clock.remaining > 0:
                raise
            return Run(self._best(problem, clock), clock.upper_bound, Status.STOPPED)
        if self.formulation in ("thresholds", "node_packing"):
            search.by_rank()
        elif not clock.expired:
            search.at_once()
            search.by_rank()  # about distances so close to the bound that the solver cannot tell
        status = Status.OPTIMAL if search.low >= search.high else Status.STOPPED
        if clock.indices is None and status is Status.OPTIMAL:
            raise no_solution(problem)
        return Run(self._best(problem, clock), float(search.values[search.high]), status, clock.iterations)

    def _best(self, problem: Problem, clock: Clock) -> Indices:
        if clock.indices is None:
            raise no_solution_yet(self.keyword(), problem)
        return clock.best()


class _Search:
    """The optimum is ``values[r]`` for a rank r from ``low``, the incumbent's, to ``high``."""

    def __init__(self, options: Ilp, problem: Problem, clock: Clock, seed: int) -> None:
        self._options, self._problem, self._clock, self._seed = options, problem, clock, seed
        self._points = problem.candidates
        whole = problem.matrix(lambda: clock.remaining <= 0)
        self._D = problem.kept_apart(whole[np.ix_(self._points, self._points)])
        self._forced = np.searchsorted(self._points, sorted(problem.include)).tolist()
        self._counts: list[Count] = []
        if group_counts := problem.group_counts:
            member = group_counts.member[self._points]
            bounds = zip(group_counts.low.tolist(), np.minimum(group_counts.high, problem.k).tolist(), strict=True)
            self._counts = [(np.flatnonzero((member == group).any(axis=1)), *both) for group, both in enumerate(bounds)]
        capacities = problem.capacities
        self._weights = None
        if capacities is not None:
            self._weights = Weights(capacities.units[self._points], capacities.needed)
        values = np.unique(self._D[np.triu_indices(len(self._D), 1)])
        self.values = values if problem.separations is None else np.union1d(values, [-np.inf])  # of no solution yet
        self.low = self._rank(clock.objective)
        self.high = max(self.low, self._rank(clock.upper_bound * (1 + ROUNDING)))

    def by_rank(self) -> None:
        """Decide one threshold after the other until the ranks meet."""
        clock = self._clock
        step = 1  # gallops while the answers are yes, then halves
        undecided = self.low  # the highest rank tried in vain; those above it are easier to refute
        while self.low < self.high and not clock.expired:
            patient = undecided == self.low
            rank = min(self.low + step, self.high) if patient else (undecided + self.high + 1) // 2
            answer = self._decide(float(self.values[rank]), clock.remaining / (2 if rank < self.high else 1))
            clock.iterations += 1
            if answer.chosen is not None:
                self._found(answer.chosen)
                step, undecided = 2 * step, max(undecided, self.low)
            elif answer.refuted:
                self.high = rank - 1
                step = max(1, (self.high - self.low + 1) // 2)
                clock.report(upper_bound=float(self.values[self.high]))
            else:
                undecided = rank
            if undecided >= self.high:
                undecided = self.low

    def at_once(self) -> None:
        """Solve one model of the whole problem, with distances up to 1."""
        scale = float(self.values[-1]) or 1.0
        bounds = (float(self.values[rank]) / scale for rank in (self.low, self.high))
        arguments = (self._D / scale, self._problem.k, self._forced, self._counts, *bounds)
        chosen, bound = self._maximise(arguments, self._clock.remaining)
        self._clock.iterations += 1
        if chosen is not None:
            self._found(chosen)
        reached = self._rank((bound + 2 * _SOLVER_TOLERANCE) * scale)  # the optimum is a distance: it rounds down
        self.high = max(self.low, min(self.high, reached))

    def _decide(self, t: float, seconds: float) -> Answer:
        k, forced, options = self._problem.k, self._forced, self._options
        if options.formulation != "node_packing":
            arguments = (self._D, t, k, forced, self._counts, self._weights, self._hint)
            return decide(*arguments, seconds=seconds, threads=options.threads, seed=self._seed)
        chosen, bound = self._maximise((self._D, k, forced, self._counts, t), seconds)
        if chosen is not None and len(chosen) >= k:
            others = np.setdiff1d(chosen, forced)
            return Answer(chosen=np.concatenate((forced, others[: k - len(forced)])).astype(np.int64))
        return Answer(refuted=bound < k - 1 + (1 - _SOLVER_TOLERANCE))

    def _maximise(self, arguments: tuple[Any, ...], seconds: float) -> tuple[Indices | None, float]:
        """Solve the textbook model: the points, if any were found, and a bound on its objective."""
        options = self._options
        answer = call(
            "solvers._ilp.textbook_models:maximise",
            options.formulation,
            arguments,
            self._hint,
            options.backend,
            seconds=seconds,
        )
        return answer or (None, np.inf)

    @property
    def _hint(self) -> Indices:
        known = self._clock.indices
        return np.searchsorted(self._points, known) if known is not None else np.empty(0, np.int64)

    def _found(self, chosen: Indices) -> None:
        indices = self._points[chosen]
        if self._problem.capacities is not None:
            indices = trimmed(self._problem, indices)
        self._clock.report(indices, self._problem.objective(indices)[0])
        self.low = self._rank(self._clock.objective)

    def _rank(self, distance: float) -> int:
        """Position of the largest value that does not exceed the distance."""
        return int(np.searchsorted(self.values, distance, side="right")) - 1
