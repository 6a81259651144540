"""Greedy against other packages' farthest-point samplers: same points, same start, one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fpsample
import numpy as np
from numpy.typing import NDArray
from skmatter.sample_selection import FPS

from solvers.greedy import Greedy

SIZES = ((576, 4096, 58), (10_000, 128, 100), (100_000, 64, 100), (1_000_000, 64, 100))
CLOUD = (1_000_000, 3, 1000)

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


def contests(largest: int) -> list[tuple[tuple[int, int, int], dict[str, Sampler]]]:
    """Sizes (n, d, k) and who samples at each, the greedy first."""
    every = [(size, GREEDY | VANILLA) for size in SIZES] + [(CLOUD, GREEDY | BUCKET)]
    return [(size, samplers) for size, samplers in every if size[0] <= largest]


def points(n: int, d: int) -> Points:
    """Return random normal points."""
    return np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
