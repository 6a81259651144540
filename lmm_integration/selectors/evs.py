"""Patches of a video that changed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import highest


@dataclass(frozen=True)
class EVS(Selector):
    """The first frame, then the patches least like the same patch of the frame before.

    Bagrov et al., Efficient Video Sampling: Pruning Temporally Redundant Tokens for Faster VLM Inference (arXiv
    2510.14624), and vLLM's ``vllm/multimodal/evs.py``. The first frame is kept whole where the budget allows it;
    separators come last. ``prune`` refuses images.
    """

    needs = ("grid",)
    least_frames = 2
    source = "EVS, arXiv 2510.14624"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.grid is not None
        frames, rows, columns = context.grid
        cells = frames * rows * columns
        patches = features[:cells].reshape(frames, rows * columns, -1)
        change = 1 - cosine_similarity(patches[1:], patches[:-1], dim=-1)
        first = change.new_full((rows * columns,), torch.inf)
        separators = change.new_full((len(features) - cells,), -torch.inf)
        return highest(torch.cat((first, change.flatten(), separators)), k)
