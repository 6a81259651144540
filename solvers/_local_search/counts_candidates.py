"""Points that a search within group counts looks at together, in the order of their kinds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdp import Problem
from mmdp.arrays import Indices
from mmdp.groups import GroupCounts
from solvers._local_search.conflict_matrix import with_pairs_up_to
from solvers._local_search.counts_moves import search_within_counts
from solvers._local_search.counts_state import CountedSearch, new_counted_search
from solvers._local_search.counts_table import counts_table
from solvers._local_search.near_pairs import roomy_cap
from solvers._local_search.threshold_search import BEYOND_CAP


class CountedCandidates:
    """A set of points and all distances among them; used as :class:`candidate_set.CandidateSet` is.

    Parameters
    ----------
    problem : Problem
    limits : GroupCounts
    points : int64 array
        Candidates, the picks to start from among them.
    """

    def __init__(self, problem: Problem, limits: GroupCounts, points: Indices) -> None:
        self.problem, self.points = problem, points[np.argsort(limits.kind[points], kind="stable")]
        self._limits = limits
        self._known = np.ascontiguousarray(problem.reduced_distances(self.points, self.points))

    def begin(self, chosen: NDArray[np.bool_], fixed: Indices, seed: int) -> CountedSearch:
        """Begin a search from the ``chosen`` points, which keep the counts."""
        table = counts_table(self._limits, self.points)
        closest = self._closest(chosen)
        stays = np.isin(self.points, fixed)
        return new_counted_search(self._known, closest, self._cap(closest), chosen, stays, table, seed)

    def go_on(self, state: CountedSearch, moves: int, patience: int) -> tuple[CountedSearch, int]:
        """Make up to ``moves`` moves; return the state to go on with and why the search came back."""
        reason: int = search_within_counts(state, moves, patience)
        if reason == BEYOND_CAP:
            return with_pairs_up_to(state, self._cap(self._closest(state.chosen))), reason
        return state, reason

    def _closest(self, chosen: NDArray[np.bool_]) -> float:
        distances = self._known[np.ix_(chosen, chosen)]
        return float(distances[np.triu_indices(len(distances), 1)].min())

    def _cap(self, closest: float) -> float:
        return roomy_cap(self._known, closest)
