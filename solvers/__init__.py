"""Solvers of the max-min diversity problem, each a file of this package, all behind :func:`solve`."""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from mmdp import Incumbent, InvalidOptionError, InvalidProblemError, MissingDependencyError, Problem, Result, Stop
from mmdp import UnknownNameError as UnknownNameError
from mmdp.metrics import Array
from mmdp.tables import files
from solvers._framework.base import Run, Solver, checked_options

if TYPE_CHECKING:
    from solvers._adapters.scikit_learn import DiversitySelector

__all__ = [
    "DiversitySelector",
    "Run",
    "Solver",
    "SolverInfo",
    "SolverTable",
    "available",
    "load",
    "make",
    "names",
    "solve",
]

LOADED_ROWS = 4096  # a table of at most this many rows is simply loaded
_DISK_OPTIONS = {"checkpoint", "progress"}
_EXTRAS = {"torch": "torch", "ortools": "ilp", "dask": "scale", "distributed": "scale", "triton": "gpu"}


def names() -> list[str]:
    """Keywords of all solvers, whether their dependencies are installed or not.

    Examples
    --------
    >>> "greedy" in names()
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> type[Solver]:
    """Return the solver class with this keyword.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists those that exist.
    MissingDependencyError
        If its file needs a package that is not installed; the message gives the install command.

    Examples
    --------
    >>> load("local_search").__name__
    'LocalSearch'
    """
    public = str(name).isidentifier() and not name.startswith("_")
    if not (public and importlib.util.find_spec(f"{__name__}.{name}")):
        raise UnknownNameError(f"no solver named {name!r}; choose one of {', '.join(names())}")
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", __name__, "mmdp"):
            raise
        wanted = f"'mmdp[{_EXTRAS[package]}]'" if package in _EXTRAS else package
        raise MissingDependencyError(f"solver {name!r} needs {package}: pip install {wanted}", name=package) from error
    for member in vars(module).values():
        if isinstance(member, type) and issubclass(member, Solver) and member.__module__ == module.__name__:
            return member
    raise UnknownNameError(f"solvers/{name}.py defines no subclass of Solver")


@dataclass(frozen=True)
class SolverInfo:
    """One line of the table of solvers.

    Attributes
    ----------
    name : str
        The keyword.
    proof : bool
        Whether the method proves optimality if it is not stopped.
    device : str
        Where it computes.
    cost : str
        Time and memory.
    missing : str
        Why it cannot be used; empty if it can.
    counts : bool
        Whether it keeps group counts.
    """

    name: str
    proof: bool
    device: str
    cost: str
    missing: str = ""
    counts: bool = False


class SolverTable(list[SolverInfo]):
    """A list of :class:`SolverInfo` that prints as a table."""

    def __str__(self) -> str:
        said = {True: "yes", False: "no"}
        rows = [(s.name, said[s.proof], said[s.counts], s.device, s.cost, s.missing or "installed") for s in self]
        return tabulate(rows, headers=["solver", "proof", "group counts", "device", "cost", "status"])


def available() -> SolverTable:
    """List every solver: what it proves, whether it keeps group counts, where it computes, and what it costs.

    A solver whose dependencies are missing is listed too, with the command that installs them.

    Examples
    --------
    >>> [info.name for info in available() if info.proof and not info.missing][:2]
    ['brute_force', 'exact']
    """
    table = SolverTable()
    for name in names():
        try:
            solver = load(name)
        except MissingDependencyError as error:
            table.append(SolverInfo(name, False, "", "", str(error)))
        else:
            table.append(SolverInfo(name, solver.exact, solver.device, solver.cost, counts=solver.keeps_group_counts))
    return table


def make(solver: str | Solver, **options: Any) -> Solver:
    """Return a solver from its keyword and options, or a solver as it is.

    Raises
    ------
    UnknownNameError, MissingDependencyError
        As :func:`load`.
    InvalidOptionError
        If the solver has no such option, or rejects a value.

    Examples
    --------
    >>> make("greedy", start="sweep").start
    'sweep'
    """
    if isinstance(solver, Solver):
        if options:
            raise InvalidOptionError(
                f"{', '.join(options)}: options go into the Solver itself, or pass its name instead"
            )
        return solver
    if isinstance(solver, type):
        raise InvalidOptionError(f"solver is the class {solver.__name__}; pass {solver.__name__}() or its keyword")
    method = load(solver)
    known = [field.name for field in fields(method)]
    if unknown := sorted(set(options) - set(known)):
        takes = f"takes {', '.join(known)}" if known else "takes no options"
        raise InvalidOptionError(f"solver {solver!r} has no option {', '.join(unknown)}; it {takes}")
    return method(**options)


def solve(
    points: Array | Problem,
    k: int | None = None,
    *,
    solver: str | Solver = "greedy",
    metric: Any = "euclidean",
    stop: Stop | None = None,
    seed: int = 0,
    watch: Callable[[Incumbent], None] | None = None,
    certify_seconds: float = 0.0,
    **options: Any,
) -> Result:
    """Choose k of n points so that their smallest pairwise distance is as large as the solver can make it.

    Parameters
    ----------
    points : (n, d) array or Problem, path, or blocks
        A numpy array, a torch tensor, or a :class:`mmdp.Problem` (for a distance matrix, required or excluded points).
        Also the path of a .npy, CSV or Parquet file, a ``numpy.memmap``, or a list or iterator of (rows, d) blocks:
        ``greedy`` reads these block by block, with the options ``checkpoint`` and ``progress``; ``streaming`` reads
        them once; other solvers load them. Dask arrays and data frames need ``solver="coreset"``.
    k : int
        How many points to choose, at least 2; omit it with a Problem.
    solver : str or Solver
        A keyword of :func:`available`, or an instance.
    metric : str, Metric or callable
        A name in ``mmdp.METRICS``, or a symmetric function of two vectors; omit it with a Problem.
    stop : Stop, optional
        Limits on a search. ``greedy`` and ``streaming`` construct a single solution and ignore them.
    seed : int
        Seed of all random choices.
    watch : callable, optional
        Called with each :class:`mmdp.Incumbent`.
    certify_seconds : float
        Seconds to spend after the run on a smaller upper bound, for points in memory.
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
    if _is_dask(points) or files.is_source(points):
        table: Any = points if _is_dask(points) else files.source(points)
        run = _by_blocks(table, k, solver, metric, stop, seed, options)
        if run is not None:
            checked_options(stop, seed, certify_seconds)
            if certify_seconds:
                raise InvalidOptionError(
                    f"certify_seconds = {certify_seconds!r}: a proof needs all points in memory; load them"
                )
            result = replace(run(), seed=seed)
            if watch is not None:
                watch(result.history[-1])
            return result
        points = table.load()
        if solver == "greedy" and len(points) <= LOADED_ROWS:  # too quick to save or show anything
            options = {name: value for name, value in options.items() if name not in _DISK_OPTIONS}
    if isinstance(points, Problem):
        if k is not None or metric != "euclidean":
            raise InvalidProblemError("a Problem has its own k and metric; do not give them again")
        problem = points
    elif k is None:
        raise InvalidProblemError("how many points? give k, as in solve(points, k=10)")
    else:
        problem = Problem(k, points=points, metric=metric)
    return make(solver, **options).solve(problem, stop=stop, seed=seed, watch=watch, certify_seconds=certify_seconds)


