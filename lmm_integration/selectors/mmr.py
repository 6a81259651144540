"""Maximal marginal relevance, with attention as the relevance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, scaled
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class MMR(Selector):
    """Add the token whose attention outweighs its likeness to what is chosen already.

    Each pick maximises relevance * s_i - (1 - relevance) * max over the chosen j of cos(i, j), where s is the attention
    scaled to [0, 1]. Carbonell, Goldstein, The Use of MMR (SIGIR 1998). ID-Selection (arXiv 2604.05601) selects by
    importance and suppresses what is similar in the same way; its own update is not reproduced here. O(n^2 d + n k).

    Parameters
    ----------
    relevance : float
        Share of the attention in [0, 1], the lambda of MMR.
    """

    needs = ("attention",)
    source = "Carbonell, Goldstein 1998"

    relevance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.relevance <= 1:
            raise InvalidOptionError(f"relevance = {self.relevance}: give a share in [0, 1]")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.attention is not None
        cosine = cosines(features)
        worth = self.relevance * scaled(context.attention)
        score, nearest = worth, torch.full_like(worth, -torch.inf)
        picks = []
        for _ in range(k):
            picks.append(score.argmax(0, keepdim=True))
            nearest = torch.maximum(nearest, cosine[picks[-1]][0])
            score = (worth - (1 - self.relevance) * nearest).index_fill(0, torch.cat(picks), -torch.inf)
        return torch.cat(picks)
