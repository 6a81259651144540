"""The prompt side of pruning: which columns are kept, and every tensor along them made shorter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lmm_integration._pipeline.visual_inputs import PIXELS
from lmm_integration.stats import ShortenedPrompt

NOT_ALONG = frozenset((*PIXELS, "negative_prompt_ids", "negative_prompt_attention_mask"))
"""Arguments that are no part of the prompt, whatever their shape."""

_PADDING = {"labels": -100, "attention_mask": 0}


def groups(placeholders: Tensor, items: list[int], cut: str) -> list[Tensor]:
    """Split the placeholders of a batch into images, or into videos.

    Parameters
    ----------
    placeholders : (b, l) bool tensor
        Where feature rows go, in row-major order.
    items : list of int
        Rows of each item that the encoder returned; they add up to the number of placeholders.
    cut : str
        "run": an image ends where its run of placeholders does; "item": where the encoder's item does;
        "run+item": at either; "sample": only at the end of a sample.

    Returns
    -------
    list of int64 tensors
        Positions in the flat list of feature rows, one tensor an image.
    """
    row, column = placeholders.nonzero(as_tuple=True)
    ends = torch.zeros(len(row), dtype=torch.bool, device=row.device)
    ends[:-1] = row[1:] != row[:-1]
    if "run" in cut:
        ends[:-1] |= column[1:] != column[:-1] + 1
    if "item" in cut:
        ends[torch.as_tensor(items, device=row.device).cumsum(0) - 1] = True
    sizes = (ends.nonzero()[:, 0] + 1).diff(prepend=ends.new_zeros(1, dtype=torch.int64)).tolist()
    if (rest := len(row) - sum(sizes)) > 0:
        sizes.append(rest)
    return list(torch.arange(len(row), device=row.device).split(sizes))


@dataclass(frozen=True)
class Layout:
    """Which columns of a (b, l) batch are kept, and where they go in the shorter (b, m) batch.

    Attributes
    ----------
    source : (b, m) int64 tensor
        For each column of the short batch the one it came from; arbitrary in the padding.
    real : (b, m) bool tensor
        Which columns of the short batch are not padding that the shortening made.
    length : int
        l, the columns of the batch as given.
    removed : (b,) int64 tensor
        How many columns each row lost.
    """

    source: Tensor
    real: Tensor
    length: int
    removed: Tensor

    @classmethod
    def of(cls, stays: Tensor, mask: Tensor | None, left: bool) -> Layout:
        """Drop the columns that are not kept, and the padding; pad the rows again, on the left or on the right.

        ``stays`` and ``mask`` are (b, l) bool tensors. A batch that loses nothing keeps its columns as they are.
        """
        if bool(stays.all()):
            columns = torch.arange(stays.shape[1], device=stays.device).expand_as(stays)
            return cls(columns, torch.ones_like(stays), stays.shape[1], stays.new_zeros(len(stays), dtype=torch.int64))
        removed = (~stays).sum(1)
        if mask is not None:  # what lies between the first and the last real token stays, masked or not
            stays = stays & (mask.cumsum(1) > 0) & (mask.flip(1).cumsum(1).flip(1) > 0)
        lengths = stays.sum(1)
        width = int(lengths.max())
        order = torch.argsort((~stays).to(torch.int8), dim=1, stable=True)[:, :width]
        place = torch.arange(width, device=stays.device).expand(len(stays), -1)
        if left:
            shift = (width - lengths)[:, None]
            return cls(order.gather(1, (place - shift) % width), place >= shift, stays.shape[1], removed)
        return cls(order, place < lengths[:, None], stays.shape[1], removed)

    def of_rows(self, index: Tensor) -> Layout:
        """The layout of these rows of the batch."""
        index = index.to(self.source.device)
        return Layout(self.source[index], self.real[index], self.length, self.removed[index])

    @property
    def prompt(self) -> ShortenedPrompt:
        """The same for the caller."""
        return ShortenedPrompt(self.source.masked_fill(~self.real, -1), self.length)

    def shorten(self, tensor: Tensor, padding: float = 0) -> Tensor:
        """Take the kept columns of (..., b, l)."""
        index = self.source.expand(*tensor.shape[:-1], -1)
        return tensor.gather(-1, index).masked_fill(~self.real, padding)

    def runs_along(self, value: Any) -> bool:
        """Whether ``value`` is a tensor with one entry for each column of each row."""
        return isinstance(value, Tensor) and value.shape[-2:] == (len(self.source), self.length) and value.ndim <= 3


def of_each_row(mask: Tensor, ids: Tensor) -> Tensor:
    """An attention mask (b, l), of which one row (1, l) may stand for all."""
    return mask.expand(len(ids), -1) if mask.ndim == 2 and len(mask) == 1 < len(ids) else mask


def companions(layout: Layout, arguments: Mapping[str, Any], padding_token: int) -> Iterator[tuple[str, Tensor]]:
    """All arguments that run along the prompt, shortened."""
    for name, value in arguments.items():
        if name not in NOT_ALONG and layout.runs_along(value):
            yield name, layout.shorten(value, padding_token if name == "input_ids" else _PADDING.get(name, 0))
