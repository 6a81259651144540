"""Attended tokens, and distinct ones among the rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, highest, remove_duplicates
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class VisPruner(Selector):
    """Half the budget to the most attended tokens, half to what removing duplicates leaves of the others.

    Zhang et al., Beyond Text-Visual Attention: Exploiting Visual Cues for Effective Token Pruning in VLMs (ICCV 2025,
    arXiv 2412.01818). The rest is thinned in the order of falling attention, as the published code does.

    Parameters
    ----------
    important : float
        Share of the budget that goes to the most attended tokens, in [0, 1].
    per_round : int
        Duplicates dropped in one round, at most.
    """

    needs = ("attention",)
    source = "VisPruner, arXiv 2412.01818"

    important: float = 0.5
    per_round: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.important <= 1:
            raise InvalidOptionError(f"important = {self.important}: give a share of the budget in [0, 1]")
        if self.per_round < 1:
            raise InvalidOptionError(f"per_round = {self.per_round}: drop at least one token per round")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.attention is not None
        attended = highest(context.attention, len(features))
        first = int(k * self.important)
        if first == k:
            return attended[:k]
        distinct = remove_duplicates(cosines(features), attended[first:], k - first, self.per_round)
        return torch.cat((attended[:first], distinct))
