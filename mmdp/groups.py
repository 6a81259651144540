"""How many points of each group a solution contains: fair max-min diversification."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmdp.arrays import Indices, describe_rows, is_tensor, to_numpy
from mmdp.exceptions import InvalidProblemError

Counts = Mapping[Any, int | tuple[int | None, int | None]]
_UNLIMITED = 2**62


@dataclass(frozen=True, eq=False)
class GroupCounts:
    """Between ``low[g]`` and ``high[g]`` of the k points are of group g.

    Groups that ``counts`` does not mention are one group here, without limits. ``high`` never exceeds the number of
    candidates in a group. The sets that can be completed to a solution are the independent sets of a matroid. So a
    solver may add any point whose group is in :meth:`open` and can still complete the solution afterwards.

    Parameters
    ----------
    member : (n,) int64 array
        Group of each point.
    low, high : (m,) int64 array
        How many points of each group a solution contains, at least and at most.
    names : tuple of str
        Of the groups, for messages.

    Examples
    --------
    >>> from mmdp import Problem
    >>> limits = Problem(2, points=np.eye(3), groups=["a", "a", "b"], counts={"b": 1}).group_counts
    >>> limits.taken([0, 2]).tolist(), limits.violation([0, 1])
    ([1, 1], "0 points of group 'b', which takes 1 to 1")
    """

    member: Indices
    low: Indices
    high: Indices
    names: tuple[str, ...]

    def taken(self, indices: ArrayLike) -> Indices:
        """How many of the points are in each group, (m,) int64."""
        return np.bincount(self.member[np.asarray(indices, dtype=np.int64)], minlength=len(self.low))

    def open(self, taken: Indices, k: int) -> NDArray[np.bool_]:
        """Groups from which one more point can be taken, (m,) bool, given the points ``taken`` of each so far."""
        spare = k - int(np.maximum(taken, self.low).sum())
        return np.asarray((taken < self.high) & ((taken < self.low) | (spare > 0)))

    def violation(self, indices: ArrayLike) -> str:
        """Say which count a solution violates; empty if it keeps them all."""
        for name, low, high, taken in zip(self.names, self.low, self.high, self.taken(indices), strict=True):
            if not low <= taken <= high:
                return f"{taken} points of {name}, which takes {low} to {high}"
        return ""


def group_counts(
    groups: Sequence[Any] | NDArray[Any], counts: Counts, n: int, k: int, include: ArrayLike, candidates: Indices
) -> GroupCounts:
    """Check group labels and counts against each other, against k and against the fixed picks.

    Raises
    ------
    InvalidProblemError
        If no solution keeps the counts; the message says which group cannot, or why k does not fit.
    """
    labels = _labels(groups)
    if labels.shape != (n,) or labels.dtype.kind not in "fiubUS":
        raise InvalidProblemError(
            f"groups has shape {labels.shape} and dtype {labels.dtype}: give one number or text for each of {n} points"
        )
    known, code = np.unique(labels, return_inverse=True)
    place = {label: i for i, label in enumerate(known.tolist())}
    if unknown := [label for label in counts if label not in place]:
        raise InvalidProblemError(f"counts names {unknown[0]!r}, and no point is of that group; known: {_few(place)}")
    number = np.full(len(known), len(counts))
    number[[place[label] for label in counts]] = np.arange(len(counts))
    bounds = [_bounds(label, count) for label, count in counts.items()]
    names = tuple(f"group {label!r}" for label in counts)
    if len(counts) < len(known):
        bounds.append((0, n))
        names = (*names, "groups without a count")
    member = number[code.reshape(n)].astype(np.int64)
    low, high = np.array(bounds, dtype=np.int64).T
    available = np.bincount(member[candidates], minlength=len(low))
    result = GroupCounts(member, low, np.minimum(high, available), names)
    _check_feasible(result, available, k, result.taken(include))
    return result


def _labels(groups: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    """Labels as an array of numbers or of texts, from lists, tensors and columns of any data frame."""
    labels: NDArray[Any] = to_numpy(groups) if is_tensor(groups) else np.asarray(groups)
    if labels.dtype.kind != "O" or labels.ndim != 1:
        return labels.astype(str) if labels.dtype.kind == "T" else labels
    missing = [row for row, label in enumerate(labels) if label is None or label != label]
    if missing:
        raise InvalidProblemError(f"groups: {describe_rows(missing)} without a label; fill it, or drop such points")
    if all(isinstance(label, str) for label in labels):
        return labels.astype(str)
    found = np.array(labels.tolist())
    mixed = found.dtype.kind in "USO"
    if mixed:
        other = next(row for row, label in enumerate(labels) if type(label) is not type(labels[0]))
        raise InvalidProblemError(
            f"groups: row 0 has the label {labels[0]!r} and row {other} {labels[other]!r}; give numbers alone or texts "
            "alone, as groups.astype(str) does"
        )
    return found


def _bounds(label: Any, count: Any) -> tuple[int, int]:
    low, high = count if isinstance(count, (tuple, list)) and len(count) == 2 else (count, count)
    try:
        low = 0 if low is None else min(operator.index(low), _UNLIMITED)
        high = _UNLIMITED if high is None else min(operator.index(high), _UNLIMITED)
    except TypeError as error:
        raise InvalidProblemError(
            f"counts[{label!r}] = {count!r}: give a whole number, or (at least, at most) with None for no limit"
        ) from error
    if not 0 <= low <= high:
        raise InvalidProblemError(f"counts[{label!r}] = {count!r}: 0 <= at least <= at most must hold")
    return low, high


def _check_feasible(group_counts: GroupCounts, available: Indices, k: int, included: Indices) -> None:
    for name, low, high, there, fixed in zip(
        group_counts.names, group_counts.low, group_counts.high, available, included, strict=True
    ):
        if there < low:
            raise InvalidProblemError(f"counts wants at least {low} points of {name}, and {there} can be chosen")
        if fixed > high:
            raise InvalidProblemError(f"include fixes {fixed} points of {name}, and counts allows at most {high}")
    if (least := int(np.maximum(group_counts.low, included).sum())) > k:
        raise InvalidProblemError(f"counts and include want at least {least} points in all, more than k = {k}")
    if (most := int(group_counts.high.sum())) < k:
        raise InvalidProblemError(f"counts allows at most {most} of the points that can be chosen, fewer than k = {k}")


def _few(labels: Mapping[Any, int], shown: int = 8) -> str:
    return ", ".join(map(repr, list(labels)[:shown])) + (", ..." if len(labels) > shown else "")
