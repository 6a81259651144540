"""Farthest-first in torch operations, on any device: batched, without a host round trip, ties to the lowest index.

Which points must be chosen, may be chosen and must not be is one tensor ``fixed`` (batch, n) of int8: 1, 0 and -1.
The order of the first picks is one tensor ``ranking`` (batch, n): infinity for points that must be chosen, -1 for
those that must not, and a finite number >= 0 otherwise, the highest of which begins where nothing must be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch

from mmdp.metrics import ANGULAR, resolve, unit_vectors
from solvers._framework.first_pick import RANKED

KERNELS = ("sqeuclidean", "manhattan", "chebyshev", "hamming", "jaccard")
FEW_DIMENSIONS = 16  # above, a matrix of distances is cheaper than new rows of differences
MATRIX_BYTES = 2**33  # the most that matrices of distances may take together
SNAP = 8  # units of rounding below which a distance from a Gram matrix is taken for zero
_BLOCK = 2**24  # coordinates compared at once
_TILE = 48  # rows that BLAS libraries multiply together; they sum those left over in another order, and copies must tie


def working_dtype(x: torch.Tensor) -> torch.dtype:
    """Return float64 on the CPU and for float64 and integers, float32 for the rest on an accelerator."""
    narrow = x.dtype in (torch.float32, torch.float16, torch.bfloat16) and x.device.type != "cpu"
    return torch.float32 if narrow or x.device.type == "mps" else torch.float64


def matrix_fits(points: torch.Tensor) -> bool:
    """Whether a matrix of float32 distances is worth its memory: in more than a few dimensions, up to 46,340 points."""
    return points.shape[-1] > FEW_DIMENSIONS and 4 * points.shape[-2] ** 2 <= MATRIX_BYTES


def embed(points: torch.Tensor, metric: str) -> torch.Tensor:
    """What the metric's kernel compares, in the working dtype; a zero vector has no direction and stays zero."""
    if metric in ANGULAR:
        x: torch.Tensor = unit_vectors(points)
    else:
        x = resolve(metric).embed(points.reshape(-1, points.shape[-1])).reshape(*points.shape[:-1], -1)
    return x.to(working_dtype(points))


