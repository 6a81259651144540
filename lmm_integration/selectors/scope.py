"""Coverage times attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class SCOPE(Selector):
    """Add the token whose attention times gain in coverage is largest.

    Coverage is the sum over all tokens i of c_i = max(0, cos(i, j) over the chosen j). Deng, Li, Zhou, He, SCOPE:
    Saliency-Coverage Oriented Token Pruning for Efficient Multimodal LLMs (NeurIPS 2025, arXiv 2510.24214), section 3.
    The paper measures cosines before the projector; here they are those of the features given. With ``power=0`` it is
    ``facility_location`` where no cosine is negative. O(n^2 (d + k)) time.

    Parameters
    ----------
    power : float
        Exponent of the attention, the paper's alpha.
    """

    needs = ("attention",)
    source = "SCOPE, arXiv 2510.24214"

    power: float = 1.0

    def __post_init__(self) -> None:
        if not self.power >= 0:
            raise InvalidOptionError(f"power = {self.power}: give 0 or more")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.attention is not None
        cosine = cosines(features)
        saliency = context.attention.clamp(min=0) ** self.power
        covered = torch.zeros_like(cosine[:, :1])
        blocked = torch.zeros_like(saliency, dtype=torch.bool)
        picks = []
        for _ in range(k):
            gain = saliency * (cosine - covered).clamp_(min=0).sum(0)
            pick = gain.masked_fill(blocked, -1.0).argmax(0, keepdim=True)
            picks.append(pick)
            covered = torch.maximum(covered, cosine[:, pick])
            blocked = blocked.index_fill(0, pick, True)
        return torch.cat(picks)
