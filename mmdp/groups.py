"""How many points of each group a solution contains: fair max-min diversification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmdp.arrays import Indices

Labels = Sequence[Any] | NDArray[Any]
Range = int | tuple[int | None, int | None]


@dataclass(frozen=True)
class Soft:
    """A count that gives way where not all counts of a problem can be kept.

    Soft limits are then moved by as little as possible: the sum of ``weight`` times the points by which each is moved
    is least. ``GroupCounts.moved`` and ``Result.notes["moved_counts"]`` say which were moved and how far; where all
    counts can be kept, a soft one is as strict as any other.

    Parameters
    ----------
    count : int or (at least, at most)
    weight : float
        Above zero; what moving the limit by one point costs.

    Examples
    --------
    >>> from mmdp import Problem
    >>> labels, counts = ["a", "a", "b"], {"a": 1, "b": Soft(2)}
    >>> Problem(2, points=np.eye(3), groups=labels, counts=counts).group_counts.moved
    ("group 'b': at least 1 instead of 2",)
    """

    count: Range
    weight: float = 1.0


Counts = Mapping[Any, Range | Soft]


@dataclass(frozen=True, eq=False)
class GroupCounts:
    """Between ``low[g]`` and ``high[g]`` of the k points are of group g.

    Each attribute divides all points into groups. Groups of one attribute that the counts do not mention are one group
    here, without limits. ``high`` never exceeds the number of candidates in a group.

    Points that are in the same groups throughout are of one kind. With one attribute, groups and kinds are the same,
    and the sets that can be completed to a solution are the independent sets of a matroid: any point whose group is in
    :meth:`open` may be added. With several attributes this is necessary and not sufficient; see
    :class:`mmdp.completion.Completion`.

    Parameters
    ----------
    member : (n, a) int64 array
        Group of each point under each of the a attributes.
    low, high : (m,) int64 array
        How many points of each group a solution contains, at least and at most.
    names : tuple of str
        Of the groups, for messages.
    attribute : (m,) int64 array
        Which attribute each group belongs to.
    moved : tuple of str
        Which soft counts could not be kept, and what holds instead.

    Examples
    --------
    >>> from mmdp import Problem
    >>> limits = Problem(2, points=np.eye(3), groups=["a", "a", "b"], counts={"b": 1}).group_counts
    >>> limits.taken([0, 2]).tolist(), limits.violation([0, 1])
    ([1, 1], "0 points of group 'b', which takes 1 to 1")
    """

    member: NDArray[np.int64]
    low: Indices
    high: Indices
    names: tuple[str, ...]
    attribute: Indices
    moved: tuple[str, ...] = ()

    @cached_property
    def _kinds(self) -> tuple[NDArray[np.int64], Indices]:
        if self.member.shape[1] == 1:
            return np.arange(len(self.low))[:, None], self.member[:, 0]
        groups, kind = np.unique(self.member, axis=0, return_inverse=True)
        return groups, kind.reshape(len(self.member)).astype(np.int64)

    @property
    def groups_of_kind(self) -> NDArray[np.int64]:
        """Groups of the points of each kind, one for each attribute, (number of kinds, a) int64."""
        return self._kinds[0]

    @property
    def kind(self) -> Indices:
        """Kind of each point, (n,) int64."""
        return self._kinds[1]

    def taken(self, indices: ArrayLike) -> Indices:
        """How many of the points are in each group, (m,) int64."""
        return np.bincount(self.member[np.asarray(indices, dtype=np.int64)].ravel(), minlength=len(self.low))

    def open(self, taken: Indices, k: int) -> NDArray[np.bool_]:
        """Groups from which one more point can be taken, (m,) bool, given the points ``taken`` of each so far."""
        wanted = np.bincount(self.attribute, np.maximum(taken, self.low), self.member.shape[1])
        return np.asarray((taken < self.high) & ((taken < self.low) | (wanted < k)[self.attribute]))

    def addable(self, taken: Indices, k: int) -> NDArray[np.bool_]:
        """Points all of whose groups are open, (n,) bool."""
        return np.asarray(self.open(taken, k)[self.member].all(axis=1))

    def exchangeable(self, taken: Indices, leaving: int) -> NDArray[np.bool_]:
        """Points that can take the place of a point of a solution, (n,) bool, given what the solution takes."""
        own = self.member[leaving]
        swapped = (taken > self.low)[own] & (taken < self.high)[self.member]
        return np.asarray(((self.member == own) | swapped).all(axis=1))

    def least_of(self, groups: Sequence[int], taken: Indices, k: int) -> int:
        """How many more points a solution takes from a union of groups of one attribute, at least.

        Given what is ``taken`` of each group so far: what these groups want, or what the others leave of k.

        Parameters
        ----------
        groups : sequence of int
        taken : (m,) int64 array
        k : int
        """
        inside = np.zeros(len(self.low), dtype=np.bool_)
        inside[list(groups)] = True
        own = self.attribute == self.attribute[groups[0]]
        need = k - int(taken[own].sum())
        wanted = int(np.maximum(self.low - taken, 0)[inside].sum())
        return max(wanted, need - int((self.high - taken)[own & ~inside].sum()))

    def violation(self, indices: ArrayLike) -> str:
        """Say which count a solution violates; empty if it keeps them all."""
        for name, low, high, taken in zip(self.names, self.low, self.high, self.taken(indices), strict=True):
            if not low <= taken <= high:
                return f"{taken} points of {name}, which takes {low} to {high}"
        return ""
