"""Greedy against other packages' farthest-point samplers: same points, same start, one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import fpsample
import numba
import numpy as np
import typer
from numpy.typing import NDArray
from skmatter.sample_selection import FPS

from experiments._common.console import Console, table
from experiments._common.provenance import PACKAGES
from experiments._common.rows import RESULTS, Row, Rows
from experiments._common.tables import duration, markdown_table, origin
from mmdp import Problem
from solvers.greedy import Greedy

SIZES = ((576, 4096, 58), (10_000, 128, 100), (100_000, 64, 100), (1_000_000, 64, 100))
CLOUD = (1_000_000, 3, 1000)
KEY = ("sampler", "n", "d", "k")
COLUMNS = ("n", "d", "k", "sampler", "median time", "over greedy", "objective", "same picks")

Points = NDArray[np.float32]
Sampler = Callable[[Points, int], NDArray[np.int64]]


def _greedy(X: Points, k: int) -> NDArray[np.int64]:
    """Indices only, checked input included: what the peers return."""
    return np.asarray(Greedy(start=0).select(X, k, "euclidean"))


def _skmatter(X: Points, k: int) -> Any:
    return FPS(n_to_select=k, initialize=0).fit(X).selected_idx_


def _bucket(height: int) -> Sampler:
    return lambda X, k: fpsample.bucket_fps_kdline_sampling(X, k, h=height, start_idx=0)


GREEDY: dict[str, Sampler] = {"greedy": _greedy}
VANILLA: dict[str, Sampler] = {
    "fpsample vanilla": lambda X, k: fpsample.fps_sampling(X, k, start_idx=0),
    "scikit-matter FPS": _skmatter,
}
BUCKET = {f"fpsample bucket h={height}": _bucket(height) for height in (7, 9)}  # its advice: medium and large data


def main(
    repeats: Annotated[int, typer.Option(help="Interleaved runs of each sampler, after a warm-up.", min=1)] = 5,
    largest: Annotated[int, typer.Option(help="Leave out sizes with more points.")] = 1_000_000,
    results: Annotated[Path, typer.Option(help="Folder of speed.csv and speed.md.")] = RESULTS,
) -> None:
    """Time of greedy beside fpsample's and scikit-matter's samplers: medians, ratios, and whether the picks agree."""
    console = Console()
    rows = Rows(results / "speed.csv", KEY, packages=(*PACKAGES, "fpsample", "skmatter"))
    contests = [(size, GREEDY | VANILLA) for size in SIZES] + [(CLOUD, GREEDY | BUCKET)]
    contests = [(size, samplers) for size, samplers in contests if size[0] <= largest]
    console.print(
        f"{len(contests)} sizes, {repeats} interleaved runs of each sampler after a warm-up; about 6 minutes "
        f"for a million points.\nRows go to {rows.path}."
    )
    measured = []
    for (n, d, k), samplers in contests:
        X = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
        seconds, picks = _race(X, k, samplers, repeats)
        median = {name: statistics.median(times) for name, times in seconds.items()}
        for name in samplers:
            row = rows.add(
                sampler=name,
                n=n,
                d=d,
                k=k,
                median_s=median[name],
                ratio=median[name] / median["greedy"],
                objective=Problem(2, points=X[picks[name]]).objective(range(k))[0],
                agreement=float(np.isin(picks[name], picks["greedy"]).mean()),
                repeats=repeats,
                threads=numba.get_num_threads(),
            )
            measured.append(row)
            console.print(f"{n} x {d}, k = {k}: {name} {duration(median[name])}")
    console.print(table(COLUMNS, [_cells(row) for row in measured], "Greedy and its peers"))
    (results / "speed.md").write_text(_markdown(measured))


def _cells(row: Row) -> tuple[str, ...]:
    size = (f"{int(row[name]):,}" for name in ("n", "d", "k"))
    seconds, ratio, objective, agreement = (
        float(row[name]) for name in ("median_s", "ratio", "objective", "agreement")
    )
    return (*size, row["sampler"], duration(seconds), f"{ratio:.3g}x", f"{objective:.4g}", f"{agreement:.0%}")


def _markdown(measured: list[Row]) -> str:
    parts = [
        "# Speed",
        "Written by `python -m experiments speed`; the rows behind it are in `speed.csv`.",
        f"{origin(measured)} {measured[0]['threads']} threads; medians of {measured[0]['repeats']} interleaved runs, "
        "random normal float32 points, all from point 0. The task is the same for all; where coordinates are rounded "
        "otherwise one pick can differ, and then those after it: compare the objective, the smallest distance kept.",
        markdown_table(COLUMNS, [_cells(row) for row in measured]),
    ]
    return "\n\n".join(parts) + "\n"


def _race(
    X: Points, k: int, samplers: dict[str, Sampler], repeats: int
) -> tuple[dict[str, list[float]], dict[str, NDArray[np.int64]]]:
    """Seconds of each run, in turn so that a slower moment of the machine meets them all; the picks of the last."""
    picks = {name: sample(X, k) for name, sample in samplers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in samplers}
    for _ in range(repeats):
        for name, sample in samplers.items():
            start = time.perf_counter()
            picks[name] = np.asarray(sample(X, k))
            seconds[name].append(time.perf_counter() - start)
    return seconds, picks