def _is_dask(points: object) -> bool:
    return hasattr(points, "__dask_graph__")


def _by_blocks(
    points: Any,
    k: int | None,
    solver: str | Solver,
    metric: Any,
    stop: Stop | None,
    seed: int,
    options: Mapping[str, Any],
) -> Callable[[], Result] | None:
    """How to solve a table that is not in memory, or None if it has to be loaded."""
    if _is_dask(points):
        method = make(solver, **options)
        if method.keyword() != "coreset" or k is None:
            raise InvalidProblemError(
                "a Dask collection takes solver='coreset' and k; or compute() it into memory first"
            )
        from solvers.coreset import Coreset

        assert isinstance(method, Coreset)
        return partial(method.distributed, points, k, metric, stop, seed)
    if k is not None and solver == "greedy" and points.n > LOADED_ROWS and options.keys() <= _DISK_OPTIONS:
        from solvers._farthest_first import from_table

        return partial(from_table.greedy, points, k, metric, **options)
    if k is not None and solver == "streaming" and not options:
        from solvers import streaming

        return partial(streaming.over_source, points, k, metric)
    return None


def __getattr__(name: str) -> Any:
    if name == "DiversitySelector":
        from solvers._adapters.scikit_learn import DiversitySelector

        return DiversitySelector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
