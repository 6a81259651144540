"""CDPruner on centred features."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, directions, greedy_map, scaled


@dataclass(frozen=True)
class CentredCDPruner(Selector):
    """:class:`~lmm_integration.selectors.cdpruner.CDPruner` with the cosines between tokens taken without their mean.

    The kernel is r_i cos(i, j) r_j, with the relevance r of the features as they are and cosines of the features less
    their mean. arXiv 2608.30263 centres CDPruner in its tables; whether its weight enters the kernel as well is not
    known to us, and it does not here. O(n^2 d + n k^2) time.
    """

    needs = ("prompt",)
    source = "arXiv 2608.30263 on arXiv 2506.10967"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.prompt is not None
        r = scaled((directions(features) @ directions(context.prompt).T).mean(-1))
        return greedy_map(r[:, None] * cosines(features - features.mean(0)) * r, k)
