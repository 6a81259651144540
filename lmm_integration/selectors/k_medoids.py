"""Tokens at the centres of k clusters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosine_distances
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class KMedoids(Selector):
    """Medoids of k clusters under cosine distance.

    Begin with the medoids that PAM's BUILD phase adds one by one (Kaufman, Rousseeuw, Finding Groups in Data, 1990,
    chapter 2), then alternate: every token joins its nearest medoid, and in each cluster the token with the least sum
    of distances becomes the medoid (Park, Jun, Expert Systems with Applications 36(2), 2009, section 3). A medoid stays
    in its own cluster even if another one is as near, so no cluster empties. O(n^2 k) time per iteration.

    Parameters
    ----------
    iterations : int
        Of the alternation, at most.
    """

    source = "Park, Jun 2009"

    iterations: int = 20

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise InvalidOptionError(f"iterations = {self.iterations}: give 0 or more")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        distances = cosine_distances(features)
        medoids = _build(distances, k)
        for _ in range(self.iterations):
            moved = _alternate(distances, medoids)
            if torch.equal(moved, medoids):
                break
            medoids = moved
        return medoids


def _build(distances: Tensor, k: int) -> Tensor:
    """Add the token that lowers the sum of distances to the nearest medoid most; the first one is the medoid of all."""
    pick = distances.sum(1).argmin(0, keepdim=True)
    nearest = distances[pick][0].index_fill(0, pick, -1.0)  # a medoid gains nothing, not even zero
    picks = [pick]
    for _ in range(k - 1):
        saved = (nearest - distances).clamp_(min=0).sum(1).masked_fill(nearest < 0, -1.0)
        pick = saved.argmax(0, keepdim=True)
        picks.append(pick)
        nearest = torch.minimum(nearest, distances[pick][0]).index_fill(0, pick, -1.0)
    return torch.cat(picks)


def _alternate(distances: Tensor, medoids: Tensor) -> Tensor:
    """Assign every token to its nearest medoid, then take the medoid of each cluster; ties to the lower index."""
    k = len(medoids)
    cluster = distances[:, medoids].argmin(1)
    cluster[medoids] = torch.arange(k, device=medoids.device)
    members = cluster[:, None] == torch.arange(k, device=medoids.device)
    within = distances @ members.to(distances.dtype)
    return within.masked_fill(~members, torch.inf).argmin(0)
