"""The one place that validates, times, checks and grades a run."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmdp import (
    Clock,
    Incumbent,
    InvalidOptionError,
    InvalidProblemError,
    Problem,
    Result,
    SolverContractError,
    Status,
    Stop,
    TooLargeError,
)
from mmdp.bounds import attainable, averaging_bound, cheap_bound, included_bound
from mmdp.metrics import Array, is_tensor, namespace, unit_vectors
from mmdp.validation import to_numpy

_ROUNDING = 1e-9  # relative; a kernel may sum in another order than the referee


@dataclass(frozen=True)
class Run:
    """What ``_run`` hands to the referee: a subset and, if the method proves one, a bound (a true distance)."""

    indices: ArrayLike
    upper_bound: float = math.inf
    status: Status = Status.HEURISTIC
    iterations: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Solver(ABC):
    """A method for the max-min diversity problem; subclasses are frozen dataclasses whose fields are its parameters.

    To add one, put a file into ``solvers/`` whose name is the keyword, with one subclass whose name is the keyword
    in CamelCase, and write ``_run``. It is then listed, solvable by name, tested and benchmarked with the others.
    """

    exact: ClassVar[bool] = False
    """Whether the method proves optimality when it is not stopped."""
    cost: ClassVar[str] = ""
    """Time and memory in a few words, for the table of solvers."""
    device: ClassVar[str] = "CPU"
    """Where it computes, for the table of solvers."""
    default_stop: ClassVar[Stop] = Stop()
    """Limits of a run for which the caller sets none; counted, not timed, so that a seed gives one answer."""
    keeps_group_counts: ClassVar[bool] = False
    """Whether solutions keep the group counts of a problem; a solver that does not refuses a problem that has some."""

    @classmethod
    def keyword(cls) -> str:
        """Return the name ``solvers.solve`` knows the method by: ``LocalSearch`` is "local_search"."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def solve(
        self,
        problem: Problem,
        stop: Stop | None = None,
        seed: int = 0,
        watch: Callable[[Incumbent], None] | None = None,
        certify_seconds: float = 0.0,
    ) -> Result:
        """Solve, check and grade.

        Parameters
        ----------
        problem : Problem
        stop : Stop, optional
            Limits; ``default_stop`` of the solver if not given.
        seed : int
            Of every random choice; the same seed and counted limits give the same answer.
        watch : callable, optional
            Called with each improvement of the incumbent or the bound.
        certify : float
            Seconds to spend after the run on a smaller upper bound, up to a proof; not part of the runtime.

        Returns
        -------
        Result
            Also after Ctrl-C, if there is an incumbent by then.

        Raises
        ------
        InvalidOptionError
            If the problem has group counts and the solver does not keep them, or stop, seed or certify is none.
        SolverContractError
            If the solver's answer is not a solution, or exceeds its own bound.
        """
        if problem.group_counts is not None and not self.keeps_group_counts:
            raise InvalidOptionError(f"{self.keyword()} does not keep group counts; use one of {_keepers()}")
        generator = checked_options(stop, seed, certify_seconds)
        run = _only_solution(problem)
        if run is None:
            self._prepare(problem)
        clock = Clock(self.default_stop if stop is None else stop, watch)
        try:
            if clock.stop.gap is not None:  # which needs a bound from the start
                clock.upper_bound = min(clock.upper_bound, cheap_bound(problem))
            run = run or self._run(problem, clock, generator)
        except (KeyboardInterrupt, SystemError) as stopped:
            if clock.indices is None or not _is_interrupt(stopped):
                raise
            run = Run(clock.indices, status=Status.INTERRUPTED, iterations=clock.iterations)
        runtime = clock.elapsed
        indices = _checked(self, problem, run.indices)
        objective, pair = problem.objective(indices)
        bound = math.inf
        try:
            bound = self._bound(problem, run, clock, objective)
            clock.report(indices, objective, bound)
            if certify_seconds > 0 and bound > objective:
                _rehearse_proof(problem)
                proof = Clock(Stop(seconds=certify_seconds))
                proof.report(indices, objective, bound)
                try:
                    _certify(problem, proof)
                finally:
                    bound = max(objective, proof.upper_bound)
            elif bound == objective:
                run = replace(run, notes={**run.notes, **self._proof_notes(problem, clock)})
        except (KeyboardInterrupt, SystemError) as stopped:  # the answer stands, with the bound so far
            if not _is_interrupt(stopped):
                raise
            run = replace(run, status=Status.INTERRUPTED)
        clock.report(indices, objective, bound)
        return Result(
            indices=indices,
            objective=objective,
            upper_bound=bound,
            status=Status.OPTIMAL if bound == objective else run.status,
            critical_pair=pair,
            history=tuple(replace(moment, upper_bound=max(moment.upper_bound, bound)) for moment in clock.history),
            runtime=runtime,
            iterations=run.iterations or clock.iterations,
            solver=self.keyword(),
            metric=problem.geometry.name,
            n=problem.n,
            k=problem.k,
            seed=seed,
            notes=run.notes,
        )

    def _bound(self, problem: Problem, run: Run, clock: Clock, objective: float) -> float:
        claimed = min(run.upper_bound, clock.upper_bound)
        if run.status is Status.OPTIMAL:
            claimed = min(claimed, objective)
        elif math.isinf(claimed):
            claimed = cheap_bound(problem)
        else:
            claimed = min(claimed, averaging_bound(problem), included_bound(problem))
        if claimed < objective * (1 - _ROUNDING):
            if clock.stop.upper_bound is not None and claimed == clock.stop.upper_bound:
                raise InvalidOptionError(f"Stop(upper_bound={claimed!r}): {objective!r} has been reached")
            raise SolverContractError(
                f"{self.keyword()} claims that nothing exceeds {claimed!r} and returns {objective!r}"
            )
        return max(attainable(problem, claimed), objective)

    def _proof_notes(self, problem: Problem, clock: Clock) -> Mapping[str, Any]:
        """What a proven optimum, that of the clock, has to say besides; by default nothing."""
        return {}

    def select(self, points: Array, k: int, metric: str = "cosine") -> Array:
        """Return indices only, for pruning: (n, d) points to (k,), (batch, n, d) points to (batch, k), int64.

        numpy in, numpy out; a tensor's indices come back on its device. Unlike a :class:`~mmdp.Problem`, k may be 1,
        and under "cosine" and "angular" a zero vector counts as a point at the origin of the unit sphere: half the
        distance of a right angle from every other vector, and at distance zero from other zero vectors.

        Raises
        ------
        InvalidProblemError
            As for a Problem, k out of range included.
        """
        if points.ndim > 2:
            return namespace(points).stack([self.select(item, k, metric) for item in points])
        check_k(len(points), k)
        if k == 1:  # one point has no distance to maximise; take the one that the greedy begins with
            from solvers.greedy import Greedy

            return Greedy().select(points, k, metric)
        chosen = self.solve(selection_problem(to_numpy(points), k, metric)).indices
        if not is_tensor(points):
            return chosen
        xp = namespace(points)
        return xp.as_tensor(chosen, dtype=xp.int64, device=points.device)

    def _prepare(self, problem: Problem) -> None:
        """Load and compile what a run on this problem needs, before its clock starts; by default nothing."""
        return

    @abstractmethod
    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        """Solve; the trivial cases (one feasible subset) never arrive here."""


