"""Thinning by removing duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, remove_duplicates
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class DuplicateRemoval(Selector):
    """VisPruner's second stage on all tokens, in their order in the sequence.

    Until k are left, split them into those at even and at odd places, and drop the even ones that have the most similar
    odd one. Zhang et al., Beyond Text-Visual Attention (ICCV 2025, arXiv 2412.01818), section on diverse tokens; the
    number dropped per round is that of the published code.

    Parameters
    ----------
    per_round : int
        Dropped in one round, at most.
    """

    source = "VisPruner, arXiv 2412.01818"

    per_round: int = 8

    def __post_init__(self) -> None:
        if self.per_round < 1:
            raise InvalidOptionError(f"per_round = {self.per_round}: drop at least one token per round")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        order = torch.arange(len(features), device=features.device)
        return remove_duplicates(cosines(features), order, k, self.per_round)
