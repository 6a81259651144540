"""Tokens in even steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import spread


@dataclass(frozen=True)
class Stride(Selector):
    """Token floor((i + 1/2) n / k) for i = 0, ..., k - 1: even steps through the sequence, whatever it shows."""

    source = "baseline"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        return torch.tensor(spread(k, len(features)), device=features.device)
