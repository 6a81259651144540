"""What attention loses when tokens are dropped, given back as a bias: RESTORE (arXiv 2606.01711)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lmm_integration._pipeline.pruned_call import Call
from lmm_integration.exceptions import UnsupportedModelError

_PLAIN = ("llama", "mistral", "qwen2", "qwen3")  # text models with one causal mask and rotary positions on one axis


def frequencies(model: Any, inner: Any) -> Tensor:
    """Rotary frequencies (c,) of a model's text model.

    Raises
    ------
    UnsupportedModelError
        If a bias along the prompt would not reach its attention unchanged.
    """
    text = model.config.get_text_config()
    layers = set(getattr(text, "layer_types", None) or ["full_attention"])
    if not getattr(text, "layer_types", None) and getattr(text, "sliding_window", None) is not None:
        layers = {"sliding_attention"}  # Mistral: the same window in all layers
    kernel = str(getattr(text, "_attn_implementation", ""))
    found = getattr(getattr(getattr(inner, "language_model", None), "rotary_emb", None), "inv_freq", None)
    if (
        found is None
        or text.model_type not in _PLAIN
        or layers != {"full_attention"}
        or hasattr(inner, "get_rope_index")
    ):
        raise UnsupportedModelError(
            f"positions='restore' needs a text model of {', '.join(_PLAIN)} with full attention and positions on one "
            f"axis, and this {model.config.model_type!r} model has {text.model_type!r}"
            f"{' with a sliding window' if 'sliding_attention' in layers else ''}; give positions='original'"
        )
    if kernel not in ("eager", "sdpa"):
        raise UnsupportedModelError(
            f"positions='restore' adds a bias to attention, which {kernel!r} does not take; load the model with sdpa"
        )
    inverse: Tensor = found
    return inverse


def distance_bias(positions: Tensor, inverse: Tensor) -> Tensor:
    """log(2 - mean_f cos(f |p - q|)) for all pairs of positions (b, m), as (b, m, m) float32.

    Rotary attention falls with the distance as that mean does, so far tokens are given back what it takes from them.
    """
    reach = int(positions.amax() - positions.amin()) + 1
    angles = torch.arange(reach, device=inverse.device).float()[:, None] * inverse.float()
    table = (2 - angles.cos().mean(1)).log()
    return table[(positions[:, :, None] - positions[:, None]).abs()]


def biased(call: Call, mask: Any, queries: int, cached: int, dtype: torch.dtype) -> Tensor:
    """Attention mask (b, 1, q, l) with the bias, for q new columns behind the cached ones.

    Tokens that were merged count as many as they are. The bias of distances is for the queries of the prompt, as in the
    published code.
    """
    assert call.bias is not None
    if not isinstance(mask, Tensor) or mask.ndim != 2 or mask.shape[1] != cached + queries:
        raise UnsupportedModelError("positions='restore' does not work with static caches; use a dynamic one")
    distances, sizes = (part.repeat_interleave(len(mask) // len(call.ids), 0) for part in call.bias)
    prompt = sizes.shape[1]
    bias = torch.zeros(len(mask), queries, cached + queries, device=mask.device)
    seen = min(prompt, cached + queries)
    bias[:, :, :seen] += sizes[:, None, :seen]
    rows = max(0, min(queries, prompt - cached))
    bias[:, :rows, :seen] += distances[:, cached : cached + rows, :seen]
    row, column = (torch.arange(n, device=mask.device) for n in (queries, cached + queries))
    hidden = (column > row[:, None] + cached) | (mask[:, None] == 0)
    return bias.to(dtype).masked_fill(hidden, torch.finfo(dtype).min)[:, None]
