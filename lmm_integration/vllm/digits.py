"""Positions that travel behind features, in the features' own precision.

A bfloat16 has eight significant bits: 0 to 256 are exact and 257 is not. So a position is written as two digits to
the base 256.
"""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 256
WIDTH = 2
"""Digits of a position."""


def to_digits(positions: Tensor, dtype: torch.dtype) -> Tensor:
    """From (n, axes) integers below 65,536 to (n, 2 axes) floats.

    Examples
    --------
    >>> to_digits(torch.tensor([[257, 3]]), torch.bfloat16)
    tensor([[1., 0., 1., 3.]], dtype=torch.bfloat16)
    """
    assert bool(((positions >= 0) & (positions < BASE**WIDTH)).all()), "positions of one image need two digits"
    return torch.cat((positions // BASE, positions % BASE), 1).to(dtype)


def split_digits(features: Tensor, axes: int) -> tuple[Tensor, Tensor]:
    """Return (n, d) features and (n, axes) int64 positions of rows that have both."""
    digits = features[:, -WIDTH * axes :].long()
    return features[:, : -WIDTH * axes], digits[:, :axes] * BASE + digits[:, axes:]
