"""Group counts as compiled searches read them: what a swap of two points does to them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from mmdp import Problem
from mmdp.arrays import Indices
from mmdp.groups import GroupCounts

Int = int | np.int64
Ints = NDArray[np.int64]


class CountsTable(NamedTuple):
    """The counts as a kernel reads them, and how many points of each group are chosen, which it changes."""

    begin: Ints  # points begin[t] ... begin[t + 1] - 1 are of kind t
    kind: Ints
    groups: NDArray[np.int64]  # of each kind, one for each attribute
    attribute: Ints  # of each group
    low: Ints
    high: Ints
    taken: Ints


def counts_table(limits: GroupCounts, points: Indices) -> CountsTable:
    """Lay out the counts for some points; the ranges of kinds are right where these are in the order of their kinds."""
    kind, groups = limits.kind[points], np.ascontiguousarray(limits.groups_of_kind)
    begin = np.searchsorted(kind, np.arange(len(groups) + 1)).astype(np.int64)
    return CountsTable(begin, kind, groups, limits.attribute, limits.low, limits.high, np.zeros_like(limits.low))


def counts_of_all(problem: Problem, chosen: Indices) -> CountsTable | None:
    """Lay out the counts for all points, of which some are chosen; None where there are no counts."""
    if problem.group_counts is None:
        return None
    table = counts_table(problem.group_counts, np.arange(problem.n))
    recount(table, chosen)
    return table


def recount(counts: CountsTable | None, chosen: Indices) -> None:
    """Count the chosen points anew."""
    if counts is not None:
        counts.taken[:] = np.bincount(counts.groups[counts.kind[chosen]].ravel(), minlength=len(counts.low))


@register_jitable
def violation_of(counts: CountsTable) -> int:
    """Return how much all groups together lack or exceed."""
    total = 0
    for g in range(len(counts.low)):
        total += max(0, counts.low[g] - counts.taken[g]) + max(0, counts.taken[g] - counts.high[g])
    return total


@register_jitable
def change_of_violation(groups: NDArray[np.int64], taken: Ints, low: Ints, high: Ints, gone: Int, come: Int) -> int:
    """Return what replacing a point of kind ``gone`` by one of kind ``come`` adds to the violation."""
    change = 0
    for i in range(groups.shape[1]):
        g, h = groups[gone, i], groups[come, i]
        if g == h:
            continue
        if taken[g] > high[g]:
            change -= 1
        elif taken[g] <= low[g]:
            change += 1
        if taken[h] < low[h]:
            change -= 1
        elif taken[h] >= high[h]:
            change += 1
    return change


@register_jitable
def forbids(counts: CountsTable, leaving: Int, coming: Int) -> bool:
    """Whether counts that hold would not, once a point has taken the place of another."""
    kind = counts.kind
    return change_of_violation(counts.groups, counts.taken, counts.low, counts.high, kind[leaving], kind[coming]) > 0


@register_jitable
def count_point(counts: CountsTable, v: Int, step: int) -> None:
    """Add ``step`` to what the groups of a point have."""
    for i in range(counts.groups.shape[1]):
        counts.taken[counts.groups[counts.kind[v], i]] += step
