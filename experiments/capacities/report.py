"""The table of the experiment on capacities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments._common.console import Console, table
from experiments._common.rows import Row
from experiments._common.tables import markdown_table, origin


def lines_of(rows: Sequence[Row]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Columns and lines: of each instance the smallest bound, the points chosen, and the gap of each solver."""
    frame = _typed(rows)
    names = list(dict.fromkeys(frame["solver"]))
    lines = []
    for instance, own in frame.groupby("instance", sort=False):
        bound, best = float(own["upper_bound"].min()), int(own["objective"].argmax())
        objective, points = float(own["objective"].iloc[best]), str(own["k"].iloc[best])
        known = f"{bound:.5g}" if objective >= bound else f"<= {bound:.5g}"
        gaps = [_gap(own[own["solver"] == name], bound) for name in names]
        lines.append((str(instance), points, known, f"{objective:.5g}", *gaps))
    return ["instance", "points", "optimum", "best found", *names], lines


def write_report(rows: Sequence[Row], folder: Path, console: Console) -> Path:
    """Print the table, and write it."""
    columns, lines = lines_of(rows)
    limits = ", ".join(f"{float(limit):g} s" for limit in sorted({row["limit"] for row in rows}, key=float))
    console.print(table(columns, lines, limits))
    text = (
        f"# Capacities that reach a demand: gaps after {limits}\n\n{markdown_table(columns, lines)}\n\n"
        "*Points* counts those of the best solution. Under each solver is its gap: how far it is below the optimum or, "
        "if that is not known, below the smallest bound that any of the runs proved; the median over the seeds. The "
        "instances are generated like those of the literature. Each run has one thread.\n\n"
        f"Measured on {origin(rows)}\n"
    )
    report = folder / "capacities.md"
    report.write_text(text, encoding="utf-8")
    return report


def _typed(rows: Sequence[Row]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame.assign(**{name: frame[name].astype(float) for name in ("objective", "upper_bound")})


def _gap(own: pd.DataFrame, bound: float) -> str:
    if not len(own):
        return "-"
    value = float(np.median(own["objective"]))
    return f"{(bound - value) / bound if bound else 0.0:.2%}"
