"""What a solver is: options, one ``_run``, and around it validation, warm-up, the clock and the referee."""

from __future__ import annotations

import math
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

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
from mmdp.arrays import Array, Indices, Points, is_tensor, namespace, to_numpy
from mmdp.bounds import cheap_bound
from mmdp.metrics import PRECOMPUTED, Metric, resolve
from mmdp.pairs import FunctionPairs
from mmdp.problem import selection_problem
from mmdp.tables import Partitions, Table
from mmdp.validation import checked_picks, tables, whole_k
from solvers._framework.certify import prover
from solvers._framework.first_answer import first_answer
from solvers._framework.grading import (
    Run,
    checked_bound,
    checked_indices,
    graded,
    graded_rows,
    places_of,
    renumbered,
)
from solvers._framework.initial import starting_solution
from solvers._framework.interrupts import interrupted
from solvers._framework.limited_picks import no_solution
from solvers._framework.progress import shown
from solvers._framework.table_problem import TableProblem, TableRun


@dataclass(frozen=True)
class Solver(ABC):
    """A method for the max-min diversity problem; subclasses are frozen dataclasses whose fields are its parameters.

    To add a solver, put a file into ``solvers/`` whose name is the keyword, with one subclass whose name is the keyword
    in CamelCase, and write ``_run(problem, clock, rng) -> Run``. It is then found by its keyword, listed, tested and
    benchmarked with the others. A subclass defined elsewhere works as an instance: ``solve(problem, solver=First())``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from solvers import Run, Solver, solve
    >>> @dataclass(frozen=True)
    ... class First(Solver):
    ...     def _run(self, problem, clock, rng):
    ...         return Run(problem.candidates[: problem.k])
    >>> solve([[0.0], [1.0], [5.0]], k=2, solver=First()).objective
    1.0
    """

    exact: ClassVar[bool] = False
    """Whether the method proves optimality when it is not stopped."""
    approximation_factor: ClassVar[float] = math.inf
    """The optimum is at most this many times the answer wherever the triangle inequality holds."""
    cost: ClassVar[str] = ""
    """Time and memory in a few words, for the table of solvers."""
    device: ClassVar[str] = "CPU"
    """Where it computes, for the table of solvers."""
    default_stop: ClassVar[Stop] = Stop()
    """Limits of a run for which the caller sets none; counted, not timed, so that a seed gives one answer."""
    resumable: ClassVar[bool] = False
    """Whether ``solve_table`` saves checkpoints."""
    takes_initial: ClassVar[bool] = False
    """Whether ``solve(initial=...)`` is where the method starts; one that constructs its answer refuses it."""
    reads_partitions: ClassVar[bool] = False
    """Whether ``solve_table`` takes a table in partitions."""
    keeps_group_counts: ClassVar[bool] = False
    """Whether solutions keep the group counts of a problem; a solver that does not refuses a problem that has some."""
    keeps_apart: ClassVar[bool] = False
    """Whether solutions keep groups ``apart``; a solver that does not refuses a problem that asks for it."""
    reaches_demand: ClassVar[bool] = False
    """Whether the method solves problems with capacities and a demand in place of k; otherwise it refuses them."""

    @property
    def stops(self) -> bool:
        """Whether limits can end a run; not if it constructs one solution and is done."""
        return True

    def refusal(self, problem: Problem) -> str:
        """Say why this solver does not take a problem; empty if it does."""
        demands = (
            (problem.group_counts, self.keeps_group_counts, "does not keep group counts"),
            (problem.separations, self.keeps_apart, "does not keep groups apart"),
            (problem.capacities, self.reaches_demand, "chooses k points, and knows no capacities and no demand"),
        )
        wrong = [what for stated, is_met, what in demands if stated is not None and not is_met]
        who = "`mmdp solvers` and solvers.available() say which solvers do"
        return f"{self.keyword()} {wrong[0]}; {who}" if wrong else ""

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
        initial: Sequence[int] | None = None,
        tell: Callable[[int], None] | None = None,
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
        certify_seconds : float
            Seconds to spend after the run on a smaller upper bound, up to a proof; not part of the runtime.
        initial : sequence of int, optional
            A solution to start from. One that is none is repaired, which ``notes["initial"]`` tells.
        tell : callable, optional
            Called with the number of points chosen so far, by a method that constructs one solution.

        Returns
        -------
        Result
            Also after Ctrl-C, if there is an incumbent by then.

        Raises
        ------
        InvalidOptionError
            If the problem has group counts, groups that are apart, or a demand, and the solver does not know such
            limits; if it takes no ``initial``; or if ``initial``, ``stop``, ``seed`` or ``certify_seconds`` is invalid.
        InvalidProblemError
            If it is proven that no points keep the distances of ``apart``.
        NoSolutionError
            If no points that keep them were found within the limits.
        SolverContractError
            If the solver's answer is not a solution, or exceeds its own bound.
        """
        if refusal := self.refusal(problem):
            raise InvalidOptionError(refusal)
        generator = checked_options(stop, seed, certify_seconds)
        if initial is not None and not self.takes_initial:
            raise InvalidOptionError(
                f"{self.keyword()} constructs its answer and takes no initial; `mmdp solvers` and solvers.available() "
                "say which do"
            )
        run, start, repairs = self._only_solution(problem, generator), None, ""
        if initial is not None:
            start, repairs = starting_solution(problem, initial)
        if run is None:
            self.warm_up(problem)
        else:
            run = replace(run, notes=self._notes_of_only_solution(problem, run.indices))
        clock = Clock(self.default_stop if stop is None else stop, watch, tell)
        takes_long = isinstance(problem.geometry.function, FunctionPairs) and np.isfinite(clock.remaining)
        try:
            if start is None and run is None and takes_long and not problem.is_limited:
                start = first_answer(problem, clock.remaining)
            if start is not None:
                clock.report(start, problem.objective(start)[0])
            with problem.within(math.inf if clock.indices is None else clock.remaining):
                if clock.stop.gap is not None:  # which needs a bound from the start
                    clock.upper_bound = min(clock.upper_bound, cheap_bound(problem))
                if start is not None and clock.satisfied:
                    run = run or Run(start, status=Status.STOPPED if self.exact else Status.HEURISTIC)
                run = run or self._run(problem, clock, generator)
        except TooLargeError:
            if clock.remaining > 0 or clock.indices is None:
                raise
            run = Run(clock.indices, status=Status.STOPPED if self.exact else Status.HEURISTIC)
        except (KeyboardInterrupt, SystemError) as stopped:
            if clock.indices is None or not interrupted(stopped):
                raise
            run = Run(clock.indices, status=Status.INTERRUPTED)
        if repairs:
            run = replace(run, notes={**run.notes, "initial": repairs})
        runtime = clock.elapsed
        indices = checked_indices(self.keyword(), problem, run.indices)
        objective, pair = problem.objective(indices)
        bound = objective if run.status is Status.OPTIMAL else max(objective, min(run.upper_bound, clock.upper_bound))
        try:
            with problem.within(math.inf if not takes_long else clock.remaining):
                bound = checked_bound(self.keyword(), problem, run, clock, objective)
            clock.report(indices, objective, bound)
            if certify_seconds > 0 and bound > objective:
                prover().warm_up_proof(problem)
                proof = Clock(Stop(seconds=certify_seconds))
                proof.report(indices, objective, bound)
                try:
                    with suppress(TooLargeError), problem.within(certify_seconds):  # fits neither memory nor time
                        prover().prove(problem, proof)
                finally:
                    bound = max(objective, proof.upper_bound)
            elif bound == objective:
                run = replace(run, notes={**run.notes, **self._proof_notes(problem, clock)})
        except (KeyboardInterrupt, SystemError) as stopped:  # the answer stands, with the bound so far
            if not interrupted(stopped):
                raise
            run = replace(run, status=Status.INTERRUPTED)
        clock.report(indices, objective, bound)
        if problem.group_counts is not None and problem.group_counts.moved:
            run = replace(run, notes={**run.notes, "moved_counts": list(problem.group_counts.moved)})
        if problem.capacities is not None:
            run = replace(run, notes={**run.notes, "capacity": problem.capacities.total(indices)})
        return graded(
            self.keyword(),
            problem,
            replace(run, iterations=run.iterations or clock.iterations),
            indices=indices,
            objective=objective,
            pair=pair,
            bound=bound,
            history=clock.history,
            runtime=runtime,
            seed=seed,
        )

    def solve_table(
        self,
        table: Table | Partitions,
        k: int,
        metric: str | Metric | Callable[[Any, Any], float] = "euclidean",
        stop: Stop | None = None,
        seed: int = 0,
        watch: Callable[[Incumbent], None] | None = None,
        certify_seconds: float = 0.0,
        checkpoint: str | Path | None = None,
        progress: bool = False,
        include: Sequence[int] = (),
        exclude: Sequence[int] = (),
    ) -> Result:
        """Choose k rows of a table; by default it is loaded and solved, and some solvers read it block by block.

        Parameters
        ----------
        table : Table or Partitions
            From :func:`mmdp.tables.open_table`.
        k : int
        metric : str, Metric or callable
        stop, seed, watch, certify_seconds
            As for :meth:`solve`; where the points are not in memory nothing can be certified.
        checkpoint : path, optional
            Where a solver that is ``resumable`` saves how far it is, so that the same call goes on after a kill.
        progress : bool
            Show a bar on the standard error; not where partitions are read.
        include, exclude : sequence of int
            Rows that are chosen in any case, and rows that never are.

        Raises
        ------
        InvalidOptionError
            If the solver cannot do what is asked for.
        """
        where = None if checkpoint is None else Path(checkpoint)
        row_numbers = table.row_numbers if isinstance(table, Table) else None
        include, exclude = places_of(include, row_numbers, "include"), places_of(exclude, row_numbers, "exclude")
        if isinstance(table, Table) or include or exclude or isinstance(k, float):
            n = table.n if isinstance(table, Table) else sum(table.lengths())
            k = whole_k(n, k)
            include, exclude = checked_picks(n, k, include, exclude)
        is_matrix = metric is PRECOMPUTED or metric == PRECOMPUTED.name
        geometry = PRECOMPUTED if is_matrix else resolve(metric)
        asked = TableProblem(
            table, k, geometry, stop, seed, where, progress, include=tuple(include), exclude=tuple(exclude)
        )
        checked_options(stop, seed, certify_seconds)
        if progress and isinstance(table, Partitions):
            raise InvalidOptionError("progress: there is no progress bar where partitions are read; drop it")
        if is_matrix or not self._reads(asked):
            self._check_loading(asked)
            problem = Problem(k, points=table.load(), metric=metric, include=include, exclude=exclude)
            with shown(k, watch) if progress else nullcontext((watch, None)) as (hears, tell):
                result = self.solve(problem, stop, seed, hears, certify_seconds, tell=tell)
            return renumbered(result, row_numbers)
        if certify_seconds:
            raise InvalidOptionError(
                f"certify_seconds = {certify_seconds!r}: a proof needs all points in memory; pass an array"
            )
        self._warm_up_table(asked)
        clock = Clock(Stop(), watch)
        read = _only_rows(asked) or self._run_table(asked)
        runtime = clock.elapsed
        rows = np.asarray(read.run.indices)
        if not np.isin(asked.include, rows).all() or np.isin(rows, asked.exclude).any():
            raise SolverContractError(f"{self.keyword()} returned rows without all included, or with an excluded one")
        blocks = partial(_rows_again, table, asked.geometry) if isinstance(table, Table) else None
        result = graded_rows(
            self.keyword(), read.chosen, read.run, asked.geometry, n=read.n, runtime=runtime, seed=seed, read=blocks
        )
        clock.report(result.indices, result.objective, result.upper_bound)
        return renumbered(result, row_numbers)

    def _reads(self, asked: TableProblem) -> bool:
        """Whether ``_run_table`` chooses rows of this table without all of them in memory."""
        return False

    def _check_loading(self, asked: TableProblem) -> None:
        """Refuse what cannot be done with all rows in memory."""
        if asked.checkpoint is not None:
            raise InvalidOptionError(
                f"checkpoint = {str(asked.checkpoint)!r}: this run of {self.keyword()} writes no checkpoints; "
                "greedy does for tables, with a named metric and a start that does not compare all pairs of more than "
                "4,096 points"
            )

    def _warm_up_table(self, asked: TableProblem) -> None:
        """Compile what ``_run_table`` needs, before its clock starts; by default nothing."""
        return

    def _run_table(self, asked: TableProblem) -> TableRun:
        """Choose rows without all of them in memory."""
        raise NotImplementedError

    def _only_solution(self, problem: Problem, rng: np.random.Generator) -> Run | None:
        """Return the solution of a problem that has one alone; None if there are several."""
        if len(problem.include) == problem.k:
            return Run(problem.include, status=Status.OPTIMAL)
        if len(problem.candidates) == problem.k:
            if problem.too_close(problem.candidates):
                raise no_solution(problem)
            return Run(self._order(problem, rng), status=Status.OPTIMAL)
        return None

    def _notes_of_only_solution(self, problem: Problem, indices: ArrayLike) -> Mapping[str, Any]:
        """What the method's notes say of a problem that has one solution alone; by default nothing."""
        return {}

    def _order(self, problem: Problem, rng: np.random.Generator) -> Indices:
        """All candidates in the order in which the method would choose them; by default farthest first."""
        return problem.max_min_order()

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
        points = tables(points)
        if points.ndim > 2 and not len(points):
            check_k(points.shape[-2], k)
            none = np.empty((*points.shape[:-2], k), dtype=np.int64)
            return namespace(points).as_tensor(none, device=points.device) if is_tensor(points) else none
        if points.ndim > 2:
            return namespace(points).stack([self.select(item, k, metric) for item in points])
        check_k(len(points), k)
        chosen = (
            np.array([_first_pick(to_numpy(points), metric)])  # one point has no distance to maximise
            if k == 1
            else self.solve(selection_problem(to_numpy(points), k, metric)).indices
        )
        if not is_tensor(points):
            return chosen
        xp = namespace(points)
        return xp.as_tensor(chosen, dtype=xp.int64, device=points.device)

    def warm_up(self, problem: Problem) -> None:
        """Load and compile what a run on this problem needs, before its clock starts; by default nothing."""
        return

    @abstractmethod
    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        """Solve; the trivial cases (one feasible subset) never arrive here."""


