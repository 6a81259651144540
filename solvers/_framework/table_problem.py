"""A choice of rows as it is asked for where the points are not in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmdp import Stop
from mmdp.arrays import Points
from mmdp.metrics import Metric
from mmdp.tables import Partitions, Table
from solvers._framework.grading import Run


@dataclass(frozen=True)
class TableProblem:
    """Choose k rows of a table under a metric; the rest is as in :meth:`solvers.Solver.solve_table`."""

    table: Table | Partitions
    k: int
    geometry: Metric
    stop: Stop | None = None
    seed: int = 0
    checkpoint: Path | None = None
    progress: bool = False
    include: tuple[int, ...] = ()
    exclude: tuple[int, ...] = ()


@dataclass(frozen=True)
class TableRun:
    """A run over a table of n rows, with the vectors of the rows it chose, for the referee."""

    run: Run
    chosen: Points
    n: int
