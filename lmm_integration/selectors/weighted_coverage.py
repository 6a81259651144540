"""Coverage in which a token counts the more the less it is like the rest."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._coverage import greedy_coverage
from lmm_integration.selectors._shared import cosines
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class WeightedCoverage(Selector):
    """Greedy maximum of the sum over all tokens i of w_i (1 + cos(i, j)), j the chosen token most similar to i.

    Plain coverage spends its tokens where most tokens are, which may be an empty background. Here a token's weight
    grows with how unlike the others it is: u_i is minus its mean cosine to all tokens, moved to [0, 1] so that a share
    ``trim`` of the tokens lies beyond either end, and w_i = u_i + ``floor`` * median u. Where most tokens are alike the
    median is near 0, and the few others decide; where tokens differ in all degrees it is near 1/2, weights differ by a
    factor of three, and the rule is close to
    :class:`~lmm_integration.selectors.facility_location.FacilityLocation`. As no weight and no 1 + cos is negative, the
    sum is monotone and submodular, and the greedy reaches at least 1 - 1/e of the best one for these weights:
    Nemhauser, Wolsey, Fisher (Mathematical Programming 14, 1978). O(n^2 (d + k)) time.

    Parameters
    ----------
    trim : float
        Share of the tokens beyond each end of the scale of weights, in [0, 0.5): a few outliers do not set the scale.
    floor : float
        Weight that every token has besides, as a multiple of the median one.
    """

    source = "this project"
    batched = True

    trim: float = 0.05
    floor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.trim < 0.5:
            raise InvalidOptionError(f"trim = {self.trim}: give a share in [0, 0.5)")
        if not self.floor >= 0:
            raise InvalidOptionError(f"floor = {self.floor}: give 0 or more")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        cosine = cosines(features)
        return greedy_coverage(self.weights(cosine)[..., None] * (1 + cosine), k)

    def weights(self, cosine: Tensor) -> Tensor:
        """Weights (..., n) of the tokens whose cosines are (..., n, n), not negative; ones if all are equally alike."""
        unlike = -cosine.mean(-1)
        low, high = (unlike.quantile(share, dim=-1, keepdim=True) for share in (self.trim, 1 - self.trim))
        u = ((unlike - low) / (high - low)).clamp(0, 1).where(high > low, 1.0)
        return u + self.floor * u.median(-1, keepdim=True).values
