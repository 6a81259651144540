"""Whether some picks can be completed to k points that keep all group counts, and which limits clash if none can.

How many points of each kind are chosen decides whether counts hold, so this is an integer program with one variable a
kind. With one attribute a formula answers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, eye_array, hstack

from mmdp.arrays import Indices, Vector
from mmdp.groups import GroupCounts

Limit = tuple[int, bool]  # a group, and whether it is its least count or its most
_MANY = 40  # limits beyond which pairs of them are not all tried


def completed(
    limits: GroupCounts, k: int, least: Indices, available: Indices, kept: Sequence[Limit] | None = None
) -> Indices | None:
    """Return how many points of each kind k points have that keep the counts, or None if there are none.

    Parameters
    ----------
    limits : GroupCounts
    k : int
    least, available : (number of kinds,) int64 array
        Of each kind, how many are chosen already and how many there are.
    kept : sequence of (group, is least), optional
        Only these limits count.
    """
    groups = limits.groups_of_kind
    kinds, a = groups.shape
    incidence = csr_array(
        (np.ones(kinds * a), (groups.ravel(), np.repeat(np.arange(kinds), a))), shape=(len(limits.low), kinds)
    )
    low, high = limits.low.astype(float), np.minimum(limits.high, k).astype(float)
    if kept is not None:
        some_low, some_high = np.zeros_like(low), np.full_like(high, np.inf)
        for group, is_least in kept:
            if is_least:
                some_low[group] = low[group]
            else:
                some_high[group] = high[group]
        low, high = some_low, some_high
    if (least > available).any() or least.sum() > k:
        return None
    answer = milp(
        np.zeros(kinds),
        constraints=[LinearConstraint(incidence, low, high), LinearConstraint(np.ones(kinds), k, k)],
        integrality=np.ones(kinds),
        bounds=Bounds(least, available),
    )
    return None if answer.x is None else np.rint(answer.x).astype(np.int64)


def least_moved(
    limits: GroupCounts, k: int, least: Indices, available: Indices, weights: Vector
) -> tuple[Indices, Indices] | None:
    """Return by how much to lower the least and raise the most count of each group, so that some k points keep them.

    The sum of the moves, each times the weight of its group, is as small as possible; infinite weights do not move.
    None if that is not enough.

    Parameters
    ----------
    limits, k, least, available
        As of :func:`completed`.
    weights : (m,) float64 array
    """
    groups = limits.groups_of_kind
    (kinds, a), m = groups.shape, len(limits.low)
    if (least > available).any() or least.sum() > k:
        return None
    incidence = csr_array((np.ones(kinds * a), (groups.ravel(), np.repeat(np.arange(kinds), a))), shape=(m, kinds))
    none, one = csr_array((m, m)), eye_array(m)
    soft = np.isfinite(weights)
    low = np.where(soft, np.minimum(limits.low, k), limits.low)  # what soft counts want beyond k is given up anyway
    cost = np.where(soft, weights, 0.0)
    answer = milp(
        np.concatenate((np.zeros(kinds), cost, cost)),
        constraints=[
            LinearConstraint(hstack((incidence, one, none)), low, np.inf),
            LinearConstraint(hstack((incidence, none, -one)), -np.inf, np.minimum(limits.high, k)),
            LinearConstraint(np.concatenate((np.ones(kinds), np.zeros(2 * m))), k, k),
        ],
        integrality=np.ones(kinds + 2 * m),
        bounds=Bounds(np.concatenate((least, np.zeros(2 * m))), np.concatenate((available, *(2 * [soft * float(k)])))),
    )
    if answer.x is None:
        return None
    lowered, raised = np.rint(answer.x[kinds:]).astype(np.int64).reshape(2, m)
    return lowered + limits.low - low, np.ascontiguousarray(raised)


def clashing(limits: GroupCounts, k: int, least: Indices, available: Indices) -> list[Limit]:
    """Return limits that no k points keep together, although they would without any one of them.

    A pair is found if there is one. Otherwise the limits are dropped one after the other, the weakest first, as long as
    the rest still clash (the deletion filter of Chinneck and Dravnieks, ORSA Journal on Computing 3(2), 1991).
    """
    groups = limits.groups_of_kind
    there = np.zeros(len(limits.low), dtype=np.int64)
    np.add.at(there, groups.ravel(), np.repeat(available, groups.shape[1]))
    lows = sorted((int(limits.low[g]), g) for g in range(len(there)) if limits.low[g] > 0)
    highs = sorted((int(limits.high[g] - there[g]), g) for g in range(len(there)) if limits.high[g] < there[g])
    rest = [(g, True) for _, g in lows] + [(g, False) for _, g in reversed(highs)]

    def clash(kept: Sequence[Limit]) -> bool:
        return completed(limits, k, least, available, kept) is None

    if not clash(rest):
        return []
    for limit in list(rest):
        fewer = [other for other in rest if other != limit]
        if clash(fewer):
            rest = fewer
    if len(rest) > 2 and len(lows) + len(highs) <= _MANY:
        everything = [(g, True) for _, g in lows] + [(g, False) for _, g in highs]
        rest = next((list(pair) for pair in combinations(everything, 2) if clash(pair)), rest)
    return rest


class Completion:
    """Points chosen one after the other such that they can always be completed to a solution.

    With several attributes, a completion is kept in mind: a point of it needs no program to be admitted.

    Parameters
    ----------
    limits : GroupCounts
    k : int
    candidates : int64 array
        Points that may be chosen.
    first : iterable of int
        Points that are chosen, such as those of ``include``; they can be completed.
    """

    def __init__(self, limits: GroupCounts, k: int, candidates: Indices, first: Iterable[int] = ()) -> None:
        kinds = len(limits.groups_of_kind)
        self._limits, self._k = limits, k
        self._available = np.bincount(limits.kind[candidates], minlength=kinds)
        self._used = np.bincount(limits.kind[list(first)], minlength=kinds).astype(np.int64)
        self._closed = np.zeros(kinds, dtype=np.bool_)
        self._single = limits.groups_of_kind.shape[1] == 1
        self._witness = None if self._single else completed(limits, k, self._used, self._available)

    def open_kinds(self) -> NDArray[np.bool_]:
        """Kinds of which one more point might be chosen, (number of kinds,) bool; with one attribute, can be."""
        taken = np.zeros(len(self._limits.low), dtype=np.int64)
        groups = self._limits.groups_of_kind
        np.add.at(taken, groups.ravel(), np.repeat(self._used, groups.shape[1]))
        return np.asarray(self._limits.open(taken, self._k)[groups].all(axis=1) & ~self._closed)

    def admits_open(self, kind: int) -> bool:
        """As :meth:`admits`, for a kind that may not be open."""
        return bool(self.open_kinds()[kind]) and self.admits(kind)

    def admits(self, kind: int) -> bool:
        """Choose a point of an open kind if the picks can be completed then; otherwise close the kind for good."""
        self._used[kind] += 1
        if self._single or (self._witness is not None and self._witness[kind] >= self._used[kind]):
            return True
        other = completed(self._limits, self._k, self._used, self._available)
        if other is None:
            self._used[kind] -= 1
            self._closed[kind] = True
            return False
        self._witness = other
        return True
