"""The report of the exact experiment: a line for each family of problems, then every problem."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

_SERIES = re.compile(r"([A-Z][A-Za-z-]*_\d+)_\d+")  # Geo_500_3 is of the family Geo_500
_FAMILY = ("problems", "k", "proven", "median proof", "slowest proof", "largest gap left")
_PROBLEM = ("problem", "n", "k", "limit", "value", "upper bound", "gap", "seconds", "published", "its seconds")
_PUBLISHED = ("published_low", "published_high", "published_seconds", "agrees")


def write_report(frame: pd.DataFrame, folder: Path) -> Path:
    """Write exact.md from the newest row of every problem, those of a second apart."""
    short = frame["limit"] <= 1
    newest = frame.assign(short=short).drop_duplicates(["instance", "digest", "k", "short"], keep="last")
    newest = newest.reindex(columns=[*newest.columns, *(name for name in _PUBLISHED if name not in newest)])
    newest = newest.assign(gap=1 - newest["objective"] / newest["upper_bound"], proven=newest["status"] == "optimal")
    wrong = int((newest["agrees"].astype(str) == "False").sum())
    text = [
        "# Proven optima",
        "## Summary",
        _families(newest),
        f"{wrong} of {newest['published_low'].notna().sum()} published values contradicted. **Bold**: a published gap "
        "that is closed here. Seconds are those of the whole call, incumbent and proof, on one thread.",
        "## Every problem",
        _problems(newest),
        f"Measured at {_each(newest['commit'])} on {_each(newest['cpu'])}; {_each(newest['packages'])}.",
    ]
    path = folder / "exact.md"
    path.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    return path


def _each(column: pd.Series) -> str:
    return ", ".join(column.unique())


def _family(row: pd.Series) -> str:
    name = str(row["instance"])
    if series := _SERIES.fullmatch(name):
        return series[1]
    if name.startswith("patches_"):
        return "patches of photographs"
    return "TSPLIB and national maps" if pd.notna(row["published_low"]) else f"{name}, {row['limit']:g} s"


def _families(rows: pd.DataFrame) -> str:
    lines = []
    for family, of in rows.groupby(rows.apply(_family, axis=1), sort=False):
        proofs = of.loc[of["proven"], "seconds"]
        times = (f"{proofs.median():.3g} s", f"{proofs.max():.3g} s") if len(proofs) else ("-", "-")
        ks = ", ".join(map(str, sorted(of["k"].unique())))
        left = f"{of['gap'].max():.1%}" if not of["proven"].all() else "-"
        lines.append((family, ks, f"{of['proven'].sum()} of {len(of)}", *times, left))
    return tabulate(lines, headers=_FAMILY, tablefmt="github", disable_numparse=True)


def _problems(rows: pd.DataFrame) -> str:
    return tabulate(
        [_problem(row) for row in rows.to_dict("records")], headers=_PROBLEM, tablefmt="github", disable_numparse=True
    )


def _problem(row: dict[Any, Any]) -> tuple[str, ...]:
    low, high, seconds = (row[f"published_{name}"] for name in ("low", "high", "seconds"))
    published = "" if pd.isna(low) else f"{low:g}" if low == high else f"{low:g} to {high:g}"
    if row["proven"] and low < high:
        published = f"**{published}**"
    bound, gap = ("proven", "") if row["proven"] else (f"{row['upper_bound']:.6g}", f"{row['gap']:.1%}")
    size = f"{row['n']:,}", str(row["k"]), f"{row['limit']:g}"
    ours = f"{row['objective']:.6g}", bound, gap, f"{row['seconds']:.2f}"
    return row["instance"], *size, *ours, published, "" if pd.isna(seconds) else str(seconds)
