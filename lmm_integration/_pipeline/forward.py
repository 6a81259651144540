"""``forward`` on a shorter prompt, or behind the cache of one, and logits in the columns that the caller asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lmm_integration._pipeline.caches import cached_columns, continued, mark, returned_cache
from lmm_integration._pipeline.hooks import Running
from lmm_integration._pipeline.prepare import Preparation
from lmm_integration._pipeline.pruned_call import Call
from lmm_integration._pipeline.visual_inputs import PIXELS
from lmm_integration.exceptions import PruningStateError


def run(
    prepare: Preparation,
    running: Running,
    all_columns: bool,
    original: Callable[..., Any],
    *args: Any,
    **arguments: Any,
) -> Any:
    """Answer from a pruned prompt; ``all_columns``: with logits for every column of the caller's prompt."""
    arguments |= dict(zip(inspect.signature(original).parameters, args, strict=False))
    with running.inside():
        call = running.call
        if call is None:
            return _answer(prepare, running, all_columns, original, arguments)
        if _is_step(running, call, arguments):
            return _step(prepare, running, call, original, arguments)
        with running.answering(None):  # of a processor or a criterion, which asks the model something else
            output = _answer(prepare, running, all_columns, original, arguments)
        prepare.restore_offset(call)
        return output


def _is_step(running: Running, call: Call, arguments: dict[str, Any]) -> bool:
    """Whether a forward inside of a pruned ``generate`` goes on with its prompt."""
    ids, cache = arguments.get("input_ids"), arguments.get("past_key_values")
    if running.cache is not None:
        return cache is running.cache
    if ids is None or len(ids) % len(call.short) or (cache is None and ids.shape[1] < call.short.shape[1]):
        return False  # without a cache every step has the whole text, and with one the first may be a chunk of it
    pixels = {name: arguments[name] for name in PIXELS if arguments.get(name) is not None}
    times, n = len(ids) // len(call.short), min(ids.shape[1], call.short.shape[1])
    begins_alike = torch.equal(ids[:, :n], call.short.to(ids.device).repeat_interleave(times, 0)[:, :n])
    return begins_alike and all(_alike(value, call.pixels.get(name)) for name, value in pixels.items())


def _alike(pixels: Tensor, known: Tensor | None) -> bool:
    """Whether these are the known pixels, or what beam search makes of them."""
    if known is None or pixels is known:
        return known is not None
    rows = len(pixels) if pixels.shape == known.shape else 1
    return torch.equal(pixels[:rows], known[:rows].to(pixels))


def _step(
    prepare: Preparation, running: Running, call: Call, original: Callable[..., Any], arguments: dict[str, Any]
) -> Any:
    """Answer a step of a pruned ``generate``."""
    first = prepare.family.first_position
    if call.kept_positions is not None and arguments.get("position_ids") is not None:
        arguments["position_ids"] = call.original_positions(arguments["position_ids"] - first) + first
    output = original(**prepare.restored(call, arguments))
    returned = returned_cache(output)
    running.cache = arguments.get("past_key_values") if returned is None else returned
    return output


def _answer(
    prepare: Preparation,
    running: Running,
    all_columns: bool,
    original: Callable[..., Any],
    arguments: dict[str, Any],
) -> Any:
    first = prepare.family.first_position
    prepare.visual.check(arguments)
    earlier = continued(
        arguments,
        prepare.visual.tokens(arguments),
        brings_pixels=prepare.visual.brings_pixels(arguments),
        whole_text=False,
    )
    if earlier is not None:
        prepare.restore_offset(earlier)
        step = earlier.continue_forward(arguments, cached_columns(arguments["past_key_values"]), first)
        return original(**prepare.restored(earlier, step))
    short, call = prepare(arguments)
    if call is None:
        return original(**arguments)
    if call.kept_positions is not None and short.get("position_ids") is None:
        compact = (short["attention_mask"].long().cumsum(-1) - 1).clamp(min=0)
        short["position_ids"] = call.original_positions(compact) + first
    columns = _asked_for(arguments, call)
    if columns is not None:
        short["logits_to_keep"] = columns.unique()
    with running.answering(call):
        output = original(**prepare.restored(call, short))
    mark(arguments.get("past_key_values"), call)
    mark(returned_cache(output), call)
    if columns is not None:
        return _with_logits(output, arguments, lambda logits: _of_each_row(logits, columns))
    if all_columns and not arguments.get("logits_to_keep"):
        return _with_logits(output, arguments, call.layout.prompt.lengthen)
    return output


def check_backbone(
    prepare: Preparation, running: Running, original: Callable[..., Any], *args: Any, **arguments: Any
) -> Any:
    """Refuse images that reach the model inside around the pruned ``forward``, where nothing prunes them."""
    named = arguments | dict(zip(inspect.signature(original).parameters, args, strict=False))
    if not running.entered and prepare.visual.brings_pixels(named):
        raise PruningStateError(
            f"{type(prepare.inner).__name__} got images around the pruned forward of the model, so they would not be "
            "pruned: call the whole model; a trainer that replaces its forward, as TRL's do, must come before prune()"
        )
    return original(*args, **arguments)


def _asked_for(arguments: dict[str, Any], call: Call) -> Tensor | None:
    """The model's columns (b, w) for those of the caller that ``logits_to_keep`` names; None if it means the same."""
    wanted = arguments.get("logits_to_keep")
    if wanted is None or (isinstance(wanted, int) and not wanted):
        return None
    seen = call.layout.prompt.last_seen.clamp(min=0)
    if not isinstance(wanted, Tensor):
        last = seen[:, -wanted:]
        width = call.short.shape[1]
        ends_alike = bool((last == torch.arange(width - last.shape[1], width, device=seen.device)).all())
        return None if ends_alike else last
    return seen[:, wanted.to(seen.device)]


def _of_each_row(logits: Tensor, columns: Tensor) -> Tensor:
    """Logits (b, u, v) of the sorted distinct columns of all rows to (b, w, v) of the columns (b, w) of each."""
    place = torch.searchsorted(columns.unique(), columns.contiguous())
    return logits.gather(1, place[..., None].expand(-1, -1, logits.shape[-1]).to(logits.device))


def _with_logits(output: Any, arguments: dict[str, Any], change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(output, tuple):
        place = 0 if arguments.get("labels") is None else 1  # behind the loss
        return (*output[:place], change(output[place]), *output[place + 1 :])
    output.logits = change(output.logits)
    return output
