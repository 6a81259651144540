"""Farthest-first traversal, the one loop behind a bound, a solver and the starts of many others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from mmdp.arrays import Vector

Lower = Callable[[Vector, int], object]


def farthest(nearest: Vector) -> int:
    """Return the place farthest from the picks, the lowest one among equals."""
    return int(nearest.argmax())


def farthest_first(
    lower: Lower, nearest: Vector, first: Iterable[int], k: int, choose: Callable[[Vector], int] = farthest
) -> tuple[list[int], float]:
    """Extend the picks until there are k, each time by the point farthest from those before it.

    ``nearest[i] = min over picks c of distance(i, c)``, and the next pick is its argmax (Gonzalez, Theoretical Computer
    Science 38, 1985). O(k) calls of ``lower``.

    Parameters
    ----------
    lower : callable
        ``lower(nearest, c)`` sets ``nearest = min(nearest, distances to c)`` in place.
    nearest : (n,) float64 array
        Infinite at first, negative for points that are never picked; it is used up.
    first : iterable of int
        Picks to begin with; where there are none, the first is chosen from ``nearest`` as it is given.
    k : int
    choose : callable, optional
        What takes the next pick from ``nearest``.

    Returns
    -------
    picks : list of int
    radius : float
        Distance of the last pick from those before it, infinite for a single pick.

    Examples
    --------
    >>> x = np.array([0.0, 1.0, 5.0, 9.0])
    >>> lower = lambda nearest, c: np.minimum(nearest, np.abs(x - x[c]), out=nearest)
    >>> farthest_first(lower, np.full(4, np.inf), [0], 3)
    ([0, 3, 2], 4.0)
    """
    picks, radius = list(first), np.inf
    for step in range(k):
        if step >= len(picks):
            picks.append(int(choose(nearest)))
        radius = float(nearest[picks[step]])
        if step < k - 1:
            lower(nearest, picks[step])
            nearest[picks[: step + 1]] = -1.0
    return picks, radius
