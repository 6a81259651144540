"""Greedy against DivPrune's own loop on tokens, and against other packages' farthest-point samplers on points."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from experiments._common.console import Console, table
from experiments._common.provenance import PACKAGES
from experiments._common.rows import RESULTS, Row, Rows
from experiments.speed import report, tokens
from mmdp import Problem

KEY = ("sampler", "n", "d", "k", "threads")
TOKEN_KEY = (*KEY, "data", "dtype", "batch")
RIVALS = ("fpsample", "skmatter")
PAUSE = 0.04  # seconds; threads of OpenBLAS wait for 2^26 ticks


class Part(StrEnum):
    """What is measured: greedy and the loop on tokens, or greedy and other samplers on points."""

    TOKENS = "tokens"
    SAMPLERS = "samplers"


def main(
    repeats: Annotated[int, typer.Option(help="Interleaved runs of each sampler, after a warm-up.", min=1)] = 9,
    largest: Annotated[int, typer.Option(help="Skip sizes with more points.")] = 1_000_000,
    part: Annotated[list[Part] | None, typer.Option(help="Only this part; by default both.")] = None,
    fresh: Annotated[bool, typer.Option(help="Measure again what is already in the rows.")] = False,
    results: Annotated[Path, typer.Option(help="Folder of speed.csv, speed_tokens.csv and speed.md.")] = RESULTS,
) -> None:
    """Time of greedy beside DivPrune's loop, fpsample's and scikit-matter's samplers: medians, ratios, same picks."""
    console = Console()
    token_rows = Rows(results / "speed_tokens.csv", TOKEN_KEY)
    rows = Rows(results / "speed.csv", KEY, packages=(*PACKAGES, *RIVALS))
    console.print(
        f"{repeats} interleaved runs of each sampler after a warm-up; about 8 minutes for tokens and 4 for samplers.\n"
        f"Rows go to {token_rows.path} and {rows.path.name}; a run that was stopped continues where it ended."
    )
    parts = part or list(Part)
    if Part.TOKENS in parts:
        _measure_tokens(console, token_rows, repeats, largest, fresh)
    if Part.SAMPLERS in parts:
        if missing := [package for package in RIVALS if find_spec(package) is None]:
            console.print(f"{', '.join(missing)}: not installed, so not measured; pip install 'mmdp[rivals]'")
        else:
            _measure_samplers(console, rows, repeats, largest, fresh)
    measured, sampled = (kept.last_run() if len(kept) else [] for kept in (token_rows, rows))
    tokens_table = [report.token_cells(row) for row in measured]
    console.print(table(report.TOKEN_COLUMNS, tokens_table, "Greedy and DivPrune's loop"))
    points_table = [report.point_cells(row) for row in sampled]
    console.print(table(report.POINT_COLUMNS, points_table, "Greedy and other samplers"))
    (results / "speed.md").write_text(report.markdown(measured, sampled), encoding="utf-8")


def _measure_tokens(console: Console, rows: Rows, repeats: int, largest: int, fresh: bool) -> None:
    for contest in tokens.contests(largest):
        last = None if fresh else rows.find(sampler=tokens.LOOP, **vars(contest))  # the last of a contest to be kept
        if last is None:
            with tokens.limited(contest.threads):
                last = _measured(rows, contest.samplers(), repeats, **vars(contest))[-1]
        size = f"{contest.n} x {contest.d}, k = {contest.k}, {contest.data} {contest.dtype}"
        console.print(f"{size}, {contest.batch} at once, {contest.threads} threads: the loop takes {last['ratio']:.4}x")


def _measure_samplers(console: Console, rows: Rows, repeats: int, largest: int, fresh: bool) -> None:
    from experiments.speed import samplers

    for threads, ((n, d, k), named) in product(tokens.thread_counts(), samplers.contests(largest)):
        size = {"n": n, "d": d, "k": k, "threads": threads}
        if fresh or any(rows.find(sampler=name, **size) is None for name in named):
            X = samplers.points(n, d)
            calls = {name: _call(sample, X, k) for name, sample in named.items()}
            with tokens.limited(threads):
                _measured(rows, calls, repeats, X, **size)
        console.print(f"{n} x {d}, k = {k}, {threads} threads: measured {', '.join(named)}")


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
    """Seconds of each run, in turn so that a slower moment of the machine meets them all; the picks of the last.

    The order of a round is random, because what runs after another finds the caches as that one left them. A pause
    before each lets the threads of the one before stop waiting for more work: a thread that waits keeps a core busy.
    """
    rng = np.random.default_rng(0)
    picks = {name: sample() for name, sample in samplers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in samplers}
    for _ in range(repeats):
        for name in rng.permutation(list(samplers)).tolist():
            time.sleep(PAUSE)
            start = time.perf_counter()
            picks[name] = samplers[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds, picks
