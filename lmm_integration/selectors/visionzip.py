"""Attended tokens, and the others merged by their keys."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import directions, highest
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class VisionZip(Selector):
    """The most attended tokens as they are, and the others merged into a few.

    Of the tokens that are not among the most attended, every (rest // c)-th becomes a target. Each other one goes to
    the target whose key has the largest cosine with its own, and a target becomes itself plus the mean of what went
    to it: x_t + mean x_i. Yang et al., VisionZip: Longer is Better but Not Necessary in Vision Language Models (CVPR
    2025, arXiv 2412.04467), whose code merges before the projector; here it is done behind it.

    Parameters
    ----------
    contextual : float
        Share of the budget for merged tokens, in [0, 1]; the paper's 10 of 64.
    """

    needs = ("attention", "keys")
    source = "VisionZip, arXiv 2412.04467"

    contextual: float = 10 / 64

    def __post_init__(self) -> None:
        if not 0 <= self.contextual <= 1:
            raise InvalidOptionError(f"contextual = {self.contextual}: give a share of the budget in [0, 1]")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.attention is not None
        assert context.keys is not None
        count = round(k * self.contextual)
        dominant = highest(context.attention, k - count).sort().values
        weights = features.new_zeros(k, len(features))
        weights[torch.arange(k - count, device=features.device), dominant] = 1
        if not count:
            return weights
        rest = torch.ones(len(features), dtype=torch.bool, device=features.device)
        rest[dominant] = False
        left = rest.nonzero()[:, 0]
        targets = left[:: len(left) // count][:count]
        rest[targets] = False
        others = rest.nonzero()[:, 0]
        keys = directions(context.keys)
        to = (keys[others] @ keys[targets].T).argmax(1)
        members = torch.bincount(to, minlength=count)
        merged = torch.arange(k - count, k, device=features.device)
        weights[merged, targets] = 1
        below_one = 1 - torch.finfo(weights.dtype).eps  # the largest weight, that of the target, says where it goes
        weights[merged[to], others] = (1 / members[to].to(weights)).clamp(max=below_one)
        return weights
