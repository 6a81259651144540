"""A solution that the caller knows, to start from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmdp import InvalidOptionError, InvalidProblemError, Problem
from mmdp.arrays import Indices
from mmdp.validation import distinct
from solvers._framework.counted_picks import repaired
from solvers._framework.grading import fault


def starting_solution(problem: Problem, initial: Sequence[int]) -> tuple[Indices, str]:
    """Return a solution that keeps as much of ``initial`` as possible, and what had to be repaired, if anything.

    Points come from the front of ``initial`` as long as k, ``exclude`` and the counts allow them, after those of
    ``include``; farthest-first adds the rest.

    Raises
    ------
    InvalidOptionError
        If these are not different indices of points, or no solution is found that keeps what may be kept of them.
    """
    try:
        given = np.array(distinct(problem.n, initial, "initial"), dtype=np.int64)
    except InvalidProblemError as error:
        raise InvalidOptionError(f"{error}; give k different indices of points") from error
    if wrong := fault(problem, given):
        solution = repaired(problem, given)
        if solution is None:
            raise InvalidOptionError(f"initial has {wrong}, and the rest could not be completed; drop initial")
        kept = int(np.isin(given, solution).sum())
        return solution, f"had {wrong}; {kept} of its {len(given)} points are kept"
    return given, ""
