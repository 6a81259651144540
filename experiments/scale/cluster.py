"""Core-sets on four worker processes: the objective beside greedy's, and one worker killed on the way."""

from __future__ import annotations

import os
import signal
import time
from logging import CRITICAL
from threading import Timer
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed
from distributed import Client, LocalCluster
from numpy.typing import NDArray

from solvers import solve

PARTITIONS, WORKERS, D, K = 64, 4, 3, 100


def partition(kind: str, number: int, rows: int) -> NDArray[np.float32]:
    """Rows of one partition: uniform in the cube, or in a thousand Gaussian clusters that all partitions share."""
    rng = np.random.default_rng((1, number))
    if kind == "uniform":
        return rng.random((rows, D), dtype=np.float32)
    centres = np.random.default_rng(0).uniform(-10, 10, size=(1000, D))
    return (centres[rng.integers(0, len(centres), rows)] + 0.1 * rng.normal(size=(rows, D))).astype(np.float32)


def measure(kind: str, n: int) -> dict[str, Any]:
    """One row: seconds, objective, greedy's over it, the factor of theory, and whether the killed run agrees."""
    rows = n // PARTITIONS
    parts = [
        da.from_delayed(delayed(partition)(kind, number, rows), (rows, D), np.float32) for number in range(PARTITIONS)
    ]
    points = da.concatenate(parts)
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, silence_logs=CRITICAL) as cluster,
        Client(cluster) as client,
    ):
        solve(points, K, solver="coreset")  # starts and compiles
        begin = time.perf_counter()
        result = solve(points, K, solver="coreset")
        seconds = time.perf_counter() - begin
        victim = next(iter(client.run(os.getpid).values()))
        Timer(seconds / 2, os.kill, (victim, signal.SIGKILL)).start()
        again = solve(points, K, solver="coreset")
    held = np.concatenate([partition(kind, number, rows) for number in range(PARTITIONS)])
    greedy = solve(held, K)
    return {
        "seconds": seconds,
        "objective": result.objective,
        "upper_bound": result.upper_bound,
        "ratio": greedy.objective / result.objective,
        "granted": float(result.notes["approximation_factor"]),
        "same_picks": bool(np.array_equal(result.indices, again.indices)),
    }
