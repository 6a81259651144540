"""Groups by principal components, thinned by attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmm_integration.selectors import Context, Selector
from lmm_integration.selectors._shared import cosines, highest
from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class PruneSID(Selector):
    """Tokens are grouped by their largest principal component; each group gives its most attended, distinct ones.

    The components are the first k / 4 right singular vectors of the logistic function of the features, (d, n), less
    their column means. In a group, tokens come in order of attention, and one is set aside if an earlier one that was
    not is more similar to it than k / 32 times the mean cosine of the image. Each group gives one token; the rest of
    the budget is shared in proportion to how many were not set aside, within the bounds of the published code. Those
    set aside follow at the end, by attention. Fang et al., Prune Redundancy, Preserve Essence (ICLR 2026, arXiv
    2603.09480). The published code finds the components by a random projection and counts the class token as one of
    the k. O(n^2 d) time.

    Parameters
    ----------
    tokens_per_group : int
        Budget over the number of groups.
    """

    needs = ("attention",)
    source = "PruneSID, arXiv 2603.09480"

    tokens_per_group: int = 4

    def __post_init__(self) -> None:
        if self.tokens_per_group < 1:
            raise InvalidOptionError(f"tokens_per_group = {self.tokens_per_group}: at least one is needed")

    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """See :meth:`Selector.choose`."""
        assert context.attention is not None
        groups = max(1, min(k // self.tokens_per_group, min(features.shape)))
        group = _components(features, groups).abs().argmax(1)
        cosine = cosines(features)
        order = highest(context.attention, len(features))
        distinct = _distinct(cosine, group, order, _mean_pair(cosine) * k / 32)
        sizes = torch.bincount(group, minlength=groups).tolist()
        distinct_sizes = torch.bincount(group[distinct], minlength=groups).tolist()
        counts = budgets(sizes, distinct_sizes, k)
        first = order[distinct[order]]
        queue = torch.cat((first, order[~distinct[order]]))
        return torch.cat([queue[group[queue] == number][:budget] for number, budget in enumerate(counts)])


def _components(features: Tensor, count: int) -> Tensor:
    """Share of each token in the first principal components, (n, count)."""
    bounded = features.sigmoid().T
    components: Tensor = torch.linalg.svd(bounded - bounded.mean(0), full_matrices=False)[2][:count].T
    return components


def _mean_pair(cosine: Tensor) -> Tensor:
    """Mean cosine of two different tokens."""
    n = len(cosine)
    return (cosine.sum() - cosine.diagonal().sum()) / (n * (n - 1))


def _distinct(cosine: Tensor, group: Tensor, order: Tensor, threshold: Tensor) -> Tensor:
    """Which tokens no earlier distinct one of the same group is more similar to than the threshold: (n,) bool."""
    hides = (cosine > threshold) & (group[:, None] == group)
    hidden = torch.zeros_like(group, dtype=torch.bool)
    distinct = hidden.clone()
    for token in order.split(1):
        free = ~hidden[token]
        distinct = distinct.index_copy(0, token, free)
        hidden = hidden | (hides[token][0] & free)
    return distinct


def budgets(sizes: list[int], distinct: list[int], k: int) -> list[int]:
    """Tokens of each group: at least one, at most about what is distinct, k in all.

    A group of the published code gives at most 5 * ceil(k / 64) tokens and no more than are distinct, both raised by
    one as often as it takes to reach k.
    """
    most = [min(5 * -(-k // 64), count, own) for count, own in zip(sizes, distinct, strict=True)]
    while sum(most) < k:
        most = [min(bound + 1, count) for bound, count in zip(most, sizes, strict=True)]
    least = [min(1, count) for count in sizes]
    spare, total = k - sum(least), sum(distinct)
    borders = [0]
    for own in distinct:
        borders.append(borders[-1] + own)
    steps = [round(border * spare / total) for border in borders]
    asked = [low + steps[i + 1] - steps[i] for i, low in enumerate(least)]
    given = [min(wanted, bound) for wanted, bound in zip(asked, most, strict=True)]
    for number in sorted(range(len(sizes)), key=lambda i: -distinct[i]):
        given[number] += min(most[number] - given[number], k - sum(given))
    return given
