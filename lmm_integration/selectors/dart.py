"""Tokens least like a few pivots."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import directions, highest, shares
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class DART(Selector):
    """A few pivots of large norm, and for each of them the tokens least similar to it.

    Wen et al., Stop Looking for Important Tokens in Multimodal Language Models: Duplication Matters More (EMNLP 2025,
    arXiv 2502.11494) prune inside the language model, with pivots from the image and the text by the L1 norm of their
    keys. Here the rule is moved in front of the first layer: pivots by the L1 norm of the features, from the image
    alone. The budget beyond the pivots is shared among them evenly; a token taken for one is gone for the next.

    Parameters
    ----------
    pivots : int
        How many; all of the budget if it is smaller.
    """

    source = "DART, arXiv 2502.11494, at layer 0"

    pivots: int = 8

    def __post_init__(self) -> None:
        if self.pivots < 1:
            raise InvalidOptionError(f"pivots = {self.pivots}: at least one is needed")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        unit = directions(features)
        count = min(self.pivots, k)
        pivots = highest(features.abs().sum(-1), count)
        taken = torch.zeros(len(features), dtype=torch.bool, device=features.device).index_fill(0, pivots, True)
        picks = [pivots]
        for pivot, share in zip(pivots.split(1), shares(k - count, count), strict=True):
            unlike = -(unit @ unit[pivot][0]).masked_fill(taken, torch.inf)
            picks.append(highest(unlike, share))
            taken = taken.index_fill(0, picks[-1], True)
        return torch.cat(picks)
