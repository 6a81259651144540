"""Greedy against DivPrune's own loop on tokens, and against other packages' farthest-point samplers on points."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from itertools import chain, product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from experiments._common.console import Console, table
from experiments._common.provenance import PACKAGES
from experiments._common.rows import RESULTS, Row, Rows
from experiments._common.tables import duration, markdown_table, origin
from experiments.speed import tokens
from mmdp import Problem

KEY = ("sampler", "n", "d", "k", "threads")
TOKEN_KEY = (*KEY, "data", "dtype", "batch")
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
RIVALS = ("fpsample", "skmatter")


def main(
    repeats: Annotated[int, typer.Option(help="Interleaved runs of each sampler, after a warm-up.", min=1)] = 9,
    largest: Annotated[int, typer.Option(help="Skip sizes with more points.")] = 1_000_000,
    results: Annotated[Path, typer.Option(help="Folder of speed.csv, speed_tokens.csv and speed.md.")] = RESULTS,
) -> None:
    """Time of greedy beside DivPrune's loop, fpsample's and scikit-matter's samplers: medians, ratios, same picks."""
    console = Console()
    token_rows = Rows(results / "speed_tokens.csv", TOKEN_KEY)
    rows = Rows(results / "speed.csv", KEY, packages=(*PACKAGES, *RIVALS))
    console.print(
        f"{repeats} interleaved runs of each sampler after a warm-up; about 5 minutes, and three times as many for a "
        f"million points.\nRows go to {token_rows.path} and {rows.path.name}."
    )
    for contest in tokens.contests(largest):
        with tokens.limited(contest.threads):
            last = _measured(token_rows, contest.samplers(), repeats, **vars(contest))[-1]
        size = f"{contest.n} x {contest.d}, k = {contest.k}, {contest.data} {contest.dtype}"
        console.print(f"{size}, {contest.batch} at once, {contest.threads} threads: the loop takes {last['ratio']:.4}x")
    if missing := [package for package in RIVALS if find_spec(package) is None]:
        console.print(f"{', '.join(missing)}: not installed, and left out. pip install 'mmdp[rivals]'")
    else:
        from experiments.speed import samplers

        for threads, ((n, d, k), named) in product(tokens.thread_counts(), samplers.contests(largest)):
            X = samplers.points(n, d)
            calls = {name: _call(sample, X, k) for name, sample in named.items()}
            with tokens.limited(threads):
                _measured(rows, calls, repeats, X, n=n, d=d, k=k, threads=threads)
            console.print(f"{n} x {d}, k = {k}, {threads} threads: measured {', '.join(named)}")
    measured, sampled = (kept.last_run() if len(kept) else [] for kept in (token_rows, rows))
    console.print(table(TOKEN_COLUMNS, [_token_cells(row) for row in measured], "Greedy and DivPrune's loop"))
    console.print(table(POINT_COLUMNS, [_point_cells(row) for row in sampled], "Greedy and other samplers"))
    (results / "speed.md").write_text(_markdown(measured, sampled), encoding="utf-8")


def _call(sample: Callable[[Any, int], Any], X: Any, k: int) -> Callable[[], NDArray[np.int64]]:
    return lambda: np.asarray(sample(X, k))


def _measured(
    rows: Rows,
    samplers: Mapping[str, Callable[[], NDArray[np.int64]]],
    repeats: int,
    X: NDArray[np.float32] | None = None,
    **size: Any,
) -> list[Row]:
    """Measure samplers of the same points and keep a row of each."""
    seconds, picks = _race(samplers, repeats)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    return [
        rows.add(
            sampler=name,
            **size,
            median_s=median[name],
            ratio=median[name] / median["greedy"],
            objective=None if X is None else Problem(2, points=X[picks[name]]).objective(range(size["k"]))[0],
            agreement=_agreement(picks[name], picks["greedy"], size["k"]),
            repeats=repeats,
        )
        for name in samplers
    ]


def _agreement(picks: NDArray[np.int64], others: NDArray[np.int64], k: int) -> float:
    """Share of the picks of each item that the others have too."""
    items = zip(picks.reshape(-1, k), others.reshape(-1, k), strict=True)
    return float(np.mean([np.isin(one, other).mean() for one, other in items]))


def _race(
    samplers: Mapping[str, Callable[[], NDArray[np.int64]]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, NDArray[np.int64]]]:
    """Seconds of each run, in turn so that a slower moment of the machine meets them all; the picks of the last."""
    picks = {name: sample() for name, sample in samplers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in samplers}
    for _ in range(repeats):
        for name, sample in samplers.items():
            start = time.perf_counter()
            picks[name] = sample()
            seconds[name].append(time.perf_counter() - start)
    return seconds, picks


def _numbers(row: Row) -> tuple[str, ...]:
    return tuple(f"{int(row[name]):,}" for name in ("n", "d", "k"))


def _token_cells(row: Row) -> tuple[str, ...]:
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


def _point_cells(row: Row) -> tuple[str, ...]:
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


def _markdown(measured: list[Row], sampled: list[Row]) -> str:
    parts = ["# Speed"]
    if measured:
        parts += [
            _lead(measured),
            "Written by `python -m experiments speed`; the rows behind it are in `speed_tokens.csv` and `speed.csv`.",
            f"{origin(measured)} Medians of {measured[0]['repeats']} interleaved runs, on a machine that may have had "
            "other work: compare the ratio, whose two times are of the same minutes. The loop is DivPrune's sequence "
            "of torch operations in the tokens' precision, with its first step made quicker; it takes one image at a "
            "time. Greedy picks as float64 does, and checks its input; where the loop's rounding decides otherwise, "
            "picks differ from there on.",
            markdown_table(SUMMARY_COLUMNS, _summary(measured)),
            markdown_table(TOKEN_COLUMNS, [_token_cells(row) for row in measured]),
        ]
    if sampled:
        parts += [
            "## Other samplers",
            f"{origin(sampled)} Medians of {sampled[0]['repeats']} interleaved runs, "
            "random normal float32 points, all from point 0. The task is the same for all; where coordinates are "
            "rounded otherwise one pick can differ, and then those after it: compare the objective, the smallest "
            "distance kept.",
            markdown_table(POINT_COLUMNS, [_point_cells(row) for row in sampled]),
        ]
    return "\n\n".join(parts) + "\n"
