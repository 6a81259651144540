"""Caches of pruned prompts: how they are recognised when they come back, copied or not, and which are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lmm_integration._pipeline.pruned_call import Call
from lmm_integration.exceptions import PruningStateError

_MARK = "pruned_call_of_mmdp"  # on the cache itself, so that a copy carries it along


def mark(cache: Any, call: Call) -> None:
    """Note on a cache that it holds a pruned prompt."""
    if cache is not None and not isinstance(cache, tuple):
        setattr(cache, _MARK, call.for_continuing())


def cached_columns(cache: Any) -> int:
    """How many columns a cache holds."""
    return cache[0][0].shape[-2] if isinstance(cache, tuple) else int(cache.get_seq_length())


def continued(
    arguments: Mapping[str, Any], visual: Tensor | None, *, brings_pixels: bool, whole_text: bool
) -> Call | None:
    """Return the pruned call whose cache the arguments continue; None if they bring no cache, or another one.

    Parameters
    ----------
    arguments : mapping
        Of ``forward`` or ``generate``.
    visual : (b, l) bool tensor or None
        Which of the ids are placeholders.
    brings_pixels : bool
        Whether images or videos come along, as pixels or encoded.
    whole_text : bool
        Whether the ids are of the whole text, as for ``generate``, or of the new tokens alone, as for ``forward``.

    Raises
    ------
    PruningStateError
        If features would be merged at the wrong places.
    """
    cache = arguments.get("past_key_values")
    if cache is None:
        return None
    cached = cached_columns(cache)
    if cached == 0:
        return None
    ids, call = arguments.get("input_ids"), getattr(cache, _MARK, None)
    if call is not None:
        cached += call.layout.length - call.short.shape[1]
        if cached < call.layout.length:
            raise PruningStateError("the cache of a pruned prompt was cropped to less than the prompt; start a new one")
        if whole_text:
            _check_prompt(ids, call)
    if visual is None:
        return call
    uncached = visual[:, cached:] if whole_text and visual.shape[1] > cached else visual
    if not bool(uncached.any()):
        return call
    if brings_pixels:
        known = "a pruned prompt" if call is not None else "earlier tokens"
        raise PruningStateError(
            f"new images on the cache of {known}: their features would be merged at the wrong places; "
            "start a new cache with the whole conversation, or ask without pruning"
        )
    if call is None and whole_text:
        raise PruningStateError(
            "a cache that this pruning does not know, of fewer columns than the prompt, and placeholders behind them "
            "without images: a pruned prompt's cache must be the object that the model returned, or a copy of it"
        )
    return call


def _check_prompt(ids: Tensor | None, call: Call) -> None:
    length = call.layout.length
    same_shape = ids is not None and ids.shape[1] >= length and len(ids) == len(call.ids)
    if ids is None or not same_shape or not torch.equal(ids[:, :length].to(call.ids), call.ids):
        raise PruningStateError(
            "the ids do not begin with the prompt of the pruned cache that came with them; start a new cache"
        )
