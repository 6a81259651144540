"""What a pruning did: rows kept of each image, columns kept of the prompt, counts and times over all calls."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Grid


@dataclass(frozen=True, eq=False)
class Kept:
    """Which feature rows stayed of one image or video.

    Attributes
    ----------
    sample : int
        Row of the batch.
    modality : str
        "image" or "video".
    indices : (k,) int64 tensor
        The feature rows that stayed, in ascending order.
    n : int
        How many feature rows there were.
    grid : (frames, rows, columns) or None
        Layout of the first ``frames * rows * columns`` feature rows; None if it is not rectangular.
    weights : (k, n) tensor or None
        Of the rule merges: the features that the model got are ``weights @ features``, in the places ``indices``.
    """

    sample: int
    modality: str
    indices: Tensor
    n: int
    grid: Grid | None
    weights: Tensor | None = None


@dataclass(frozen=True, eq=False)
class ShortenedPrompt:
    """Which columns of the caller's prompt the model saw, to carry tensors from one to the other.

    Attributes
    ----------
    columns : (b, m) int64 tensor
        For each column that the model saw the caller's column it came from, ascending; -1 in padding.
    length : int
        l, the columns of the caller's prompt.

    Examples
    --------
    >>> prompt = ShortenedPrompt(torch.tensor([[0, 1, 4]]), length=5)
    >>> prompt.shorten(torch.tensor([[10, 11, 12, 13, 14]])).tolist()
    [[10, 11, 14]]
    >>> prompt.lengthen(torch.tensor([[10, 11, 14]])).tolist()
    [[10, 11, 11, 11, 14]]
    """

    columns: Tensor
    length: int

    @property
    def last_seen(self) -> Tensor:
        """For each column of the caller the model's column of the last kept one up to it; -1 in front of the first.

        Shape (b, l), int64.
        """
        columns = self.columns
        seen = columns.new_full((len(columns), self.length + 1), -1)
        place = torch.arange(columns.shape[1], device=columns.device).expand_as(columns)
        seen.scatter_(1, columns.where(columns >= 0, self.length), place)
        return seen[:, : self.length].cummax(1).values

    def shorten(self, values: Tensor, padding: float = 0) -> Tensor:
        """From (b, l, ...), such as labels in the caller's columns, to (b, m, ...) in those of the model.

        ``padding`` fills the columns that the shortening added; labels want -100.
        """
        return _taken(values, self.columns, padding)

    def lengthen(self, values: Tensor) -> Tensor:
        """From (b, m, ...), such as logits, to (b, l, ...) in the caller's columns.

        A dropped column gets the value of the last kept one before it: the logits after all that the model has seen up
        to there. So logits shifted by one against the caller's labels are what the pruned model predicts for them.
        Columns in front of the first kept one, padding on the left, are zero.
        """
        return _taken(values, self.last_seen, 0)


def _taken(values: Tensor, columns: Tensor, padding: float) -> Tensor:
    """Columns of (b, l, ...) values, those of index -1 filled with the padding."""
    rows = torch.arange(len(columns), device=columns.device)[:, None]
    missing = (columns < 0).reshape(*columns.shape, *[1] * (values.ndim - 2))
    return values[rows, columns.clamp(min=0)].masked_fill(missing, padding)


@dataclass
class Stats:
    """Counts and times over all pruned calls, of all threads; a call that fails counts for nothing.

    Attributes
    ----------
    calls : int
        How many calls were pruned.
    images : int
        Images and videos, each with its own budget; with ``scope="sample"``, the samples that have any.
    images_within_budget : int
        How many of them had no more tokens than a count given as ``keep``, and so kept all.
    tokens_before, tokens_after : int
        Visual tokens in the prompts, and those that stayed.
    encode_seconds, solve_seconds : float
        Time for encoding images and for choosing tokens, measured on the host; a GPU may finish later. What a solver
        compiles is compiled before, and not counted.
    """

    calls: int = 0
    images: int = 0
    images_within_budget: int = 0
    tokens_before: int = 0
    tokens_after: int = 0
    encode_seconds: float = 0.0
    solve_seconds: float = 0.0

    def __str__(self) -> str:
        if not self.calls:
            return "nothing pruned yet"
        share = self.tokens_after / self.tokens_before
        within = f", {self.images_within_budget} of {self.images} images within the budget and kept whole"
        return (
            f"visual tokens {self.tokens_before} -> {self.tokens_after} ({share:.1%}) in {self.calls} "
            f"call{'s' if self.calls > 1 else ''}, encode {self.encode_seconds:.3f} s, solve {self.solve_seconds:.3f} s"
            + (within if self.images_within_budget else "")
        )
