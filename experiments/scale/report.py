"""The report of the scale experiment: what its rows say, as tables and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments._common import figures
from experiments._common.rows import Row
from experiments._common.tables import duration, markdown_table, origin

MEMORY, DISK, FOLDER, CLUSTER = "in memory", "on disk", "in a Parquet folder", "on a cluster"
_SAID = {"True": "yes", "False": "no", "": ""}
_COLUMNS = {
    MEMORY: ("data", "n", "d", "k", "method", "threads", "time", "over greedy", "picks of the plain loop"),
    DISK: ("data", "n", "d", "k", "threads", "time", "passes", "a plain pass", "over plain passes", "peak memory",
           "same after kill -9"),
    FOLDER: ("data", "n", "d", "k", "threads", "time", "objective", "upper bound", "approximation factor",
             "peak memory", "ids of the picks"),
    CLUSTER: ("data", "n", "d", "k", "workers", "time", "objective", "upper bound", "greedy over it",
              "approximation factor", "same after kill -9"),
}  # fmt: skip
_NOTES = {
    MEMORY: "Medians; the methods take turns, and all start from point 0. fpsample's bucket sampler, with h = 9, "
    "computes in float32 on one thread; the report of `speed` has h = 7 as well. The plain loop is "
    "`Greedy(accelerated=False)`.",
    DISK: "The time is that of the whole search; a plain pass reads the file in the same blocks and sums it, in the "
    "same process before the search, with the file in the system's cache. The memory is the peak of the whole process. "
    "The search was then killed after its first checkpoint and resumed.",
    FOLDER: "`coreset` over the row groups of a folder of Parquet files with ids, 250,000 rows each, in threads.",
    CLUSTER: "`coreset` over 64 partitions on a `LocalCluster` of four processes; then again with one of them killed "
    "half-way. The greedy that it is compared with has all points in the memory of one process.",
}


def cells(part: str, rows: Sequence[Row]) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """Columns and cells of one part."""
    mine = [row for row in rows if row["part"] == part]
    greedy = {(row["data"], row["threads"]): float(row["seconds"]) for row in mine if row["method"] == "greedy"}
    lines = []
    for row in mine:
        seconds = float(row["seconds"])
        line = [row["data"], *(f"{int(row[name]):,}" for name in "ndk")]
        if part == MEMORY:
            over = seconds / greedy[row["data"], row["threads"]]
            line += [row["method"], row["threads"], duration(seconds), f"{over:.2f}x"]
        elif part == DISK:
            line += [row["threads"], duration(seconds), row["passes"], duration(float(row["pass_seconds"]))]
            line += [f"{float(row['ratio']):.2f}x", f"{float(row['peak_mib']):.0f} MiB"]
        elif part == FOLDER:
            line += [row["threads"], duration(seconds)]
            line += [f"{float(row[name]):.4g}" for name in ("objective", "upper_bound", "granted")]
            line += [f"{float(row['peak_mib']):.0f} MiB"]
        else:
            line += [row["threads"], duration(seconds)]
            line += [f"{float(row[name]):.4g}" for name in ("objective", "upper_bound", "ratio", "granted")]
        lines.append((*line, _SAID[row["same_picks"]]))
    return _COLUMNS[part], lines


def write(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write ``scale.md`` and ``scale.png``; return what was written."""
    parts = ["# Many points", "Written by `python -m experiments scale`; the rows behind it are in `scale.csv`.",
             origin(rows), "![Seconds of each method](scale.png)"]  # fmt: skip
    for part in [part for part in (MEMORY, DISK, FOLDER, CLUSTER) if any(row["part"] == part for row in rows)]:
        parts += [f"## {part.capitalize()}", _NOTES[part], markdown_table(*cells(part, rows))]
    report, plot = folder / "scale.md", folder / "scale.png"
    report.write_text("\n\n".join(parts) + "\n")
    _draw([row for row in rows if row["part"] == MEMORY], plot)
    return [report, plot]


def _draw(rows: Sequence[Row], path: Path) -> None:
    """Bars of seconds, a panel for each data set."""
    data = list(dict.fromkeys(row["data"] for row in rows))
    figure, axes = figures.figure(figures.WIDTH, 2.1 * len(data), nrows=len(data), squeeze=False, layout="constrained")
    for axis, name in zip(axes[:, 0], data, strict=True):
        _bars(axis, [row for row in rows if row["data"] == name])
    figures.save(figure, path)


def _bars(axis: Any, rows: Sequence[Row]) -> None:
    labels = [f"{row['method']}, {row['threads']} thread{'s' if row['threads'] != '1' else ''}" for row in rows]
    seconds = [float(row["seconds"]) for row in rows]
    colours = ["#E69F00" if row["method"] == "greedy" else "#999999" for row in rows]
    axis.barh(labels, seconds, color=colours)
    axis.invert_yaxis()
    axis.bar_label(axis.containers[0], [duration(value) for value in seconds], padding=3)
    axis.margins(x=0.2)
    axis.set_xlabel("seconds")
    size = f"{int(rows[0]['n']):,} x {rows[0]['d']}, k = {int(rows[0]['k']):,}"
    axis.set_title(f"{rows[0]['data']}: {size}", loc="left", fontsize=10)
