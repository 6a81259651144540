"""Utility and max-min diversity in one objective."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, in_range
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class NormGIST(Selector):
    """Thresholded greedy sets for utility plus the smallest pairwise distance.

    Maximise g(S) + diversity * div(S): g is the mean utility, a token's utility its norm as a share of the largest one;
    div is the smallest distance between two chosen tokens on the unit sphere. For a ladder of thresholds, take the
    token of highest utility that is at least the threshold away from those taken; the best of these sets wins, with the
    farthest pair as one more candidate. Fahrbach et al., GIST: Greedy Independent Set Thresholding for Max-Min
    Diversification with Submodular Utility (NeurIPS 2025, arXiv 2405.18754), algorithm 1. The paper's sets may end
    short of k; here they go on with the farthest token and are judged with it. O(n^2 d + T n k) time, T thresholds.

    Parameters
    ----------
    diversity : float
        Weight of the diversity, the paper's lambda.
    epsilon : float
        Step of the ladder, in (0, 1): T is about ln(2 / epsilon) / epsilon.
    """

    source = "GIST, arXiv 2405.18754"

    diversity: float = 1.0
    epsilon: float = 0.05

    def __post_init__(self) -> None:
        if not self.diversity >= 0:
            raise InvalidOptionError(f"diversity = {self.diversity}: give 0 or more")
        if not 0 < self.epsilon < 1:
            raise InvalidOptionError(f"epsilon = {self.epsilon}: give a step in (0, 1)")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        norms = in_range(features).norm(dim=-1)
        utility = norms / norms.amax().where(norms.amax() > 0, 1.0)
        distances = (2 - 2 * cosines(features)).clamp(min=0).sqrt().fill_diagonal_(0)
        sets, separation = _independent_sets(utility, distances, self._thresholds(distances), k)
        value = utility[sets].mean(1) + self.diversity * separation
        return sets[value.argmax(0, keepdim=True)][0]

    def _thresholds(self, distances: Tensor) -> Tensor:
        rungs = 1 + int(math.log(2 / self.epsilon) / math.log1p(self.epsilon))
        steps = [(1 + self.epsilon) ** rung * self.epsilon / 2 for rung in range(rungs)]
        return distances.amax() * distances.new_tensor([0.0, *steps, torch.inf])


def _independent_sets(utility: Tensor, distances: Tensor, thresholds: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Grow one set of k per threshold, side by side; the last one begins with the farthest pair.

    Returns the sets and the smallest distance within each.

    Shapes: utility (n,), distances (n, n), thresholds (T,) to sets (T, k) and separations (T,).
    """
    n = len(utility)
    each = torch.arange(len(thresholds), device=utility.device)
    nearest = distances.new_full((len(thresholds), n), torch.inf)
    separation = distances.amax().expand(len(thresholds))
    picks: list[Tensor] = []
    for step in range(k):
        independent = nearest >= thresholds[:, None]
        by_utility = utility.expand_as(nearest).masked_fill(~independent, -torch.inf).argmax(1)
        pick = torch.where(independent.any(1), by_utility, nearest.argmax(1))
        if step == 0 and k > 1:
            pick[-1] = distances.argmax() // n  # its farthest partner follows, as no other token is far enough
        if step:
            separation = torch.minimum(separation, nearest[each, pick])
        picks.append(pick)
        nearest = torch.minimum(nearest, distances[pick])
        nearest[each, pick] = -torch.inf
    return torch.stack(picks, 1), separation
