"""Distances that points of two groups have to keep from each other, whatever the objective is.

The p-dispersion problem with distance constraints (Ploskas, Stergiou, Tsouros, CP 2023), with the constraints between
groups of points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmdp.arrays import Indices, Matrix
from mmdp.exceptions import InvalidProblemError
from mmdp.group_labels import few, labels_of_points, rules_by_attribute

Apart = Mapping[tuple[Any, Any], float]
Marks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Separation:
    """Points of one group are at least so far from those of another, or from each other if it is the same group.

    Parameters
    ----------
    first, second : (n,) bool array
        The points of each group.
    distance : float
        A true distance; two points at exactly this distance are far enough apart.
    name : str
        For messages.
    """

    first: Marks
    second: Marks
    distance: float
    name: str

    def broken(self, distances: Matrix, rows: Indices, columns: Indices) -> Marks:
        """Which pairs of rows and columns this rule concerns and finds too close, (r, c) bool."""
        one = self.first[rows][:, None] & self.second[columns]
        other = self.second[rows][:, None] & self.first[columns]
        return np.asarray((one | other) & (distances < self.distance))


@dataclass(frozen=True, eq=False)
class Separations:
    """All rules of a problem.

    Examples
    --------
    >>> from mmdp import Problem
    >>> far = {("school", "bar"): 2.0}
    >>> problem = Problem(2, points=[[0.0], [1.0], [5.0]], groups=["school", "bar", "bar"], apart=far)
    >>> problem.separations.violation(problem.matrix()[:2, :2], [0, 1])
    "points 0 and 1 1 apart, where groups 'school' and 'bar' have to be at least 2 apart"
    """

    rules: tuple[Separation, ...]

    def broken(self, distances: Matrix, rows: Indices, columns: Indices) -> Marks:
        """Which pairs of rows and columns may not both be chosen, (r, c) bool, given their true distances."""
        return np.asarray(np.any([rule.broken(distances, rows, columns) for rule in self.rules], axis=0))

    def violation(self, distances: Matrix, indices: ArrayLike) -> str:
        """Name two of the points that are too close, given the distances among them; empty if there are none."""
        points = np.asarray(indices, dtype=np.int64)
        for rule in self.rules:
            close = np.argwhere(np.triu(rule.broken(distances, points, points), 1))
            if len(close):
                i, j = close[0]
                return (
                    f"points {points[i]} and {points[j]} {distances[i, j]:g} apart, where {rule.name} have to be at "
                    f"least {rule.distance:g} apart"
                )
        return ""


def separations(groups: Any, apart: Any, n: int) -> Separations:
    """Check distances between groups against the labels of these.

    Parameters
    ----------
    groups : (n,) sequence, or mapping of several
        Labels, or for each attribute its labels.
    apart : mapping, or mapping of several
        Distance of each pair of labels, or for each attribute the distances of its pairs.
    n : int

    Raises
    ------
    InvalidProblemError
        If one is no pair of labels with a distance.
    """
    rules = []
    for title, given, distances in rules_by_attribute(groups, apart, "apart", "{(label, label): distance}"):
        labels = labels_of_points(given, title, n)
        known = set(labels.tolist())
        for pair, distance in distances.items():
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise InvalidProblemError(
                    f"apart{title} names {pair!r}: give a pair of labels, such as ('school', 'bar'), or the same "
                    "label twice for points of one group"
                )
            if unknown := [label for label in pair if label not in known]:
                raise InvalidProblemError(
                    f"apart{title} names {unknown[0]!r}, but no point is in that group; known: {few(sorted(known))}"
                )
            is_number = isinstance(distance, (int, float, np.number)) and not isinstance(distance, bool)
            if not is_number or not 0 <= distance < math.inf:
                raise InvalidProblemError(f"apart{title}[{pair!r}] = {distance!r}: give a distance, a number >= 0")
            one, other = pair
            name = f"two of group {one!r}{title}" if one == other else f"groups {one!r} and {other!r}{title}"
            rules.append(Separation(labels == one, labels == other, float(distance), name))
    return Separations(tuple(rules))
