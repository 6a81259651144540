"""The gap report: tables for the terminal, a Markdown page and two plots."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean, median

from experiments._common.console import Table, table
from experiments._common.tables import duration, markdown_table, origin
from experiments.gaps import plots
from experiments.gaps.comparison import Comparison, Score

SCORE_COLUMNS = ("solver", "objective", "gap", "to best known", "median time", "proof")
SUMMARY_COLUMNS = ("suite", "solver", "problems", "gap", "to best known", "best", "proven", "time")


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


def write_report(comparisons: list[Comparison], folder: Path, seconds: float, missing: list[str]) -> list[Path]:
    """Write ``gaps.md`` and its plots into a folder; return what was written."""
    drawn = {
        "gaps.png": plots.gap_against_time(comparisons, folder / "gaps.png"),
        "tokens.png": plots.kept_tokens(comparisons, folder / "tokens.png"),
    }
    report = folder / "gaps.md"
    report.write_text(_markdown(comparisons, seconds, missing, [name for name, there in drawn.items() if there]))
    return [report, *(folder / name for name, there in drawn.items() if there)]


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
        "*gap* = (best upper bound of all solvers - objective) / that bound: the objective is at most this share below "
        "the optimum. *to best known* = the same with the best objective that any solver found here in place of the "
        "bound; it proves nothing.",
        *(f"![{captions[plot]}]({plot})\n\n{captions[plot]}" for plot in plots),
        "## Summary",
        "Means over the problems that a solver was run on, and its median time. *best* counts the problems on which no "
        "other solver found a better subset, *proven* those on which it proved the optimum.",
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
            parts += [f"{solver} was not run: {reason}." for solver, reason in comparison.unfit.items()]
    parts += [f"Not run: {reason}." for reason in missing]
    return "\n\n".join(parts) + "\n"
