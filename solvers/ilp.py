"""Integer programming through OR-Tools: proven optima of small and middle-sized problems by a solver not our own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock, InvalidOptionError, Problem, Status
from mmdp.bounds import upper_bound
from solvers._base import _ROUNDING, Run, Solver
from solvers._ilp.thresholds import decide
from solvers._incumbent import warm_start


@dataclass(frozen=True)
class Ilp(Solver):
    """Search over the distinct distances for the largest one that k points can keep, each question a CP-SAT model.

    The optimum is one of the n (n - 1) / 2 distances, and OPT >= t iff the pairs at distance >= t have a clique of k
    points. The question is asked by rank: thresholds are distances of the problem, compared exactly. As a heuristic
    incumbent is often optimal already, the questions gallop away from it before they halve the range; when one
    finds no answer in time, binary search above it turns the remaining time into a smaller upper bound.

    Parameters
    ----------
    threads : int
        Workers of the OR-Tools solver. More than one is faster on hard problems, and may return another optimum.
    heuristics : tuple of str
        Solvers whose best answer is the first incumbent and the hint of the models.

    Notes
    -----
    O(n^2) memory. Sayyady and Fathi, Computers and Operations Research 70 (2016), for the search over thresholds.
    """

    exact = True
    cost = "n x n matrix, exponential time"

    threads: int = 1
    heuristics: tuple[str, ...] = ("greedy",)

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InvalidOptionError(f"threads = {self.threads}: use at least one")
        if not self.heuristics:
            raise InvalidOptionError("heuristics: name at least one, such as ('greedy',)")

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        chosen = warm_start(problem, clock, rng, self.heuristics)
        clock.report(upper_bound=upper_bound(problem))
        candidates = problem.candidates
        D = problem.matrix()[np.ix_(candidates, candidates)]
        forced = np.searchsorted(candidates, sorted(problem.include)).tolist()
        values = np.unique(D[np.triu_indices(len(D), 1)])
        low = _rank(values, clock.objective)
        high = max(low, _rank(values, clock.upper_bound * (1 + _ROUNDING)))
        step = 1  # gallops while the answers are yes, then halves
        unanswered = low  # the highest rank asked in vain; the questions above it are easier to refute
        while low < high and not clock.expired:
            rank = min(low + step, high) if unanswered == low else (unanswered + high + 1) // 2
            answer = decide(
                D,
                float(values[rank]),
                problem.k,
                forced,
                np.searchsorted(candidates, chosen),
                seconds=clock.remaining / 2 if rank < high else clock.remaining,
                threads=self.threads,
                seed=int(rng.integers(2**31)),
            )
            clock.iterations += 1
            if answer.chosen is not None:
                chosen = candidates[answer.chosen]
                clock.report(chosen, problem.objective(chosen)[0])
                low, step = _rank(values, clock.objective), 2 * step
                unanswered = max(unanswered, low)
            elif answer.refuted:
                high = rank - 1
                step = max(1, (high - low + 1) // 2)
                clock.report(upper_bound=float(values[high]))
            else:
                unanswered = rank
            if unanswered >= high:
                unanswered = low
        status = Status.OPTIMAL if low >= high else Status.STOPPED
        return Run(chosen, float(values[high]), status, clock.iterations)


def _rank(values: NDArray[np.float64], distance: float) -> int:
    """Position of the largest value that does not exceed the distance."""
    return int(np.searchsorted(values, distance, side="right")) - 1
