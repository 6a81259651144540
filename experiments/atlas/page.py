"""The atlas as one page that can be searched and sorted, in any browser and without a server."""

from __future__ import annotations

import html
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.atlas.records import newest_of, published

_TEMPLATE = Path(__file__).with_name("page.html")
SHIPPED = "certificates"
"""Folder beside the page where the certificates lie that come with the repository."""


def write_page(frame: pd.DataFrame, folder: Path) -> Path:
    """Write atlas.html from the newest row of every problem."""
    rows = [_shown(row, folder) for row in newest_of(frame).to_dict("records")]
    wrong = sum(row["wrong"] for row in rows)
    proven = sum(row["proven"] for row in rows)
    checked = sum(bool(row["check"]) for row in rows)
    summary = f"{len(rows)} problems, {proven} proven, {checked} certificates accepted by the checker"
    summary += f"; {wrong} published values contradicted" if wrong else ""
    text = _TEMPLATE.read_text(encoding="utf-8")
    data = json.dumps(rows, separators=(",", ":")).replace("<", "\\u003c")
    path = folder / "atlas.html"
    path.write_text(text.replace("SUMMARY", html.escape(summary)).replace("ROWS", data), encoding="utf-8")
    return path


def _shown(row: dict[Any, Any], folder: Path) -> dict[str, Any]:
    def given(name: str) -> Any:
        value = row.get(name)
        return None if value is None or pd.isna(value) else value

    low, high = given("published_low"), given("published_high")
    file = given("file")
    return {
        "family": row["family"],
        "instance": row["instance"],
        "n": row["n"],
        "k": row["k"],
        "value": float(f"{row['objective']:.10g}"),
        "bound": None if row["proven"] else float(f"{row['upper_bound']:.10g}"),
        "gap": None if row["proven"] else round(1 - row["objective"] / row["upper_bound"], 5),
        "proven": bool(row["proven"]),
        "by": given("proven_by") or "",
        "seconds": float(f"{row['seconds']:.3g}"),
        "published": "" if low is None else published(low, math.inf if high is None else high),
        "source": given("published_source") or "",
        "closed": bool(row["proven"] and low is not None and low != high),
        "wrong": str(given("agrees")) == "False",
        "sha256": given("certificate") or "",
        "bytes": given("bytes"),
        "check": given("check_seconds") if given("checked") in ("optimal", "bound") else None,
        "why": given("why_none") or (given("checked") if str(given("checked")).startswith("REJECTED") else "") or "",
        "file": f"{SHIPPED}/{file}" if file and (folder / SHIPPED / file).exists() else "",
    }
