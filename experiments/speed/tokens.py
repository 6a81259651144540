"""Greedy against DivPrune's loop and a coverage rule: tokens in the sizes of models, of one image or several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from experiments._common.divprune import quicker_loop
from experiments.suites.image_tokens import PHOTOS, tokens
from lmm_integration import select_tokens
from solvers.greedy import Greedy

SIZES = ((576, 4096, 58), (576, 1024, 58), (1536, 1152, 154), (2880, 1024, 282))
BATCHES = (8, 32)  # of the first two sizes
DATA = ("clustered", "photographs")
LOOP = "DivPrune's loop"
COVERAGE = "weighted_coverage"  # which keeps other tokens: its time is what counts

Sampler = Callable[[], NDArray[np.int64]]


@dataclass(frozen=True)
class Contest:
    """Tokens (batch, n, d) and how many of each item are kept."""

    data: str
    dtype: str
    batch: int
    n: int
    d: int
    k: int
    threads: int

    def samplers(self) -> dict[str, Sampler]:
        """Greedy on a tensor, on an array where NumPy has the dtype, coverage, and the loop, item after item."""
        features = torch.from_numpy(np.stack([make(self.data, self.n, self.d, seed) for seed in range(self.batch)]))
        features = features.to(getattr(torch, self.dtype))
        rows = features if self.batch > 1 else features[0]
        samplers: dict[str, Sampler] = {"greedy": lambda: Greedy().select(rows, self.k).reshape(-1).numpy()}
        if self.dtype == "float32":
            samplers["greedy, array"] = lambda: Greedy().select(rows.numpy(), self.k).reshape(-1)
        if self.dtype == "float32":
            samplers[COVERAGE] = lambda: select_tokens(rows, self.k, COVERAGE).reshape(-1).numpy()
        samplers[LOOP] = lambda: torch.cat([quicker_loop(item, self.k) for item in features]).numpy()
        return samplers


def thread_counts() -> list[int]:
    """One thread, and all that this process may have."""
    return sorted({1, numba.get_num_threads()})


def contests(largest: int) -> Iterator[Contest]:
    """Every size, dtype and kind of data by itself, and batches of clustered tokens; one thread, then all."""
    for threads in thread_counts():
        for n, d, k in SIZES:
            for dtype in ("float32", "bfloat16"):
                for data in DATA:
                    if n <= largest:
                        yield Contest(data, dtype, 1, n, d, k, threads)
        for n, d, k in SIZES[:2]:
            for batch in BATCHES:
                for dtype in ("float32", "bfloat16"):
                    if n * batch <= largest:
                        yield Contest("clustered", dtype, batch, n, d, k, threads)


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Give every library so many threads."""
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(threads)
    numba.set_num_threads(threads)
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])


def make(data: str, n: int, d: int, seed: int) -> NDArray[np.float32]:
    """Tokens (n, d): rows of which half are near another, or patches of photographs as a first layer projects them."""
    rng = np.random.default_rng(seed)
    if data == "clustered":
        X = rng.standard_normal((n, d), dtype=np.float32)
        X[n // 2 :] = X[: n - n // 2] + 0.3 * rng.standard_normal((n - n // 2, d), dtype=np.float32)
        return X
    patches = np.concatenate([tokens(photo).vectors for photo in PHOTOS[seed % len(PHOTOS) :] + PHOTOS])[:n] / 255
    projection = rng.standard_normal((patches.shape[1], d), dtype=np.float32) / np.sqrt(patches.shape[1])
    return np.ascontiguousarray(patches.astype(np.float32) @ projection)
