"""Farthest-first, weighted by attention."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosine_distances, weighted_farthest_first


@dataclass(frozen=True)
class WeightedKCentre(Selector):
    """Begin with the most attended token; then add the one whose attention times distance to the chosen is largest.

    The greedy for the k-centre problem with weights, Dyer, Frieze (Operations Research Letters 3(6), 1985). SCoRe (CVPR
    2026) prunes tokens by a weighted k-centre problem too; its own score is not reproduced here. O(n^2 d + n k) time.
    """

    needs = ("attention",)
    source = "Dyer, Frieze 1985"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.attention is not None
        weight = context.attention.clamp(min=0)
        return weighted_farthest_first(cosine_distances(features), weight, k, weight.argmax(0, keepdim=True))
