"""Caches of pruned prompts: how they are recognised when they come back, copied or not, and which are refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import Cache

from lmm_integration._pipeline.pruned_call import Call
from lmm_integration.exceptions import PruningStateError

_MARK = "pruned_call_of_mmdp"  # on the cache itself, so that a copy carries it along
_KIND = "kind_of_cache_before_the_mark"

_MOVING = ("reorder_cache", "batch_select_indices", "batch_repeat_interleave", "reset")


def mark(cache: Any, call: Call) -> None:
    """Note on a cache that it holds a pruned prompt; the note follows when the rows of the cache are moved."""
    if cache is None or isinstance(cache, tuple):
        return
    setattr(cache, _MARK, call.for_continuing())
    if not hasattr(cache, _KIND):
        kind: Any = type(cache)
        cache.__class__ = _marked(kind)


def unmark(cache: Any) -> None:
    """Take the note back, from a cache that has been emptied."""
    vars(cache).pop(_MARK, None)
    cache.__class__ = getattr(cache, _KIND, type(cache))


def returned_cache(output: Any) -> Any:
    """The cache in what a model returned, a model output or a tuple; None if there is none."""
    if isinstance(output, tuple):
        return next((part for part in output if isinstance(part, Cache)), None)
    return getattr(output, "past_key_values", None)


@functools.cache
def _marked(kind: Any) -> Any:
    """The kind of cache that moves its mark along with its rows; a class, so that methods of copies are the copies'."""
    own = {name: _moving(kind, name) for name in _MOVING if hasattr(kind, name)}
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {**own, **names, _KIND: kind, "__reduce_ex__": _reduced})


def _reduced(cache: Any, protocol: Any) -> tuple[Callable[..., Any], tuple[Any], dict[str, Any]]:
    """For copying and pickling: the class is made again from the one that has a name."""
    return _empty, (getattr(cache, _KIND),), vars(cache)


def _empty(kind: Any) -> Any:
    made = _marked(kind)
    return made.__new__(made)


def _moving(kind: Any, name: str) -> Callable[..., Any]:
    """A method that moves the rows of a marked cache, and those of the mark with them."""
    original = getattr(kind, name)

    @functools.wraps(original)
    def moving(cache: Any, *args: Any, **kwargs: Any) -> Any:
        call = getattr(cache, _MARK)
        rows = torch.arange(_rows(cache, call), device=call.ids.device) * len(call.ids) // _rows(cache, call)
        result = original(cache, *args, **kwargs)
        if name == "reset":
            unmark(cache)
        elif name != "batch_repeat_interleave" and len(call.ids) > 1:
            (index,) = (*args, *kwargs.values())
            setattr(cache, _MARK, call.of_rows(rows[torch.as_tensor(index, device=rows.device)]))
        return result

    return moving


def _rows(cache: Any, call: Call) -> int:
    """How many rows a cache has: those of the call, or of beams a multiple."""
    keys = (getattr(layer, "keys", None) for layer in getattr(cache, "layers", ()))
    return next((len(value) for value in keys if isinstance(value, Tensor) and value.ndim > 2), len(call.ids))


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
        if not isinstance(cache, tuple):
            unmark(cache)
        return None
    ids, call = arguments.get("input_ids"), getattr(cache, _MARK, None)
    if call is not None:
        call = _of_as_many_rows(call, ids)
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
            "this pruning does not know the cache, and the prompt goes on after its columns with placeholders but "
            "without images: for a pruned prompt, pass the cache object that the model returned, or a copy of it"
        )
    return call


def _of_as_many_rows(call: Call, ids: Tensor | None) -> Call:
    """The call with each row as often as the ids repeat it."""
    if ids is None or len(ids) == len(call.ids):
        return call
    if len(ids) % len(call.ids):
        raise PruningStateError(
            f"{len(ids)} rows of ids on the cache of a pruned prompt of {len(call.ids)} rows; move the rows of the "
            "cache with its own batch_select_indices, batch_repeat_interleave or reorder_cache"
        )
    return call.of_rows(torch.arange(len(ids), device=call.ids.device) // (len(ids) // len(call.ids)))


def _check_prompt(ids: Tensor | None, call: Call) -> None:
    length = call.layout.length
    same_shape = ids is not None and ids.shape[1] >= length and len(ids) == len(call.ids)
    if ids is None or not same_shape or not torch.equal(ids[:, :length].to(call.ids), call.ids):
        raise PruningStateError(
            "the ids do not begin with the prompt of the pruned cache that came with them; start a new cache"
        )
