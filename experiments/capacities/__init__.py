"""Solvers that reach a demand, with equal time on instances of the literature's kind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import solvers
from experiments._common.console import Console, Progress
from experiments._common.rows import RESULTS, Row, Rows
from experiments.capacities.instances import Demanded, problems, published
from experiments.capacities.report import write_report
from mmdp import Status, Stop

SOLVERS = ("local_search", "exact", "ilp")
KEY = ("instance", "solver", "limit", "seed")


def main(
    solver: Annotated[list[str] | None, typer.Option(help="Only this solver; repeat for several.")] = None,
    only: Annotated[str, typer.Option(help="Only instances whose name contains this.")] = "",
    instances: Annotated[int, typer.Option(help="Instances of each family, each with two demands.", min=1)] = 2,
    seconds: Annotated[float, typer.Option(help="Time limit of a run.", min=0.0)] = 10.0,
    seeds: Annotated[int, typer.Option(help="Runs of each solver on each instance.", min=1)] = 1,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the benchmark's files, to solve these in place of generated ones.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of the rows and the table.")] = RESULTS,
) -> None:
    """Gap of the solvers that reach a demand by capacities, after equal time and with one thread each.

    What is already measured with this code on this machine is not measured again, so the same command continues where
    it stopped.
    """
    console, rows = Console(), Rows(results / "capacities.csv", KEY)
    names, wanted = list(solver or SOLVERS), list(problems(instances, only) if data is None else published(data, only))
    minutes = math.ceil(len(wanted) * len(names) * seeds * seconds / 60)
    console.print(
        f"{len(wanted)} problems, {', '.join(names)}, {seeds} seeds: at most {minutes} min. Rows: {rows.path}. "
        "Ctrl-C stops; the same command continues."
    )
    try:
        measured = list(_measure(rows, wanted, names, seconds, seeds, console))
    except KeyboardInterrupt:
        console.print(f"\nStopped. {len(rows)} rows are in {rows.path}.")
        raise typer.Exit(130) from None
    if measured:
        console.print(f"wrote {write_report(measured, results, console)}")


def _measure(
    rows: Rows, wanted: list[Demanded], names: list[str], seconds: float, seeds: int, console: Console
) -> Iterator[Row]:
    with Progress(console) as progress:
        task = progress.add_task("", total=len(wanted) * seeds)
        for seed in range(seeds):
            for demanded in wanted:
                progress.update(task, description=f"{demanded.name} seed {seed}")
                for name in names:
                    yield _row(rows, demanded, name, seconds, seed)
                progress.advance(task)


def _row(rows: Rows, demanded: Demanded, name: str, seconds: float, seed: int) -> Row:
    key = {"instance": demanded.name, "solver": name, "limit": seconds, "seed": seed}
    if (row := rows.find(**key)) is not None:
        return row
    result = solvers.load(name)().solve(demanded.problem, stop=Stop(seconds=seconds), seed=seed)
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    return rows.add(
        **key,
        n=result.n,
        k=result.k,
        demand=demanded.problem.demand,
        capacity=result.notes["capacity"],
        objective=result.objective,
        upper_bound=result.upper_bound,
        runtime=result.runtime,
        status=str(result.status),
    )
