"""The table and the plot of the experiment on group counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments._common import figures
from experiments._common.console import Console, table
from experiments._common.rows import Row
from experiments._common.tables import markdown_table, origin


def summary(rows: Sequence[Row], limit: float) -> tuple[list[str], list[tuple[str, ...]]]:
    """Columns and lines: the proven optimum or bound of each instance, and the median of each solver at one limit."""
    frame = _typed(rows)
    runs = frame[(frame["limit"] == limit) & (frame["solver"] != "proof")]
    names = list(dict.fromkeys(runs["solver"]))
    lines = []
    for instance, own in runs.groupby("instance", sort=False):
        bound, proven = _reference(frame[frame["instance"] == instance])
        medians = [_median(own[own["solver"] == name]["objective"]) for name in names]
        known = f"{bound:.5g}" if proven else f"<= {bound:.5g}"
        cells = ["-" if np.isnan(value) else f"{value:.5g} ({(bound - value) / bound:.1%})" for value in medians]
        lines.append((str(instance), known, *cells))
    return ["instance", "optimum", *names], lines


def write_report(rows: Sequence[Row], folder: Path, console: Console) -> list[Path]:
    """Print the tables; write them and the plot."""
    frame = _typed(rows)
    limits = sorted(set(frame.loc[frame["solver"] != "proof", "limit"]))
    parts = ["# Group counts: medians with equal time\n"]
    for limit in limits:
        columns, lines = summary(rows, limit)
        console.print(table(columns, lines, f"{limit:g} s"))
        parts.append(f"## {limit:g} s a run\n\n{markdown_table(columns, lines)}\n")
    rivals = ", ".join(sorted({row["rival"] for row in rows if row.get("rival")}))
    parts.append(
        "Medians over the seeds, and in brackets how far they are below the optimum or, if that is not known, below "
        "the smallest proven bound. A dash means that the solver was not run on so many points, or that its median run "
        "violates a count. Each run has one thread, and its seconds include stating the problem.\n\n"
        f"{rivals + '. ' if rivals else ''}Measured on {origin(rows)}\n"
    )
    report, plot = folder / "groups.md", folder / "groups.png"
    report.write_text("\n".join(parts), encoding="utf-8")
    _plot(frame, limits[-1], plot)
    return [report, plot]


def _typed(rows: Sequence[Row]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    numbers = ("limit", "objective", "upper_bound", "runtime")
    return frame.assign(**{name: frame[name].astype(float) for name in numbers})


def _reference(own: pd.DataFrame) -> tuple[float, bool]:
    """The smallest bound of any run, and whether some run reaches it."""
    bound = float(own["upper_bound"].min())
    return bound, bool((own["objective"] >= bound).any())


def _median(values: pd.Series) -> float:
    """The median, nan if so many runs violate counts that it is one of them."""
    return float(np.sort(values.fillna(-np.inf).to_numpy())[(len(values) - 1) // 2]) if len(values) else np.nan


def _plot(frame: pd.DataFrame, limit: float, path: Path) -> None:
    """Draw the gap of each solver's median on each instance: further left is better."""
    runs = frame[(frame["limit"] == limit) & (frame["solver"] != "proof")]
    instances, names = list(dict.fromkeys(runs["instance"])), list(dict.fromkeys(runs["solver"]))
    colours = figures.colours(names)
    figure, axis = figures.figure(figures.WIDTH, 0.9 + 0.3 * len(instances), layout="constrained")
    for name in names:
        gaps = []
        for instance in instances:
            own = frame[frame["instance"] == instance]
            bound, _ = _reference(own)
            chosen = runs[(runs["instance"] == instance) & (runs["solver"] == name)]["objective"]
            gaps.append((bound - _median(chosen)) / bound)
        axis.plot(gaps, range(len(instances)), "o", color=colours[name], label=name, alpha=0.8)
    axis.set_yticks(range(len(instances)), instances)
    axis.invert_yaxis()
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.set_xlabel(f"missing to the optimum or the smallest bound, {limit:g} s a run")
    axis.grid(axis="x", color=figures.GRID, linewidth=0.8)
    axis.legend(frameon=False, loc="best")
    figures.save(figure, path)
