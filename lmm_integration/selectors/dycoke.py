"""Frames keep what differs from the frame before, in pairs and in pairs of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import highest, shares


@dataclass(frozen=True)
class DyCoke(Selector):
    """Of four frames the first stays whole; the others keep the tokens least like the same place of an earlier one.

    Frames 4i + 1 and 4i + 3 are compared with the frame before, 4i + 2 with 4i: the temporal stage of Tao et al.,
    DyCoke: Dynamic Compression of Tokens for Fast Video Large Language Models (CVPR 2025, arXiv 2411.15024). The
    published code drops a fixed share of those frames; here the budget beyond the whole frames is spread over them. A
    budget below that sees the first frames only, as a video of its own; separators come last. ``prune`` refuses
    images. O(n d) time.
    """

    needs = ("grid",)
    least_frames = 2
    source = "DyCoke, arXiv 2411.15024"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.grid is not None
        frames, rows, columns = context.grid
        cells = frames * rows * columns
        video = features[:cells].reshape(frames, rows * columns, -1)
        places = torch.arange(len(features), device=features.device)
        in_grid = min(k, cells)
        kept = _thin(video, places[:cells].reshape(frames, -1), in_grid)
        return torch.cat((kept, places[cells : cells + k - in_grid]))


def _thin(video: Tensor, places: Tensor, k: int) -> Tensor:
    """Keep k of the places (frames, size) of a video (frames, size, d)."""
    frames, size = places.shape
    if frames == 1:
        return places[0, :k]
    whole = list(range(0, frames, 4))
    if k < size * len(whole):
        return _thin(video[whole], places[whole], k)
    others = [frame for frame in range(frames) if frame % 4]
    budgets = shares(k - size * len(whole), len(others)) if others else []
    kept = [places[whole].flatten()]
    for frame, budget in zip(others, budgets, strict=True):
        before = frame - 2 if frame % 4 == 2 else frame - 1
        kept.append(places[frame][highest(-cosine_similarity(video[frame], video[before], dim=-1), budget)])
    return torch.cat(kept)