def _rehearse_proof(problem: Problem) -> None:
    """Compile what a proof needs, before its clock starts."""
    from solvers._exact.proof import choose
    from solvers._exact.warm_up import warm_up

    warm_up(problem, choose(problem, "auto"), ())


def _certify(problem: Problem, proof: Clock) -> None:
    """Lower the bound of a clock until it expires; a problem whose matrix fits neither memory nor time keeps it."""
    from solvers._exact.proof import prove  # compiled searches, loaded by those who ask for them

    with suppress(TooLargeError):
        prove(problem, proof)


def selection_problem(points: NDArray[Any], k: int, metric: str) -> Problem:
    """State the selection of k rows as a problem, with zero vectors allowed under the angular metrics."""
    if metric in ("cosine", "angular"):
        as_given = Problem(k, points=points)  # names NaN, shapes and k before the rows are normalised
        return Problem(k, points=unit_vectors(as_given.points), metric="sqeuclidean")
    return Problem(k, points=points, metric=metric)


def checked_options(stop: Any, seed: Any, certify_seconds: Any) -> np.random.Generator:
    """Refuse what is no option of ``solve``; the generator of the seed."""
    if not (stop is None or isinstance(stop, Stop)):
        raise InvalidOptionError(f"stop is a Stop, such as Stop(seconds=5), not {stop!r}")
    if not (isinstance(certify_seconds, (int, float, np.number)) and certify_seconds >= 0):
        raise InvalidOptionError(f"certify_seconds = {certify_seconds!r}: give seconds, a number >= 0")
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise InvalidOptionError(f"seed = {seed!r}: give a whole number >= 0") from error


def check_whole(options: Solver, *names: str, least: int = 1) -> None:
    """Refuse fields of a solver that are no whole numbers of at least so much."""
    for name in names:
        given = getattr(options, name)
        if not isinstance(given, (int, np.integer)) or given < least:
            raise InvalidOptionError(f"{name} = {given!r}: give a whole number of at least {least}")


def _keepers() -> str:
    from solvers import available

    return ", ".join(info.name for info in available() if info.counts)


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C was the cause; Numba wraps one that arrives as a compiled function returns in SystemErrors."""
    return isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemError) and _is_interrupt(error.__cause__))


def _only_solution(problem: Problem) -> Run | None:
    if len(problem.include) == problem.k:
        return Run(problem.include, status=Status.OPTIMAL)
    if len(problem.candidates) == problem.k:
        return Run(problem.max_min_order(), status=Status.OPTIMAL)
    return None


def _checked(solver: Solver, problem: Problem, answer: ArrayLike) -> NDArray[np.int64]:
    indices = np.asarray(answer, dtype=np.int64)
    wrong = (
        f"{indices.shape} indices instead of ({problem.k},)"
        if indices.shape != (problem.k,)
        else "an index twice"
        if len(np.unique(indices)) < problem.k
        else "an index out of range"
        if indices.min() < 0 or indices.max() >= problem.n
        else "an excluded index"
        if np.isin(indices, problem.exclude).any()
        else "a set without all included indices"
        if not np.isin(problem.include, indices).all()
        else problem.group_counts.violation(indices)
        if problem.group_counts is not None
        else ""
    )
    if wrong:
        raise SolverContractError(f"{solver.keyword()} returned {wrong}")
    return indices


def check_k(n: int, k: int) -> None:
    """Refuse a selection of fewer than one or more than all rows."""
    if not 1 <= k <= n:
        raise InvalidProblemError(f"k = {k} is out of range: select at least 1 and at most n = {n}")
