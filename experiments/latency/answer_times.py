"""Clocks and gauges around one answer of a model."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from lmm_integration import prune, select_tokens

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Answer:
    """Seconds to the first token of an answer, and between two later ones."""

    first: float
    per_token: float


class _Stopwatch(BaseStreamer):
    """Notes when each token is there; the first thing that ``generate`` hands over is the prompt."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def put(self, value: Tensor) -> None:
        self.moments.append(now())

    def end(self) -> None:
        """Nothing is left to note."""


def now() -> float:
    """Read the clock once the device has done what it was told to."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def answer(model: Any, inputs: dict[str, Any], new_tokens: int) -> Answer:
    """Generate greedily: encoding, selection and merging count towards the first token."""
    watch, start = _Stopwatch(), now()
    model.generate(**inputs, max_new_tokens=new_tokens, do_sample=False, streamer=watch)
    _, first, *later = watch.moments
    return Answer(first - start, (later[-1] - first) / len(later))


def peak_bytes(call: Callable[[], object]) -> int | None:
    """Most memory in use during a call: allocated on the GPU, or resident in the process; None if nobody tells."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        call()
        return int(torch.cuda.max_memory_allocated())
    with suppress(OSError):
        _RESET.write_text("5")
        call()
        peak = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    return None


def image_features(model: Any, inputs: dict[str, Any]) -> Tensor:
    """Feature rows (images, n, d), as a solver sees them; images of one size."""
    seen: list[Tensor] = []

    def watch(features: Tensor, k: int) -> range:
        seen.append(features)
        return range(k)

    with prune(model, watch, 0.5):
        model.generate(**inputs, max_new_tokens=1, do_sample=False)
    return torch.stack(seen)


def selection_seconds(features: Tensor, keep: float, solver: str, repeats: int) -> float:
    """Median time of choosing alone, for all images."""
    seconds = []
    for _ in range(repeats):
        start = now()
        select_tokens(features, keep, solver)
        seconds.append(now() - start)
    return median(seconds)
