"""Tokens that the class token attends to."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import highest


@dataclass(frozen=True)
class ClsAttention(Selector):
    """The k tokens that the vision encoder's class token attends to most.

    FasterVLM: Zhang et al., [CLS] Attention is All You Need for Training-Free Visual Token Pruning (arXiv 2412.01818,
    first version), whose scores are the attention of the encoder's penultimate layer, averaged over the heads.
    """

    needs = ("attention",)
    source = "FasterVLM, arXiv 2412.01818v1"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.attention is not None
        return highest(context.attention, k)
