"""Heuristics against the best known values of the literature: how close, how often, how soon."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

import solvers
from experiments._common.console import Console, Progress
from experiments._common.provenance import PACKAGES
from experiments._common.rows import RESULTS, Rows
from experiments.search import max_div
from experiments.search.report import write_report
from mmdp import DataFileError, Problem, Status, Stop, instance_readers
from mmdp.instances import Instance

HEURISTICS = ("greedy", "interchange", "grasp", "drop_add", "local_search")
KEY = ("instance", "k", "solver", "limit", "seed")
_ROUNDINGS: dict[str, Callable[[float], float]] = {
    "none": lambda d: d,
    "nearest": lambda d: math.floor(d + 0.5),  # TSPLIB's EUC_2D
    "up": lambda d: math.ceil(d - 1e-9),  # TSPLIB's CEIL_2D
}


def main(
    data: Annotated[list[Path], typer.Option(help="Folder of instance files; repeat for several.")],
    best_known: Annotated[list[Path], typer.Option(help="CSV with the columns instance, k and best_known.")],
    solver: Annotated[list[str] | None, typer.Option(help="Only this solver; repeat for several.")] = None,
    only: Annotated[str, typer.Option(help="Only instances whose name contains this.")] = "",
    seconds: Annotated[float, typer.Option(help="Time limit of a run.", min=0.0)] = 2.0,
    seeds: Annotated[int, typer.Option(help="Runs of each solver on each instance.", min=1)] = 5,
    to_best: Annotated[bool, typer.Option(help="End a run that has reached the best known value.")] = True,
    merge: Annotated[list[Path] | None, typer.Option(help="Rows of another machine to add.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the rows, the table and the plot.")] = RESULTS,
) -> None:
    """Heuristics on folders of instance files against best known values, over seeds.

    TSPLIB distances are rounded as the file says. What is already measured with this code on this machine is not
    measured again, so the same command continues where it stopped.
    """
    console = Console()
    rows = Rows(results / "search.csv", KEY, packages=(*PACKAGES, max_div.NAME))
    for path in merge or []:
        console.print(f"{rows.merge(path)} rows added from {path}")
    wanted = list(targets(data, best_known, only))
    methods = _methods(solver, console)
    todo = len(wanted) * len(methods) * seeds
    console.print(
        f"{len(wanted)} problems, {', '.join(methods)}, {seeds} seeds, {seconds:g} s each: {todo} runs, "
        f"at most {math.ceil(todo * seconds / 60)} min. Rows: {rows.path}. Ctrl-C stops; the same command continues."
    )
    try:
        measured = list(_measure(rows, wanted, methods, seconds, seeds, to_best, console))
    except KeyboardInterrupt:
        console.print(f"\nStopped. {len(rows)} rows are in {rows.path}.")
        raise typer.Exit(130) from None
    for written in write_report(pd.DataFrame(measured), results, seconds, console):
        console.print(f"wrote {written}")


@dataclass(frozen=True)
class Target:
    """An instance file, a k and the value to reach."""

    instance: Instance
    k: int
    best_known: float
    tolerance: float
    rounding: Callable[[float], float]

    @property
    def goal(self) -> float:
        """The distance at which a run may end."""
        return self.best_known - self.tolerance if self.rounding(0.5) == 0.5 else self.best_known

    def gap(self, objective: float) -> float:
        """Return the share missing to the best known value; negative if that is exceeded."""
        value = self.rounding(objective)
        if value >= self.best_known - self.tolerance:
            return min(0.0, (self.best_known - value) / self.best_known)
        return (self.best_known - value) / self.best_known


def targets(folders: list[Path], lists: list[Path], only: str = "") -> Iterator[Target]:
    """What to reach: every line of the lists whose instance has a file and whose name contains ``only``.

    Raises
    ------
    DataFileError
        If a list lacks a column.
    """
    files = {path.stem: path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()}
    for table in lists:
        frame = pd.read_csv(table, dtype=str)
        value = next((name for name in ("best_known", "published_lower_bound") if name in frame), None)
        if value is None or not {"instance", "k"} <= set(frame):
            raise DataFileError(f"{table}: the columns instance, k and best_known are needed, not {list(frame)}")
        for name, group in frame.groupby("instance", sort=False):
            if name in files and only in str(name):
                instance, rounding = instance_readers.read(files[str(name)]), _rounding(files[str(name)])
                for k, text in zip(group["k"], group[value], strict=True):
                    decimals = len(text.rstrip("0").partition(".")[2])
                    # printed values are often rounded up, so half a unit of the last digit is forgiven
                    tolerance = 0.5 * 10.0**-decimals if decimals else 0.0
                    yield Target(instance, int(k), float(text), tolerance, rounding)


def _rounding(path: Path) -> Callable[[float], float]:
    head = path.read_text(encoding="utf-8", errors="replace")[:2000]
    return _ROUNDINGS["up" if "CEIL_2D" in head else "nearest" if "EUC_2D" in head else "none"]


def _methods(chosen: list[str] | None, console: Console) -> list[str]:
    methods = list(chosen or (*HEURISTICS, max_div.NAME))
    if max_div.NAME in methods and max_div.missing():
        console.print(f"not taking part: {max_div.missing()}")
        methods.remove(max_div.NAME)
    for name in methods:
        if name != max_div.NAME:
            solvers.load(name)
    return methods


def _measure(
    rows: Rows, targets: list[Target], methods: list[str], seconds: float, seeds: int, to_best: bool, console: Console
) -> Iterator[dict[str, str]]:
    warm: set[tuple[str, bool]] = set()
    with Progress(console) as progress:
        task = progress.add_task("", total=len(targets) * len(methods) * seeds)
        for target in targets:
            problem = target.instance.problem(target.k)
            for solver in methods:
                progress.update(task, description=f"{target.instance.name} k={target.k} {solver}")
                for seed in range(seeds):
                    key = {"instance": target.instance.name, "k": target.k, "solver": solver, "limit": seconds}
                    row = rows.find(**key, seed=seed)
                    if row is None:
                        if (solver, problem.points is None) not in warm:
                            _warm_up(problem, solver)
                            warm.add((solver, problem.points is None))
                        row = rows.add(**key, seed=seed, **_run(problem, solver, target, seconds, seed, to_best))
                    yield row
                    progress.advance(task)


def _warm_up(problem: Problem, solver: str) -> None:
    """Compile what the first timed run would otherwise wait for."""
    if solver == max_div.NAME:
        max_div.select(problem, 0.2, 0)
    else:
        solvers.load(solver)().solve(problem, stop=Stop(iterations=1))


def _run(
    problem: Problem, solver: str, target: Target, seconds: float, seed: int, to_best: bool
) -> dict[str, str | int | float]:
    start = time.perf_counter()
    if solver == max_div.NAME:
        chosen, runtime = max_div.select(problem, seconds, seed)
        objective, reached = problem.objective(chosen)[0], runtime
        moments = [(runtime, objective)]
    else:
        stop = Stop(seconds=seconds, target=target.goal if to_best else None)
        result = solvers.load(solver)().solve(problem, stop=stop, seed=seed)
        if result.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        objective, runtime = result.objective, result.runtime
        moments = [(moment.seconds, moment.objective) for moment in result.history]
    reached = next((t for t, value in moments if target.gap(value) <= 0), math.inf)
    return {
        "n": problem.n,
        "best_known": target.best_known,
        "objective": objective,
        "gap": target.gap(objective),
        "time_to_best": min(reached, runtime) if target.gap(objective) <= 0 else math.inf,
        "runtime": runtime,
        "wall": time.perf_counter() - start,
    }
