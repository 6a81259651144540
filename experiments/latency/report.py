"""Rows of latency as a table, a page and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments._common import figures
from experiments._common.console import Table, table
from experiments._common.rows import Row
from experiments._common.tables import duration, markdown_table, origin

PACKAGES = ("torch", "transformers", "numpy")
COLUMNS = ("model", "solver", "tokens", "first token", "of unpruned", "later tokens", "memory", "solve", "share")
BEFORE_COLUMNS = ("model", "solver", "tokens", "commit", "first token", "of unpruned", "solve", "share")


def line(row: Row) -> str:
    """One measurement in words."""
    way = f"{row['solver']}, keep {float(row['keep']):g}" if row["solver"] else "unpruned"
    return f"{_model(row)} {way}: first token {_seconds(row['first_s'])}, {_ratio(row)} of unpruned"


def terminal(rows: Sequence[Row]) -> Table:
    """Return all measurements for the terminal."""
    return table(COLUMNS, [_cells(row) for row in rows], "Full and pruned")


def write(rows: list[Row], oldest: list[Row], folder: Path) -> list[Path]:
    """Write ``latency.md`` and ``latency.png``; return what was written.

    ``oldest`` are the first rows of the same measurements, for what has changed since.
    """
    page, plot = folder / "latency.md", folder / "latency.png"
    _draw(rows, plot)
    page.write_text(_markdown(rows, oldest))
    return [page, plot]


def _seconds(text: str) -> str:
    return duration(float(text))


def _ratio(row: Row) -> str:
    return f"{float(row['first_ratio']):.3f}x"


def _model(row: Row) -> str:
    return row["model"] if row["batch"] == "1" else f"{row['batch']} x {row['model']}"


def _cells(row: Row) -> tuple[str, ...]:
    memory = f"{float(row['peak_gib']):.2f} GiB" if row["peak_gib"] else ""
    times = (_seconds(row["first_s"]), _ratio(row), _seconds(row["token_s"]))
    return _model(row), row["solver"] or "none", row["kept"], *times, memory, *_choice(row)


def _choice(row: Row) -> tuple[str, str]:
    """Time of choosing alone, and its share of the time to the first token."""
    if not row["solver"]:
        return "", ""
    return _seconds(row["select_s"]), f"{float(row['select_s']) / float(row['first_s']):.1%}"


def _before_cells(row: Row) -> tuple[str, ...]:
    first = _seconds(row["first_s"]), _ratio(row)
    return _model(row), row["solver"], row["kept"], row["commit"], *first, *_choice(row)


def _markdown(rows: list[Row], oldest: list[Row]) -> str:
    row = rows[0]
    scale = {
        "full": "The models have their published sizes.",
        "quarter": "Layers are 3/8 and widths 1/4 of the published ones, in the vision encoder and the language model "
        "alike, so that LLaVA-1.5-7B has 12 layers of width 1,024; images keep their size and their tokens.",
        "tiny": "Layers are 1/16 and widths 1/32 of the published ones: times mean nothing.",
    }[row["scale"]]
    parts = [
        "# Latency",
        "Written by `python -m experiments latency`; the rows behind it are in `latency.csv`.",
        f"{row['where']}, {row['dtype']}. {origin(rows)}",
        f"{scale} Weights are random. Each prompt has one image and {row['text']} text tokens; *16 x* stands for 16 "
        f"prompts at once. Greedy decoding; medians of {row['repeats']} runs in which full and pruned take turns.",
        "*Tokens* are the visual ones that the language model reads. The *first token* comes after encoding the "
        "image, choosing, and reading the prompt; *solve* is the choosing alone, and *share* its share of that time. "
        "*Later tokens* is the time for "
        "each of them. *Memory* is the most that the GPU had allocated or, on a CPU, that the process held, weights "
        "and libraries included.",
        "![Time to first token against the visual tokens that stay](latency.png)",
        markdown_table(COLUMNS, [_cells(row) for row in rows]),
    ]
    changed = [
        (old, row) for old, row in zip(oldest, rows, strict=True) if row["solver"] and old["code"] != row["code"]
    ]
    if changed:
        parts += [
            "## Before and now",
            "The first rows of the same measurements on this kind of machine, beside the latest ones. The machine may "
            "have had other work in one of the runs: compare the shares.",
            markdown_table(BEFORE_COLUMNS, [_before_cells(row) for pair in changed for row in pair]),
        ]
    return "\n\n".join(parts) + "\n"


def _draw(rows: list[Row], path: Path) -> None:
    """Draw each curve from its unpruned point down, with the seconds beside each point."""
    figure, axis = figures.figure(6.4, 4.0)
    curves = [(_model(row), row["solver"]) for row in rows if row["solver"]]
    names = [f"{model}, {solver}" for model, solver in dict.fromkeys(curves)]
    for (model, solver), (name, colour) in zip(dict.fromkeys(curves), figures.colours(names).items(), strict=True):
        points = [row for row in rows if _model(row) == model and row["solver"] in ("", solver)]
        shares = [int(row["kept"]) / int(row["visual"]) for row in points]
        axis.plot(shares, [float(row["first_ratio"]) for row in points], "o-", color=colour, label=name)
        for share, row in zip(shares, points, strict=True):
            where = (share, float(row["first_ratio"]))
            axis.annotate(_seconds(row["first_s"]), where, (-4, 6), textcoords="offset points", ha="right", fontsize=8)
    axis.plot([0, 1], [0, 1], ":", color="#999999", label="in proportion to the visual tokens")
    axis.set(xlabel="visual tokens that stay", ylabel="time to first token, of unpruned", xlim=(0, 1.03), ylim=(0, 1.1))
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(lambda share, _: f"{share:.0%}")
    axis.legend(frameon=False, loc="lower right", fontsize=8)
    figures.save(figure, path)