def checked_options(stop: Any, seed: Any, certify_seconds: Any) -> np.random.Generator:
    """Refuse what is no option of ``solve``; the generator of the seed."""
    if not (stop is None or isinstance(stop, Stop)):
        raise InvalidOptionError(f"stop is a Stop, such as Stop(seconds=5), not {stop!r}")
    is_number = isinstance(certify_seconds, (int, float, np.number)) and not isinstance(certify_seconds, bool)
    if not (is_number and certify_seconds >= 0):
        raise InvalidOptionError(f"certify_seconds = {certify_seconds!r}: give seconds, a number >= 0")
    try:
        return np.random.default_rng(operator.index(seed))
    except (TypeError, ValueError) as error:
        raise InvalidOptionError(f"seed = {seed!r}: give a whole number >= 0") from error


def check_whole(options: Solver, *names: str, least: int = 1) -> None:
    """Refuse fields of a solver that are no whole numbers of at least so much."""
    for name in names:
        given = getattr(options, name)
        if not isinstance(given, (int, np.integer)) or given < least:
            raise InvalidOptionError(f"{name} = {given!r}: give a whole number of at least {least}")


def _only_rows(asked: TableProblem) -> TableRun | None:
    """Return the included rows where these are all that is asked for."""
    if len(asked.include) < asked.k or not isinstance(asked.table, Table):
        return None
    run = Run(asked.include, upper_bound=0.0)  # which becomes what they reach
    return TableRun(run, asked.table.vectors(asked.include, asked.geometry), asked.table.n)


def _rows_again(table: Table, geometry: Metric) -> Iterator[Points]:
    return (block for _, block in table.blocks(geometry, checked=True))


def _first_pick(points: Points, metric: str) -> int:
    """Return the row that a traversal begins with by default."""
    from solvers._framework.first_pick import Rows, default_start, first_pick  # compiled code, loaded when it is needed

    if len(points) == 1:
        return 0
    return first_pick(Rows(selection_problem(points, 2, metric)), default_start(len(points)))


def check_k(n: int, k: int) -> None:
    """Refuse a selection of fewer than one or more than all rows."""
    if not 1 <= k <= n:
        raise InvalidProblemError(f"k = {k} is out of range: select at least 1 and at most n = {n}")
