"""What the classical swap heuristics share: the distances from every point to each pick, one column per pick.

The readable formula: ``to_pick[v, i] = distance(v, picks[i])``. A pair of picks at the smallest distance is critical; a
swap is worth making if it leaves a larger smallest distance, or an equal one with fewer critical pairs (Resende, Marti,
Gallego, Duarte, Computers & Operations Research 37(3), 2010, section 3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock, Problem
from mmdp.arrays import Indices, Matrix
from solvers._framework.compilation import njit
from solvers._framework.distance_forms import KINDS, reduced_distance
from solvers._local_search.counts_table import CountsTable, count_point, forbids

MATRIX = -1  # the kind of ``data`` that holds the distances themselves
_READ = 2**22  # coordinates between two looks at the clock: some milliseconds


class Picks(NamedTuple):
    """A subset and its table; every field but the first three is changed in place."""

    kind: int
    data: Matrix
    free: NDArray[np.int64]  # candidates that are not fixed
    picks: NDArray[np.int64]  # fixed ones first
    fixed: int
    place: NDArray[np.int64]  # of a point among the picks, or -1
    to_pick: Matrix


def new_picks(problem: Problem) -> Picks:
    """Make room for a subset; O(n k) memory. Metrics without a compiled distance form need the n x n matrix."""
    kind = KINDS.get(problem.geometry.form, MATRIX)
    data = problem.reduced_matrix() if kind == MATRIX else problem.vectors.astype(np.float64)
    fixed = np.array(problem.include, dtype=np.int64)
    return Picks(
        kind,
        data,
        np.setdiff1d(problem.candidates, fixed),
        np.zeros(problem.k, np.int64),
        len(fixed),
        np.full(problem.n, -1),
        np.zeros((problem.n, problem.k)),
    )


@njit(cache=True, nogil=True)
def distance(s: Picks, u: int, v: int) -> float:
    """Return the reduced distance of two points."""
    return s.data[u, v] if s.kind == MATRIX else reduced_distance(s.kind, s.data, u, s.data, v)


@njit(cache=True, nogil=True)
def put(s: Picks, i: int, v: int) -> None:
    """Make v the pick at place i; O(n d)."""
    if s.place[s.picks[i]] == i:
        s.place[s.picks[i]] = -1
    s.picks[i], s.place[v] = v, i
    for w in range(len(s.place)):
        s.to_pick[w, i] = distance(s, v, w)


def reset(s: Picks, chosen: Indices, clock: Clock) -> bool:
    """Replace all picks, those fixed first in ``chosen``; O(n k d).

    False if the time was up before: the picks are then some of both, and their distances are not those of the table.
    """
    s.place[:] = -1
    step = max(1, _READ // (len(s.place) if s.kind == MATRIX else s.data.size))
    for first in range(0, len(chosen), step):
        if clock.remaining <= 0:
            return False
        _put_all(s, chosen, first, min(len(chosen), first + step))
    return True


@njit(cache=True, nogil=True)
def _put_all(s: Picks, chosen: NDArray[np.int64], first: int, last: int) -> None:
    for i in range(first, last):
        s.picks[i] = chosen[i]
        put(s, i, chosen[i])


@njit(cache=True, nogil=True)
def closest(s: Picks) -> tuple[float, int]:
    """Return the smallest distance among the picks and the number of critical pairs; O(k^2)."""
    z, count = np.inf, 0
    for i in range(len(s.picks)):
        for j in range(i):
            d = s.to_pick[s.picks[i], j]
            if d < z:
                z, count = d, 1
            elif d == z:
                count += 1
    return z, count


@njit(cache=True, nogil=True)
def pairs_at(s: Picks, v: int, without: int, z: float, limit: int) -> int:
    """Count distance z among v to the picks but one; ``limit`` as soon as one is smaller or that many are found."""
    found = 0
    for j in range(len(s.picks)):
        d = s.to_pick[v, j]
        if d <= z and j != without:
            found += 1
            if d < z or found >= limit:
                return limit
    return found


@njit(cache=True, nogil=True)
def improve(s: Picks, swaps: int, offset: int, counts: CountsTable | None = None) -> int:
    """Make up to ``swaps`` first-improvement swaps of ends of critical pairs; return how many there were.

    Fewer than ``swaps`` means that no swap improves any more. ``offset`` is where the scan of the points begins. With
    ``counts``, only swaps that keep them are made.
    """
    for done in range(swaps):
        z, critical = closest(s)
        improved = False
        for i in range(s.fixed, len(s.picks)):
            own = pairs_at(s, s.picks[i], i, z, critical + 1)
            if own == 0:
                continue
            for step in range(len(s.free)):
                v = s.free[(offset + step) % len(s.free)]
                if counts is not None and forbids(counts, s.picks[i], v):
                    continue
                if s.place[v] < 0 and pairs_at(s, v, i, z, own) < own:
                    if counts is not None:
                        count_point(counts, s.picks[i], -1)
                        count_point(counts, v, 1)
                    put(s, i, v)
                    offset += step
                    improved = True
                    break
            if improved:
                break
        if not improved:
            return done
    return swaps
