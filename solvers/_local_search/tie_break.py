"""Among subsets of equal smallest distance: fewer critical pairs first, then a larger sum of distances."""

from __future__ import annotations

import numpy as np

from mmdp import Clock, Problem
from mmdp.arrays import Indices, Matrix


def fewer_critical_pairs(problem: Problem, chosen: Indices, clock: Clock) -> Indices:
    """Swap one point at a time as long as (smallest distance, -critical pairs, sum of distances) grows.

    O(k n) time a pass over the picks, and memory; ends at a subset that no single swap improves, or with the clock.
    """
    free = [i for i in range(problem.k) if chosen[i] not in set(problem.include)]
    chosen, improved, limits = chosen.copy(), True, problem.group_counts
    rows = _rows_to_all(problem, chosen)
    while improved and not clock.remaining <= 0:
        improved = False
        for i in free:
            others = np.delete(rows, i, axis=0)
            kept = np.delete(chosen, i)
            floor = min(_smallest(others[:, kept]), float(rows[i][kept].min()))
            allowed = others.min(axis=0) >= floor
            allowed[kept] = False
            allowed[~np.isfinite(rows[i])] = False
            if limits is not None:
                allowed &= limits.exchangeable(limits.taken(chosen), int(chosen[i]))
            critical = (others == floor).sum(axis=0)
            total = np.where(allowed, problem.value(others).sum(axis=0), -np.inf)
            places = np.flatnonzero(allowed)
            fewest = places[critical[places] == critical[places].min()]
            best = int(fewest[total[fewest].argmax()])
            here = int(chosen[i])
            if (-critical[best], total[best]) > (-critical[here], total[here] * (1 + 1e-12)):
                chosen[i], rows[i], improved = best, _rows_to_all(problem, np.array([best]))[0], True
    return chosen


def _smallest(square: Matrix) -> float:
    return float(square[~np.eye(len(square), dtype=bool)].min()) if len(square) > 1 else np.inf


def _rows_to_all(problem: Problem, rows: Indices) -> Matrix:
    """Reduced distances from some points to all; excluded points are infinitely far away."""
    D = problem.reduced_distances(rows)
    D[:, list(problem.exclude)] = np.inf
    return D
