"""What an operator looks at: counters in ``/metrics``, and lines in vLLM's log."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import cache

from prometheus_client import Counter

from lmm_integration.vllm.choice import Sizes
from lmm_integration.vllm.options import Options

logger = logging.getLogger("vllm.visual_pruning")
_EVERY = 10.0  # seconds between two lines about choices


@cache
def _counters() -> dict[str, Counter]:
    about = {
        "items": "Images and videos in prompts.",
        "tokens_before": "Visual tokens that the prompts would have without pruning.",
        "tokens_after": "Visual tokens in the prompts.",
    }
    return {name: Counter(f"visual_pruning_{name}", text, ["modality"]) for name, text in about.items()}


@cache
def _seconds() -> Counter:
    return Counter("visual_pruning_choice_seconds", "Time spent choosing tokens.")


def count_prompt(modality: str, items: int, before: int, after: int) -> None:
    """Count one prompt, in the process that serves ``/metrics``."""
    for name, value in (("items", items), ("tokens_before", before), ("tokens_after", after)):
        _counters()[name].labels(modality).inc(value)


class ChoiceLog:
    """Counts the choices of a worker, and writes a line about them every ten seconds in which there were some."""

    def __init__(self, options: Options) -> None:
        self._items, self._before, self._after, self._took = 0, 0, 0, 0.0
        self._next = time.monotonic()
        logger.info(
            "visual pruning: keep %s of %s by %s", options.keep, " and ".join(options.modalities), options.solver
        )

    def ready(self, seconds: float) -> None:
        """Say that the rule is compiled."""
        logger.info("visual pruning: ready to choose after %.1f s of compiling", seconds)

    def add(self, sizes: Sequence[Sizes], seconds: float) -> None:
        """Count items that were just encoded; what a cache answers is not chosen again."""
        _seconds().inc(seconds)
        self._items += len(sizes)
        self._before += sum(n for of_item in sizes for n, _ in of_item)
        self._after += sum(k for of_item in sizes for _, k in of_item)
        self._took += seconds
        if time.monotonic() >= self._next:
            logger.info(
                "visual pruning: %d items encoded, %d -> %d visual tokens, %.1f ms choosing",
                *(self._items, self._before, self._after, 1000 * self._took),
            )
            self._items, self._before, self._after, self._took = 0, 0, 0, 0.0
            self._next = time.monotonic() + _EVERY
