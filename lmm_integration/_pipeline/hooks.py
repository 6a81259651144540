"""A model being pruned: which of its methods are replaced, by what, and how they come back."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lmm_integration._pipeline import generation
from lmm_integration._pipeline.prepare import PIXELS, Preparation
from lmm_integration._pipeline.pruned_call import Call
from lmm_integration.exceptions import PruningStateError
from lmm_integration.stats import Kept, Stats

_HOOKED = ("forward", "generate", "get_image_features", "get_video_features", "get_rope_index")


class Pruning:
    """A model that is being pruned, as :func:`lmm_integration.prune` returns it: a context manager.

    At the end of the ``with`` block, or after :meth:`remove`, the model is as it was before.

    Attributes
    ----------
    model : transformers model
    last : tuple of Kept
        Which feature rows stayed of each image in the last call.
    stats : Stats
        Counts and times over all calls.
    """

    def __init__(self, model: Any, preparation: Preparation) -> None:
        self.model, self._inner, self._preparation = model, preparation.inner, preparation
        self._running = threading.local()
        self._caches: weakref.WeakKeyDictionary[Any, Call] = weakref.WeakKeyDictionary()
        self._earlier: list[tuple[Any, str, Any]] = []  # what hooks of others, accelerate's, had put in these places
        if any(isinstance(vars(module).get(name), _Hook) for module in (model, self._inner) for name in _HOOKED):
            raise PruningStateError("this model is being pruned already; remove() that pruning first")
        self._attach(model, "forward", self._forward)
        self._attach(model, "generate", self._generate)
        for modality in preparation.modalities:
            self._attach(self._inner, f"get_{modality}_features", functools.partial(self._features, modality))
        if preparation.has_rope_index:
            self._attach(self._inner, "get_rope_index", self._rope_index)

    @property
    def last(self) -> tuple[Kept, ...]:
        """Which feature rows stayed of each image in the last call."""
        return self._preparation.last

    @property
    def stats(self) -> Stats:
        """Tokens before and after, and seconds of encoding and of solving, over all calls."""
        return self._preparation.stats

    def remove(self) -> None:
        """Restore the model as it was before; a second call does nothing."""
        for module in (self.model, self._inner):
            for name in _HOOKED:
                if getattr(vars(module).get(name), "pruning", None) is self:
                    del vars(module)[name]
        while self._earlier:
            module, name, method = self._earlier.pop()
            vars(module).setdefault(name, method)

    def __enter__(self) -> Pruning:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __deepcopy__(self, memo: dict[int, Any]) -> Pruning:
        raise PruningStateError("a model cannot be copied while it is being pruned; remove() the pruning first")

    def __repr__(self) -> str:
        return f"<Pruning of {type(self.model).__name__}: {self.stats}>"

    def _attach(self, module: Any, name: str, replacement: Callable[..., Any]) -> None:
        if name in vars(module):
            self._earlier.append((module, name, vars(module)[name]))
        vars(module)[name] = _Hook(self, getattr(module, name), replacement)

    def _features(self, modality: str, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = getattr(self._running, "call", None)
        if call is None or modality not in call.encoded:
            return original(*args, **kwargs)
        pixels = args[0] if args else next(kwargs[name] for name in PIXELS if kwargs.get(name) is not None)
        return call.features(modality, len(pixels))

    def _rope_index(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = getattr(self._running, "call", None)
        if call is None or call.rope is None:
            return original(*args, **kwargs)
        return call.rope_index(args[0] if args else kwargs["input_ids"])

    def _forward(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        first = self._preparation.family.first_position
        kwargs |= dict(zip(inspect.signature(original).parameters, args, strict=False))
        call = getattr(self._running, "call", None)
        if call is not None:  # a step of a pruned generate
            if call.kept_positions is not None and kwargs.get("position_ids") is not None:
                kwargs["position_ids"] = call.original_positions(kwargs["position_ids"] - first) + first
            return original(**kwargs)
        earlier = self.cached(kwargs)
        if earlier is not None:
            return original(**earlier.continue_forward(kwargs, first))
        kwargs, call = self._preparation(kwargs, left=False)
        if call is None:
            return original(**kwargs)
        if call.kept_positions is not None and kwargs.get("position_ids") is None:
            compact = (kwargs["attention_mask"].long().cumsum(-1) - 1).clamp(min=0)
            kwargs["position_ids"] = call.original_positions(compact) + first
        with self.answering(call):
            output = original(**kwargs)
        self.remember(getattr(output, "past_key_values", None), call)
        return output

    def _generate(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        kwargs |= dict(zip(inspect.signature(original).parameters, args, strict=False))
        if kwargs.get("input_ids") is None:
            kwargs["input_ids"] = kwargs.pop("inputs", None)
        return generation.run(self, self._preparation, original, kwargs)

    @contextmanager
    def answering(self, call: Call) -> Iterator[None]:
        """Answer the model's getters from ``call`` in this thread."""
        self._running.call = call
        try:
            yield
        finally:
            self._running.call = None

    def cached(self, arguments: dict[str, Any]) -> Call | None:
        """The pruned call whose cache the arguments continue, if they do.

        Raises
        ------
        PruningStateError
            If they bring new pictures.
        """
        cache = arguments.get("past_key_values")
        if cache is None or isinstance(cache, tuple) or cache.get_seq_length() == 0:
            return None
        call = self._caches.get(cache)
        if call is not None and self._preparation.brings_pictures(arguments, call.layout.length):
            raise PruningStateError(
                "new pictures on the cache of a pruned prompt: their features would be merged at the wrong places; "
                "start a new cache with the whole conversation, or ask without pruning"
            )
        return call

    def remember(self, cache: Any, call: Call) -> None:
        """Recognise the cache of a pruned prompt when it comes back."""
        if cache is not None and not isinstance(cache, tuple):
            self._caches[cache] = call


class _Hook:
    """A method of one module replaced for the time of a pruning; copies refuse, and signatures stay the original's."""

    def __init__(self, pruning: Pruning, original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
        self.pruning, self._original, self._replacement = pruning, original, replacement
        functools.update_wrapper(self, original)

    @torch.compiler.disable(recursive=False)
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._replacement(self._original, *args, **kwargs)
