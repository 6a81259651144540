"""``prune(model)``: the model's own code, run on a shorter prompt.

Images are encoded once by the model's own feature getters, the solver chooses rows, and every tensor along the prompt
is shortened. Then the model's original ``forward`` or ``generate`` runs, while its getters answer with the chosen
rows and, for multi-axis positions, its position index with the positions of the tokens that stayed. Masks, caches,
deepstack features and merging are therefore the model's own.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lmm_integration import _generate
from lmm_integration._call import Call
from lmm_integration._prepare import PIXELS, Preparation
from lmm_integration.budget import check_keep
from lmm_integration.exceptions import PruningStateError, UnsupportedModelError
from lmm_integration.families import Family, family_of
from lmm_integration.selection import Rule, chooser
from lmm_integration.stats import Kept, Stats
from mmdp.exceptions import InvalidOptionError

_HOOKED = ("forward", "generate", "get_image_features", "get_video_features", "get_rope_index")


def prune(
    model: nn.Module,
    solver: Rule = "greedy",
    keep: float | int = 0.1,
    *,
    scope: str = "image",
    metric: str = "cosine",
    positions: str = "auto",
    modalities: tuple[str, ...] = ("image", "video"),
    seed: int = 0,
    attention: Callable[[Tensor], Tensor] | None = None,
    family: Family | None = None,
    **options: Any,
) -> Pruning:
    """Keep a share of a multimodal model's visual tokens, in every ``forward`` and ``generate`` until removed.

    Use it in a ``with`` statement, or keep the handle and call :meth:`Pruning.remove`.

    Parameters
    ----------
    model : transformers model
        Of one of ``lmm_integration.families()``.
    solver : str, Solver, Selector or callable
        As for :func:`lmm_integration.select_tokens`.
    keep : float or int
        The fraction that stays, in (0, 1], or how many stay.
    scope : {"image", "sample"}
        Whether the budget is of each picture, or pooled over all pictures of a sample. Models that cut a picture into
        tiles, or a video into frames, with text between them (Idefics3, SmolVLM, Qwen3-VL) want "sample".
    metric : str
        Distance for the diversity solvers.
    positions : {"auto", "compact", "original"}
        Whether the tokens that stay are numbered anew, or keep the positions they had. "auto": original for models
        with multi-axis positions (Qwen-VL, GLM-V), compact for the others, as DivPrune does.
    modalities : tuple of {"image", "video"}
        What to prune.
    seed : int
        Of random choices.
    attention : callable, optional
        Feature rows (n, d) of one picture to attention scores (n,), for selectors that rank by it.
    family : Family, optional
        For a model type that has no file in ``lmm_integration/families``.
    **options
        The solver's own parameters.

    Returns
    -------
    Pruning

    Raises
    ------
    UnsupportedModelError
        With the reason and a way out.
    PruningStateError
        If the model is being pruned already.
    InvalidOptionError, UnknownNameError
    """
    if scope not in ("image", "sample"):
        raise InvalidOptionError(f"scope={scope!r}; choose 'image' (a budget a picture) or 'sample' (one for them all)")
    if positions not in ("auto", "compact", "original"):
        raise InvalidOptionError(f"positions={positions!r}; choose auto, compact or original")
    if not modalities or set(modalities) - set(PIXELS.values()):
        raise InvalidOptionError(f"modalities={modalities!r}; choose from ('image', 'video')")
    config = getattr(model, "config", None)
    if config is None or not hasattr(model, "generate"):
        raise UnsupportedModelError(
            f"{type(model).__name__} is not a Hugging Face model with generate(); select rows of your own features "
            "with lmm_integration.select_tokens(features, keep)"
        )
    preparation = Preparation(
        model,
        family=family or family_of(config.model_type),
        choose=chooser(solver, metric, seed, **options),
        keep=check_keep(keep),
        pooled=scope == "sample",
        positions=positions,
        modalities=tuple(modalities),
        attention=attention,
    )
    return Pruning(model, preparation)


class Pruning:
    """A model being pruned: a context manager, or a handle to :meth:`remove`.

    Attributes
    ----------
    model : transformers model
    """

    def __init__(self, model: Any, preparation: Preparation) -> None:
        self.model, self._inner, self._preparation = model, preparation.inner, preparation
        self._running = threading.local()
        self._caches: weakref.WeakKeyDictionary[Any, Call] = weakref.WeakKeyDictionary()
        if any(name in vars(module) for module in (model, self._inner) for name in _HOOKED):
            raise PruningStateError("this model is being pruned already; remove() that pruning first")
        self._attach(model, "forward", self._forward)
        self._attach(model, "generate", self._generate)
        for modality in preparation.modalities:
            self._attach(self._inner, f"get_{modality}_features", functools.partial(self._features, modality))
        if preparation.has_rope_index:
            self._attach(self._inner, "get_rope_index", self._rope_index)

    @property
    def last(self) -> tuple[Kept, ...]:
        """What stayed of each picture in the last call."""
        return self._preparation.last

    @property
    def stats(self) -> Stats:
        """Tokens before and after, seconds of encoding and of solving, over all calls."""
        return self._preparation.stats

    def remove(self) -> None:
        """Give the model back as it was; a second call does nothing."""
        for module in (self.model, self._inner):
            for name in _HOOKED:
                if getattr(vars(module).get(name), "pruning", None) is self:
                    del vars(module)[name]

    def __enter__(self) -> Pruning:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __deepcopy__(self, memo: dict[int, Any]) -> Pruning:
        raise PruningStateError("a model cannot be copied while it is being pruned; remove() the pruning first")

    def __repr__(self) -> str:
        return f"<Pruning of {type(self.model).__name__}: {self.stats}>"

    def _attach(self, module: Any, name: str, replacement: Callable[..., Any]) -> None:
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
        return _generate.run(self, self._preparation, original, kwargs)

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
