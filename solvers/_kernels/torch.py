"""Farthest-first on any torch device: batched, without a host round trip, ties to the lowest index."""

from __future__ import annotations

from collections.abc import Callable

import torch

_BLOCK = 2**24  # coordinates compared at once
_GRAM_LIMIT = 2**13  # points up to which one matrix product is cheaper than k rows of differences


def working_dtype(x: torch.Tensor) -> torch.dtype:
    """Return float64 for float64 and integers, float32 for float32 and the half precisions."""
    return torch.float32 if x.dtype in (torch.float32, torch.float16, torch.bfloat16) else torch.float64


def distance_row(kernel: str, x: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    """Surrogates (b, n) between all points (b, n, d) and one centre (b, 1, d) each, by differences: 0 for equals."""

    def of(block: torch.Tensor) -> torch.Tensor:
        if kernel == "sqeuclidean":
            return (block - centre).square_().sum(-1)
        if kernel == "manhattan":
            return (block - centre).abs_().sum(-1)
        if kernel == "chebyshev":
            return (block - centre).abs_().amax(-1)
        differing = (block != centre).sum(-1).to(x.dtype)
        if kernel == "hamming":
            return differing / x.shape[-1]
        return differing / ((block != 0) | (centre != 0)).sum(-1).clamp(min=1)  # jaccard

    rows = max(1, _BLOCK // max(1, x.shape[0] * x.shape[2]))
    return torch.cat([of(block) for block in x.split(rows, dim=1)], dim=1)


def gram_distances(x: torch.Tensor) -> torch.Tensor:
    """Squared distances (b, n, n) by one matrix product: |x|^2 + |y|^2 - 2 x.y, clipped at 0."""
    gram = x @ x.mT
    norms = gram.diagonal(dim1=-2, dim2=-1)
    return (norms[..., :, None] + norms[..., None, :] - 2 * gram).clamp_(min=0)


def neighbour_extremes(kernel: str, x: torch.Tensor, blocked: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance (b, n) of each point to the nearest and the farthest other one that is not blocked; O(n^2 d)."""
    nearest, farthest = torch.full_like(x[..., 0], torch.inf), torch.full_like(x[..., 0], -torch.inf)
    for i in range(x.shape[1]):
        row = distance_row(kernel, x, x[:, i : i + 1])
        unusable = blocked | blocked[:, i : i + 1]
        unusable[:, i] = True
        nearest = torch.minimum(nearest, row.masked_fill(unusable, torch.inf))
        farthest = torch.maximum(farthest, row.masked_fill(unusable, -torch.inf))
    return nearest.masked_fill(blocked, -torch.inf), farthest.masked_fill(blocked, -torch.inf)


def farthest_first(
    row: Callable[[torch.Tensor], torch.Tensor], k: int, first: torch.Tensor, blocked: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add the point farthest from those chosen until there are k.

    Parameters
    ----------
    row : callable
        Picks (b,) to their distances (b, n).
    k : int
    first : (b, m) int64 tensor
        Chosen first, 1 <= m <= k.
    blocked : (b, n) bool tensor
        Never chosen.
    dtype : torch.dtype
        Of the distances.

    Returns
    -------
    indices : (b, k) int64 tensor
    radius : (b,) tensor
        Distance of the last pick to those before it.
    """
    batch = torch.arange(len(blocked), device=blocked.device)
    nearest = torch.full(blocked.shape, torch.inf, dtype=dtype, device=blocked.device).masked_fill_(blocked, -1.0)
    picks: list[torch.Tensor] = []
    radius = nearest.amax(1)
    for step in range(k):
        pick = first[:, step] if step < first.shape[1] else nearest.argmax(1)
        radius = nearest[batch, pick]
        picks.append(pick)
        nearest = torch.minimum(nearest, row(pick))
        nearest[batch, pick] = -1.0
    return torch.stack(picks, 1), radius


def select_isolated_first(kernel: str, x: torch.Tensor, k: int) -> torch.Tensor:
    """Farthest-first (b, k) from the point whose nearest neighbour is farthest, over embedded points (b, n, d)."""
    batch = torch.arange(len(x), device=x.device)
    blocked = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
    if kernel == "sqeuclidean" and x.shape[1] <= _GRAM_LIMIT:
        matrix = gram_distances(x)
        own = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        isolated = matrix.masked_fill(own, torch.inf).amin(-1).argmax(-1)
        return farthest_first(lambda pick: matrix[batch, pick], k, isolated[:, None], blocked, x.dtype)[0]
    isolated = neighbour_extremes(kernel, x, blocked)[0].argmax(-1)
    by_row = lambda pick: distance_row(kernel, x, x[batch, pick][:, None])  # noqa: E731
    return farthest_first(by_row, k, isolated[:, None], blocked, x.dtype)[0]
