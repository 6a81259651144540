"""The greedy maximum of a coverage: of all tokens, or of a prompt's too, by those that stay."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lmm_integration.selectors._shared import is_on_host

_LIKELY = 32  # columns whose gain is computed at once, as calls cost too; about 50 a pick are computed in any case


def greedy_coverage(weights: Tensor, k: int) -> Tensor:
    """Grow a set S by the column that adds most to the sum over rows i of max over j in S of ``weights[i, j]``.

    At least 1 - 1/e of the best sum: Nemhauser, Wolsey, Fisher (Mathematical Programming 14, 1978). O(m n k) time; on a
    CPU mostly O(m (n + k)), with the same picks up to rounding.

    Parameters
    ----------
    weights : Tensor of shape (..., m, n)
        Non-negative.
    k : int

    Returns
    -------
    Tensor of shape (..., k)
    """
    if is_on_host(weights):
        items = weights.reshape(-1, *weights.shape[-2:])
        return torch.stack([greedy_coverage_by_bounds(item, k) for item in items]).reshape(*weights.shape[:-2], k)
    return greedy_coverage_of_all(weights, k)


def greedy_coverage_of_all(weights: Tensor, k: int) -> Tensor:
    """The readable formula of :func:`greedy_coverage`, which asks the device for nothing in between."""
    covered = torch.zeros_like(weights[..., :1])
    blocked = torch.zeros_like(weights[..., 0, :], dtype=torch.bool)
    picks = []
    for _ in range(k):
        gain = (weights - covered).clamp_(min=0).sum(-2).masked_fill(blocked, -1.0)
        pick = gain.argmax(-1, keepdim=True)
        picks.append(pick)
        column = weights.gather(-1, pick[..., None, :].expand_as(covered))
        covered = torch.maximum(covered, column)
        blocked = blocked.scatter(-1, pick, True)
    return torch.cat(picks, -1)


def greedy_coverage_by_bounds(weights: Tensor, k: int) -> Tensor:
    """The same picks (k,) of one item (m, n): what a column added earlier bounds what it adds now (Minoux 1978)."""
    columns = np.ascontiguousarray(weights.detach().to(torch.promote_types(weights.dtype, torch.float32)).mT.numpy())
    covered, gain = np.zeros_like(columns[0]), columns.sum(1)
    picks = np.empty(k, np.int64)
    for place in range(k):
        is_current = gain < 0
        while not is_current[pick := int(gain.argmax())]:
            likely = np.argpartition(gain, -min(_LIKELY, len(gain)))[-_LIKELY:]
            likely = np.append(likely[~is_current[likely]], pick)  # which, of many that tie, need not be among them
            more = columns[likely] - covered
            gain[likely] = np.maximum(more, 0, out=more).sum(1)
            is_current[likely] = True
        picks[place] = pick
        np.maximum(covered, columns[pick], out=covered)
        gain[pick] = -1.0
    return torch.from_numpy(picks)
