"""``generate`` on a shorter prompt, such that its caller sees the prompt and the lengths that they gave."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from lmm_integration._pipeline.caches import continued, mark
from lmm_integration._pipeline.hooks import Running
from lmm_integration._pipeline.prepare import Preparation
from lmm_integration._pipeline.prompt_layout import of_each_row
from lmm_integration._pipeline.visual_inputs import ENCODED, PIXELS

_LENGTHS = ("max_length", "min_length")


def run(
    prepare: Preparation, running: Running, model: Any, original: Callable[..., Any], *args: Any, **arguments: Any
) -> Any:
    """Generate behind a pruned prompt, or behind the cache of one; anything else goes to the model as it is."""
    outer = running.call  # a criterion may generate, too
    output = _generate(prepare, running, model.generation_config, original, *args, **arguments)
    if outer is not None:
        prepare.restore_offset(outer)
    return output


def _generate(
    prepare: Preparation, running: Running, own: Any, original: Callable[..., Any], *args: Any, **arguments: Any
) -> Any:
    arguments |= dict(zip(inspect.signature(original).parameters, args, strict=False))
    if arguments.get("input_ids") is None:
        arguments["input_ids"] = arguments.pop("inputs", None)
    prepare.visual.check(arguments)
    if arguments.get("custom_generate") is not None:
        with running.answering(None):  # a loop of the caller's sees the whole prompt; its first forward prunes
            return original(**arguments)
    with_pixels = prepare.visual.brings_pixels(arguments)
    call = continued(arguments, prepare.visual.tokens(arguments), brings_pixels=with_pixels, whole_text=True)
    if call is not None or with_pixels:
        arguments["attention_mask"] = _mask(arguments, own)
    if call is None:
        with torch.no_grad():
            short, call = prepare(arguments)
        if call is None:
            with running.answering(None):
                return original(**arguments)
    else:
        prepare.restore_offset(call)
        short = call.continue_generate({n: v for n, v in arguments.items() if n not in PIXELS and n != ENCODED})
    whole, shown = arguments["input_ids"], short["input_ids"]
    back = _Back(whole, shown.shape[1], _rows_per_prompt(arguments, own))
    short |= _lengths(arguments, own, whole.shape[1] - shown.shape[1])
    for name, wrap in _CALLBACKS.items():
        if short.get(name) is not None:
            short[name] = wrap(short[name], back)
    with running.answering(call, arguments.get("past_key_values"), back):
        output = original(**short)
    cache = getattr(output, "past_key_values", None)
    mark(arguments.get("past_key_values") if cache is None else cache, call)
    if isinstance(output, Tensor):
        return back(output)
    output.sequences = back(output.sequences)
    return output


class _Back:
    """Token ids that begin with the shorter prompt, to ids that begin with the caller's."""

    def __init__(self, whole: Tensor, shown: int, rows_per_prompt: int) -> None:
        self.whole, self._shown, self._rows_per_prompt = whole, shown, rows_per_prompt

    def __call__(self, ids: Tensor) -> Tensor:
        prompt = self.whole.repeat_interleave(len(ids) // len(self.whole), 0)
        return torch.cat((prompt.to(ids), ids[:, self._shown :]), 1)

    def one(self, row: int, ids: Tensor) -> Tensor:
        """The same for (m,) ids of one row of the batch, as prefix constraints number them."""
        return torch.cat((self.whole[row // self._rows_per_prompt].to(ids), ids[self._shown :]))


def _option(arguments: dict[str, Any], own: Any, name: str) -> Any:
    """An option of generation, from the first place that sets it."""
    given = arguments.get(name)
    for config in (arguments.get("generation_config"), own):
        given = getattr(config, name, None) if given is None else given
    return given


def _mask(arguments: dict[str, Any], own: Any) -> Tensor:
    """The attention mask, or the one that transformers infers: padding tokens are masked unless they end texts too."""
    ids: Tensor = arguments["input_ids"]
    given: Tensor | None = arguments.get("attention_mask")
    if given is not None:
        return of_each_row(given, ids)
    padding, ends = _option(arguments, own, "pad_token_id"), _option(arguments, own, "eos_token_id")
    ends = [] if ends is None else torch.as_tensor(ends).flatten().tolist()
    if padding is None or int(padding) in ends:
        return torch.ones_like(ids)
    return (ids != int(padding)).to(ids.dtype)


def _rows_per_prompt(arguments: dict[str, Any], own: Any) -> int:
    """How many numbered rows a prefix constraint sees of each prompt: samples are rows, the beams of a row are not."""
    samples, beams = (_option(arguments, own, name) or 1 for name in ("num_return_sequences", "num_beams"))
    return max(1, int(samples) // int(beams))


def _lengths(arguments: dict[str, Any], own: Any, removed: int) -> dict[str, int]:
    """Limits on the length of prompt and answer together, less what was removed; limits nobody set stay unset."""
    given = arguments.get("generation_config")
    set_by_configs = (own.to_diff_dict() if own else {}) | {
        name: value for name, value in (given.to_diff_dict() if given else {}).items() if value is not None
    }
    asked = set_by_configs | {name: arguments[name] for name in (*_LENGTHS, "max_new_tokens") if name in arguments}
    limits = {name: max(0, asked[name] - removed) for name in _LENGTHS if asked.get(name)}
    if asked.get("max_new_tokens") is not None:
        limits.pop("max_length", None)
    return limits


def merge_callbacks(running: Running, original: Callable[..., Any], default: Any, custom: Any) -> Any:
    """Processors or criteria of ``generate`` and of its caller in one list; the caller's see the whole prompt.

    They are wrapped only here, because transformers drops its own in favour of one of the caller's of the same type.
    """
    merged = original(default, custom)
    back = running.back
    if back is None:
        return merged
    wrap = _Criterion if isinstance(merged, StoppingCriteriaList) else _Processor
    return type(merged)(wrap(one, back) if any(one is given for given in custom) else one for one in merged)


class _Callback:
    """A callback that sees the caller's prompt, with the attributes that transformers looks for."""

    def __init__(self, inner: Any, back: Callable[[Tensor], Tensor]) -> None:
        self._inner, self._back = inner, back

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # so that copies do not ask for an inner one before they have it
            raise AttributeError(name)
        return getattr(vars(self)["_inner"], name)


class _Processor(_Callback, LogitsProcessor):
    def __call__(self, input_ids: Tensor, scores: Tensor) -> Any:
        return self._inner(self._back(input_ids), scores)


class _Criterion(_Callback, StoppingCriteria):
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
    "prefix_allowed_tokens_fn": lambda given, back: lambda row, ids: given(row, back.one(row, ids)),
    "streamer": _Streamer,
}
