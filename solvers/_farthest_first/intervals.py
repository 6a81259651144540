"""Farthest-first from rough distances: the picks of the float64 rule, at the price of a few distances in float64.

The rule is the plain traversal of :mod:`solvers._farthest_first.plain_traversal`. Half a squared distance comes from a
product as ``(|x|^2 + |y|^2) / 2 - x.y``, with an error of at most ``error``. So the nearest pick of a point lies in an
interval ``[low, high]``, and the next pick is among the points whose ``high`` reaches the largest ``low``. One such
point is the pick. Of several, the rule's own distances decide, in float64 and with ties to the lowest index; and of
these only the ones that can be the smallest of their point::

    for i in points with high[i] >= max(low):
        nearest[i] = min(rule(i, c) for c in picks if matrix[i, c] - error <= min(high[i], nearest[i] so far))
    pick = argmax(nearest)

Every distance that is computed is held against its bound: one outside says that the bound is wrong, and is an error.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Points, Vector
from solvers._framework.compilation import njit
from solvers._framework.pair_sums import sum_of_scaled_squares, sum_of_squares

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

LEFT, COMPUTED, WRONG = range(3)  # of ``work``: distances that may yet be computed, that were, and outside the bound
MANY = 64  # candidates from which on one pass finds the nearest of each
_OUTWARDS = np.float32(2.0**-22)  # by which a number is moved so that float32 does not round it inwards
_TINY = np.float32(1e-37)
_IN_ANY_ORDER = {"reassoc", "nsz", "nnan", "contract"}


class Pairs(NamedTuple):
    """Points and what is known of their pairs.

    Parameters
    ----------
    x : (n, d) float32 or float64 array, or uint16: the bits of bfloat16
        Rows as they came.
    scale : (n,) float64 array
        What the rule multiplies each row with: 1 / norm for angles, 0 for a zero vector, 1 for Euclidean distances.
    matrix : (n, n) float32 array
        Half the squared distances, above the diagonal.
    error : float64
        No entry is farther than this from half the distance of the rule.
    """

    x: Points
    scale: Vector
    matrix: Floats
    error: float


class Nearest(NamedTuple):
    """Of each point: an interval around half the distance to its nearest pick, and how far the rule has looked.

    ``exact`` is the smallest distance of the rule to the first ``seen`` picks. Of picks both ends are -infinity.
    """

    low: Floats
    high: Floats
    exact: Vector
    seen: Numbers


def unknown(n: int) -> Nearest:
    """Begin with points that have seen no pick."""
    infinite = np.full(n, np.inf, np.float32)
    return Nearest(infinite, infinite.copy(), np.full(n, np.inf), np.zeros(n, np.int64))


@njit(cache=True, nogil=True)
def squared_norms(x: Points) -> Vector:
    """Return the sum of squares of each row, in the order of the rule; NaN or infinity where a row has one."""
    squares, origin = np.empty(len(x)), np.zeros((1, x.shape[1]), x.dtype)
    for i in range(len(x)):
        squares[i] = sum_of_squares(x, i, origin, 0)
    return squares


@njit(cache=True, nogil=True)
def _entry(pairs: Pairs, i: int, j: int) -> float:
    return float(pairs.matrix[i, j] if i < j else pairs.matrix[j, i])


@njit(cache=True, nogil=True)
def _rule(pairs: Pairs, i: int, j: int, work: Numbers) -> float:
    """Half the squared distance as the rule has it."""
    value = 0.5 * sum_of_scaled_squares(pairs.x, i, pairs.scale[i], pairs.x, j, pairs.scale[j])
    work[LEFT] -= 1
    work[COMPUTED] += 1
    if not abs(value - _entry(pairs, i, j)) <= pairs.error:
        work[WRONG] += 1
    return float(value)


@njit(cache=True, nogil=True)
def rule_distances(x: Points, scale: Vector, points: Numbers, others: Numbers) -> Vector:
    """Half the squared distances of pairs of points as the rule has them."""
    distances = np.empty(len(others))
    for place in range(len(others)):
        i, j = points[place], others[place]
        distances[place] = 0.5 * sum_of_scaled_squares(x, i, scale[i], x, j, scale[j])
    return distances


@njit(cache=True, nogil=True)
def _witnesses(pairs: Pairs, least: Floats) -> Numbers:
    """Return a point at the distance ``least`` from each, in one pass over the rows."""
    n, block = len(least), 64
    witness = np.full(n, -1)
    for i in range(n):
        for start in range(i + 1, n, block):
            stop, hits = min(n, start + block), 0
            for j in range(start, stop):
                hits += int((pairs.matrix[i, j] == least[i]) | (pairs.matrix[i, j] == least[j]))
            if hits:
                for j in range(start, stop):
                    if pairs.matrix[i, j] == least[i] and witness[i] < 0:
                        witness[i] = j
                    if pairs.matrix[i, j] == least[j] and witness[j] < 0:
                        witness[j] = i
    return witness


@njit(cache=True, nogil=True)
def most_isolated(pairs: Pairs, least: Floats, work: Numbers) -> int:
    """Return the point whose nearest other is farthest, or -1 if ``work`` runs out before that is decided."""
    n, error = len(least), pairs.error
    top = int(least.argmax())
    reach = np.float64(least[top]) - 2 * error
    candidates = 0
    for i in range(n):
        candidates += int(least[i] >= reach)
    if candidates == 1:
        return top
    witness = _witnesses(pairs, least) if candidates > MANY else np.full(n, -1)
    best, chosen = -1.0, n
    for place in range(-1, n):
        i = top if place < 0 else place
        if (place == top) or least[i] < reach or np.float64(least[i]) + error < best:
            continue
        near = np.inf
        for turn in range(-1, n):  # the nearest by products first, which alone rejects most
            j = turn
            if turn < 0:
                j = witness[i]
                if j < 0:
                    j = 0
                    while j == i or _entry(pairs, i, j) != least[i]:
                        j += 1
                witness[i] = j
            elif j == i or j == witness[i]:
                continue
            if _entry(pairs, i, j) - error < near:
                near = min(near, _rule(pairs, i, j, work))
                if near == 0 or near < best or (near == best and i > chosen) or work[LEFT] < 0:
                    break
        if work[LEFT] < 0:
            return -1
        if near > best or (near == best and i < chosen):
            best, chosen = near, i
    return chosen


@njit(cache=True, nogil=True)
def end_of_farthest_pair(pairs: Pairs, work: Numbers) -> int:
    """Return the first point of the two that are farthest apart, or -1 if ``work`` runs out."""
    n = len(pairs.matrix)
    largest = np.float32(-np.inf)
    for i in range(n - 1):
        largest = max(largest, pairs.matrix[i, i + 1 :].max())
    best, chosen = -1.0, 0
    for i in range(n - 1):
        if pairs.matrix[i, i + 1 :].max() >= np.float64(largest) - 2 * pairs.error:
            for j in range(i + 1, n):
                if np.float64(pairs.matrix[i, j]) + pairs.error >= max(best, np.float64(largest) - pairs.error):
                    distance = _rule(pairs, i, j, work)
                    if distance > best:
                        best, chosen = distance, i
                    if work[LEFT] < 0:
                        return -1
    return chosen


@njit(cache=True, nogil=True)
def farthest_from(pairs: Pairs, origin: int, work: Numbers) -> int:
    """Return the first of the other points that are farthest from one."""
    largest = -np.inf
    for j in range(len(pairs.matrix)):
        if j != origin:
            largest = max(largest, _entry(pairs, origin, j))
    best, chosen = -1.0, 0
    for j in range(len(pairs.matrix)):
        if j != origin and _entry(pairs, origin, j) + 2 * pairs.error >= largest:
            distance = _rule(pairs, origin, j, work)
            if distance > best:
                best, chosen = distance, j
    return chosen


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _fold(row: Floats, error: np.float32, low: Floats, high: Floats) -> None:
    for j in range(len(row)):
        low[j] = min(low[j], row[j] - error)
        high[j] = min(high[j], row[j] + error)


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _largest(values: Floats) -> Any:
    largest = values[0]
    for value in values:
        largest = max(largest, value)
    return largest


@njit(cache=True, nogil=True, fastmath=_IN_ANY_ORDER)
def _how_many_reach(values: Floats, floor: np.float32) -> int:
    reached = 0
    for value in values:
        reached += int(value >= floor)
    return reached


@njit(cache=True, nogil=True)
def _first_to_reach(values: Floats, floor: np.float32) -> int:
    for j in range(len(values)):
        if values[j] >= floor:
            return j
    return -1


@njit(cache=True, nogil=True)
def _measure(
    pairs: Pairs, nearest: Nearest, picks: Numbers, count: int, j: int, best: float, chosen: int, work: Numbers
) -> float:
    """Return the rule's distance of point j to its nearest pick, or -1 once it cannot beat ``best`` at ``chosen``."""
    exact, seen = nearest.exact[j], nearest.seen[j]
    while seen < count and exact > 0 and not (exact < best or (exact == best and j > chosen)):
        floor = _entry(pairs, j, picks[seen]) - pairs.error
        if floor < exact and floor <= nearest.high[j]:
            exact = min(exact, _rule(pairs, j, picks[seen], work))
        seen += 1
    nearest.exact[j], nearest.seen[j] = exact, seen
    outwards = np.float32(exact) * (1 + _OUTWARDS) + (_TINY if exact > 0 else np.float32(0.0))
    nearest.high[j] = min(nearest.high[j], outwards)
    if exact < best or (exact == best and j > chosen):
        return -1.0
    nearest.seen[j] = count
    nearest.low[j] = max(nearest.low[j], np.float32(exact) * (1 - _OUTWARDS) - (_TINY if exact > 0 else np.float32(0)))
    return float(exact)


