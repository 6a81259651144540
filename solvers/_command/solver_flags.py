"""Which flags go together, which a solver can keep, and what becomes of them as its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp import DataFileError, InvalidOptionError
from mmdp.tables import Partitions, Table, open_table
from solvers._command.flags import ALL
from solvers._framework.base import Solver


def check_together(
    k: str | None,
    demand: float | None,
    rank: bool,
    rows: Path | None,
    by_use: bool,
    limited: bool,
    solver: str | None,
    weight: float | None,
) -> None:
    """Refuse flags without those that give them a meaning."""
    if (k is None) == (demand is None):
        raise InvalidOptionError(
            "-k is how many rows to choose, --demand the capacity that they must reach: give one of them"
        )
    if rank and rows is None:
        raise InvalidOptionError("--rank adds columns to the chosen rows: give --rows as well")
    if by_use and (limited or solver not in (None, "gist")):
        raise InvalidOptionError("--utility and --query are for --solver gist, without --groups and --demand")
    if weight is not None and not by_use:
        raise InvalidOptionError("--weight weighs distance against utility: give --utility or --query as well")


def check_flags(
    method: Solver,
    seconds: float | None,
    checkpoint: Path | None,
    limited: bool,
    workers: int | None,
    assignment: Path | None,
) -> None:
    """Refuse flags that the solver cannot keep."""
    name = method.keyword()
    if seconds is not None and not method.stops:
        raise InvalidOptionError(
            f"--seconds: {name} constructs one solution and always runs to its end; --solver local_search searches "
            "for a better one until the time is up"
        )
    if checkpoint is not None and limited:
        raise InvalidOptionError(
            "--checkpoint: with --groups or --demand all points are in memory, and nothing is saved"
        )
    if checkpoint is not None and not method.resumable:
        raise InvalidOptionError(f"--checkpoint: {name} writes no checkpoints; greedy does")
    if workers is not None and not method.reads_partitions:
        raise InvalidOptionError(
            f"--workers: {name} takes its threads from NUMBA_NUM_THREADS; only coreset has workers"
        )
    if assignment is not None and method.reads_partitions:
        raise InvalidOptionError(f"--assignment: {name} leaves the points in their partitions; greedy reads them again")


def own_options(
    workers: int | None, by_use: bool, utility: NDArray[Any] | None, query: Path | None, weight: float | None
) -> dict[str, Any]:
    """The solver's own options, where there are some."""
    options: dict[str, Any] = {} if workers is None else {"workers": workers}
    if by_use:
        options |= {"utility": utility, "query": None if query is None else _vectors(query)}
        options |= {} if weight is None else {"weight": weight}
    return options


def _vectors(path: Path) -> Any:
    """The vectors of queries in a file: a single one as an array of one dimension, or a table of points."""
    if path.suffix != ".npy":
        return open_table(path).load()
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise DataFileError(f"{path}: not a .npy file of numbers ({error})") from error


def size_of(k: int | float | str, table: Table | Partitions, excluded: int) -> Any:
    """How many rows -k asks for: as typed, or all that are not excluded."""
    if k != ALL:
        return k
    return (table.n if isinstance(table, Table) else sum(table.lengths())) - excluded
