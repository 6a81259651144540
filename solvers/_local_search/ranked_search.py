"""Local search within group counts where groups have to be apart too.

The distances are replaced by their ranks from 1 on, and those of two points that may not both be chosen by 0. A subset
is better exactly if its smallest rank is larger, and it keeps all groups apart if that is above 0. So the search within
group counts needs to know nothing of ``apart``.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from itertools import chain

import numpy as np

from mmdp import Clock, Problem


def ranked(problem: Problem, clock: Clock) -> Problem:
    """State a problem with ``apart`` by ranks of its distances, without ``apart``.

    Raises
    ------
    TooLargeError
        If the matrix of distances does not fit the memory, or takes longer than there is time.
    """
    assert problem.separations is not None
    every = np.arange(problem.n)
    distances = problem.matrix(lambda: clock.remaining <= 0)
    ranks = np.unique(distances, return_inverse=True)[1].reshape(distances.shape) + 1.0
    ranks[problem.separations.broken(distances, every, every)] = 0.0
    np.fill_diagonal(ranks, 0.0)
    return Problem(
        problem.k,
        distances=ranks,
        include=problem.include,
        exclude=problem.exclude,
        groups=problem.groups,
        counts=problem.counts,
    )


def clock_of_ranks(clock: Clock) -> Clock:
    """Return a clock for the search of ranks: distances as limits mean nothing there."""
    seconds = clock.remaining if np.isfinite(clock.remaining) else None
    return Clock(replace(clock.stop, seconds=seconds, target=None, gap=None, upper_bound=None))


def told(
    problem: Problem, clock: Clock, inner: Clock, search: Generator[None, None, None]
) -> Generator[None, None, None]:
    """Go through a search of ranks, and tell the clock of the problem what it finds."""
    best = 0.0
    for _ in chain((None,), search):
        clock.iterations = inner.iterations
        if inner.objective > best:
            best = inner.objective
            clock.report(inner.best(), problem.objective(inner.best())[0])
        if clock.expired:
            return
        yield
