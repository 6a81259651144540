"""What selection on a GPU is measured against: DivPrune's loop, torch_cluster's sampling, and a floor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
import triton
import triton.language as tl

from experiments._common.divprune import divprune_loop as divprune_loop
from solvers._farthest_first.gpu_launches import gram

Call = Callable[[], object]
_MORE_THAN_CACHE = 2**28  # bytes


def fps(points: torch.Tensor, k: int) -> torch.Tensor | None:
    """Farthest-first of (b, n, d) points by torch_cluster, from point 0 of each item; None if it is not installed."""
    try:
        from torch_cluster import fps as sample
    except ImportError:
        return None
    b, n, d = points.shape
    items = torch.arange(b, device=points.device).repeat_interleave(n)
    picks: torch.Tensor = sample(points.reshape(-1, d).float(), items, ratio=k / n, random_start=False)
    return picks


@triton.jit
def _dependent_loads(links, ends, n, k):
    place = tl.program_id(0).to(tl.int64)
    for _ in range(k):
        place = tl.load(links + place, cache_modifier=".cg")  # from the L2 cache, as a row of distances comes
    tl.store(ends + tl.program_id(0), place)


class Floor:
    """The least that a selection by a matrix can take: the products, and k steps of one dependent load each."""

    def __init__(self, points: torch.Tensor, k: int) -> None:
        self.points, self.k = points, k
        b, n, _ = points.shape
        self.links = torch.randperm(n, device=points.device)
        self.ends = torch.empty(b, dtype=torch.int64, device=points.device)

    def products(self) -> None:
        """The Gram matrices alone."""
        gram(self.points)

    def steps(self) -> None:
        """One launch of a program per item that follows k links."""
        _dependent_loads[(len(self.ends),)](self.links, self.ends, len(self.links), self.k, num_warps=1)


def as_graph(call: Call) -> Call:
    """Capture a call into a CUDA graph and return its replay; without CUDA the call as it is."""
    call()
    if not torch.cuda.is_available():
        return call
    torch.cuda.synchronize()
    torch.cuda.empty_cache()  # a capture cannot reuse what earlier calls and graphs have given back
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def milliseconds(call: Call, repeats: int, queued: bool = False) -> tuple[float, float, float]:
    """Median, lower and upper quartile of the time of a call, by device events, with cold caches after a warm-up.

    ``queued`` calls come while the device is still busy, so that the time is the device's alone; the others come to an
    idle device, and launching them counts.
    """
    call()
    clear = _cleared_cache()
    times = [_one(call, clear, queued) for _ in range(max(2, repeats))]
    low, median, high = statistics.quantiles(times, n=4)
    return median, low, high


def _cleared_cache() -> Call:
    """Return a call that writes more than any L2 cache holds, for about a tenth of a millisecond."""
    if not torch.cuda.is_available():
        return lambda: None
    return torch.empty(_MORE_THAN_CACHE, dtype=torch.int8, device="cuda").zero_


def _one(call: Call, clear: Call, queued: bool) -> float:
    clear()
    if not torch.cuda.is_available():
        start = time.perf_counter()
        call()
        return (time.perf_counter() - start) * 1e3
    if not queued:
        torch.cuda.synchronize()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))
