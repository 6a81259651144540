"""``generate`` on a shorter prompt, such that its caller sees the prompt and the lengths that they gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from lmm_integration._pipeline.prepare import PIXELS, Preparation

if TYPE_CHECKING:
    from lmm_integration._pipeline.hooks import Pruning

_LENGTHS = ("max_length", "min_length")


def run(pruning: Pruning, prepare: Preparation, original: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Generate behind a pruned prompt, or behind the cache of one; anything else goes to the model as it is."""
    call = pruning.cached(arguments)
    if call is None:
        with torch.no_grad():
            short, call = prepare(arguments, left=True)
        if call is None:
            return original(**arguments)
    else:
        short = {n: v for n, v in call.continue_generate(arguments).items() if n not in PIXELS}
    whole, shown = arguments["input_ids"], short["input_ids"]
    back = _Back(whole, shown.shape[1])
    short |= _lengths(arguments, pruning.model.generation_config, whole.shape[1] - shown.shape[1])
    for name, wrap in _CALLBACKS.items():
        if short.get(name) is not None:
            short[name] = wrap(short[name], back)
    with pruning.answering(call):
        output = original(**short)
    cache = getattr(output, "past_key_values", None)
    pruning.remember(arguments.get("past_key_values") if cache is None else cache, call)
    if isinstance(output, Tensor):
        return back(output)
    output.sequences = back(output.sequences)
    return output


class _Back:
    """Token ids that begin with the shorter prompt, to ids that begin with the caller's."""

    def __init__(self, whole: Tensor, shown: int) -> None:
        self.whole, self._shown = whole, shown

    def __call__(self, ids: Tensor) -> Tensor:
        prompt = self.whole.repeat_interleave(len(ids) // len(self.whole), 0)
        return torch.cat((prompt.to(ids), ids[:, self._shown :]), 1)


def _lengths(arguments: dict[str, Any], own: Any, removed: int) -> dict[str, int]:
    """Limits on the length of prompt and answer together, less what was removed; limits nobody set stay unset."""
    given = arguments.get("generation_config") or own
    limits: dict[str, int] = {}
    for name in _LENGTHS:
        limit = arguments.get(name)
        if limit is None and name in given.to_diff_dict():
            limit = getattr(given, name)
        if limit:
            limits[name] = max(0, limit - removed)
    if arguments.get("max_new_tokens") is not None or getattr(given, "max_new_tokens", None) is not None:
        limits.pop("max_length", None)
    return limits


class _Processor(LogitsProcessor):
    def __init__(self, inner: Any, back: _Back) -> None:
        self._inner, self._back = inner, back

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Any:
        return self._inner(self._back(input_ids), scores)


class _Criterion(StoppingCriteria):
    def __init__(self, inner: Any, back: _Back) -> None:
        self._inner, self._back = inner, back

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Any:
        return self._inner(self._back(input_ids), scores, **kwargs)


class _Streamer(BaseStreamer):
    def __init__(self, inner: Any, back: _Back) -> None:
        self._inner = inner
        self._prompt: Tensor | None = back.whole

    def put(self, value: Tensor) -> None:
        if self._prompt is not None:
            value, self._prompt = self._prompt.to(value.device), None
        self._inner.put(value)

    def end(self) -> None:
        self._inner.end()


_CALLBACKS: dict[str, Callable[[Any, _Back], Any]] = {
    "logits_processor": lambda given, back: LogitsProcessorList(_Processor(one, back) for one in given),
    "stopping_criteria": lambda given, back: StoppingCriteriaList(_Criterion(one, back) for one in given),
    "streamer": _Streamer,
}
