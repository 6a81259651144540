"""The most isolated point of many without all pairs: points that have a near neighbour drop out early.

The readable formula: of the points that are left, ``near`` is the distance to the nearest of the columns compared so
far, which only decreases. The largest are compared with all points, and whoever is nearer to some point than the best
of these is to any is out. The products are in float32, with the bound of :mod:`solvers._farthest_first.half_product`.
The points that it cannot tell apart are compared by the rule, in float64, with ties to the lowest index.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Points, Vector
from solvers._farthest_first.intervals import Floats, Numbers, rule_distances

_FIRST_COLUMNS, _COLUMNS = 32, 256  # compared at once: few, as long as all points are left
_LEADERS = 16  # points compared with all others after every other block
_FEW = 8  # points left that are compared with all others straight away
_ROWS = 64  # at most, that float64 decides between


def most_isolated(x: Points, scale: Vector, rows: Floats, half: Floats, error: float) -> tuple[int, int, int]:
    """Return the point whose nearest other is farthest.

    Parameters
    ----------
    x, scale : arrays
        As :class:`solvers._farthest_first.intervals.Pairs` has them.
    rows : (n, d) float32 array
        Points whose distances are those of the rule.
    half : (n,) float32 array
        Half their squared norms.
    error : float
        Half a squared distance, ``half[i] + half[j] - rows[i] @ rows[j]``, is off by no more than this.

    Returns
    -------
    int
        The point, -1 if too many tie.
    int
        Distances computed in float64.
    int
        Those of them that the bound does not hold for.
    """
    n = len(rows)
    order = np.random.default_rng(0).permutation(n)
    near, witness = np.full(n, np.inf, np.float32), np.zeros(n, np.int64)
    left, floor, top = np.arange(n), -np.inf, np.inf
    start, width, block = 0, _FIRST_COLUMNS, 0

    def compare(points: Numbers, columns: Numbers | None = None) -> None:
        distances = _half_distances(rows, half, points, columns)
        place = distances.argmin(axis=1)
        least = distances[np.arange(len(points)), place]
        closer = least < near[points]
        near[points[closer]] = least[closer]
        witness[points[closer]] = (place if columns is None else columns[place])[closer]

    while start == 0 or (start < n and len(left) > _FEW and top > floor + 2 * error):
        compare(left, order[start : start + width])
        if block % 2 == 0:
            leaders = np.sort(left[np.argsort(-near[left], kind="stable")[:_LEADERS]])
            compare(leaders)
            floor = max(floor, float(near[leaders].max()) - error)
        left = left[near[left] + error >= floor]
        top = float(near[left].max())
        start, width, block = start + width, min(_COLUMNS, 2 * width), block + 1
    at_most = rule_distances(x, scale, left, witness[left])
    best, chosen, computed = -1.0, n, len(left)
    wrong = int((abs(at_most - near[left]) > error).sum())
    for asked, place in enumerate(np.argsort(-at_most, kind="stable")):
        i = int(left[place])
        if at_most[place] < best or (at_most[place] == best and i > chosen):
            break
        if asked == _ROWS:
            return -1, computed, wrong
        row = _half_distances(rows, half, left[place : place + 1])[0]
        others = np.flatnonzero(row <= row.min() + 2 * error)
        exact = rule_distances(x, scale, np.full(len(others), i), others)
        computed, wrong = computed + len(others), wrong + int((abs(exact - row[others]) > error).sum())
        if exact.min() > best or (exact.min() == best and i < chosen):
            best, chosen = float(exact.min()), i
    return chosen, computed, wrong


def _half_distances(rows: Floats, half: Floats, left: Numbers, columns: Numbers | None = None) -> Floats:
    """Half the squared distances of some points to some others, or to all; infinite to themselves."""
    others = np.arange(len(rows)) if columns is None else columns
    beyond = rows if columns is None else rows[columns]
    part = rows if len(left) == len(rows) else rows[left]
    distances: NDArray[np.float32] = part @ beyond.T
    np.subtract(half[left][:, None] + half[others], distances, out=distances)
    place = np.full(len(rows), -1)
    place[others] = np.arange(len(others))
    own = place[left]
    distances[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
    return distances
