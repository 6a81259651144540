"""Solvers of the max-min diversity problem, each a file of this package, all behind :func:`solve`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mmdp import Incumbent, InvalidOptionError, InvalidProblemError, Problem, Result, Stop
from mmdp.arrays import Array, count_rows
from mmdp.metrics import Metric
from mmdp.tables import Partitions, Table, in_memory, is_table, open_table
from solvers._framework.base import Solver
from solvers._framework.grading import Run, places_of, renumbered
from solvers._framework.progress import shown
from solvers._framework.registry import SolverInfo, SolverTable, available, load, make, names

if TYPE_CHECKING:
    from solvers._adapters.scikit_learn import DiversitySelector
    from solvers._spread.packing import Packing
    from solvers._spread.spread import spread

__all__ = [
    "DiversitySelector",
    "Packing",
    "Run",
    "Solver",
    "SolverInfo",
    "SolverTable",
    "available",
    "load",
    "make",
    "names",
    "rank",
    "solve",
    "spread",
]
_LATER = {  # what compiles, or needs an optional package, is imported when it is asked for
    "DiversitySelector": "solvers._adapters.scikit_learn",
    "Packing": "solvers._spread.packing",
    "spread": "solvers._spread.spread",
}


def solve(
    points: Array | Problem | Table | Partitions | str | Path,
    k: int | float | None = None,
    *,
    solver: str | Solver = "greedy",
    metric: str | Metric | Callable[[Any, Any], float] = "euclidean",
    stop: Stop | None = None,
    seed: int = 0,
    watch: Callable[[Incumbent], None] | None = None,
    certify_seconds: float = 0.0,
    include: Sequence[int] = (),
    exclude: Sequence[int] = (),
    columns: str | Collection[str] | None = None,
    drop: str | Collection[str] = (),
    drop_null: bool = False,
    checkpoint: str | Path | None = None,
    progress: bool = False,
    initial: Sequence[int] | None = None,
    **options: Any,
) -> Result:
    """Choose k of n points so that their smallest pairwise distance is as large as the solver can make it.

    Parameters
    ----------
    points : (n, d) array, data frame, Problem, path, or blocks
        A numpy array, a torch tensor, a data frame of pandas or polars, an Arrow table, an xarray, or a
        :class:`mmdp.Problem`, such as one with group counts. Also the path of a file, a ``numpy.memmap``, or a list or
        iterator of (rows, d) blocks: ``greedy`` reads these block by block, ``streaming`` once; other solvers load
        them, see :func:`mmdp.tables.open_table`. Dask arrays and data frames need ``solver="coreset"``, which also
        reads Parquet files partition by partition.
    k : int or float
        How many points to choose, at least 2, or a share of them between 0 and 1; omit it with a Problem.
    solver : str or Solver
        A keyword of :func:`available`, or an instance.
    metric : str, Metric or callable
        A name in ``mmdp.METRICS``, "gower" for columns of any types, "precomputed" where ``points`` are distances, or a
        symmetric function of two points, which may then be any objects, such as a list of images; omit it with a
        Problem.
    stop : Stop, optional
        Limits on a search. ``greedy`` and ``streaming`` construct a single solution and ignore them.
    seed : int
        Seed of all random choices.
    watch : callable, optional
        Called with each :class:`mmdp.Incumbent`.
    certify_seconds : float
        Seconds to spend after the run on a smaller upper bound, for points in memory.
    include, exclude : sequence of int
        Rows that are chosen in any case, and rows that never are.
    columns : str or collection of str, optional
        Of a data frame or file: the coordinates, columns of numbers or one of vectors. Without it all columns but an
        index and those in ``drop``.
    drop : str or collection of str
        Columns that are not coordinates.
    drop_null : bool
        Leave out rows of a data frame or file with a missing value. Indices still count all rows.
    checkpoint : path, optional
        For a table that ``greedy`` reads block by block: written after every pass and removed at the end; a run that
        finds it goes on from there.
    progress : bool
        Show a bar on the standard error: the points that ``greedy`` has chosen, in memory and from a table, or the
        incumbent of a search and its bound.
    initial : sequence of int, optional
        A solution for a search or a proof to start from, of points in memory. One that is none is repaired: its points
        are kept, the first ones first, as far as k, ``exclude``, group counts and ``apart`` allow, and
        ``result.notes["initial"]`` tells. The result is never worse than this start.
    **options
        The solver's own fields, such as ``start="isolated"`` of greedy.

    Returns
    -------
    Result

        The chosen indices, their objective, an upper bound on the optimum, and how the run went.

    Raises
    ------
    InvalidProblemError
        If the points, k or the metric do not state a problem.
    UnknownNameError
        If there is no such solver or metric.
    InvalidOptionError
        If an option is unknown or has an invalid value.
    MissingDependencyError
        If the solver needs a package that is not installed.
    DataFileError
        If a file is missing, damaged or of an unknown kind.

    Notes
    -----
    Time and memory depend on the solver; :func:`available` lists them.

    Examples
    --------
    >>> result = solve([[0.0], [1.0], [5.0]], k=2, solver="brute_force")
    >>> result.objective, sorted(result.indices.tolist())
    (5.0, [0, 2])
    """
    method, size = make(solver, **options), cast(int, k)  # a share becomes a number where n is known
    row_numbers = None
    if isinstance(points, Problem):
        fixed = places_of(include, None, "include") + places_of(exclude, None, "exclude")
        if k is not None or metric != "euclidean" or fixed:
            raise InvalidProblemError("a Problem has its own k, metric, include and exclude; do not give them again")
        if columns is not None or drop or drop_null:
            raise InvalidOptionError("columns, drop and drop_null are for data frames and files; a Problem has points")
        problem = points
    elif k is None:
        raise InvalidProblemError("how many points? give k, as in solve(points, k=10)")
    elif is_table(points, metric) and metric != "gower":
        if initial is not None:
            raise InvalidOptionError("initial is for points in memory; pass an array instead of a table")
        table = open_table(points, columns, drop, drop_null=drop_null, partitioned=method.reads_partitions)
        return method.solve_table(
            table,
            size,
            metric,
            stop,
            seed,
            watch,
            certify_seconds,
            checkpoint,
            progress,
            include=include,
            exclude=exclude,
        )
    else:
        held, metric, row_numbers = in_memory(points, metric, columns, drop, drop_null)
        include, exclude = places_of(include, row_numbers, "include"), places_of(exclude, row_numbers, "exclude")
        initial = None if initial is None else places_of(initial, row_numbers, "initial")
        problem = Problem(size, points=held, metric=metric, include=include, exclude=exclude)
    if checkpoint is not None:
        raise InvalidOptionError("checkpoint is for tables, such as a path; these points are in memory")
    with shown(problem.k, watch) if progress else nullcontext((watch, None)) as (hears, tell):
        result = method.solve(problem, stop, seed, hears, certify_seconds, initial, tell)
    return renumbered(result, row_numbers)


def rank(
    points: Array | Table | str | Path,
    *,
    metric: str | Metric | Callable[[Any, Any], float] = "euclidean",
    columns: str | Collection[str] | None = None,
    drop: str | Collection[str] = (),
    drop_null: bool = False,
    include: Sequence[int] = (),
    exclude: Sequence[int] = (),
    seed: int = 0,
    **options: Any,
) -> Result:
    """Put all points in farthest-first order, so that every beginning of it is spread out.

    The first k of the order are what ``solve(points, k)`` chooses with the greedy. ``result.radii`` says how far each
    point is from all before it, so the points up to a radius r are at least r apart.

    Parameters
    ----------
    points : (n, d) array, data frame, path or table
    metric, columns, drop, drop_null, include, exclude, seed
        As for :func:`solve`; included points come first, excluded ones do not come at all.
    **options
        Of :class:`solvers.greedy.Greedy`, such as ``start="sweep"``.

    Returns
    -------
    Result
        With ``indices`` of all points that are not excluded.

    Notes
    -----
    O(n^2 d) time, and memory for the points.

    Examples
    --------
    >>> rank([[0.0], [1.0], [5.0], [3.5]]).indices.tolist()
    [2, 0, 3, 1]
    """
    if isinstance(points, Problem):
        raise InvalidProblemError(
            "rank takes points, which have no k, and not a Problem; its order is problem.max_min_order()"
        )
    if wrong := next((name for name in ("k", "solver") if name in options), None):
        raise InvalidOptionError(
            f"{wrong}: rank puts all points in the order of the greedy, of which the first k are solve(points, k)"
        )
    held, metric, row_numbers = in_memory(points, metric, columns, drop, drop_null)
    include, exclude = places_of(include, row_numbers, "include"), places_of(exclude, row_numbers, "exclude")
    n = count_rows(held)
    if (k := n - len(exclude)) < 2:
        raise InvalidProblemError(f"rank orders two points or more, and {max(0, k)} of {n} can be chosen")
    result = solve(held, k, metric=metric, include=include, exclude=exclude, seed=seed, solver="greedy", **options)
    return renumbered(result, row_numbers)


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
