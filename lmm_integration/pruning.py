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
from typing import Any

from torch import Tensor, nn

from lmm_integration._pipeline import forward, generation
from lmm_integration._pipeline.hooks import Hooks, Running, is_hooked
from lmm_integration._pipeline.prepare import PIXELS, Preparation
from lmm_integration.budget import check_keep
from lmm_integration.exceptions import PruningStateError, UnsupportedModelError
from lmm_integration.families import Family, family_of
from lmm_integration.selection import Rule, chooser
from lmm_integration.stats import Kept, ShortenedPrompt, Stats
from mmdp import Stop
from mmdp.exceptions import InvalidOptionError

__all__ = ["Pruning", "prune"]


class Pruning:
    """A model being pruned: a context manager, or a handle to :meth:`remove`.

    Attributes
    ----------
    model : transformers model
        The one that was given to :func:`prune`.
    """

    def __init__(self, model: nn.Module, pruned: Any, preparation: Preparation, all_columns: bool) -> None:
        """``pruned`` is the transformers model itself, inside of any wrapper around it."""
        self.model, self._preparation, self._running, self._hooks = model, preparation, Running(), Hooks()
        inner = preparation.inner
        if is_hooked(pruned) or is_hooked(inner):
            raise PruningStateError("this model is being pruned already; remove() that pruning first")
        attach, own = self._hooks.attach, pruned.generation_config
        attach(pruned, "forward", functools.partial(forward.run, preparation, self._running, all_columns))
        attach(pruned, "generate", functools.partial(generation.run, preparation, self._running, own))
        for modality in preparation.modalities:
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
    attention: Callable[[Tensor], Tensor] | None = None,
    logits: str = "kept",
    family: Family | None = None,
    **options: Any,
) -> Pruning:
    """Keep a share of a multimodal model's visual tokens, in every ``forward`` and ``generate`` until removed.

    Use it in a ``with`` statement, or keep the handle and call :meth:`Pruning.remove`.

    Parameters
    ----------
    model : transformers model
        With visual tokens in its prompt, also inside of a PEFT model; ``lmm_integration.supported_models()`` lists the
        types that are tested.
    solver : str, Solver, Selector or callable
        As for :func:`lmm_integration.select_tokens`.
    keep : float or int
        The fraction that is kept, in (0, 1], or how many are; an image of fewer tokens keeps them all.
    scope : {"image", "sample"}
        Whether the budget is of each image, or pooled over all images of a sample. Models that cut an image into
        tiles, or a video into frames, with text between them (Idefics3, SmolVLM, Qwen3-VL) want "sample".
    metric : str
        Distance for the diversity solvers.
    positions : {"auto", "compact", "original"}
        Whether the kept tokens are numbered anew, or keep the positions they had. "auto": original for models
        with multi-axis positions (Qwen-VL, GLM-V), compact for the others, as DivPrune does.
    modalities : tuple of {"image", "video"}
        What to prune; what the model cannot have is ignored as long as something is left.
    seed : int
        Of random choices.
    centre : bool
        Whether rules see the features of an image less their mean; the model gets them as they are.
    stop : Stop, optional
        Limits of a solver that searches or proves, for each image, such as ``Stop(seconds=0.1)``.
    attention : callable, optional
        Feature rows (n, d) of one image to attention scores (n,), for selectors that rank by it.
    logits : {"kept", "all"}
        Whether ``forward`` returns logits for the columns that the model saw, or for all columns of the caller's
        prompt. There a dropped column has those of the last kept one before it, so that they line up with the caller's
        labels, see :meth:`~lmm_integration.stats.ShortenedPrompt.lengthen`.
    family : Family, optional
        Facts about the model that it does not tell by itself and no file in ``lmm_integration/families`` has.
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
        raise InvalidOptionError(f"scope={scope!r}; choose 'image' (a budget an image) or 'sample' (one for them all)")
    if positions not in ("auto", "compact", "original"):
        raise InvalidOptionError(f"positions={positions!r}; choose auto, compact or original")
    if logits not in ("kept", "all"):
        raise InvalidOptionError(f"logits={logits!r}; choose 'kept' (the columns that the model saw) or 'all'")
    if not modalities or set(modalities) - set(PIXELS.values()):
        raise InvalidOptionError(f"modalities={modalities!r}; choose from ('image', 'video')")
    if isinstance(keep, int) and keep == 1 and not isinstance(keep, bool):
        warnings.warn("keep=1 keeps one token of each image; keep=1.0 keeps them all", stacklevel=2)
    wrapped: Any = model
    pruned = wrapped.get_base_model() if hasattr(model, "get_base_model") else wrapped  # inside of a PEFT model
    config = getattr(pruned, "config", None)
    if config is None or not hasattr(pruned, "generate"):
        raise UnsupportedModelError(
            f"{type(model).__name__} is not a Hugging Face model with generate(); select rows of your own features "
            "with lmm_integration.select_tokens(features, keep)"
        )
    preparation = Preparation(
        pruned,
        family=family or family_of(config.model_type),
        choose=chooser(solver, metric, seed, centre=centre, stop=stop, **options),
        keep=check_keep(keep),
        pooled=scope == "sample",
        positions=positions,
        modalities=tuple(modalities),
        attention=attention,
    )
    return Pruning(model, pruned, preparation, logits == "all")
