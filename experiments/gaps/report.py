"""The gap report: what the rows of one problem say together, as tables, Markdown and plots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean, median, median_low

from rich import box
from rich.table import Table
from tabulate import tabulate

from experiments._common.rows import Row
from experiments.suites import Case
from mmdp import Result, Status

BOUNDS, UNFIT = "bounds", "unfit"  # a row of a bound without a solver; a row of a solver that refused the problem


@dataclass(frozen=True, eq=False)
class Comparison:
    """One problem and the rows of all solvers on it."""

    case: Case
    rows: list[Row]

    @cached_property
    def runs(self) -> dict[str, list[Result]]:
        """Results by solver, over the repeats."""
        runs: dict[str, list[Result]] = {}
        for row in self.rows:
            if row["status"] not in (BOUNDS, UNFIT):
                runs.setdefault(row["solver"], []).append(Result.from_row(row))
        return runs

    @property
    def unfit(self) -> dict[str, str]:
        """Solvers that refused the problem, and why."""
        return {row["solver"]: row["reason"] for row in self.rows if row["status"] == UNFIT}

    @cached_property
    def upper_bound(self) -> float:
        """The best upper bound that any solver, or the bounds alone, has proven."""
        return min(float(row["upper_bound"]) for row in self.rows if row["status"] != UNFIT)

    @cached_property
    def best_known(self) -> float:
        """The best objective that any run has reached."""
        return max(result.objective for runs in self.runs.values() for result in runs)

    def score(self, solver: str) -> Score:
        """Medians of a solver's repeats against the best bound and the best known."""
        runs = self.runs[solver]
        objective = median_low(result.objective for result in runs)
        return Score(
            solver=solver,
            objective=objective,
            gap=_short_of(self.upper_bound, objective),
            to_best=_short_of(self.best_known, objective),
            seconds=median(result.runtime for result in runs),
            proven=all(result.status is Status.OPTIMAL for result in runs),
        )

    @property
    def scores(self) -> list[Score]:
        """Scores of all solvers, worst objective first."""
        return sorted((self.score(solver) for solver in self.runs), key=lambda s: (s.objective, s.solver))


@dataclass(frozen=True)
class Score:
    """A solver on a problem; gaps are shares of the bound and of the best known objective."""

    solver: str
    objective: float
    gap: float
    to_best: float
    seconds: float
    proven: bool

    def cells(self) -> tuple[str, ...]:
        """For a table: solver, objective, gap, gap to best known, time, proof."""
        return (
            self.solver,
            f"{self.objective:.5g}",
            f"{self.gap:.2%}",
            f"{self.to_best:.2%}",
            duration(self.seconds),
            "optimal" if self.proven else "",
        )


SCORE_COLUMNS = ("solver", "objective", "gap", "to best known", "median time", "proof")
_WORDS = ("suite", "model", "solver", "sampler", "proof")
SUMMARY_COLUMNS = ("suite", "solver", "problems", "gap", "to best known", "best", "proven", "time")


def _short_of(reference: float, objective: float) -> float:
    return (reference - objective) / reference if reference > 0 else 0.0


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.0f} µs"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str) -> Table:
    """Return a table for the terminal; words to the left, numbers to the right."""
    lines = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False, padding=(0, 1, 0, 0)
    )
    for name in columns:
        lines.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=name in _WORDS)
    for row in rows:
        lines.add_row(*row)
    return lines


def heading(comparison: Comparison) -> str:
    """Name the problem, its size, the best bound and the best known objective."""
    problem = comparison.case.problem
    return (
        f"{comparison.case}, n={problem.n}, {problem.geometry.name}: "
        f"upper bound {comparison.upper_bound:.5g}, best known {comparison.best_known:.5g}"
    )


def case_table(comparison: Comparison) -> Table:
    """All solvers on one problem."""
    return table(SCORE_COLUMNS, [score.cells() for score in comparison.scores], heading(comparison))