def distance_row(kernel: str, x: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    """Reduced distances (b, n) of points (b, n, d) to one centre (b, 1, d) each, by differences: 0 for equals."""

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
    """Squared distances (b, n, n) by one matrix product: |x|^2 + |y|^2 - 2 x.y, zero where that is but rounding."""
    n = x.shape[-2]
    whole = torch.nn.functional.pad(x, (0, 0, 0, -n % _TILE))
    gram = (whole @ whole.mT)[..., :n, :n]
    norms = gram.diagonal(dim1=-2, dim2=-1)
    sums = norms[..., :, None] + norms[..., None, :]
    distances = sums - 2 * gram
    return distances.masked_fill_(distances < SNAP * torch.finfo(x.dtype).eps * sums, 0.0)


def neighbour_extremes(blocks: Iterable[torch.Tensor], fixed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance (b, n) of each point to the nearest and the farthest other one that is not excluded.

    ``blocks`` are the distances (b, any, n) of the next points to all.
    """
    nearest, farthest, done = [], [], 0
    for block in blocks:
        place = torch.arange(block.shape[1], device=block.device)
        unusable = (fixed < 0)[:, None, :].repeat(1, len(place), 1)
        unusable[:, place, done + place] = True
        nearest.append(block.masked_fill(unusable, torch.inf).amin(-1))
        farthest.append(block.masked_fill(unusable, 0.0).amax(-1))
        done += len(place)
    return torch.cat(nearest, 1), torch.cat(farthest, 1)


def simple_ranking(
    row: Callable[[torch.Tensor], torch.Tensor], fixed: torch.Tensor, start: str, dtype: torch.dtype
) -> torch.Tensor:
    """Ranking of the starts that look at one row of distances at most: "sweep", "random" and an index in digits."""
    available = fixed >= 0
    if start == "sweep":
        origin = available.to(torch.uint8).argmax(1)
        others_first = row(origin).clamp(min=torch.finfo(dtype).tiny).scatter(1, origin[:, None], 0.0)
        return masked_ranking(others_first, fixed)
    if start == "random":
        place = int(np.random.default_rng(0).integers(fixed.shape[1])) % available.sum(1, keepdim=True).clamp(min=1)
        return masked_ranking((available.cumsum(1) == place + 1).to(dtype), fixed)
    return masked_ranking((torch.arange(fixed.shape[1], device=fixed.device) == int(start)).to(dtype), fixed)


def masked_ranking(ranking: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
    """Put the fixed picks into a ranking."""
    ranking = ranking.clamp(max=torch.finfo(ranking.dtype).max).expand(fixed.shape)
    return ranking.masked_fill(fixed > 0, torch.inf).masked_fill(fixed < 0, -1.0)


def farthest_first(
    row: Callable[[torch.Tensor], torch.Tensor], k: int, ranking: torch.Tensor, ks: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Begin with the first of the ranking, then add the point farthest from those chosen until there are k.

    Parameters
    ----------
    row : callable
        Picks (b,) to their distances (b, n).
    k : int
    ranking : (b, n) tensor
        As above; must-be-chosen points come first, in the order of their indices.
    ks : (b,) integer tensor, optional
        How many to choose of each item, where that is fewer than k.

    Returns
    -------
    indices : (b, k) int64 tensor
        Ends in -1 where an item has fewer points, or is to have fewer picks.
    radius : (b,) tensor
        Distance of the last pick to those before it.
    """
    batch = torch.arange(len(ranking), device=ranking.device)
    nearest, far = ranking.clone(), torch.finfo(ranking.dtype).max
    picks = torch.full((len(ranking), k), -1, dtype=torch.int64, device=ranking.device)
    radius = nearest.amax(1)
    for step in range(k):
        radius, pick = nearest.max(1)[0], nearest.argmax(1)
        wanted = radius >= 0 if ks is None else (radius >= 0) & (step < ks)
        picks[:, step] = torch.where(wanted, pick, -1)
        free = (nearest >= 0) & (nearest < torch.inf)
        distances = row(pick)
        if step == 0:
            nearest = torch.where(free, far, nearest)
        nearest = torch.where(free & (distances < nearest), distances, nearest)
        nearest[batch, pick] = -1.0
    return picks, radius


def traverse(
    kernel: str, x: torch.Tensor, k: int, start: str, fixed: torch.Tensor, ks: torch.Tensor | None, gram: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Farthest-first of embedded points (b, n, d): :func:`farthest_first` behind the ranking of that start."""
    b, n, _ = x.shape
    batch = torch.arange(b, device=x.device)
    blocks: Iterable[torch.Tensor]
    if gram:
        matrix = gram_distances(x)
        row = lambda pick: matrix[batch, pick]  # noqa: E731
        blocks = matrix.split(max(1, _BLOCK // max(1, b * n)), dim=1)
    else:
        row = lambda pick: distance_row(kernel, x, x[batch, pick][:, None])  # noqa: E731
        blocks = (distance_row(kernel, x, x[:, i : i + 1])[:, None] for i in range(n))
    if start in RANKED:
        extremes = neighbour_extremes(blocks, fixed)
        ranking = masked_ranking(extremes[start == "farthest_pair"], fixed)
    else:
        ranking = simple_ranking(row, fixed, start, x.dtype)
    return farthest_first(row, k, ranking, ks)


def select(
    points: torch.Tensor, k: int, metric: str, start: str, fixed: torch.Tensor | None, ks: torch.Tensor | None
) -> torch.Tensor:
    """Indices (b, k) of points (b, n, d)."""
    if fixed is None:
        fixed = points.new_zeros(points.shape[:2], dtype=torch.int8)
    gram = metric in ANGULAR and matrix_fits(points)
    return traverse(resolve(metric).form, embed(points, metric), k, start, fixed, ks, gram)[0]
