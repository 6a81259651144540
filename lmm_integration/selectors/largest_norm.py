"""Tokens with the longest vectors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import highest, in_range


@dataclass(frozen=True)
class LargestNorm(Selector):
    """The k tokens of largest Euclidean norm."""

    source = "baseline"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        return highest(in_range(features).norm(dim=-1), k)
