"""All optimal subsets of a problem: the k-cliques of the graph of pairs at the optimal distance or farther."""

from __future__ import annotations

import numpy as np

from mmdp import Clock, Problem
from solvers._exact.clique_search import FOUND, CliqueSearch, PacedSearch
from solvers._exact.counted_clique import CountedCliqueSearch


def optimal_subsets(problem: Problem, clock: Clock, cap: int) -> list[list[int]]:
    """Return up to ``cap`` subsets that reach the optimum, the objective of the clock, each ascending.

    Fewer than ``cap`` are all there are, if there was time. Exponential time, and possibly exponentially many subsets.

    Raises
    ------
    TooLargeError
        If the matrix fits neither memory nor time.
    """
    if len(problem.include) == problem.k:
        return [sorted(problem.include)][:cap]
    points = problem.candidates
    D = problem.matrix(lambda: clock.remaining <= 0)
    adjacent = np.greater_equal(problem.kept_apart(D[np.ix_(points, points)]), clock.objective)
    np.fill_diagonal(adjacent, False)
    forced = np.searchsorted(points, sorted(problem.include)).tolist()
    search: PacedSearch = (
        CliqueSearch(adjacent, problem.k, forced)
        if problem.group_counts is None
        else CountedCliqueSearch(adjacent, problem.k, forced, problem.group_counts, points)
    )
    subsets: list[list[int]] = []
    while len(subsets) < cap and clock.remaining > 0 and search.run(clock.remaining) == FOUND:
        subsets.append(sorted(points[search.clique].tolist()))
    return sorted(subsets)
