"""Numbers and rows as readers see them: Markdown tables, times with their unit, and where rows come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from experiments._common.rows import Row

WORDS = (
    "suite",
    "model",
    "solver",
    "sampler",
    "proof",
    "task",
    "metric",
    "data",
    "method",
    "instance",
    "size",
)  # the columns of text


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.0f} µs"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table for Markdown; words to the left, numbers to the right."""
    alignment = ["left" if name in WORDS else "right" for name in columns]
    return tabulate(rows, headers=columns, tablefmt="pipe", disable_numparse=True, colalign=alignment)


def origin(rows: Sequence[Row]) -> str:
    """Say on what machine and with which code and versions some rows were measured, and when the last one was."""
    newest = max(rows, key=lambda row: row["timestamp"])
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    return (
        f"{newest['cpu']}, {newest['cores']} cores, {newest['memory_gib']} GiB; Python {newest['python']}, "
        f"{newest['packages']}; commit {commits}; {newest['timestamp']}."
    )
