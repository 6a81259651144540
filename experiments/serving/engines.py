"""One vLLM engine in a process of its own, which answers when it is asked and sleeps in between."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from experiments.serving.models import request

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
_engine: Any = None
_COUNTER = "visual_pruning_choice_seconds_total"


@dataclass(frozen=True)
class Answered:
    """Seconds for some requests at once, seconds of them spent choosing, and tokens of one prompt."""

    seconds: float
    choosing: float
    prompt: int


class Engine:
    """An engine, started by the first thing that it is asked."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self._name = name
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _start, (arguments,))

    def answer(self, seeds: range, new_tokens: int) -> Answered:
        """Ask about one new image per seed, all at once."""
        return self._pool.submit(_answer, self._name, seeds, new_tokens).result()

    def close(self) -> None:
        """End its process."""
        self._pool.shutdown()


def _start(arguments: dict[str, Any]) -> None:
    global _engine
    os.environ.update({name: os.environ.get(name, value) for name, value in _ENVIRONMENT.items()})
    from vllm import LLM

    _engine = LLM(**arguments)


def _answer(name: str, seeds: range, new_tokens: int) -> Answered:
    from prometheus_client import REGISTRY
    from vllm import SamplingParams

    requests = [request(name, seed) for seed in seeds]
    params = SamplingParams(temperature=0, max_tokens=new_tokens, ignore_eos=True)
    chosen = REGISTRY.get_sample_value(_COUNTER) or 0.0
    start = time.perf_counter()
    outputs = _engine.generate(requests, params, use_tqdm=False)
    seconds = time.perf_counter() - start
    choosing = (REGISTRY.get_sample_value(_COUNTER) or 0.0) - chosen
    return Answered(seconds, choosing, len(outputs[0].prompt_token_ids))
