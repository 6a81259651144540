"""Greedy on a million points: beside fpsample in space, beside its own plain loop in many dimensions."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import fpsample
import numba
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from tabulate import tabulate

from experiments._rows import RESULTS, Rows
from solvers.greedy import Greedy

KEY = ("data", "method", "threads", "n", "d", "k")
TREE_HEIGHT = 9  # of fpsample; within a few percent of the fastest of 5, 7, 9, 10 and 11 on a million points


def main(
    results: Annotated[Path, typer.Option(help="Folder of the rows.")] = RESULTS,
    n: Annotated[int, typer.Option(help="Points.", min=1000)] = 10**6,
    repeats: Annotated[int, typer.Option(help="Timed calls of each method; medians are shown.", min=1)] = 5,
) -> None:
    """Greedy on a million points: beside fpsample in space, beside its own plain loop in many dimensions."""
    rows = Rows(results / "scale.csv", KEY, packages=("numpy", "numba", "fpsample"))
    rng = np.random.default_rng(0)
    blobs = rng.uniform(-10, 10, size=(1000, 64))[rng.integers(0, 1000, n)] + rng.normal(size=(n, 64))
    lines = []
    for name, points, k in (
        ("normal in space", rng.normal(size=(n, 3)).astype(np.float32), 1000),
        ("1,000 Gaussian clusters", blobs.astype(np.float32), 100),
    ):
        for (method, threads), (seconds, same) in _measure(points, k, repeats).items():
            rows.add(
                data=name, method=method, threads=threads, n=n, d=points.shape[1], k=k, seconds=seconds, same_picks=same
            )
            lines.append({"data": name, "method": method, "threads": threads, "seconds": seconds, "same picks": same})
    Console().print(tabulate(lines, headers="keys", floatfmt=".3f"), soft_wrap=True)


def _measure(points: NDArray[np.float32], k: int, repeats: int) -> dict[tuple[str, int], tuple[float, bool]]:
    """Median seconds of each method at each number of threads, and whether the picks are those of the plain loop.

    The methods take turns, so that a busy machine slows them alike. fpsample computes in float32 and runs one thread.
    """
    plain = Greedy(start=0, prune=False)
    expected = plain.select(points, k, "euclidean")
    calls: dict[tuple[str, int], Callable[[], Any]] = {}
    every = numba.get_num_threads()
    for threads in sorted({1, every}):
        calls["greedy", threads] = partial(Greedy(start=0).select, points, k, "euclidean")
        if points.shape[1] > 3:
            calls["plain loop", threads] = partial(plain.select, points, k, "euclidean")
    if points.shape[1] <= 3:
        calls["fpsample", 1] = partial(fpsample.bucket_fps_kdline_sampling, points, k, h=TREE_HEIGHT, start_idx=0)
    times: dict[tuple[str, int], list[float]] = {key: [] for key in calls}
    same = {}
    for turn in range(repeats + 1):
        for (method, threads), call in calls.items():
            numba.set_num_threads(threads)
            begin = time.perf_counter()
            picks = call()
            if turn:  # the first turn compiles
                times[method, threads].append(time.perf_counter() - begin)
            same[method, threads] = bool(np.array_equal(np.asarray(picks), expected))
    numba.set_num_threads(every)
    return {key: (median(seconds), same[key]) for key, seconds in times.items()}
