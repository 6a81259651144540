"""``prune(model)``: the model's own code, run on a shorter prompt.

Images are encoded once by the model's own feature getters, the solver chooses rows, and every tensor along the prompt
is shortened. Then the model's original ``forward`` or ``generate`` runs, while its getters answer with the chosen
rows and, for multi-axis positions, its position index with the positions of the tokens that stayed. Masks, caches,
deepstack features and merging are therefore the model's own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from lmm_integration._pipeline.hooks import Pruning
from lmm_integration._pipeline.prepare import PIXELS, Preparation
from lmm_integration.budget import check_keep
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Family, family_of
from lmm_integration.selection import Rule, chooser
from mmdp import Stop
from mmdp.exceptions import InvalidOptionError

__all__ = ["Pruning", "prune"]


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
    family: Family | None = None,
    **options: Any,
) -> Pruning:
    """Keep a fraction of a multimodal model's visual tokens, in every ``forward`` and ``generate`` until removed.

    Use it in a ``with`` statement, or keep the returned :class:`Pruning` and call its ``remove()``.

    Parameters
    ----------
    model : transformers model
        Of one of ``lmm_integration.supported_models()``.
    solver : str, Solver, Selector or callable
        As for :func:`lmm_integration.select_tokens`.
    keep : float or int
        How many tokens stay: a float in (0, 1] is a fraction, an int is a count.
    scope : {"image", "sample"}
        Whether each image has its own budget, or all images of a sample share one. Use "sample" for models that split
        an image into tiles, or a video into frames, with text between them (Idefics3, SmolVLM, Qwen3-VL).
    metric : str
        Distance for the solvers.
    positions : {"auto", "compact", "original"}
        Whether the tokens that stay are renumbered, or keep the positions they had. "auto": original for models with
        multi-axis positions (Qwen-VL, GLM-V), compact for the others, as DivPrune does.
    modalities : tuple of {"image", "video"}
        What to prune.
    seed : int
        Seed of random choices.
    centre : bool
        Whether the rule sees the features minus their mean over the image; the model gets them unchanged.
    stop : Stop, optional
        Limits of a solver that searches or proves, for each image, such as ``Stop(seconds=0.1)``.
    attention : callable, optional
        Maps the feature rows (n, d) of one image to attention scores (n,), for selectors that rank by attention.
    family : Family, optional
        For a model type that has no file in ``lmm_integration/families``.
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
        raise InvalidOptionError(f"scope={scope!r}; choose 'image' (a budget a picture) or 'sample' (one for them all)")
    if positions not in ("auto", "compact", "original"):
        raise InvalidOptionError(f"positions={positions!r}; choose auto, compact or original")
    if not modalities or set(modalities) - set(PIXELS.values()):
        raise InvalidOptionError(f"modalities={modalities!r}; choose from ('image', 'video')")
    if isinstance(keep, int) and keep == 1 and not isinstance(keep, bool):
        warnings.warn("keep=1 keeps one token of each picture; keep=1.0 keeps them all", stacklevel=2)
    config = getattr(model, "config", None)
    if config is None or not hasattr(model, "generate"):
        raise UnsupportedModelError(
            f"{type(model).__name__} is not a Hugging Face model with generate(); select rows of your own features "
            "with lmm_integration.select_tokens(features, keep)"
        )
    preparation = Preparation(
        model,
        family=family or family_of(config.model_type),
        choose=chooser(solver, metric, seed, centre=centre, stop=stop, **options),
        keep=check_keep(keep),
        pooled=scope == "sample",
        positions=positions,
        modalities=tuple(modalities),
        attention=attention,
    )
    return Pruning(model, preparation)
