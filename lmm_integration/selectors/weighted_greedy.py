"""Farthest-first, weighted by how unlike the rest a token is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import apart, cosines, unlikeness, weighted_farthest_first


@dataclass(frozen=True)
class WeightedGreedy(Selector):
    """The weight of Centering before Pruning without its centring.

    As :class:`~lmm_integration.selectors.centred_greedy.CentredGreedy`, but distances are those of the features as they
    are: DivPrune's first pick, then the token whose weight times cosine distance to the nearest chosen one is largest.
    It tells what the weight is worth alone. O(n^2 d + n k) time.
    """

    source = "weight of arXiv 2608.30263"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        cosine = cosines(features)
        return weighted_farthest_first(apart(cosine), unlikeness(cosine), k)
