"""The report on speed: greedy beside the loop by dtype and threads, and every row."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from itertools import chain

from experiments._common.rows import Row
from experiments._common.tables import duration, markdown_table, origin
from experiments.speed import tokens

TOKEN_COLUMNS = (
    "data",
    "dtype",
    "threads",
    "images",
    "n",
    "d",
    "k",
    "sampler",
    "median time",
    "over greedy",
    "same picks",
)
SUMMARY_COLUMNS = ("dtype", "threads", "loop over greedy, least", "median", "most", "least share of the same picks")
POINT_COLUMNS = ("threads", "n", "d", "k", "sampler", "median time", "over greedy", "objective", "same picks")


def _numbers(row: Row) -> tuple[str, ...]:
    return tuple(f"{int(row[name]):,}" for name in ("n", "d", "k"))


def token_cells(row: Row) -> tuple[str, ...]:
    """Return a row of the table of tokens."""
    return (
        row["data"],
        row["dtype"],
        row["threads"],
        row["batch"],
        *_numbers(row),
        row["sampler"],
        duration(float(row["median_s"])),
        f"{float(row['ratio']):.3g}x",
        f"{float(row['agreement']):.0%}",
    )


def point_cells(row: Row) -> tuple[str, ...]:
    """Return a row of the table of points."""
    return (
        row["threads"],
        *_numbers(row),
        row["sampler"],
        duration(float(row["median_s"])),
        f"{float(row['ratio']):.3g}x",
        f"{float(row['objective']):.4g}",
        f"{float(row['agreement']):.0%}",
    )


def _loops(measured: list[Row]) -> Iterator[tuple[str, int, list[Row]]]:
    """Rows of the loop by dtype and threads."""
    for dtype in ("float32", "bfloat16"):
        for threads in sorted({int(row["threads"]) for row in measured}):
            rows = [row for row in measured if row["sampler"] == tokens.LOOP and row["dtype"] == dtype]
            if rows := [row for row in rows if int(row["threads"]) == threads]:
                yield dtype, threads, rows


def _lead(measured: list[Row]) -> str:
    """Say how many times as fast as DivPrune's loop the greedy is, in float32 on one thread."""
    of_one = (rows for dtype, threads, rows in _loops(measured) if dtype == "float32" and threads == 1)
    ratios = [float(row["ratio"]) for row in chain.from_iterable(of_one)]
    return (
        f"On float32 tokens and one thread, greedy is {statistics.median(ratios):.2g} times as fast as DivPrune's own "
        f"loop ({min(ratios):.2g} to {max(ratios):.2g} times)."
    )


def _summary(measured: list[Row]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for dtype, threads, rows in _loops(measured):
        ratios, same = [float(row["ratio"]) for row in rows], min(float(row["agreement"]) for row in rows)
        middle = statistics.median(ratios)
        lines.append(
            (dtype, f"{threads}", f"{min(ratios):.2f}x", f"{middle:.2f}x", f"{max(ratios):.2f}x", f"{same:.0%}")
        )
    return lines


def _behind(measured: list[Row]) -> str:
    """Say where the loop is the faster one, and what of the picks it gives up for that."""
    loops = [row for row in measured if row["sampler"] == tokens.LOOP]
    ahead = [row for row in loops if float(row["ratio"]) < 1]
    if not ahead:
        return f"Greedy is ahead in all {len(loops)} comparisons."
    least, most = (f"{end(float(row['agreement']) for row in ahead):.0%}" for end in (min, max))
    return (
        f"The loop is ahead in {len(ahead)} of {len(loops)} comparisons, in "
        f"{' and '.join(sorted({row['dtype'] for row in ahead}))} at n x d = "
        f"{', '.join(sorted({'{} x {}'.format(*_numbers(row)) for row in ahead}))}: its time over greedy's is "
        f"{min(float(row['ratio']) for row in ahead):.2f}x at least. There it picks {least} to {most} of the same "
        "tokens. Processors that can multiply bfloat16 numbers do so as fast as the 16-bit integers that greedy "
        "multiplies, but round the products; greedy looks at what its own rounding leaves open."
    )


def markdown(measured: list[Row], sampled: list[Row]) -> str:
    """Return the whole report."""
    parts = ["# Speed"]
    if measured:
        parts += [
            _lead(measured),
            "Written by `python -m experiments speed`; the rows behind it are in `speed_tokens.csv` and `speed.csv`.",
            f"{origin(measured)} Medians of {measured[0]['repeats']} interleaved runs, on a machine that may have had "
            "other work: compare the ratios, whose two times come from the same minutes. The loop is DivPrune's "
            "sequence of torch operations in the tokens' precision, with a faster first step; it takes one image at a "
            "time. Greedy makes the picks of float64, and checks its input; once the loop's rounding leads to another "
            "pick, the later picks differ too.",
            markdown_table(SUMMARY_COLUMNS, _summary(measured)),
            _behind(measured),
            markdown_table(TOKEN_COLUMNS, [token_cells(row) for row in measured]),
        ]
    if sampled:
        parts += [
            "## Other samplers",
            f"{origin(sampled)} Medians of {sampled[0]['repeats']} interleaved runs, "
            "random normal float32 points, all from point 0. The task is the same for all. Where coordinates are "
            "rounded differently, one pick can differ, and then all picks after it: compare the objective, which is "
            "the smallest distance kept.",
            markdown_table(POINT_COLUMNS, [point_cells(row) for row in sampled]),
        ]
    return "\n\n".join(parts) + "\n"
