"""The table and the performance profile of the search experiment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from experiments._common import figures
from experiments._common.console import Console, table
from experiments._common.tables import markdown_table

_COLUMNS = ("solver", "runs", "mean gap", "worst gap", "at best known", "time to best", "90th percentile")


def summary(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return one line per solver: gaps to best known, share of runs that reach it, and their times."""
    lines: list[tuple[str, ...]] = []
    for solver, runs in frame.groupby("solver", sort=False):
        gap, reached = runs["gap"].clip(lower=0), runs.loc[np.isfinite(runs["time_to_best"]), "time_to_best"]
        times = ("-", "-") if reached.empty else (f"{reached.median():.3f} s", f"{reached.quantile(0.9):.3f} s")
        share = f"{(runs['gap'] <= 0).mean():.1%}"
        lines.append((str(solver), str(len(runs)), f"{gap.mean():.3%}", f"{gap.max():.3%}", share, *times))
    return lines


def write_report(frame: pd.DataFrame, folder: Path, seconds: float, console: Console) -> list[Path]:
    """Print the table; write it and the profile."""
    numbers = ["gap", "time_to_best", "runtime", "limit", "n", "k"]
    frame = frame.assign(**{name: frame[name].astype(float) for name in numbers})
    lines = summary(frame)
    console.print(table(_COLUMNS, lines, "Gap to best known"))
    text = markdown_table(_COLUMNS, lines)
    first = frame.iloc[0]
    note = (
        f"{frame.groupby(['instance', 'k']).ngroups} problems, {frame['seed'].nunique()} seeds, {seconds:g} s a run. "
        "Times to best are over the runs that reach the best known value. max-div reports no incumbents, so its time "
        f"is that of the whole run.\n\nMeasured at commit {first['commit']} on {first['cpu']}, {first['packages']}.\n"
    )
    report, plot = folder / "search.md", folder / "search_profile.png"
    report.write_text(f"# Heuristics against best known values\n\n{text}\n\n{note}", encoding="utf-8")
    performance_profile(frame, plot)
    return [report, plot]


def performance_profile(frame: pd.DataFrame, path: Path) -> None:
    """Draw the share of runs within a gap to best known, for every gap: higher is better."""
    solvers = list(dict.fromkeys(frame["solver"]))
    colours = figures.colours(solvers)
    figure, axis = figures.figure(6.4, 3.8, layout="constrained")
    for solver in solvers:
        gaps = np.sort(frame.loc[frame["solver"] == solver, "gap"].clip(lower=0).to_numpy())
        share = np.arange(1, len(gaps) + 1) / len(gaps)
        axis.step(np.r_[0, gaps, 1], np.r_[0, share, share[-1]], where="post", color=colours[solver], label=solver)
    axis.set_xscale("symlog", linthresh=1e-4)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.02)
    axis.set_xticks([0, 1e-4, 1e-3, 1e-2, 1e-1, 1], ["0", "0.01%", "0.1%", "1%", "10%", "100%"])
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.set_xlabel("gap to best known")
    axis.set_ylabel("share of runs within it")
    axis.grid(color="#e6e6e6", linewidth=0.8)
    axis.legend(frameon=False, loc="lower right")
    figures.save(figure, path)
