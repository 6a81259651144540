"""Tokens that cover the image and the prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._coverage import greedy_coverage
from lmm_integration.selectors.mmtok_vision import affinities, check_temperature
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class MMTok(Selector):
    """Greedy maximum coverage of prompt and image at once.

    The objective is the coverage of the prompt's tokens plus ``vision_weight`` times the coverage of the image's, both
    as in :class:`~lmm_integration.selectors.mmtok_vision.MMTokVision`. Dong et al. (ICLR 2026, arXiv 2508.18264),
    section 3. The paper measures the image's coverage on the encoder's features before the projector; here both use
    the features that are given.

    Parameters
    ----------
    temperature, text_temperature : float
        Of the softmax for targets from the image and from the prompt.
    vision_weight : float
        Weight of the image's coverage against the prompt's.
    """

    needs = ("prompt",)
    source = "MMTok, arXiv 2508.18264"

    temperature: float = 0.2
    text_temperature: float = 0.02
    vision_weight: float = 0.5

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_temperature(self.text_temperature)
        if self.vision_weight < 0:
            raise InvalidOptionError(f"vision_weight = {self.vision_weight}: give 0 or more")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.prompt is not None
        text = affinities(context.prompt, features, self.text_temperature) / len(context.prompt)
        vision = affinities(features, features, self.temperature) * (self.vision_weight / len(features))
        return greedy_coverage(torch.cat((text, vision)), k)
