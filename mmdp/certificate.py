"""Proofs that can be checked: a tree that shows why no k points are pairwise at distance ``threshold`` or more.

A node of the tree is a list of groups and a list of branches ``(point, node)``. It stands for a set of points of which
``need`` are to be chosen: those in its groups and its branches. Two points of a group are closer than the threshold,
so ``need - 1`` groups give at most ``need - 1`` points, and a solution has one of the branch points. The node of a
branch stands for the points at distance >= threshold from the branch point, among the groups and the later branches.

With group counts, points of groups that may have no more are left out of every node, and a node may be
``[groups, branches, union]``: it covers only the points in a union of groups of one attribute, numbered as in
:class:`mmdp.groups.GroupCounts`, of which the counts demand at least so many that ``need`` is replaced by that number.

:func:`check` is all that has to be believed; how the tree was found does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.problem import Problem

Node = Sequence[Any]  # [groups, branches], or [groups, branches, union]


@dataclass(frozen=True)
class Certificate:
    """A claim that no k points of a problem are pairwise at distance >= ``threshold``, and the tree that proves it.

    Attributes
    ----------
    k : int
        With the included picks.
    threshold : float
        A true distance.
    tree : nested lists of int
        As the module says; JSON keeps it as it is.
    """

    k: int
    threshold: float
    tree: Node

    @property
    def nodes(self) -> int:
        """How many nodes the tree has."""

        def count(node: Node) -> int:
            return 1 + sum(count(child) for _, child in node[1])

        return count(self.tree)


def check(certificate: Certificate, problem: Problem, objective: float) -> bool:
    """Whether the certificate proves that ``objective`` is the optimum of the problem.

    This is proven if k points reach it, which the caller knows, if no distance of the problem lies between it and the
    threshold, and if the tree refutes the threshold. It takes the n x n matrix and plain Python loops: use it for up to
    a few thousand points.

    Examples
    --------
    >>> problem = Problem(k=2, points=[[0.0], [1.0], [5.0]])
    >>> check(Certificate(k=2, threshold=5.1, tree=[[[0, 1, 2]], []]), problem, objective=5.0)
    True
    """
    if math.isnan(certificate.threshold) or math.isnan(objective):
        return False
    D = problem.matrix()
    chosen = list(problem.include)
    allowed = D[np.ix_(problem.candidates, problem.candidates)]
    if certificate.k != problem.k or ((allowed > objective) & (allowed < certificate.threshold)).any():
        return False
    if any(D[a, b] < certificate.threshold for a in chosen for b in chosen if a < b):
        return True
    free = [i for i in problem.candidates.tolist() if i not in chosen]
    points = {i for i in free if all(D[i, a] >= certificate.threshold for a in chosen)}
    try:
        return _Checker(problem, D, certificate.threshold).refutes(certificate.tree, chosen, points)
    except (TypeError, ValueError, LookupError):  # nodes that are no lists of points
        return False


def _is_union(groups: Any, attribute: NDArray[np.int64]) -> bool:
    """Whether these are numbers of groups, all of one attribute."""
    known = all(type(g) is int and 0 <= g < len(attribute) for g in groups)
    return known and len({int(attribute[g]) for g in groups}) == 1


class _Checker:
    def __init__(self, problem: Problem, D: NDArray[np.float64], threshold: float) -> None:
        self._limits, self._k, self._D, self._threshold = problem.group_counts, problem.k, D, threshold

    def refutes(self, node: Node, chosen: list[int], points: set[int]) -> bool:
        """Whether a node proves that the chosen points cannot be completed by some of ``points``."""
        groups, branches, *union = node
        need, D, limits = self._k - len(chosen), self._D, self._limits
        if limits is not None:
            taken = limits.taken(chosen)
            addable = limits.addable(taken, self._k)
            points = {i for i in points if addable[i]}
        covered = points
        if union:
            if limits is None or not _is_union(union[0], limits.attribute):
                return False
            need = limits.least_of(union[0], taken, self._k)
            covered = {i for i in points if np.isin(limits.member[i], union[0]).any()}
        grouped, branching = [i for group in groups for i in group], [i for i, _ in branches]
        if len(groups) > need - 1 or covered != {*grouped, *branching}:
            return False
        if any(D[a, b] >= self._threshold for group in groups for a in group for b in group if a < b):
            return False
        left = points
        for i, child in branches:
            left = left - {i}
            if not self.refutes(child, [*chosen, i], {j for j in left if D[i, j] >= self._threshold}):
                return False
        return True
