"""Which solvers there are: every file of the package ``solvers`` whose name does not begin with an underscore."""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
from dataclasses import dataclass, fields
from typing import Any

from tabulate import tabulate

from mmdp import InvalidOptionError, MissingDependencyError, UnknownNameError
from solvers._framework.base import Solver

PACKAGE = __name__.partition(".")[0]
_OF_PROBLEMS = ("groups", "counts", "apart", "capacity", "demand", "distances")
_OF_TEXT = ("header", "separator", "decimal", "encoding")
_EXTRAS = {"torch": "torch", "ortools": "ilp", "dask": "scale", "distributed": "scale", "triton": "gpu"}


def names() -> list[str]:
    """Keywords of all solvers, whether their dependencies are installed or not.

    Examples
    --------
    >>> "greedy" in names()
    True
    """
    folders = sys.modules[PACKAGE].__path__
    return sorted(module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_"))


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
    public = str(name).isidentifier() and not str(name).startswith("_")
    if not (public and importlib.util.find_spec(f"{PACKAGE}.{name}")):
        raise UnknownNameError(f"no solver named {name!r}; choose one of {', '.join(names())}")
    try:
        module = importlib.import_module(f"{PACKAGE}.{name}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", PACKAGE, "mmdp"):
            raise
        wanted = f"'mmdp[{_EXTRAS[package]}]'" if package in _EXTRAS else package
        raise MissingDependencyError(f"solver {name!r} needs {package}: pip install {wanted}", name=package) from error
    for member in vars(module).values():
        if isinstance(member, type) and issubclass(member, Solver) and member.__module__ == module.__name__:
            return member
    raise UnknownNameError(f"{PACKAGE}/{name}.py defines no subclass of Solver")


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
    group_counts, apart, demand : bool
        Whether it keeps group counts, keeps groups apart, and reaches a demand by capacities.
    takes_initial : bool
        Whether it starts from a solution that is given.
    """

    name: str
    proof: bool
    device: str
    cost: str
    missing: str = ""
    group_counts: bool = False
    apart: bool = False
    demand: bool = False
    takes_initial: bool = False


class SolverTable(list[SolverInfo]):
    """A list of :class:`SolverInfo` that prints as a table."""

    def __str__(self) -> str:
        said = {True: "yes", False: "no"}
        rows = [
            (
                info.name,
                *(
                    said[knows]
                    for knows in (info.proof, info.group_counts, info.apart, info.demand, info.takes_initial)
                ),
                *(info.device, info.cost, info.missing or "installed"),
            )
            for info in self
        ]
        headers = ["solver", "proof", "group counts", "apart", "demand", "initial", "device", "cost", "status"]
        return tabulate(rows, headers=headers)


def available() -> SolverTable:
    """List every solver: what it proves, which limits it keeps, what it starts from, where it computes, what it costs.

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
            knows = (solver.keeps_group_counts, solver.keeps_apart, solver.reaches_demand, solver.takes_initial)
            table.append(SolverInfo(name, solver.exact, solver.device, solver.cost, "", *knows))
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
                f"{', '.join(options)}: give options to the Solver itself, or pass its name instead"
            )
        return solver
    if not isinstance(solver, (str, type)):
        raise InvalidOptionError(f"solver = {solver!r}: give a keyword, such as 'greedy', or a Solver")
    if isinstance(solver, type):
        raise InvalidOptionError(f"solver is the class {solver.__name__}; pass {solver.__name__}() or its keyword")
    method = load(solver)
    known = [field.name for field in fields(method)]
    if unknown := sorted(set(options) - set(known)):
        takes = f"takes {', '.join(known)}" if known else "takes no options"
        raise InvalidOptionError(
            f"solver {solver!r} has no option {', '.join(unknown)}; it {takes}{_elsewhere(unknown)}"
        )
    return method(**options)


def _elsewhere(unknown: list[str]) -> str:
    """Where options belong that are no solver's."""
    if stated := [name for name in unknown if name in _OF_PROBLEMS]:
        said = ", ".join(f"{name}=..." for name in stated)
        return f"; {', '.join(stated)} belongs to the problem: solve(Problem(k, points=X, {said}), ...)"
    if read := [name for name in unknown if name in _OF_TEXT]:
        said = ", ".join(f"{name}=..." for name in read)
        return f"; {', '.join(read)} says how a file is read: solve(open_table(path, {said}), k), from mmdp.tables"
    return ""
