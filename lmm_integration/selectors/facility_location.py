"""Coverage: every token counts by its similarity to the nearest kept one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._coverage import greedy_coverage
from lmm_integration.selectors._shared import cosines


@dataclass(frozen=True)
class FacilityLocation(Selector):
    """Greedy maximum of the sum over all tokens i of 1 + cos(i, j), j the chosen token most similar to i.

    At least 1 - 1/e of the best such sum, as it is monotone, submodular and not negative: Nemhauser, Wolsey, Fisher
    (Mathematical Programming 14, 1978). The picks are those of PAM's BUILD phase under cosine distance, with which
    :class:`~lmm_integration.selectors.k_medoids.KMedoids` begins. O(n^2 (d + k)) time.
    """

    source = "Nemhauser, Wolsey, Fisher 1978"
    batched = True

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        return greedy_coverage(1 + cosines(features), k)
