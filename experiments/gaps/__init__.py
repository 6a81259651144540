"""How far is each solver from the optimum, and how long does it take? The main experiment."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

import solvers
from experiments import suites
from experiments._common.console import Console, Progress
from experiments._common.rows import RESULTS, Rows
from experiments.gaps.comparison import BOUNDS, UNFIT, Comparison
from experiments.gaps.report import case_table, summary_table, write_report
from experiments.suites import Case
from mmdp import InvalidOptionError, Status, Stop, TooLargeError, UnknownNameError, bounds

KEY = ("suite", "case", "digest", "k", "solver", "limit", "seed")
_OVERHEAD = 1.3  # limits are kept to within a slice; reading, bounding and plotting come on top
_WARM_UP = Stop(seconds=0.05)


def main(
    suite: Annotated[list[str] | None, typer.Option(help="Only this suite; repeat for several.")] = None,
    solver: Annotated[list[str] | None, typer.Option(help="Only this solver; repeat for several.")] = None,
    seconds: Annotated[float, typer.Option(help="Time limit of a run.", min=0.0)] = 0.5,
    repeats: Annotated[int, typer.Option(help="Runs, with seeds 0, 1, ..., that fit the time limit.", min=1)] = 3,
    results: Annotated[Path, typer.Option(help="Folder of the rows, the report and the plots.")] = RESULTS,
    fresh: Annotated[bool, typer.Option(help="Measure again what is already in the rows.")] = False,
    report_only: Annotated[bool, typer.Option(help="Only write the report, from the last run's rows.")] = False,
) -> None:
    """Gap to the best bound and time of every solver on every suite: rows, a report and two plots.

    What is already measured with this code on this machine is not measured again, so a run that was killed
    continues where it stopped.
    """
    console, rows = Console(), Rows(results / "gaps.csv", KEY)
    plan = Plan(_cases(suite), _solvers(solver), seconds, repeats, rows, fresh)
    if report_only:
        comparisons, seconds, missing = *_last_run(rows, plan.cases), list[str]()
    else:
        console.print(plan.announcement())
        missing = plan.missing
        try:
            comparisons = _measure(plan, console)
        except KeyboardInterrupt:
            console.print(f"\nStopped. {len(rows)} rows are in {rows.path}; the same command continues from there.")
            raise typer.Exit(130) from None
    console.print(summary_table(comparisons))
    for written in write_report(comparisons, results, seconds, missing):
        console.print(f"wrote {written}")


@dataclass(frozen=True)
class Plan:
    """What to measure, and where it goes."""

    cases: list[Case]
    solvers: list[str]
    seconds: float
    repeats: int
    rows: Rows
    fresh: bool = False

    @property
    def missing(self) -> list[str]:
        """Why solvers of the package do not take part, one line each."""
        return [info.missing for info in solvers.available() if info.missing]

    def key(self, case: Case, solver: str, seed: int) -> dict[str, str | int | float]:
        """Columns that identify one run."""
        return {
            "suite": case.suite,
            "case": case.name,
            "digest": case.digest,
            "k": case.problem.k,
            "solver": solver,
            "limit": self.seconds,
            "seed": seed,
        }

    def announcement(self) -> str:
        """Say what is going to happen and how long it takes at most."""
        todo = sum(
            self.fresh or self.rows.find(**self.key(case, solver, 0)) is None
            for case in self.cases
            for solver in self.solvers
        )
        minutes = todo * self.seconds * _OVERHEAD / 60
        lines = [
            f"{len(self.cases)} problems from {', '.join(sorted({case.suite for case in self.cases}))}; "
            f"{len(self.solvers)} solvers: {', '.join(self.solvers)}.",
            f"Each run may take {self.seconds:g} s. {todo} of {len(self.cases) * len(self.solvers)} pairs are still to "
            f"be measured: at most about {math.ceil(minutes)} min, usually less.",
            f"Every run becomes a row of {self.rows.path}. Ctrl-C stops; the same command continues.",
            *sorted({f"{case.suite}/{case.name}: {case.note}" for case in self.cases if case.note}),
            *(f"not taking part: {reason}" for reason in self.missing),
        ]
        return "\n".join(lines)


def _cases(chosen: list[str] | None) -> list[Case]:
    return [case for name in chosen or suites.names() for case in suites.load(name)]


def _solvers(chosen: list[str] | None) -> list[str]:
    if unknown := sorted(set(chosen or ()) - set(solvers.names())):
        raise UnknownNameError(f"no solver named {unknown[0]!r}; choose one of {', '.join(solvers.names())}")
    installed = [info.name for info in solvers.available() if not info.missing]
    return [name for name in installed if not chosen or name in chosen]


def _last_run(rows: Rows, cases: list[Case]) -> tuple[list[Comparison], float]:
    """What the last run measured of some problems, and its time limit."""
    last = rows.last_run()
    limit = last[-1]["limit"]
    comparisons = []
    for case in cases:
        of_case = [
            row for row in last if (row["digest"], row["k"], row["limit"]) == (case.digest, str(case.problem.k), limit)
        ]
        if any(row["status"] not in (BOUNDS, UNFIT) for row in of_case):
            comparisons.append(Comparison(case, of_case))
    return comparisons, float(limit)


def _measure(plan: Plan, console: Console) -> list[Comparison]:
    comparisons = []
    with Progress(console) as progress:
        task = progress.add_task("", total=len(plan.cases) * len(plan.solvers))
        for case in plan.cases:
            found = [_bound(plan, case)]
            for solver in plan.solvers:
                progress.update(task, description=f"{case} {solver}")
                found += _runs(plan, case, solver)
                progress.advance(task)
            comparisons.append(Comparison(case, found))
            progress.console.print(case_table(comparisons[-1]))
    return comparisons


def _bound(plan: Plan, case: Case) -> dict[str, str]:
    """The best bound that needs no solver, as a row of its own."""
    key = plan.key(case, BOUNDS, 0)
    if not plan.fresh and (row := plan.rows.find(**key)) is not None:
        return row
    start = time.perf_counter()
    bound = bounds.upper_bound(case.problem)
    return plan.rows.add(**key, upper_bound=bound, runtime=time.perf_counter() - start, status=BOUNDS)


def _runs(plan: Plan, case: Case, solver: str) -> Iterator[dict[str, str]]:
    """Rows of the repeats: as many as fit the time limit, at least one."""
    spent = 0.0
    for seed in range(plan.repeats):
        row = None if plan.fresh else plan.rows.find(**plan.key(case, solver, seed))
        row = _run(plan, case, solver, seed) if row is None else row
        yield row
        if row["status"] == UNFIT or (spent := spent + float(row["runtime"])) >= plan.seconds:
            break


def _run(plan: Plan, case: Case, solver: str, seed: int) -> dict[str, str]:
    method = solvers.load(solver)()
    key = plan.key(case, solver, seed)
    try:
        if seed == 0:
            method.solve(case.problem, stop=_WARM_UP)  # compiles and fills caches, so that no repeat is timed cold
        result = method.solve(case.problem, stop=replace(method.default_stop, seconds=plan.seconds), seed=seed)
    except (InvalidOptionError, TooLargeError) as error:
        return plan.rows.add(**key, status=UNFIT, reason=str(error))
    if result.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    return plan.rows.add(**{**result.to_row(), **key})
