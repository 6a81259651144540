"""A determinantal point process conditioned on the prompt."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, directions, greedy_map, scaled


@dataclass(frozen=True)
class CDPruner(Selector):
    """Greedy MAP of a determinantal point process whose kernel is r_i cos(i, j) r_j.

    The relevance r is the mean cosine of a token to the prompt's tokens, scaled to [0, 1] over the image. Zhang et al.,
    Beyond Attention or Similarity: Maximizing Conditional Diversity for Token Pruning in MLLMs (NeurIPS 2025,
    arXiv 2506.10967), section 3, with Chen, Zhang, Zhou (NeurIPS 2018) for the MAP. O(n^2 d + n k^2) time.

    Parameters
    ----------
    negate : bool
        Take minus the cosine as relevance, as the published code does with the embeddings of CLIP's two towers.
    """

    needs = ("prompt",)
    source = "CDPruner, arXiv 2506.10967"

    negate: bool = False

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.prompt is not None
        relevance = (directions(features) @ directions(context.prompt).T).mean(-1)
        r = scaled(-relevance if self.negate else relevance)
        return greedy_map(r[:, None] * cosines(features) * r, k)
