"""One pruned call of a model: the shorter prompt, the features and positions it is answered with, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from lmm_integration._pipeline.encoder_output import Encoded
from lmm_integration._pipeline.prompt_layout import NOT_ALONG, Layout, of_each_row
from lmm_integration.exceptions import PruningStateError


@dataclass
class Call:
    """What the model's feature getters and position index answer while a pruned call runs.

    Attributes
    ----------
    ids : (b, l) int64 tensor
        The prompt as the caller gave it.
    short : (b, m) int64 tensor
        The prompt that the model sees.
    layout : Layout
        From one to the other.
    encoded : dict
        Per modality the encoder's output, the kept feature rows of each sample, and how many items were encoded.
    pixels : dict
        The pixels that were encoded, by their argument.
    rope : (positions (c, b, m), following (b, 1), deltas (b, 1)) or None
        Of models with multi-axis positions: those of the prompt, that of the first token behind it, and what the model
        adds to a count of tokens for the later ones.
    rope_shift : (b, 1) int64 tensor or None
        By how much positions behind the caller's prompt exceed the model's, where the caller counts several axes.
    kept_positions : (b, m) int64 tensor or None
        For original positions on one axis: the position of each row's j-th kept token.
    bias : (distances (b, m, m), sizes (b, m)) or None
        What is added to the attention between tokens of the prompt, and to that which each gets, to restore what the
        dropped ones had.
    """

    ids: Tensor
    short: Tensor
    layout: Layout
    encoded: dict[str, tuple[Encoded, list[Tensor], int]] = field(default_factory=dict)
    pixels: dict[str, Tensor] = field(default_factory=dict)
    rope: tuple[Tensor, Tensor, Tensor] | None = None
    rope_shift: Tensor | None = None
    kept_positions: Tensor | None = None
    bias: tuple[Tensor, Tensor] | None = None

    def for_continuing(self) -> Call:
        """Return what a cache of this call needs when it comes back: no features."""
        return replace(self, encoded={}, pixels={})

    def of_rows(self, index: Tensor) -> Call:
        """The call of these rows of the batch, without features, for a cache whose rows were moved alike."""

        def taken(part: Tensor | None, row: int = 0) -> Any:
            return None if part is None else part.index_select(row, index.to(part.device))

        return replace(
            self.for_continuing(),
            ids=taken(self.ids),
            short=taken(self.short),
            layout=self.layout.of_rows(index),
            rope=None if self.rope is None else (taken(self.rope[0], 1), taken(self.rope[1]), taken(self.rope[2])),
            rope_shift=taken(self.rope_shift),
            kept_positions=taken(self.kept_positions),
            bias=None if self.bias is None else (taken(self.bias[0]), taken(self.bias[1])),
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Call:
        return self  # nothing changes it, and copies of a cache share it

    def features(self, modality: str, items: int) -> Any:
        """The getter's output with the kept rows, each sample as many times as beam search repeated the items."""
        encoded, samples, encoded_items = self.encoded[modality]
        return encoded.taking([rows.repeat(items // encoded_items) for rows in samples])

    def rope_index(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Positions and deltas for the shorter prompt, its rows repeated by beams, and an answer behind it."""
        assert self.rope is not None
        positions, following, deltas = self.rope
        answer = torch.arange(ids.shape[1] - positions.shape[-1], device=ids.device)  # some versions, without a cache
        positions = torch.cat((positions, (following + answer).expand(len(positions), -1, -1)), -1)
        times = ids.shape[0] // deltas.shape[0]
        return positions.repeat_interleave(times, 1), deltas.repeat_interleave(times, 0)

    def original_positions(self, compact: Tensor) -> Tensor:
        """Positions counted over what was kept, (b, q), to those of the whole prompt."""
        assert self.kept_positions is not None
        times = len(compact) // len(self.ids)
        table = self.kept_positions.repeat_interleave(times, 0)
        removed = self.layout.removed.repeat_interleave(times, 0)[:, None]
        known = (table >= 0).sum(1, keepdim=True)
        return torch.where(compact < known, table.gather(1, compact.clamp(0, table.shape[1] - 1)), compact + removed)

    def continue_generate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Arguments along the whole text so far, with the shorter prompt in place of the prompt."""
        return {n: self._continued(n, v) if n not in NOT_ALONG and self._covers(v) else v for n, v in arguments.items()}

    def continue_forward(self, arguments: dict[str, Any], cached: int, first_position: int) -> dict[str, Any]:
        """Arguments of a step behind the cache: the mask covers the whole text, the rest the new tokens.

        ``cached`` is the number of columns in the cache. Without a mask, all that the caller knows of is attended to.

        Raises
        ------
        PruningStateError
            If the mask is neither of the whole text nor of what the model has seen of it.
        """
        ids: Tensor | None = arguments.get("input_ids")
        if ids is None:
            return arguments
        continued = dict(arguments)
        mask, positions = arguments.get("attention_mask"), arguments.get("position_ids")
        if mask is None:
            real = self.layout.real.repeat_interleave(len(ids) // len(self.ids), 0).long()
            continued["attention_mask"] = pad(real, (0, cached + ids.shape[1] - real.shape[1]), value=1)
            if positions is None and self.rope is not None:  # which these models count right only without a mask
                answered = torch.arange(
                    cached - real.shape[1], cached - real.shape[1] + ids.shape[1], device=ids.device
                )
                following = self.rope[1].repeat_interleave(len(ids) // len(self.ids), 0) + answered
                continued["position_ids"] = following.expand(len(self.rope[0]), -1, -1)
        else:
            continued["attention_mask"] = self._mask_of_step(of_each_row(mask, ids), cached, ids.shape[1])
        if positions is None and self.kept_positions is not None:
            compact = (continued["attention_mask"].long().cumsum(-1) - 1)[:, -ids.shape[1] :]
            continued["position_ids"] = self.original_positions(compact) + first_position
        if positions is not None and self.kept_positions is None:
            if positions.ndim == 2 and self.rope is None:
                continued["position_ids"] = positions - self.layout.removed[:, None]
            elif positions.ndim == 3 and self.rope_shift is not None:
                continued["position_ids"] = (positions[-1:] - self.rope_shift).expand_as(positions)
        return continued

    def _mask_of_step(self, mask: Tensor, cached: int, new: int) -> Tensor:
        seen = cached + new
        whole = self.layout.length - self.short.shape[1] + seen
        if mask.ndim == 2 and mask.shape[1] < whole and mask.shape[1] != seen:
            raise PruningStateError(
                f"an attention mask of {mask.shape[1]} columns behind the cache of a pruned prompt: give {whole} "
                f"columns, for your prompt and all that follows, or {seen}, for what the model has seen, or none"
            )
        return self._continued("attention_mask", mask) if self._covers(mask) and mask.shape[1] >= whole else mask

    def _covers(self, value: Any) -> bool:
        along = isinstance(value, Tensor) and value.ndim == 2 and len(value) == len(self.ids)
        return along and value.shape[1] >= self.layout.length

    def _continued(self, name: str, value: Tensor) -> Tensor:
        head = self.short if name == "input_ids" else self.layout.shorten(value[:, : self.layout.length])
        return torch.cat((head.to(value), value[:, self.layout.length :]), 1)
