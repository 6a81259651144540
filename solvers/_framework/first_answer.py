"""An answer to begin with, where a limit in seconds may end before a method has one of its own."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from mmdp import Problem, TooLargeError
from mmdp.arrays import Indices

_SHARE = 0.5  # of the time: a method that begins better needs the rest


def first_answer(problem: Problem, seconds: float) -> Indices:
    """The farthest-first picks of a share of the time, completed by points spread over the rows."""
    picks = list(problem.include)
    nearest = np.full(problem.n, -1.0)
    nearest[problem.candidates] = np.inf
    with suppress(TooLargeError), problem.within(_SHARE * seconds):
        if not picks:
            sweep = nearest.copy()
            problem.lower(sweep, int(problem.candidates[0]))
            picks = [int(sweep.argmax())]
        for pick in picks:  # which grows meanwhile
            problem.lower(nearest, pick)
            nearest[pick] = -1.0
            if pick == picks[-1] and len(picks) < problem.k:
                picks.append(int(nearest.argmax()))
    rest = np.setdiff1d(problem.candidates, picks)
    spread = np.linspace(0, len(rest) - 1, problem.k - len(picks)).astype(np.int64)
    return np.concatenate([picks, rest[spread]]).astype(np.int64)
