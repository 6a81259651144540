"""Farthest-first on centred features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines


@dataclass(frozen=True)
class CentredGreedy(Selector):
    """Farthest-first under cosine distance after the mean is subtracted, weighted towards unusual tokens.

    Features of one image share a large common part that makes all cosines high; without it they differ. A token's
    weight is one minus its mean cosine to all tokens. Begin with the largest weight; then add the token whose weight
    times distance to the nearest chosen one is largest. After arXiv 2608.30263, which centres and weights by minus the
    mean cosine; the product of weight and distance, and the one that keeps weights positive, are this file's choice.
    O(n^2 d + n k) time.
    """

    source = "after arXiv 2608.30263"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        cosine = cosines(features - features.mean(0))
        weight = (1 - cosine.mean(1)).clamp(min=0)
        score = weight
        nearest = torch.full_like(weight, torch.inf)
        picks = []
        for _ in range(k):
            pick = score.argmax(0, keepdim=True)
            picks.append(pick)
            nearest = torch.minimum(nearest, (1 - cosine[pick][0]).clamp(min=0)).index_fill(0, pick, -torch.inf)
            score = torch.where(nearest < 0, -1.0, weight * nearest)
        return torch.cat(picks)
