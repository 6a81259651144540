"""``prune(model)``: the model's own code, run on a shorter prompt.

Images are encoded once by the model's own feature getters, the solver chooses rows, and every tensor along the prompt
is shortened. Then the model's original ``forward`` or ``generate`` runs, while its getters answer with the chosen
rows and, for multi-axis positions, its position index with the positions of the tokens that stayed. Masks, caches,
deepstack features and merging are therefore the model's own.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

from torch import Tensor, nn

from lmm_integration._pipeline import forward, generation
from lmm_integration._pipeline.hooks import Hooks, Running, is_hooked
from lmm_integration._pipeline.prepare import Preparation
from lmm_integration._pipeline.visual_inputs import PIXELS
from lmm_integration.attention import EncoderAttention
from lmm_integration.budget import check_keep
from lmm_integration.exceptions import PruningStateError, UnsupportedModelError
from lmm_integration.families import Family, family_of, merger_of
from lmm_integration.selection import Rule, chooser
from lmm_integration.stats import Kept, ShortenedPrompt, Stats
from mmdp import Stop
from mmdp.exceptions import InvalidOptionError

__all__ = ["Pruning", "prune"]


class Pruning:
    """A model that is being pruned, as :func:`prune` returns it: a context manager.

    At the end of the ``with`` block, or after :meth:`remove`, the model is as it was before.

    Attributes
    ----------
    model : transformers model
        The model that was given to :func:`prune`.
    """

    def __init__(self, model: nn.Module, pruned: Any, preparation: Preparation, all_columns: bool) -> None:
        """``pruned`` is the transformers model itself, inside of any wrapper around it."""
        self.model, self._preparation, self._running, self._hooks = model, preparation, Running(), Hooks()
        inner = preparation.inner
        if is_hooked(pruned) or is_hooked(inner):
            raise PruningStateError("this model is being pruned already; remove() that pruning first")
        attach = self._hooks.attach
        attach(pruned, "forward", functools.partial(forward.run, preparation, self._running, all_columns))
        if inner is not pruned:
            attach(inner, "forward", functools.partial(forward.check_backbone, preparation, self._running))
        attach(pruned, "generate", functools.partial(generation.run, preparation, self._running, pruned))
        attach(pruned, "_merge_criteria_processor_list", functools.partial(generation.merge_callbacks, self._running))
        for modality in preparation.visual.modalities:
            attach(inner, f"get_{modality}_features", functools.partial(self._features, modality))
        for module in preparation.rope_indexers:
            attach(module, "get_rope_index", self._rope_index)

    @property
    def last(self) -> tuple[Kept, ...]:
        """What was kept of each image in the last call; empty if that pruned nothing."""
        return self._preparation.last

    @property
    def last_call(self) -> ShortenedPrompt | None:
        """Which columns of the prompt the model saw in the last call; None if that pruned nothing."""
        return self._preparation.last_call

    @property
    def stats(self) -> Stats:
        """Tokens before and after, seconds of encoding and of solving, over all calls."""
        return self._preparation.stats

    def remove(self) -> None:
        """Give the model back as it was; a second call does nothing."""
        self._hooks.remove()

    def __enter__(self) -> Pruning:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<Pruning of {type(self.model).__name__}: {self.stats}>"

    def _features(self, modality: str, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = self._running.call
        if call is None or modality not in call.encoded:
            return original(*args, **kwargs)
        pixels = args[0] if args else next(kwargs[name] for name in PIXELS if kwargs.get(name) is not None)
        return call.features(modality, len(pixels))

    def _rope_index(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = self._running.call
        if call is None or call.rope is None:
            return original(*args, **kwargs)
        return call.rope_index(args[0] if args else kwargs["input_ids"])


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
    centre: bool = False,
    stop: Stop | None = None,
    attention: str | int | EncoderAttention | Callable[[Tensor], Tensor] = "auto",
    logits: str = "kept",
    family: Family | None = None,
    **options: Any,
) -> Pruning:
    """Keep a fraction of a multimodal model's visual tokens, in every ``forward`` and ``generate`` until removed.

    Use it in a ``with`` statement, or keep the returned :class:`Pruning` and call its ``remove()``.

    Parameters
    ----------
    model : transformers model
        With visual tokens in its prompt, also inside of a PEFT model; ``lmm_integration.supported_models()`` lists the
        types that are tested.
    solver : str, Solver, Selector or callable
        As for :func:`lmm_integration.select_tokens`.
    keep : float or int
        How many tokens stay: a float in (0, 1] is a fraction, an int is a count. An image of fewer tokens keeps all.
    scope : {"image", "sample"}
        Whether each image has its own budget, or all images of a sample share one. Use "sample" for models that split
        an image into tiles, or a video into frames, with text between them (Idefics3, SmolVLM, Qwen3-VL).
    metric : str
        Distance for the solvers; selectors have their own.
    positions : {"auto", "compact", "original", "restore"}
        Whether the tokens that stay are renumbered, or keep the positions they had. "auto": original for models with
        multi-axis positions (Qwen-VL, GLM-V), compact for the others, as DivPrune does. "restore": the original ones,
        and a bias that gives far tokens back what attention takes from them (RESTORE, arXiv 2606.01711); for text
        models with one axis, full attention and the sdpa or eager kernel, such as that of LLaVA.
    modalities : tuple of {"image", "video"}
        What to prune. A modality that the model does not have is ignored if another one is left.
    seed : int
        Seed of random choices.
    centre : bool
        Whether the rule sees the features minus their mean over the image; the model gets them unchanged.
    stop : Stop, optional
        Limits of a solver that searches or proves, for each image, such as ``Stop(seconds=0.1)``.
    attention : {"auto", "cls", "received"}, int, EncoderAttention or callable
        For selectors that rank by attention: which attention inside of the vision encoder is recorded for them, as a
        score or a layer of :class:`~lmm_integration.EncoderAttention`; or a function from the feature rows (n, d) of
        one image to their scores (n,). Recording needs to know how the model merges patches; docs/pruning.md lists the
        families, others are refused.
    logits : {"kept", "all"}
        Whether ``forward`` returns logits for the columns that the model saw, or for all columns of your prompt. With
        "all", a dropped column gets the logits of the last kept column before it, so that they line up with your
        labels; see :meth:`~lmm_integration.stats.ShortenedPrompt.lengthen`.
    family : Family, optional
        Facts about the model that it does not tell by itself and no file in ``lmm_integration/families`` has.
    **options
        Options of the solver or selector.

    Returns
    -------
    Pruning

    Raises
    ------
    UnsupportedModelError
        If the model cannot be pruned from its prompt; the message gives the reason and an alternative.
    PruningStateError
        If the model is being pruned already.
    InvalidOptionError, UnknownNameError
        If an argument is invalid, or no solver or selector has the name.

    Notes
    -----
    The encoder runs in full. Choosing takes the time of the solver, for each image; the greedy takes O(n k d).

    Examples
    --------
    >>> from lmm_integration.demo import small_llava
    >>> model, inputs = small_llava()  # random weights
    >>> with prune(model, solver="greedy", keep=0.1) as pruning:
    ...     out = model.generate(**inputs, max_new_tokens=2, do_sample=False)
    >>> pruning.stats.tokens_before, pruning.stats.tokens_after
    (576, 58)
    """
    if scope not in ("image", "sample"):
        raise InvalidOptionError(f"scope={scope!r}; choose 'image' (a budget an image) or 'sample' (one for them all)")
    if positions not in ("auto", "compact", "original", "restore"):
        raise InvalidOptionError(f"positions={positions!r}; choose auto, compact, original or restore")
    if logits not in ("kept", "all"):
        raise InvalidOptionError(f"logits={logits!r}; choose 'kept' (the columns that the model saw) or 'all'")
    if not modalities or set(modalities) - set(PIXELS.values()):
        raise InvalidOptionError(f"modalities={modalities!r}; choose from ('image', 'video')")
    if isinstance(keep, Integral) and keep == 1 and not isinstance(keep, bool):
        warnings.warn("keep=1 keeps one token of each image; keep=1.0 keeps them all", stacklevel=2)
    wrapped: Any = getattr(model, "_orig_mod", model)  # inside of a compiled model
    pruned = wrapped.get_base_model() if hasattr(wrapped, "get_base_model") else wrapped  # inside of a PEFT model
    pruned = getattr(pruned, "_orig_mod", pruned)
    config = getattr(pruned, "config", None)
    if isinstance(getattr(pruned, "module", None), nn.Module) and not hasattr(pruned, "generate"):
        raise UnsupportedModelError(f"{type(model).__name__} is a wrapper without generate(): prune its .module")
    if config is None or not hasattr(pruned, "generate"):
        raise UnsupportedModelError(
            f"{type(model).__name__} is not a Hugging Face model with generate(); select rows of your own features "
            "with lmm_integration.select_tokens(features, keep)"
        )
    types = config.model_type, getattr(getattr(config, "vision_config", None), "model_type", None)
    family = family or family_of(*types)
    preparation = Preparation(
        pruned,
        family=replace(family, merger=family.merger or merger_of(*types)),
        choose=chooser(solver, metric, seed, centre=centre, stop=stop, **options),
        keep=check_keep(keep),
        pooled=scope == "sample",
        positions=positions,
        modalities=tuple(modalities),
        attention=_attention(attention),
    )
    return Pruning(model, pruned, preparation, logits == "all")


def _attention(
    given: str | int | EncoderAttention | Callable[[Tensor], Tensor],
) -> EncoderAttention | Callable[[Tensor], Tensor]:
    if isinstance(given, EncoderAttention):
        return given
    if isinstance(given, str):
        return EncoderAttention(given)  # type: ignore[arg-type]  # it checks by itself
    if isinstance(given, int):
        return EncoderAttention(layer=given)
    if not callable(given):
        raise InvalidOptionError(
            f"attention={given!r}; choose 'auto', 'cls', 'received', a layer, an EncoderAttention, or give a function "
            "from the features (n, d) of an image to (n,) scores"
        )
    return given
