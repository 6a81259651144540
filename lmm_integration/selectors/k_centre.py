"""The smallest radius within which every token has a kept one, greedily."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosine_distances, weighted_farthest_first


@dataclass(frozen=True)
class KCentre(Selector):
    """Begin with the best single centre; then add the token farthest from its nearest centre.

    The first pick is the token whose farthest other one is nearest. After it the rule is farthest-first traversal, pick
    for pick that of the solver ``greedy``, which begins with DivPrune's first pick instead. On the sphere the radius is
    at most twice the smallest one possible: Gonzalez (Theoretical Computer Science 38, 1985). O(n^2 d + n k) time.
    """

    source = "Gonzalez 1985"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        distances = cosine_distances(features)
        centre = distances.amax(1).argmin(0, keepdim=True)
        return weighted_farthest_first(distances, torch.ones_like(distances[0]), k, centre)
