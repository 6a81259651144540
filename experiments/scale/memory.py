"""Greedy on points in memory: beside its plain loop, and beside fpsample's sampler in space."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import fpsample
import numba
import numpy as np
from numpy.typing import NDArray

from experiments._common.console import Console
from experiments._common.rows import Row, Rows
from experiments.scale.report import MEMORY
from solvers.greedy import Greedy

TREE_HEIGHT = 9  # of fpsample; within a few percent of the fastest of 5, 7, 9, 10 and 11 on a million points


def measure(rows: Rows, n: int, repeats: int, console: Console) -> list[Row]:
    """Rows of n points in space and of n points in 64 dimensions, measured unless they are there."""
    rng = np.random.default_rng(0)
    found = []
    for name, d, k in (("normal in space", 3, 1000), ("1,000 Gaussian clusters", 64, 100)):
        points = rng.normal(size=(n, d))
        if d > 3:
            points += rng.uniform(-10, 10, size=(1000, d))[rng.integers(0, 1000, n)]
        known = [row for method in _methods(d) if (row := rows.find(**_key(name, n, d, k, method))) is not None]
        if len(known) < len(_methods(d)):
            console.print(f"{n:,} points, {name}, in turn {repeats} times")
            times = _race(points.astype(np.float32), k, repeats)
            known = [
                rows.add(**_key(name, n, d, k, method), seconds=taken, same_picks=same)
                for method, (taken, same) in times.items()
            ]
        found += known
    return found


def _methods(d: int) -> list[tuple[str, int]]:
    """Each method with its number of threads; fpsample's runs one."""
    threads = sorted({1, numba.get_num_threads()})
    rival = [("fpsample", 1)] if d <= 3 else [("plain loop", count) for count in threads]
    return [("greedy", count) for count in threads] + rival


def _key(data: str, n: int, d: int, k: int, method: tuple[str, int]) -> dict[str, Any]:
    return {"part": MEMORY, "data": data, "method": method[0], "threads": method[1], "n": n, "d": d, "k": k}


def _race(points: NDArray[np.float32], k: int, repeats: int) -> dict[tuple[str, int], tuple[float, bool]]:
    """Median seconds of each method at each number of threads, and whether the picks are those of the plain loop.

    The methods take turns, so that a busy machine slows them alike. fpsample computes in float32.
    """
    samplers: dict[str, Callable[[], Any]] = {
        "greedy": partial(Greedy(start=0).select, points, k, "euclidean"),
        "plain loop": partial(Greedy(start=0, accelerated=False).select, points, k, "euclidean"),
        "fpsample": partial(fpsample.bucket_fps_kdline_sampling, points, k, h=TREE_HEIGHT, start_idx=0),
    }
    expected = samplers["plain loop"]()
    methods = _methods(points.shape[1])
    times: dict[tuple[str, int], list[float]] = {key: [] for key in methods}
    same = {}
    every = numba.get_num_threads()
    for turn in range(repeats + 1):
        for method, threads in methods:
            numba.set_num_threads(threads)
            begin = time.perf_counter()
            picks = samplers[method]()
            if turn:  # the first turn compiles
                times[method, threads].append(time.perf_counter() - begin)
            same[method, threads] = bool(np.array_equal(np.asarray(picks), expected))
    numba.set_num_threads(every)
    return {key: (median(seconds), same[key]) for key, seconds in times.items()}
