"""Core-sets on Dask: farthest-first in each partition, any solver on the union, a second pass to bound it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import distributed
import numpy as np
from dask import config
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import ArrayLike

from mmdp import Clock, DataFileError, InvalidOptionError, InvalidProblemError, Problem, Result, Status, Stop
from mmdp.arrays import Indices, Points, check_reach, check_whole, compiled_dtype
from mmdp.metrics import Metric
from mmdp.tables import Partitions
from mmdp.validation import checked_picks
from solvers._farthest_first.table_pass import lower_block
from solvers._framework.base import Solver
from solvers._framework.base import check_whole as check_option
from solvers._framework.distance_forms import KINDS
from solvers._framework.grading import Run, held_problem
from solvers._framework.registry import make
from solvers._framework.table_problem import TableProblem, TableRun
from solvers._framework.warm_up import on_part
from solvers.greedy import Greedy

_CORE_FACTOR = 3.0  # Indyk et al., theorem 3.1: farthest-first is a 3-composable core-set for remote-edge
_ONE_AT_A_TIME = Lock()  # of the kernels that use all cores by themselves, which not all threading layers share
_ALL_EQUAL_FACTOR = 2.0  # of an optimum of 0
_SEEDS = 2**31


@dataclass(frozen=True)
class Coreset(Solver):
    """Choose from the union of small subsets, one of each partition, so that no machine needs all points.

    Indyk, Mahabadi, Mahdian, Mirrokni (PODS 2014): the farthest-first picks of all partitions together contain a
    solution of at least a third of the optimum. So with the greedy on their union the answer is at least a sixth of the
    optimum, and with an exact solver at least a third. With larger subsets every point is close to one of them
    (Ceccarello, Pietracaprina, Pucci, Upfal, PVLDB 10(5), 2017). How close is measured, and makes
    ``notes["approximation_factor"]`` smaller. A second pass measures how far any point is from the first k - 1 greedy
    picks of the union; under a metric, no solution exceeds twice that distance.

    Parameters
    ----------
    inner : str or Solver
        Solves the union: a keyword, or an instance with options.
    size : int, optional
        How many points of each partition are kept: k by default, and never fewer.
    partitions : int
        Into how many parts an array in memory is divided. Dask collections and Parquet files have their own partitions.
    workers : int, optional
        How many threads read partitions where there is no Dask client: that many partitions are in memory at a time.
        One for each core by default.

    Notes
    -----
    A Dask array of shape (n, d), a Dask data frame, or a path to Parquet files is read partition by partition: on the
    current ``distributed.Client`` if there is one, else by threads. Required points are added to the union; with them,
    no factor is claimed. Where some are required or excluded, the rows of a Dask collection are counted first.
    """

    cost = "O(n k d) over all partitions"
    device = "CPU, any Dask cluster"
    reads_partitions = True

    inner: str | Solver = "greedy"
    size: int | None = None
    partitions: int = 4
    workers: int | None = None

    def __post_init__(self) -> None:
        check_option(self, "partitions")
        if self.workers is not None:
            check_option(self, "workers")
        if self.size is not None:
            check_option(self, "size")

    @property
    def stops(self) -> bool:
        """As the solver of the union."""
        return make(self.inner).stops

    def warm_up(self, problem: Problem) -> None:
        """Compile on a few points."""
        on_part(self, problem, 1)

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        parts = np.array_split(problem.candidates, self.partitions)
        cores = [(part, *_core(_restricted(problem, part), self._keep(problem.k))) for part in parts if len(part) > 1]
        kept = [part[rows] for part, rows, _ in cores]
        single = [part for part in parts if len(part) == 1]
        union = np.unique(np.concatenate([*kept, *single, problem.include])).astype(np.int64)
        small = _restricted(problem, union, problem.k, np.searchsorted(union, problem.include).tolist())
        method = make(self.inner)
        inner = method.solve(small, stop=_rest(clock), seed=int(rng.integers(_SEEDS)))
        clock.report(union[inner.indices], inner.objective)
        if inner.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        reach = max((hop for _, _, hop in cores), default=0.0)
        factor = approximation_factor(problem.geometry, inner, method.approximation_factor, reach)
        notes = {"approximation_factor": math.inf if problem.include else factor, "union": len(union)}
        return Run(union[inner.indices], iterations=len(union), notes=notes)

    def _notes_of_only_solution(self, problem: Problem, indices: ArrayLike) -> Mapping[str, Any]:
        return {"approximation_factor": 1.0}

    def _reads(self, asked: TableProblem) -> bool:
        return isinstance(asked.table, Partitions) and asked.checkpoint is None

    def _run_table(self, asked: TableProblem) -> TableRun:
        """Where the partitions are; ``stop`` and ``seed`` are those of the solver of the union."""
        k, geometry, clock = asked.k, asked.geometry, Clock(asked.stop or Stop())
        assert isinstance(asked.table, Partitions)
        if geometry.form not in KINDS:
            raise InvalidOptionError(f"metric {geometry.name!r} has no compiled distance form; use a named one")
        parts, read = asked.table.parts, asked.table.read
        fixed = _fixed_rows(asked.table, asked.include, asked.exclude)
        cores = self._compute(
            asked.table,
            [delayed(_local)(part, i, read, geometry, self._keep(k), *fixed(i)) for i, part in enumerate(parts)],
        )
        _check_widths(asked.table.name, cores)
        lengths = np.array([n for n, _, _, _ in cores])
        n = int(lengths.sum())
        checked_picks(n, k, asked.include, asked.exclude)
        starts = np.cumsum(lengths) - lengths
        union = np.concatenate([start + rows for start, (_, rows, _, _) in zip(starts, cores, strict=True)])
        vectors = np.concatenate([part for _, rows, part, _ in cores if len(rows)])
        order = np.argsort(union)
        problem = held_problem(
            vectors, k, geometry, order[np.searchsorted(union, asked.include, sorter=order)].tolist()
        )
        method = make(self.inner)
        inner = method.solve(problem, stop=_rest(clock), seed=asked.seed)
        if inner.status is Status.INTERRUPTED:
            return TableRun(Run(union[inner.indices], status=Status.INTERRUPTED), vectors[inner.indices], n)
        centres = vectors[_core(problem, max(2, k - 1))[0][: k - 1]]
        again = self._compute(
            asked.table, [delayed(_radius)(part, i, read, geometry, centres) for i, part in enumerate(parts)]
        )
        if [rows for rows, _ in again] != lengths.tolist():
            raise DataFileError(
                f"{asked.table.name}: its partitions have other lengths in the second pass; is it random, "
                "or did it change?"
            )
        radius = max(far for _, far in again)
        constant = geometry.triangle_constant
        bound = math.inf if constant is None else problem.geometry.bound(constant * radius)
        reach = max(hop for *_, hop in cores)
        factor = approximation_factor(geometry, inner, method.approximation_factor, reach)
        notes = {
            "approximation_factor": math.inf if asked.include else factor,
            "union": len(union),
            "partitions": len(parts),
        }
        run = Run(union[inner.indices], bound, iterations=len(union), notes=notes)
        return TableRun(run, vectors[inner.indices], n)

    def _compute(self, table: Partitions, tasks: list[Any]) -> tuple[Any, ...]:
        """Run on the current client or the configured scheduler; in threads of this process if there is neither."""
        try:
            distributed.default_client()
        except ValueError:
            workers = {} if self.workers is None else {"num_workers": self.workers}
            return tuple(compute(*tasks, scheduler=config.get("scheduler", "threads"), **workers))
        try:
            return tuple(compute(*tasks))
        except (distributed.KilledWorker, CancelledError) as error:
            raise DataFileError(f"{table.name}: a partition was lost with the worker that held it ({error})") from error

    def _keep(self, k: int) -> int:
        return max(k, self.size or 0)


def _rest(clock: Clock) -> Stop | None:
    """What is left of the limits for the solver of the union; None where there are none."""
    if clock.stop == Stop():
        return None
    seconds = None if clock.stop.seconds is None else max(0.0, clock.remaining)
    return replace(clock.stop, seconds=seconds)


def approximation_factor(geometry: Metric, inner: Result, proven: float, reach: float) -> float:
    """Return the factor within which the answer is of the optimum, given how the union was solved.

    The smaller of two: three times the factor of the inner solver, the one ``proven`` for it under a metric or that of
    its result, and what the partitions turned out to allow. No point is farther than r from its core-set, so moving an
    optimal solution into the union costs at most 2 r, the ``reach``: the optimum is at most that of the union plus 2 r.
    """
    power = geometry.root
    if power is None:
        return math.inf
    solved = inner.upper_bound / inner.objective if inner.objective > 0 else math.inf
    if inner.objective > 0:
        solved = min(solved, proven**power)
    elif inner.upper_bound == 0 or math.isfinite(proven):  # so that 0 is the optimum
        solved = _ALL_EQUAL_FACTOR**power
    nearby = (
        (solved ** (1 / power) + (reach / inner.objective) ** (1 / power)) ** power if inner.objective > 0 else math.inf
    )
    return float(min(_CORE_FACTOR**power * solved, nearby))


def _core(problem: Problem, keep: int) -> tuple[Indices, float]:
    """The first ``keep`` farthest-first picks, or all points of a smaller partition.

    Also how far apart two points can be that are both as far from a pick as any point is; infinite if unknown.
    """
    if problem.n <= keep:
        return np.arange(problem.n), 0.0
    problem = _with_k(problem, keep)
    run = Greedy(start="sweep")._run(problem, Clock(Stop()), np.random.default_rng(0))
    return np.asarray(run.indices), run.upper_bound


def _with_k(problem: Problem, k: int) -> Problem:
    return Problem(k, points=problem.points, distances=problem.distances, metric=problem.metric)


def _restricted(problem: Problem, indices: Indices, k: int = 2, include: Sequence[int] = ()) -> Problem:
    if problem.distances is not None:
        return Problem(k, distances=problem.distances[np.ix_(indices, indices)], include=include)
    return held_problem(problem.vectors[indices], k, problem.geometry, include)


def _embedded(read: Callable[[Any, int], Points], part: Any, number: int, geometry: Metric) -> Points:
    """Points of a partition as the kernels read them; runs on a worker."""
    x = read(part, number)
    if not len(x):
        return np.empty((0, 0))
    x = x.astype(np.float32) if x.dtype == np.float16 else x
    check_whole(f"points of partition {number}", x)
    check_reach(f"points of partition {number}", float(np.abs(x).max()))
    return np.ascontiguousarray(compiled_dtype(geometry.embed(x)))


def _fixed_rows(
    table: Partitions, include: Sequence[int], exclude: Sequence[int]
) -> Callable[[int], tuple[Indices, Indices]]:
    """Of a partition, which of its rows are chosen in any case, and which never are."""
    none = np.empty(0, np.int64)
    if not include and not exclude:
        return lambda number: (none, none)
    lengths = np.array(table.lengths())
    starts = np.cumsum(lengths) - lengths
    kinds = [np.sort(np.asarray(rows, dtype=np.int64)) for rows in (include, exclude)]

    def of(number: int) -> tuple[Indices, Indices]:
        limits = starts[number], starts[number] + lengths[number]
        first, second = (rows[slice(*np.searchsorted(rows, limits))] - starts[number] for rows in kinds)
        return first, second

    return of


def _local(
    part: Any,
    number: int,
    read: Callable[[Any, int], Points],
    geometry: Metric,
    keep: int,
    include: Indices,
    exclude: Indices,
) -> tuple[int, Indices, Points, float]:
    """Length, core-set rows with those that are fixed, their vectors and the reach of one partition."""
    x = _embedded(read, part, number, geometry)
    allowed = np.setdiff1d(np.arange(len(x)), exclude)
    if len(allowed) <= keep:
        return len(x), allowed, x[allowed], 0.0
    with _ONE_AT_A_TIME:
        rows, reach = _core(held_problem(x if len(allowed) == len(x) else x[allowed], 2, geometry), keep)
    rows = np.union1d(allowed[rows], include) if len(include) else allowed[rows]
    return len(x), rows, x[rows], reach


def _radius(
    part: Any, number: int, read: Callable[[Any, int], Points], geometry: Metric, centres: Points
) -> tuple[int, float]:
    """Length, and the largest reduced distance from a point of the partition to its nearest centre."""
    x = _embedded(read, part, number, geometry)
    if not len(x):
        return 0, 0.0
    nearest, seen = np.full(len(x), np.inf), np.zeros(len(x), np.int32)
    lower_block(KINDS[geometry.form], x, centres, nearest, seen, 0.0)
    return len(x), float(nearest.max())


def _check_widths(name: str, cores: Sequence[tuple[int, Indices, Points, float]]) -> None:
    """Refuse partitions whose points have different dimensions."""
    widths = {vectors.shape[1]: number for number, (n, _, vectors, _) in enumerate(cores) if n}
    if len(widths) > 1:
        first, second = list(widths)[:2]
        raise InvalidProblemError(
            f"{name}: points of partition {widths[first]} have {first} coordinates, of partition {widths[second]} "
            f"{second}"
        )
