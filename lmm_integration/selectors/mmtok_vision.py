"""Tokens that cover the image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._coverage import greedy_coverage
from lmm_integration.selectors._shared import directions
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class MMTokVision(Selector):
    """Greedy maximum coverage of the image by a few of its tokens: MMTok without the prompt.

    Coverage is the mean over all tokens i of the largest M_ij over the chosen j, where row i of M is the softmax of
    cos(i, j) / temperature over all j. Dong et al., MMTok: Multimodal Coverage Maximization for Efficient Inference of
    VLMs (ICLR 2026, arXiv 2508.18264), section 3. O(n^2 (d + k)) time.

    Parameters
    ----------
    temperature : float
        Of the softmax.
    """

    source = "MMTok, arXiv 2508.18264"
    batched = True

    temperature: float = 0.2

    def __post_init__(self) -> None:
        check_temperature(self.temperature)

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        return greedy_coverage(affinities(features, features, self.temperature), k)


def affinities(targets: Tensor, features: Tensor, temperature: float) -> Tensor:
    """Softmax over the features j of cos(target i, j) / temperature: (..., m, n), each row sums to one."""
    return (directions(targets) @ directions(features).mT / temperature).softmax(-1)


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not positive."""
    if not temperature > 0:
        raise InvalidOptionError(f"temperature = {temperature}: a softmax needs a positive one")
