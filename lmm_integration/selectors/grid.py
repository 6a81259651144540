"""Tokens on a coarser two-dimensional grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import shares, spread


@dataclass(frozen=True)
class Grid(Selector):
    """A coarse lattice over each frame.

    The budget is shared among the frames, a frame's among as many evenly spaced rows as keep the shape of its lattice,
    and a row's among evenly spaced columns; shares differ by one at most. Separators come last, if there is room.
    """

    needs = ("grid",)
    source = "baseline"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.grid is not None
        frames, rows, columns = context.grid
        cells = frames * rows * columns
        in_use = min(frames, k)
        picks = [
            frame * rows * columns + row * columns + column
            for frame, share in zip(spread(in_use, frames), shares(min(k, cells), in_use), strict=True)
            for row, column in lattice(share, rows, columns)
        ]
        return torch.tensor([*picks, *range(cells, cells + k - len(picks))], device=features.device)


def lattice(k: int, rows: int, columns: int) -> list[tuple[int, int]]:
    """Spread k cells over a frame of ``rows`` by ``columns``."""
    square = round(math.sqrt(k * rows / columns))
    in_use = min(max(square, math.ceil(k / columns), 1), rows, k)
    return [
        (row, column)
        for row, share in zip(spread(in_use, rows), shares(k, in_use), strict=True)
        for column in spread(share, columns)
    ]
