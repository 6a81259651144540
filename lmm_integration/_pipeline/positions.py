"""Which positions the kept tokens are given, where the model would not count them so by itself."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import Tensor

from lmm_integration._pipeline.pruned_call import Call

_DELTA_COUNTS_PADDING = Version(transformers.__version__).release < (5, 4)
_AXES_AND_TEXT = 4  # rows of position ids where that of the text comes in front of time, height and width


def place(inner: Any, call: Call, arguments: dict[str, Any], mask: Tensor, short_mask: Tensor, original: bool) -> None:
    """Write the positions of a shorter prompt into its call.

    Parameters
    ----------
    inner : module
        The one with ``get_rope_index``, if the model has positions on several axes.
    call : Call
    arguments : dict
        Of the call as the caller made it.
    mask, short_mask : (b, l) and (b, m) tensors
        Attention masks of the whole and of the shorter prompt.
    original : bool
        Whether tokens keep the positions they had in the whole prompt.
    """
    if hasattr(inner, "get_rope_index"):
        _on_several_axes(inner, call, arguments, mask, short_mask, original)
    elif original:
        layout = call.layout
        whole = (mask.long().cumsum(-1) - 1).clamp(min=0)
        real = layout.real & short_mask.bool()
        order = torch.argsort((~real).to(torch.int8), dim=1, stable=True)
        call.kept_positions = layout.shorten(whole).masked_fill(~real, -1).gather(1, order)


def _on_several_axes(
    inner: Any, call: Call, arguments: dict[str, Any], mask: Tensor, short_mask: Tensor, original: bool
) -> None:
    """Write positions, the one that follows, and deltas; nothing if the model lacks what it needs to count them."""
    counted = short_mask.long().sum(1, keepdim=True)
    given: Tensor | None = arguments.get("position_ids")
    whole = given[1:] if given is not None and len(given) == _AXES_AND_TEXT else given
    if whole is None and original:
        names = inspect.signature(inner.get_rope_index).parameters
        if "mm_token_type_ids" in names and arguments.get("mm_token_type_ids") is None:
            return
        known = {n: v for n, v in arguments.items() if n in names and n not in ("input_ids", "attention_mask")}
        if "second_per_grids" in names and "video_second_per_grid" in arguments:  # Qwen-Omni's forward names it so
            known["second_per_grids"] = arguments["video_second_per_grid"]
        if "audio_seqlens" in names and arguments.get("feature_attention_mask") is not None:
            known["audio_seqlens"] = arguments["feature_attention_mask"].sum(-1)
        whole, _ = inner.get_rope_index(call.ids, attention_mask=mask, **known)
    if original and whole is not None:
        following = _following(whole, mask)
        positions = call.layout.shorten(whole)
    else:
        following = counted
        positions = (short_mask.long().cumsum(-1) - 1).clamp(min=0).expand(3, -1, -1)
        if whole is not None:
            call.rope_shift = _following(whole, mask) - counted
    deltas = following - (call.short.shape[1] if _DELTA_COUNTS_PADDING else counted)
    call.rope = positions, following, deltas


def _following(positions: Tensor, mask: Tensor) -> Tensor:
    """The position behind a prompt, (b, 1)."""
    return positions.masked_fill(mask == 0, -1).amax((0, 2))[:, None] + 1
