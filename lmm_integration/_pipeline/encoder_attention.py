"""Queries and keys of one layer of the vision encoder, recorded while it runs, and the attention that they make."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from lmm_integration._pipeline.encoder_output import Encoded
from lmm_integration._pipeline.mergers import pooled, window_order
from lmm_integration.attention import EncoderAttention
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Merger
from lmm_integration.selectors import full_precision

_TOWERS = ("vision_tower", "visual", "vision_model", "vision_encoder", "image_tower")
_CLASS_TOKENS = ("class_embedding", "cls_token")
_RECORDING = "mmdp_recording"
_ENTRIES = 2**25  # of an attention matrix in memory at once
_here = threading.local()


@dataclass
class Recording:
    """What one layer attended to, sequence by sequence.

    Attributes
    ----------
    of_class_token : bool
        Whether the scores are the attention of the first token, instead of the mean over all.
    kernel : str
        The model's own attention function.
    scores, keys : lists of (b, l) and (b, l, c) tensors
        One for each call of the attention function: attention that the tokens receive, and their keys, both averaged
        over the heads.
    """

    of_class_token: bool
    kernel: str = ""
    scores: list[Tensor] = field(default_factory=list)
    keys: list[Tensor] = field(default_factory=list)

    def add(self, query: Tensor, key: Tensor, mask: Tensor | None, scaling: float | None) -> None:
        """Record one call of an attention function; queries and keys (b, heads, l, c)."""
        self.keys.append(key.mean(1))
        wide = torch.promote_types(query.dtype, torch.float32)
        key = key.repeat_interleave(query.shape[1] // key.shape[1], 1).to(wide)
        query = (query[:, :, :1] if self.of_class_token else query).to(wide)
        b, heads, queries, width = query.shape
        scale = width**-0.5 if scaling is None else scaling
        rows = max(1, _ENTRIES // (b * heads * key.shape[2]))
        received = key.new_zeros(b, key.shape[2])
        for start in range(0, queries, rows):
            logits = query[:, :, start : start + rows] @ key.transpose(-1, -2) * scale
            received += _masked(logits, mask, start).softmax(-1).sum((1, 2))
        self.scores.append(received / (heads * queries))


class Tower:
    """The vision encoder of a model, its layers, and which of them to record.

    Raises
    ------
    UnsupportedModelError
        If there is no such encoder, layer or score.
    """

    def __init__(self, inner: Any, config: Any, wanted: EncoderAttention) -> None:
        module: Any = next((getattr(inner, name) for name in _TOWERS if hasattr(inner, name)), inner)
        self._config, self._wanted, self._name = config, wanted, type(inner).__name__
        self.module, blocks = module, [] if module is inner else _blocks(module)
        if not blocks:
            raise UnsupportedModelError(
                f"the attention of the encoder of {self._name} cannot be recorded: no layers with attention in "
                f"{' or '.join(_TOWERS)}; give prune(..., attention=f), f: features (n, d) to scores (n,)"
            )
        self._blocks = blocks
        self.has_class_token = any(name.endswith(_CLASS_TOKENS) for name, _ in self.module.named_parameters())
        if wanted.score == "cls" and not self.has_class_token:
            raise UnsupportedModelError(
                f"{type(self.module).__name__}, the encoder of {self._name}, has no class token; give "
                "attention='received', the attention that a patch receives from all others"
            )
        if wanted.layer is not None and not -len(blocks) <= wanted.layer < len(blocks):
            raise UnsupportedModelError(f"attention of layer {wanted.layer}: the encoder has {len(blocks)} layers")

    @contextmanager
    def recording(self, arguments: Mapping[str, Any]) -> Iterator[Recording]:
        """Record one layer in this thread; ``arguments`` are those of the call."""
        attention = self._blocks[self._layer(arguments)]
        of_class_token = self.has_class_token and self._wanted.score != "received"
        recorded = Recording(of_class_token, str(getattr(attention.config, "_attn_implementation", "")))
        thread = threading.get_ident()

        def again(module: Any, args: Any, kwargs: dict[str, Any], _: Any) -> None:
            if threading.get_ident() == thread:
                _record(module, args, kwargs, recorded)

        hook = attention.register_forward_hook(again, with_kwargs=True)
        try:
            yield recorded
        finally:
            hook.remove()
        if not recorded.scores:
            raise UnsupportedModelError(
                f"the attention of {type(attention).__name__} in {self._name} cannot be recorded: it does not call "
                "transformers' attention functions; give prune(..., attention=f), f: features (n, d) to scores (n,)"
            )

    def of_rows(self, recorded: Recording, encoded: Encoded, merger: Merger, grids: Tensor | None) -> Encoded:
        """Return the encoder's output with the scores and keys of its feature rows.

        ``grids`` (m, 3) are the frames, rows and columns of patches of each image, where the processor names them.
        """
        packed = len(encoded.items) > 1 and len(recorded.scores) == 1 and len(recorded.scores[0]) == 1
        if packed and "flash" in recorded.kernel:
            raise UnsupportedModelError(
                f"{type(self.module).__name__} packs images into one sequence, and flash attention does not show where "
                "they end; load the encoder with sdpa, or give one image at a time"
            )
        windows = None
        if grids is not None and getattr(self.module, "fullatt_block_indexes", None) is not None:
            merge = self.module.spatial_merge_size
            windows = window_order(grids, merge, self.module.window_size // merge // self.module.patch_size)
            windows = windows.to(encoded.rows.device)
        scores, keys = (
            pooled(torch.cat(values, 1), len(encoded.rows), merger, windows)
            for values in (recorded.scores, recorded.keys)
        )
        return replace(encoded, scores=scores, keys=keys)

    def _layer(self, arguments: Mapping[str, Any]) -> int:
        if self._wanted.layer is not None:
            return self._wanted.layer
        full = getattr(self.module, "fullatt_block_indexes", None)  # Qwen2.5-VL: the other layers see windows
        if full:
            return int(max(full))
        chosen = arguments.get("vision_feature_layer")
        for name in ("vision_feature_layer", "vision_feature_layers"):
            chosen = getattr(self._config, name, None) if chosen is None else chosen
        if chosen is None:
            return -1
        states: list[int] = list(chosen) if isinstance(chosen, (list, tuple)) else [int(chosen)]
        count = len(self._blocks)  # and one more hidden state: the embeddings are the first
        return max(max(0, state - 1) if state >= 0 else count + state for state in states)  # of several the deepest


def _blocks(tower: nn.Module) -> list[nn.Module]:
    """The attention module of each layer."""
    lists = [module for module in tower.modules() if isinstance(module, nn.ModuleList)]
    found = ([_attention(block) for block in blocks] for blocks in lists)
    whole = [[part for part in parts if part is not None] for parts in found if parts and None not in parts]
    return max(whole, key=len, default=[])


def _attention(block: nn.Module) -> nn.Module | None:
    named = (m for m in block.modules() if "attention" in type(m).__name__.lower() and "config" in vars(m))
    return next(named, None)


def _record(module: Any, args: Any, kwargs: dict[str, Any], recorded: Recording) -> None:
    """Run an attention module once more, on a copy of itself whose attention function records and attends to nothing.

    The copy shares the weights. So the model's own run is left as it is, whatever its kernel.
    """
    silent = copy.copy(module)
    silent.config = copy.copy(module.config)
    silent.config._attn_implementation = _RECORDING
    _here.recorded = recorded
    try:
        with torch.no_grad():
            type(module).forward(silent, *args, **kwargs)
    finally:
        del _here.recorded


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """In the form of an attention function of transformers; its output has the shape, and no meaning."""
    with full_precision(query.device):
        _here.recorded.add(query.detach(), key.detach(), attention_mask, scaling)
    return query.transpose(1, 2).contiguous(), None


AttentionInterface.register(_RECORDING, _attend)


def _masked(logits: Tensor, mask: Tensor | None, start: int) -> Tensor:
    """Logits (b, heads, q, l) of the queries from ``start`` on, masked as transformers' attention functions do."""
    if mask is None:
        return logits
    if mask.ndim == 2:  # of flash attention: which keys are real
        mask = mask[:, None, None, :].bool()
    if mask.shape[-2] > 1:
        mask = mask[..., start : start + logits.shape[-2], :]
    return logits.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else logits + mask
