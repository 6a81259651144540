"""Group labels and counts as they are given, checked against each other, against k and against the fixed picks."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmdp.arrays import Indices, Vector
from mmdp.completion import clashing, completed, least_moved
from mmdp.exceptions import InvalidProblemError
from mmdp.group_labels import few, labels_of_points, rules_by_attribute
from mmdp.groups import Counts, GroupCounts, Labels, Soft

_UNLIMITED = 2**62


def group_counts(
    groups: Labels | Mapping[Any, Labels],
    counts: Counts | Mapping[Any, Counts],
    n: int,
    k: int,
    include: ArrayLike,
    candidates: Indices,
) -> GroupCounts:
    """Check group labels and counts against each other, against k and against the fixed picks.

    Parameters
    ----------
    groups : (n,) sequence, or mapping of several
        Labels, or for each attribute its labels.
    counts : mapping, or mapping of several
        Limits of the labels, or for each attribute the limits of its labels.
    n, k : int
    include : sequence of int
    candidates : int64 array

    Raises
    ------
    InvalidProblemError
        If no solution keeps the counts. The message names limits that clash, none of which can be left out.
    """
    attributes = rules_by_attribute(groups, counts, "counts", "{label: number}")
    members, bounds, names, attribute = [], list[tuple[int, int, float]](), list[str](), list[int]()
    for place, (title, labels, limits) in enumerate(attributes):
        member, own_bounds, own_names = _one_attribute(title, labels, limits, n)
        members.append(member + len(bounds))
        bounds += own_bounds
        names += own_names
        attribute += [place] * len(own_bounds)
    member = np.stack(members, axis=1)
    low, high = np.ascontiguousarray(np.array([both for *both, _ in bounds], dtype=np.int64).T)
    weights = np.array([weight for *_, weight in bounds])
    available = np.bincount(member[candidates].ravel(), minlength=len(low))
    stated = GroupCounts(member, low, np.minimum(high, available), tuple(names), np.array(attribute, dtype=np.int64))
    fixed = np.asarray(include, dtype=np.int64)
    stated = _with_soft_counts_moved(stated, weights, k, fixed, candidates)
    _check_feasible(stated, available, k, fixed, candidates)
    return stated


def _one_attribute(
    title: str, groups: Any, counts: Counts, n: int
) -> tuple[Indices, list[tuple[int, int, float]], list[str]]:
    """Group of each point; the limits of the groups and the weights of these, infinite where not soft; the names."""
    labels = labels_of_points(groups, title, n)
    known, code = np.unique(labels, return_inverse=True)
    place = {label: i for i, label in enumerate(known.tolist())}
    if unknown := [label for label in counts if label not in place]:
        raise InvalidProblemError(
            f"counts{title} names {unknown[0]!r}, but no point is in that group; known: {few(place)}"
        )
    number = np.full(len(known), len(counts))
    number[[place[label] for label in counts]] = np.arange(len(counts))
    bounds = [_bounds(label, count) for label, count in counts.items()]
    names = [f"group {label!r}{title}" for label in counts]
    if len(counts) < len(known):
        bounds.append((0, n, np.inf))
        names.append(f"groups{title} without a count")
    return number[code.reshape(n)].astype(np.int64), bounds, names


def _bounds(label: Any, count: Any) -> tuple[int, int, float]:
    weight = np.inf
    if isinstance(count, Soft):
        count, weight = count.count, count.weight
        if not (isinstance(weight, (int, float, np.number)) and 0 < weight < np.inf):
            raise InvalidProblemError(f"counts[{label!r}]: Soft(weight={weight!r}): give a number above 0")
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
    return low, high, float(weight)


def _with_soft_counts_moved(
    limits: GroupCounts, weights: Vector, k: int, include: Indices, candidates: Indices
) -> GroupCounts:
    """Move soft limits as far as it takes; where the others clash anyway, leave only these, to be named."""
    soft = np.isfinite(weights)
    if not soft.any():
        return limits
    moves = least_moved(limits, k, *_numbers(limits, include, candidates), weights)
    if moves is None:
        there = limits.taken(candidates)
        return replace(limits, low=np.where(soft, 0, limits.low), high=np.where(soft, there, limits.high))
    low, high = limits.low - moves[0], limits.high + moves[1]
    lows = zip(limits.names, limits.low, low, strict=True)
    highs = zip(limits.names, limits.high, high, strict=True)
    moved = [f"{name}: at least {now} instead of {before}" for name, before, now in lows if now != before]
    moved += [f"{name}: at most {now} instead of {before}" for name, before, now in highs if now != before]
    return replace(limits, low=low, high=high, moved=tuple(moved))


def _check_feasible(limits: GroupCounts, available: Indices, k: int, include: Indices, candidates: Indices) -> None:
    included = limits.taken(include)
    for name, low, high, there, fixed in zip(limits.names, limits.low, limits.high, available, included, strict=True):
        if there < low:
            raise InvalidProblemError(f"counts wants at least {low} points of {name}, but only {there} can be chosen")
        if fixed > high:
            raise InvalidProblemError(f"include fixes {fixed} points of {name}, but counts allows at most {high}")
    for attribute in range(limits.member.shape[1]):
        own = limits.attribute == attribute
        if (least := int(np.maximum(limits.low, included)[own].sum())) > k:
            raise InvalidProblemError(
                f"counts and include want at least {least} points in all, more than k = {k}"
                + _which_clash(limits, k, include, candidates)
            )
        if (most := int(limits.high[own].sum())) < k:
            raise InvalidProblemError(
                f"counts allows at most {most} of the points that can be chosen, fewer than k = {k}"
                + _which_clash(limits, k, include, candidates)
            )
    if limits.member.shape[1] > 1 and completed(limits, k, *_numbers(limits, include, candidates)) is None:
        raise InvalidProblemError(
            f"no {k} points keep all counts{_which_clash(limits, k, include, candidates)}; change one of them"
        )


def _numbers(limits: GroupCounts, include: Indices, candidates: Indices) -> tuple[Indices, Indices]:
    """How many points of each kind are fixed, and how many can be chosen."""
    kinds = len(limits.groups_of_kind)
    return (
        np.bincount(limits.kind[include], minlength=kinds),
        np.bincount(limits.kind[candidates], minlength=kinds),
    )


def _which_clash(limits: GroupCounts, k: int, include: Indices, candidates: Indices) -> str:
    """Name limits that cannot all hold, in words."""
    clash = clashing(limits, k, *_numbers(limits, include, candidates))
    words = [
        f"at least {limits.low[group]} of {limits.names[group]}"
        if is_least
        else f"at most {limits.high[group]} of {limits.names[group]}"
        for group, is_least in clash
    ]
    return f"; these clash: {', '.join(words)}" if words else ""
