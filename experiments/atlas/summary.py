"""How much of the atlas is proven, and what its certificates cost."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments._common.tables import markdown_table
from experiments.atlas.records import newest_of

_PROVEN = ("family", "k", "problems", "proven", "median seconds", "open: mean gap", "open: largest gap", "limit (s)")
_COST = ("family", "certificates", "search (s)", "second run (s)", "check (s)", "second run / search", "check / search")
_FEW = 20  # picks, the largest k of the tables of maps


def write_summary(frame: pd.DataFrame, folder: Path) -> Path:
    """Write atlas_summary.md: proofs and gaps of each family and k, and the sums of all times of certificates."""
    rows = newest_of(frame)
    rows["gap"] = 1 - rows["objective"] / rows["upper_bound"]
    costs = [_cost(part) for _, part in _certified(rows).groupby("family")]
    text = "\n\n".join(
        (
            "# The atlas in two tables",
            "[All rows](atlas.csv), one line a problem. Gaps are relative to the bound. Limits are those of the rows.",
            markdown_table(_PROVEN, [_proven(part) for _, part in rows.groupby(["family", _range_of(rows)])]),
            "A certificate is written by a second run, at the one threshold that matters; the search that comes before "
            "is not slowed. Sums over all problems with a checked certificate of their optimum:",
            markdown_table(_COST, costs) if costs else "None yet.",
        )
    )
    path = folder / "atlas_summary.md"
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def _range_of(rows: pd.DataFrame) -> pd.Series:
    """Each k of a map by itself beyond the published ones, and all others together."""
    is_large = rows["family"].str.startswith("TSPLIB") & (rows["k"] > _FEW)
    return rows["k"].where(is_large, 0).rename("range")


def _proven(part: pd.DataFrame) -> tuple[str, ...]:
    proven, left = part[part["proven"]], part[~part["proven"]]
    low, high = part["k"].min(), part["k"].max()
    return (
        str(part["family"].iloc[0]),
        str(low) if low == high else f"{low} to {high}",
        str(len(part)),
        str(len(proven)),
        f"{proven['seconds'].median():.2f}" if len(proven) else "",
        f"{left['gap'].mean():.1%}" if len(left) else "",
        f"{left['gap'].max():.1%}" if len(left) else "",
        ", ".join(f"{limit:g}" for limit in sorted(part["limit"].unique())),
    )


def _certified(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["proven"] & (rows.get("checked") == "optimal")]


def _cost(part: pd.DataFrame) -> tuple[str, ...]:
    search, record, check = (part[f"{name}seconds"].sum() for name in ("", "record_", "check_"))
    return (
        str(part["family"].iloc[0]),
        str(len(part)),
        f"{search:.1f}",
        f"{record:.1f}",
        f"{check:.1f}",
        f"{record / search:.2f}",
        f"{check / search:.2f}",
    )
