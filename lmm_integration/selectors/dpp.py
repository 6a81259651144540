"""A determinantal point process on the cosine kernel."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, greedy_map


@dataclass(frozen=True)
class DPP(Selector):
    """Greedy MAP of the determinantal point process whose kernel is the cosine matrix.

    Each pick is the token farthest from the span of those before it: diversity by volume, where max-min diversity is
    by nearest pair. Chen, Zhang, Zhou, Fast Greedy MAP Inference for Determinantal Point Process (NeurIPS 2018),
    algorithm 1. O(n^2 d + n k^2) time.
    """

    source = "Chen, Zhang, Zhou, NeurIPS 2018"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        return greedy_map(cosines(features), k)
