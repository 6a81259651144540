"""Proven optima: value, bound and time, beside the published ones where there are any."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import solvers
from experiments._common.console import Cell, Console, Live, Table, Text, table
from experiments._common.published import Published, problems
from experiments._common.rows import RESULTS, Rows
from experiments.exact.report import write_report
from experiments.suites import Case
from mmdp import Incumbent, Problem, Result, Stop
from mmdp.instances import ran, uniform

KEY = ("instance", "digest", "k", "limit")
_COLUMNS = ("instance", "n", "k", "value", "upper bound", "seconds", "published", "published seconds")


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of instance files, with tables of published values.")
    ] = None,
    k: Annotated[list[int] | None, typer.Option(help="Only this k; repeat for several. With --data.")] = None,
    seconds: Annotated[float, typer.Option(help="Time limit of one problem.", min=0.0)] = 120.0,
    results: Annotated[Path, typer.Option(help="Folder of the rows.")] = RESULTS,
    fresh: Annotated[bool, typer.Option(help="Measure again what is already in the rows.")] = False,
) -> None:
    """Proven optima: value, bound and time of every problem, beside the published ones where there are any.

    Without --data the problems are generated: points in 10 and 100 dimensions, patches of photographs, cities, and a
    million points of the plane. What is already measured with this code on this machine is not measured again.
    """
    console = Console()
    rows = Rows(results / "exact.csv", KEY)
    _warm_up()
    shown = table(_COLUMNS, [], f"exact, at most {seconds:g} s each; rows in {rows.path}")
    with _shown(shown, console) as live:
        for task in _from_files(data, k) if data else generated():
            limit = min(seconds, task.limit)
            key = {
                "instance": task.known.instance,
                "digest": Case("exact", task.known.instance, task.problem).digest,
                "k": task.problem.k,
                "limit": limit,
            }
            row = None if fresh else rows.find(**key)
            if row is None:
                row = rows.add(**key, **_measure(task, limit, live))
            shown.add_row(*_cells(row))
    console.print(f"wrote {write_report(rows.frame(), results)}")


@contextmanager
def _shown(lines: Table, console: Console) -> Iterator[Live]:
    try:
        with Live(lines, console=console, vertical_overflow="visible") as live:
            yield live
    finally:
        if not console.is_terminal:  # where Rich leaves the table's last line without its end
            console.print()


@dataclass(frozen=True)
class Task:
    """A problem with what is known of it, and the limit in seconds that it is worth."""

    problem: Problem
    known: Published
    limit: float = math.inf


def _from_files(folder: Path, ks: list[int] | None) -> Iterator[Task]:
    for instance, known in problems(folder, ks):
        yield Task(instance.problem(known.k), known)


def generated() -> Iterator[Task]:
    """The problems that need no files: uniform points, photographs, cities, a million points, a random matrix."""
    from experiments.suites.geography import cities
    from experiments.suites.image_tokens import PHOTOS, tokens

    for d in (10, 100):
        for k in (20, 30, 40):
            yield _task(f"uniform_500_{d}", uniform("", 500, d, 1.0, seed=0).problem(k))
    for photo in PHOTOS:
        for k in (10, 29, 58):
            yield _task(f"patches_{photo}", Problem(k, points=tokens(photo).vectors, metric="cosine"))
    for k in (10, 20, 40):
        yield _task("cities", Problem(k, points=np.array(list(cities().values())), metric="haversine"))
    yield _task("uniform_1000000_2", uniform("", 1_000_000, 2, 1.0, seed=0).problem(10))
    for limit in (1.0, math.inf):  # out of reach for a proof: what the bounds of a second are worth
        yield _task("ran_500", ran(500, seed=0).problem(30), limit)


def _task(name: str, problem: Problem, limit: float = math.inf) -> Task:
    return Task(problem, Published(name, problem.k), limit)


def _warm_up() -> None:
    points = np.random.default_rng(0).random((60, 2))
    for method in ("cells", "matrix"):
        solvers.solve(points, 5, solver="exact", method=method)


def _measure(task: Task, seconds: float, live: Live) -> dict[str, Any]:
    def show(moment: Incumbent) -> None:
        bounds = f"between {moment.objective:.6g} and {moment.upper_bound:.6g}"
        line = f"{task.known.instance}, k = {task.problem.k}: {bounds} after {moment.seconds:.1f} s"
        live.console.print(line, style="dim")

    result = solvers.solve(task.problem, solver="exact", stop=Stop(seconds=seconds), watch=show)
    return {**_found(result), **task.known.columns(result.objective, result.upper_bound)}


def _found(result: Result) -> dict[str, Any]:
    return {
        "n": result.n,
        "objective": result.objective,
        "upper_bound": result.upper_bound,
        "status": str(result.status),
        "seconds": result.runtime,
        "nodes": result.iterations,
        "indices": " ".join(map(str, result.indices.tolist())),
    }


def _cells(row: dict[str, str]) -> tuple[Cell, ...]:
    objective, bound = float(row["objective"]), float(row["upper_bound"])
    proven = row["status"] == "optimal"
    low, high = row.get("published_low", ""), row.get("published_high", "")
    published = Text(low if low == high else f"{low} to {high}")
    if row.get("agrees") == "False":
        published = Text(f"{published} (contradicted)", style="bold red")
    elif proven and low != high:
        published = Text(f"{published} (closed)", style="bold")
    gap = "" if proven else f"{bound:.6g} ({(bound - objective) / bound:.1%})"
    return (
        row["instance"],
        row["n"],
        row["k"],
        f"{objective:.6g}",
        gap or "proven",
        f"{float(row['seconds']):.2f}",
        published,
        row.get("published_seconds", ""),
    )
