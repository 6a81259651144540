"""A budget for each crop of the image, spent on its most attended tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, highest, largest_remainders
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class HoloV(Selector):
    """Crops get budgets by attention and variety; in a crop, the most attended tokens stay.

    Crops are stretches of the sequence, as even as possible. A token's score is 1000 times its attention, plus 0.09
    times the variance of its cosines to the others of its crop after this is rescaled to the attention's mean there. A
    crop's budget is in proportion to its mean score; what rounding down leaves over goes to the crops of highest score,
    and what a crop cannot hold to those that can. Zou et al., Don't Just Chase "Highlighted Tokens" in MLLMs (NeurIPS
    2025, arXiv 2510.02912) and its code, which lets the count fall short instead. O(n^2 d) time.

    Parameters
    ----------
    crops : int
        How many; as many as there are tokens if these are fewer.
    variety : float
        Weight of the variance.
    """

    needs = ("attention",)
    source = "HoloV, arXiv 2510.02912"

    crops: int = 8
    variety: float = 0.09

    def __post_init__(self) -> None:
        if self.crops < 1:
            raise InvalidOptionError(f"crops = {self.crops}: at least one is needed")
        if not self.variety >= 0:
            raise InvalidOptionError(f"variety = {self.variety}: give 0 or more")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.attention is not None
        attention = context.attention.clamp(min=0)
        places = torch.arange(len(features), device=features.device).tensor_split(min(self.crops, len(features)))
        worth = torch.stack([self._worth(features[crop], 1000 * attention[crop]) for crop in places])
        budgets = largest_remainders(worth.tolist(), k, [len(crop) for crop in places], by_share=True)
        kept = [crop[highest(attention[crop], budget)] for crop, budget in zip(places, budgets, strict=True)]
        return torch.cat(kept)

    def _worth(self, crop: Tensor, attention: Tensor) -> Tensor:
        """Mean score of the tokens of a crop; that of a single one is its bare attention, as in the published code."""
        n = len(crop)
        if n == 1:
            return attention.mean() / 1000
        cosine = cosines(crop).fill_diagonal_(0)
        mean = cosine.sum(1, keepdim=True) / (n - 1)
        variance = (cosine - mean).square().sum(1) / (n - 1)
        return (attention + self.variety * variance * (attention.mean() / (variance.mean() + 1e-6))).mean()
