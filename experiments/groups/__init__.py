"""Solvers that keep group counts, and PyPI's max-div, with equal time on problems with groups."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import solvers
from experiments._common.console import Console, Progress
from experiments._common.rows import RESULTS, Row, Rows
from experiments.groups.instances import ALL, Counted
from experiments.groups.report import write_report
from experiments.groups.rival import NAME, MaxDiv
from mmdp import MissingDependencyError, Problem, Status, Stop

SOLVERS = ("greedy", "fair", "local_search", "exact", "ilp")
KEY = ("instance", "solver", "limit", "seed")
_MATRIX_POINTS = 5000  # beyond which the solvers that need a matrix of distances do not take part
_NEED_MATRIX = ("exact", "ilp")


def main(
    solver: Annotated[list[str] | None, typer.Option(help="Only this solver; repeat for several.")] = None,
    only: Annotated[str, typer.Option(help="Only instances whose name contains this.")] = "",
    seconds: Annotated[list[float] | None, typer.Option(help="Time limit of a run; repeat. Default: 1 and 5.")] = None,
    proof_seconds: Annotated[float, typer.Option(help="Time limit of the proof of each optimum.", min=0.0)] = 60.0,
    seeds: Annotated[int, typer.Option(help="Runs of each solver on each instance.", min=1)] = 3,
    max_div_python: Annotated[Path | None, typer.Option(help="An interpreter that has max-div.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the rows, the table and the plot.")] = RESULTS,
) -> None:
    """Solvers that keep group counts, and max-div, with equal wall time and one thread each.

    The solvers take turns, so that a busy spell of the machine slows all of them alike. What is already measured with
    this code on this machine is not measured again, so the same command continues where it stopped.
    """
    console, limits = Console(), seconds or [1.0, 5.0]
    rows = Rows(results / "groups.csv", KEY)
    names = list(solver or (*SOLVERS, NAME))
    rival = _rival(names, max_div_python, console)
    wanted = [counted for make in ALL if only in (counted := make()).name]
    todo = sum(len(_taking_part(counted, names)) for counted in wanted) * len(limits) * seeds
    minutes = math.ceil((todo * sum(limits) / len(limits) + len(wanted) * proof_seconds) / 60)
    console.print(
        f"{len(wanted)} problems, {', '.join(names)}, {seeds} seeds: {todo} runs and {len(wanted)} proofs, at most "
        f"{minutes} min. Rows: {rows.path}. "
        "Ctrl-C stops; the same command continues."
    )
    try:
        measured = list(_measure(rows, wanted, names, limits, proof_seconds, seeds, rival, console))
    except KeyboardInterrupt:
        console.print(f"\nStopped. {len(rows)} rows are in {rows.path}.")
        raise typer.Exit(130) from None
    finally:
        if rival:
            rival.close()
    for written in write_report(measured, results, console):
        console.print(f"wrote {written}")


def _rival(names: list[str], python: Path | None, console: Console) -> MaxDiv | None:
    """Start max-div if it is among the names and there is one; it leaves the names otherwise."""
    if NAME not in names:
        return None
    try:
        return MaxDiv(python)
    except MissingDependencyError as error:
        console.print(str(error))
        names.remove(NAME)
        return None


def _taking_part(counted: Counted, names: list[str]) -> list[str]:
    return [name for name in names if counted.problem.n <= _MATRIX_POINTS or name not in _NEED_MATRIX]


def _measure(
    rows: Rows,
    wanted: list[Counted],
    names: list[str],
    limits: list[float],
    proof_seconds: float,
    seeds: int,
    rival: MaxDiv | None,
    console: Console,
) -> Iterator[Row]:
    for counted in wanted:
        for name in _taking_part(counted, names):
            _solve(counted.problem, name, 0.2, 0, rival)  # compile what the first timed run would wait for
    with Progress(console) as progress:
        task = progress.add_task("", total=len(wanted) * (1 + seeds * len(limits)))
        for counted in wanted:
            progress.update(task, description=f"{counted.name} proof")
            if counted.problem.n <= _MATRIX_POINTS:
                yield _row(rows, counted, "proof", proof_seconds, 0, rival)
            progress.advance(task)
        for seed in range(seeds):
            for counted in wanted:
                for limit in limits:
                    progress.update(task, description=f"{counted.name} seed {seed}, {limit:g} s")
                    for name in _taking_part(counted, names):
                        yield _row(rows, counted, name, limit, seed, rival)
                    progress.advance(task)


def _row(rows: Rows, counted: Counted, name: str, limit: float, seed: int, rival: MaxDiv | None) -> Row:
    key = {"instance": counted.name, "solver": name, "limit": limit, "seed": seed}
    if (row := rows.find(**key)) is not None:
        return row
    started = time.perf_counter()
    found = _solve(counted.problem, "exact" if name == "proof" else name, limit, seed, rival)
    own = {"rival": rival.version} if rival else {}
    wall = time.perf_counter() - started
    return rows.add(**key, n=counted.problem.n, k=counted.problem.k, note=counted.note, **found, wall=wall, **own)


def _solve(
    problem: Problem, name: str, seconds: float, seed: int, rival: MaxDiv | None
) -> dict[str, str | int | float]:
    if name == NAME:
        assert rival is not None
        assert problem.group_counts is not None
        chosen, runtime = rival.select(problem, seconds, seed)
        fault = problem.group_counts.violation(chosen)
        objective = math.nan if fault or len(np.unique(chosen)) < problem.k else problem.objective(chosen)[0]
        return {"objective": objective, "upper_bound": math.inf, "runtime": runtime, "status": fault or "heuristic"}
    result = solvers.load(name)().solve(problem, stop=Stop(seconds=seconds), seed=seed)
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    return {
        "objective": result.objective,
        "upper_bound": result.upper_bound,
        "runtime": result.runtime,
        "status": str(result.status),
    }
