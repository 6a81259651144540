"""Random tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector


@dataclass(frozen=True)
class RandomSubset(Selector):
    """A uniformly random subset, drawn on the CPU so that a seed means the same tokens on every device."""

    source = "baseline"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        generator = torch.Generator().manual_seed(context.seed)
        return torch.randperm(len(features), generator=generator, device="cpu")[:k].to(features.device)
