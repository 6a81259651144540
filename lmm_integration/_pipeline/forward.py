"""``forward`` on a shorter prompt, or behind the cache of one, and logits in the columns that the caller asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lmm_integration._pipeline.caches import cached_columns, continued, mark
from lmm_integration._pipeline.hooks import Running
from lmm_integration._pipeline.prepare import Preparation
from lmm_integration._pipeline.pruned_call import Call
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
        return _answer(prepare, running, all_columns, original, arguments)


def _answer(
    prepare: Preparation,
    running: Running,
    all_columns: bool,
    original: Callable[..., Any],
    arguments: dict[str, Any],
) -> Any:
    first, call = prepare.family.first_position, running.call
    if call is not None:  # a step of a pruned generate
        if call.kept_positions is not None and arguments.get("position_ids") is not None:
            arguments["position_ids"] = call.original_positions(arguments["position_ids"] - first) + first
        return original(**prepare.restored(call, arguments))
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
    mark(getattr(output, "past_key_values", None), call)
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
