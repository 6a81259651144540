"""Centering before Pruning with DivPrune's greedy."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosine_distances, cosines, unlikeness, weighted_farthest_first


@dataclass(frozen=True)
class CentredGreedy(Selector):
    """Farthest-first on centred features, weighted by how unlike the rest a token is before centring.

    The weight g of a token is minus its mean cosine to all tokens, taken of the features as they are and scaled to
    [0, 1] over the image. Distances are cosine distances of the features less their mean. Begin with the token whose
    nearest other one is farthest, as DivPrune does; then add the token whose g times distance to the nearest chosen one
    is largest. Centering before Pruning (arXiv 2608.30263), equations 5 to 7, on DivPrune. O(n^2 d + n k) time.
    """

    source = "arXiv 2608.30263"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        return weighted_farthest_first(cosine_distances(features - features.mean(0)), unlikeness(cosines(features)), k)
