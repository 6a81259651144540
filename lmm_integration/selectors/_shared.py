"""What several rules share: directions, cosines, weights, stable orders, even shares, and greedy maximisers.

A pick is kept as a tensor of shape (1,), since indexing with a tensor of no dimension would ask the device for it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import normalize


def in_range(features: Tensor, each: bool = False) -> Tensor:
    """The features times a power of two, or ``each`` row times its own, so that no square over- or underflows."""
    largest = torch.linalg.vector_norm(features, torch.inf, dim=-1, keepdim=True)
    exponent = torch.frexp(largest if each else largest.amax()).exponent
    limit = 1000 if features.dtype == torch.float64 else 120  # beyond which a power of two is no normal number
    return torch.ldexp(features, -exponent.clamp(-limit, limit))


def is_on_host(values: Tensor) -> bool:
    """Whether looking at the values costs nothing: they are in the host's memory, and no compiler traces the call."""
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def directions(features: Tensor) -> Tensor:
    """Rows (n, d) scaled to length one; a row of zeros has no direction and stays zero."""
    largest = features.abs().amax(-1, keepdim=True)  # first, so that no square over- or underflows
    return normalize(features / largest.where(largest > 0, 1.0), dim=-1)


def cosines(features: Tensor) -> Tensor:
    """Cosine similarities (..., n, n) of rows (..., n, d); 0 with a row of zeros, its own included.

    Exactly symmetric and exactly 1 on the diagonal, so that ties are ties on every device. The products of the rows are
    divided by their lengths, which costs less than scaling the rows first.
    """
    products = _products(features) if is_on_host(features) else None
    if products is None or not _is_in_range(products.diagonal(dim1=-2, dim2=-1)):
        products = _products(in_range(features, each=True))
    squares = products.diagonal(dim1=-2, dim2=-1)
    length = squares.where(squares > 0, 1.0).sqrt()
    cosine = products.div_(length[..., :, None] * length[..., None, :])
    cosine.diagonal(dim1=-2, dim2=-1).copy_(squares > 0)
    return cosine


def _is_in_range(squares: Tensor) -> bool:
    return bool(((squares > _SQUARES[0]) & (squares < _SQUARES[1])).all())


_SQUARES = 2.0**-40, 2.0**100  # between which sums of squares lose nothing in float32


def _products(rows: Tensor) -> Tensor:
    """Inner products (..., n, n) of rows (..., n, d), exactly symmetric: those right of the diagonal, and mirrored."""
    n = rows.shape[-2]
    upper = rows.new_zeros(*rows.shape[:-1], n)
    for start in range(0, n, _BAND):
        band = rows[..., start : start + _BAND, :]
        upper[..., start : start + _BAND, start:] = band @ rows[..., start:, :].mT
    return upper.triu() + upper.triu(1).mT


_BAND = 144  # rows of a product: of 576 tokens, five eighths of all products are computed


def cosine_distances(features: Tensor) -> Tensor:
    """Cosine distances (n, n) of the rows, not negative, and zero on the diagonal."""
    return apart(cosines(features))


def apart(cosine: Tensor) -> Tensor:
    """Cosine distances from cosines (n, n), not negative, and zero on the diagonal."""
    return (1 - cosine).clamp(min=0).fill_diagonal_(0)


def scaled(scores: Tensor) -> Tensor:
    """Scores (..., n) moved to [0, 1] by their minimum and maximum; all ones if they are equal."""
    low, high = scores.aminmax(dim=-1, keepdim=True)
    return ((scores - low) / (high - low)).where(high > low, 1.0)


def unlikeness(cosine: Tensor) -> Tensor:
    """How unlike the others each row is: minus its mean cosine to all rows, scaled to [0, 1]; (..., n)."""
    return scaled(-cosine.mean(-1))


def highest(scores: Tensor, k: int) -> Tensor:
    """Indices of the k highest scores, highest first, ties to the lower index."""
    return scores.argsort(descending=True, stable=True)[:k]