def summary_rows(comparisons: list[Comparison]) -> list[tuple[str, ...]]:
    """For each suite and solver: means over the problems that it took part in, by falling gap."""
    rows: list[tuple[str, ...]] = []
    for suite in dict.fromkeys(comparison.case.suite for comparison in comparisons):
        scores: dict[str, list[Score]] = {}
        for score in (s for c in comparisons if c.case.suite == suite for s in c.scores):
            scores.setdefault(score.solver, []).append(score)
        for solver, of in sorted(scores.items(), key=lambda item: -mean(s.gap for s in item[1])):
            rows.append(
                (
                    suite,
                    solver,
                    str(len(of)),
                    f"{mean(s.gap for s in of):.2%}",
                    f"{mean(s.to_best for s in of):.2%}",
                    str(sum(math.isclose(s.to_best, 0.0, abs_tol=1e-9) for s in of)),
                    str(sum(s.proven for s in of)),
                    duration(median(s.seconds for s in of)),
                )
            )
    return rows


def summary_table(comparisons: list[Comparison]) -> Table:
    """Return the summary for the terminal."""
    return table(SUMMARY_COLUMNS, summary_rows(comparisons), "All problems: mean gaps, median times")


def origin(rows: Sequence[Row]) -> str:
    """Say on what machine and with which code and versions some rows were measured, and when the last one was."""
    newest = max(rows, key=lambda row: row["timestamp"])
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    return (
        f"{newest['cpu']}, {newest['cores']} cores, {newest['memory_gib']} GiB; Python {newest['python']}, "
        f"{newest['packages']}; commit {commits}; {newest['timestamp']}."
    )


def write_report(comparisons: list[Comparison], folder: Path, seconds: float, missing: list[str]) -> list[Path]:
    """Write ``gaps.md`` and its plots into a folder; return what was written."""
    from experiments.gaps import plots

    pictures = {
        "gaps.png": plots.gap_against_time(comparisons, folder / "gaps.png"),
        "tokens.png": plots.kept_tokens(comparisons, folder / "tokens.png"),
    }
    report = folder / "gaps.md"
    report.write_text(_markdown(comparisons, seconds, missing, [name for name, drawn in pictures.items() if drawn]))
    return [report, *(folder / name for name, drawn in pictures.items() if drawn)]


def _markdown(comparisons: list[Comparison], seconds: float, missing: list[str], plots: list[str]) -> str:
    rows = [row for comparison in comparisons for row in comparison.rows]
    captions = {
        "gaps.png": "Median gap to the best upper bound as time passes; a dot where it is lowest.",
        "tokens.png": "The patches that each solver keeps of a photograph, and their smallest cosine distance.",
    }
    parts = [
        "# Optimality gaps",
        "Written by `python -m experiments gaps`; the rows behind it are in `gaps.csv`.",
        f"{origin(rows)} A run may take {seconds:g} s; times are medians over the repeats that fit.",
        "*gap* = (best upper bound of all solvers - objective) / that bound: at most this share is missing to the "
        "optimum. *to best known* = the same against the best objective found by any solver here; it proves nothing.",
        *(f"![{captions[plot]}]({plot})\n\n{captions[plot]}" for plot in plots),
        "## Summary",
        "Means over the problems that a solver took part in; *best*: on how many no solver found better; "
        "*proven*: on how many it proved the optimum; median time.",
        markdown_table(SUMMARY_COLUMNS, summary_rows(comparisons)),
    ]
    for suite in dict.fromkeys(comparison.case.suite for comparison in comparisons):
        of_suite = [comparison for comparison in comparisons if comparison.case.suite == suite]
        parts.append(f"## {suite}")
        parts += sorted({f"{c.case.name}: {c.case.note}." for c in of_suite if c.case.note})
        for comparison in of_suite:
            parts += [
                f"**{heading(comparison)}**",
                markdown_table(SCORE_COLUMNS, [s.cells() for s in comparison.scores]),
            ]
            parts += [f"{solver} did not take part: {reason}." for solver, reason in comparison.unfit.items()]
    parts += [f"Left out: {reason}." for reason in missing]
    return "\n\n".join(parts) + "\n"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table for Markdown; words to the left, numbers to the right."""
    alignment = ["left" if name in _WORDS else "right" for name in columns]
    return tabulate(rows, headers=columns, tablefmt="pipe", disable_numparse=True, colalign=alignment)
