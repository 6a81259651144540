"""The points that a search is looking at, and the list of the pairs among them that are near each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdp import Problem
from mmdp.arrays import Indices, Matrix
from solvers._local_search.conflict_matrix import (
    MOST_PICKS,
    ConflictMatrix,
    new_conflict_matrix,
    search_conflict_matrix,
    with_pairs_up_to,
)
from solvers._local_search.near_pairs import NearPairs, near_pairs, roomy_cap, stacked
from solvers._local_search.threshold_search import (
    BEYOND_CAP,
    LAST_GAIN,
    MOVES,
    RAISED_AT,
    ConflictLists,
    new_conflict_lists,
    search_conflict_lists,
)

_DENSE = 4000  # points whose matrix is kept; beyond, only the near pairs are
IN_BYTES = 1500  # points up to which a row of bytes is faster than a list of near points
_SAMPLED_ROWS = 64  # of distances, where there is no matrix, to estimate how many pairs are near
_BLOCK = 2**22  # distances computed at a time


class CandidateSet:
    """A set of points and their near pairs.

    Parameters
    ----------
    problem : Problem
    points : int64 array
        Ascending indices; a subset of the candidates.
    """

    def __init__(self, problem: Problem, points: Indices) -> None:
        self.problem, self.points = problem, points
        if len(points) <= _DENSE:
            self._known = np.ascontiguousarray(problem.reduced_distances(points, points))
        else:
            every = max(1, len(points) // _SAMPLED_ROWS)
            self._known = problem.reduced_distances(points[::every], points)

    def begin(self, chosen: NDArray[np.bool_], fixed: Indices, seed: int) -> ConflictLists | ConflictMatrix:
        """Begin a search from the ``chosen`` points, in the layout that suits their number."""
        if len(self.points) <= IN_BYTES and self.problem.k <= MOST_PICKS:
            closest = self._closest(chosen)
            return new_conflict_matrix(
                self._known, closest, self._cap(closest), chosen, np.isin(self.points, fixed), seed
            )
        return self._listed(chosen, np.isin(self.points, fixed), seed)

    def go_on(
        self, state: ConflictLists | ConflictMatrix, moves: int, patience: int
    ) -> tuple[ConflictLists | ConflictMatrix, int]:
        """Make up to ``moves`` moves; return the state to go on with and why the search came back."""
        if isinstance(state, ConflictMatrix):
            reason: int = search_conflict_matrix(state, moves, patience)
            if reason == BEYOND_CAP:
                return with_pairs_up_to(state, self._cap(self._closest(state.chosen))), reason
            return state, reason
        why: int = search_conflict_lists(state, self.problem.k, moves, patience)
        if why == BEYOND_CAP:
            return self._listed(state.chosen, state.fixed, int(state.random[0]), state), why
        return state, why

    def _listed(
        self, chosen: NDArray[np.bool_], fixed: NDArray[np.bool_], seed: int, before: ConflictLists | None = None
    ) -> ConflictLists:
        """Start from lists of near pairs, with the memory of ``before`` if its pairs ran out."""
        closest = self._closest(chosen)
        pairs = self._pairs(closest, self._cap(closest))
        state = new_conflict_lists(pairs, closest, chosen, fixed, seed)
        if before is not None:
            state.frequency[:], state.tabu[:] = before.frequency, before.tabu
            now = before.counter[MOVES]
            state.counter[MOVES] = state.counter[RAISED_AT] = state.counter[LAST_GAIN] = now
        return state

    def expected_pairs(self, closest: float) -> float:
        """Estimate how many near pairs a search from the reduced distance ``closest`` would list."""
        share = float(np.mean(self._known <= roomy_cap(self._known, closest)))
        return share * len(self.points) ** 2

    def _rows(self, start: int, stop: int) -> Matrix:
        return np.ascontiguousarray(self.problem.reduced_distances(self.points[start:stop], self.points))

    def _closest(self, chosen: NDArray[np.bool_]) -> float:
        picked = self.points[chosen]
        distances = self.problem.reduced_distances(picked, picked)
        return float(distances[np.triu_indices(len(picked), 1)].min())

    def _cap(self, closest: float) -> float:
        return roomy_cap(self._known, closest)

    def _pairs(self, threshold: float, cap: float) -> NearPairs:
        n = len(self.points)
        if n <= _DENSE:
            return near_pairs(self._known, 0, threshold, cap)
        step = max(1, _BLOCK // n)
        blocks = [near_pairs(self._rows(row, row + step), row, threshold, cap) for row in range(0, n, step)]
        return stacked(blocks)


def warm_up_lists() -> None:
    """Compile the search on lists of near points, which few points do not come to."""
    some = CandidateSet(Problem(3, points=np.arange(8.0)[:, None] ** 2), np.arange(8))
    lists = some._listed(np.arange(8) < 3, np.zeros(8, dtype=np.bool_), 1)
    search_conflict_lists(lists, 3, 1, 1)
