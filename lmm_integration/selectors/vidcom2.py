"""What stands out of its frame and of the video."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import directions, in_range, largest_remainders

_WIDTHS = tuple(2.0**power for power in range(-3, 2))
_TEMPERATURE = 0.01


@dataclass(frozen=True)
class VidCom2(Selector):
    """The tokens farthest from the centre of their frame and of the video; unusual frames get more of them.

    Of the half of the channels that vary least, rows are scaled to length one. A token's likeness to a centre c is the
    sum of exp(-|x - c|^2 / 2a) over a = 1/8, 1/4, 1/2, 1, 2. Frames share the budget in proportion to 1 + p - mean p,
    where p is the softmax of minus a frame's mean likeness to the video's centre, over 0.01. In a frame, the tokens of
    least likeness to both centres stay. Liu et al., Video Compression Commander (EMNLP 2025, arXiv 2505.14454) and its
    code; budgets are rounded so that k tokens stay, and separators come last. O(n d) time.
    """

    needs = ("grid",)
    source = "VidCom2, arXiv 2505.14454"

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.grid is not None
        frames, rows, columns = context.grid
        size = rows * columns
        steady = in_range(features[: frames * size])
        quiet = steady.var(0, correction=0).argsort(stable=True)[: max(1, steady.shape[1] // 2)]
        video = directions(steady[:, quiet]).unflatten(0, (frames, size))
        to_video = _likeness(video, video.mean((0, 1), keepdim=True))
        to_both = to_video + _likeness(video, video.mean(1, keepdim=True))
        p = (-to_video.mean(1) / _TEMPERATURE).softmax(0)
        in_grid = min(k, frames * size)
        budgets = largest_remainders((1 + p - p.mean()).tolist(), in_grid, [size] * frames)
        order = to_both.argsort(dim=1, stable=True)
        kept = [frame * size + order[frame, :budget] for frame, budget in enumerate(budgets)]
        separators = torch.arange(frames * size, frames * size + k - in_grid, device=features.device)
        return torch.cat((*kept, separators))


def _likeness(video: Tensor, centre: Tensor) -> Tensor:
    """Sum of Gaussians of the distance to a centre, over several widths: (frames, size)."""
    squared = (video - centre).square().sum(-1)
    return torch.stack([torch.exp(-squared / (2 * width)) for width in _WIDTHS]).sum(0)