@njit(cache=True, nogil=True)
def extend(pairs: Pairs, nearest: Nearest, picks: Numbers, folded: int, count: int, stop: int, work: Numbers) -> int:
    """Extend ``picks`` from ``count`` to ``stop``, of which ``folded`` are in ``nearest``; return how many there are.

    Fewer than ``stop`` if ``work`` runs out, all of them the rule's.
    """
    low, high = nearest.low, nearest.high
    row, error = np.empty(len(low), np.float32), np.float32(pairs.error)
    while True:
        for place in range(folded, count):
            c = picks[place]
            for j in range(c):
                row[j] = pairs.matrix[j, c]
            row[c] = -np.inf
            for j in range(c + 1, len(row)):
                row[j] = pairs.matrix[c, j]
            _fold(row, error, low, high)
        folded = count
        if count == stop:
            return count
        floor = _largest(low)
        top = _first_to_reach(high, floor)
        if _how_many_reach(high, floor) > 1:
            best, chosen = -1.0, len(low)
            for place in range(-1, len(low)):
                j = int(high.argmax()) if place < 0 else place
                if high[j] >= floor and high[j] >= best and not (place >= 0 and j == chosen):
                    distance = _measure(pairs, nearest, picks, count, j, best, chosen, work)
                    if work[LEFT] < 0:
                        return count
                    if distance >= 0:
                        best, chosen = distance, j
            top = chosen
        picks[count] = top
        count += 1