def shares(total: int, parts: int) -> list[int]:
    """``total`` as ``parts`` whole numbers that differ by one at most, the larger ones first."""
    borders = [-(-total * part // parts) for part in range(parts + 1)]
    return sorted((end - start for start, end in pairwise(borders)), reverse=True)


def largest_remainders(weights: list[float], total: int, room: list[int], *, by_share: bool = False) -> list[int]:
    """``total`` as whole numbers in proportion to ``weights`` (not negative), none above its ``room``.

    Shares are rounded down, then raised by one in the order of their remainders, or of the shares themselves if
    ``by_share``; ties to the lower place. What exceeds a room is shared out among the others in the same way.
    """
    given = [0] * len(weights)
    while missing := total - sum(given):
        free = [i for i in range(len(weights)) if given[i] < room[i]]
        sum_of_weights = sum(weights[i] for i in free)
        share = {i: missing * (weights[i] / sum_of_weights if sum_of_weights > 0 else 1 / len(free)) for i in free}
        whole = {i: int(share[i]) for i in free}
        rank = sorted(free, key=lambda i: -(share[i] if by_share else share[i] - whole[i]))
        for i in rank[: missing - sum(whole.values())]:
            whole[i] += 1
        for i in free:
            given[i] = min(given[i] + whole[i], room[i])
    return given


def spread(count: int, size: int) -> list[int]:
    """``count`` positions below ``size`` in even steps, each in the middle of its step; distinct up to ``size``."""
    return [(2 * i + 1) * size // (2 * count) for i in range(count)]


def weighted_farthest_first(distances: Tensor, weight: Tensor, k: int, first: Tensor | None = None) -> Tensor:
    """Add the row whose weight times distance to the nearest pick is largest, k - 1 times. O(n k) time.

    Parameters
    ----------
    distances : Tensor of shape (n, n)
        Zero on the diagonal.
    weight : Tensor of shape (n,)
        Not negative.
    k : int
    first : Tensor of shape (1,), optional
        The first pick; the row whose nearest other row is farthest, as in DivPrune, if not given.
    """
    others = distances.clone().fill_diagonal_(torch.inf)
    pick = others.amin(0).argmax(0, keepdim=True) if first is None else first
    picks = [pick]
    nearest = distances[pick][0].index_fill(0, pick, -1.0)
    for _ in range(k - 1):
        pick = torch.where(nearest < 0, -1.0, weight * nearest).argmax(0, keepdim=True)
        picks.append(pick)
        nearest = torch.minimum(nearest, distances[pick][0]).index_fill(0, pick, -1.0)
    return torch.cat(picks)


def greedy_map(kernel: Tensor, k: int) -> Tensor:
    """Grow a set by the row that multiplies the determinant of its part of the kernel most.

    Fast greedy MAP inference of a determinantal point process: Chen, Zhang, Zhou (NeurIPS 2018, algorithm 1). The
    gain of row i is its squared distance to the span of the chosen rows. A pick without gain leaves the others as they
    are, so that k may exceed the rank. O(n k^2) time.

    Parameters
    ----------
    kernel : Tensor of shape (n, n)
        Positive semidefinite.
    k : int
    """
    n = len(kernel)
    gain = kernel.diagonal().clone()
    negligible = n * torch.finfo(kernel.dtype).eps * gain.amax()
    factor = kernel.new_zeros(k, n)
    picks = []
    for step in range(k):
        pick = gain.argmax(0, keepdim=True)
        picks.append(pick)
        residual = kernel[pick] - factor[:step, pick].T @ factor[:step]
        factor[step] = torch.where(gain[pick] > negligible, residual / gain[pick].sqrt(), 0.0)[0]
        gain = (gain - factor[step].square()).index_fill(0, pick, -torch.inf)
    return torch.cat(picks)


def remove_duplicates(cosine: Tensor, order: Tensor, k: int, per_round: int) -> Tensor:
    """Thin the tokens in ``order`` to k: VisPruner's second stage.

    Each round splits them into those at even and those at odd places, and drops up to ``per_round`` even ones: those
    with the most similar odd one. Survivors are ordered from the most duplicated to the most distinct, the odd ones
    behind them.
    """
    while len(order) > k:
        even, odd = order[::2], order[1::2]
        dropped = min(per_round, len(order) - k, len(even))
        duplication = cosine[even][:, odd].amax(1)
        order = torch.cat((even[highest(duplication, len(even))[dropped:]], odd))
    return order
