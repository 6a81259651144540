"""Local search where a solution is a heavy enough set: capacities that reach a demand, or k points of groups apart."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from mmdp import Clock, Problem, Stop
from mmdp.arrays import Indices, Matrix, Vector
from solvers._framework.slices import Slices
from solvers._framework.trimming import trimmed
from solvers._local_search.heaviest_set import MOVES, Marks, advance, new_heavy_search, start_from

_SAMPLED = 10**6  # distances among which the first thresholds are looked for
_TRIED = 10  # moves for each point at one of these thresholds


def demand_search(
    problem: Problem, clock: Clock, first: Indices | None, rng: np.random.Generator, rest: int, patience: int
) -> Generator[None, None, None]:
    """Search for a solution without a pair at the incumbent's distance, again and again; pause after every slice.

    The threshold first rises by bisection, with few moves for each, and then from incumbent to incumbent.

    Parameters
    ----------
    problem : Problem
        Without group counts.
    clock : Clock
        Told of every better incumbent; its iterations are moves.
    first : int64 array or None
        A solution, if there is one to begin with.
    rng : numpy.random.Generator
    rest : int
        Moves without a better incumbent that end a run limited neither in time nor in moves.
    patience : int
        Moves without a heavier set that bring a restart.

    Raises
    ------
    TooLargeError
        If the matrix of distances does not fit the memory, or takes longer than there is time.
    """
    points, weight, needed = _weights_of(problem)
    distances = _distances_apart(problem, points, clock)
    fixed = np.isin(points, problem.include)
    search = new_heavy_search(distances, weight, needed, fixed, int(rng.integers(2**62)))
    slices = Slices(clock, rest)
    begun = np.isin(points, [] if first is None else first)
    z = -np.inf if first is None else _closest(distances, begun)
    start_from(search, z, begun)

    def found() -> float:
        """Report the set of the search; its smallest distance."""
        chosen = trimmed(problem, points[search.chosen])
        begun[:] = np.isin(points, chosen)
        clock.report(chosen, problem.objective(chosen)[0])
        return _closest(distances, begun)

    most = _closest(distances, fixed)  # the fixed points allow no more
    levels = _levels(distances, z, most)
    low, high = 0, len(levels)  # of the levels that are too many to keep, the lowest one known
    while low < high and (moves := min(slices.next(), _TRIED * len(points))):
        middle = (low + high) // 2
        start_from(search, float(levels[middle]), begun)
        if advance(search, moves, patience):
            z = found()
            low = int(np.searchsorted(levels, z, side="right"))
        else:
            high = middle
        slices.done(int(search.counter[MOVES]))
        yield
    start_from(search, z, begun)
    while z < most and (moves := slices.next()):
        if advance(search, moves, patience):
            z = found()
            start_from(search, z, begun)
        slices.done(int(search.counter[MOVES]))
        yield


def _weights_of(problem: Problem) -> tuple[Indices, Indices, int]:
    """Points that may be chosen, what each contributes, and what a solution needs; k where all count alike."""
    capacities, points = problem.capacities, problem.candidates
    if capacities is None:
        return points, np.ones(len(points), dtype=np.int64), problem.k
    points = points[(capacities.units[points] > 0) | np.isin(points, problem.include)]
    return points, capacities.units[points], capacities.needed


def _distances_apart(problem: Problem, points: Indices, clock: Clock) -> Matrix:
    """Distances among points, minus infinity for two that may not both be chosen, infinite on the diagonal."""
    distances = problem.matrix(lambda: clock.remaining <= 0)
    if len(points) < problem.n:
        distances = distances[np.ix_(points, points)]
    elif problem.distances is not None:  # which may be the array of the problem itself
        distances = distances.copy()
    if problem.separations is not None:
        distances[problem.separations.broken(distances, points, points)] = -np.inf
    np.fill_diagonal(distances, np.inf)
    return distances


def _closest(distances: Matrix, chosen: Marks) -> float:
    return float(distances[np.ix_(chosen, chosen)].min(initial=np.inf))


def _levels(distances: Matrix, z: float, most: float) -> Vector:
    """Thresholds to begin with, ascending: distances of all pairs, or of some, between z and the most there can be."""
    some = distances[:: 1 + distances.size // _SAMPLED]
    return np.unique(some[(some > z) & (some < most)])


def warm_up_demand_search() -> None:
    """Compile on a few points."""
    corners = Problem(distances=1.0 - np.eye(6), capacity=np.arange(1, 7), demand=6)
    for _ in demand_search(corners, Clock(Stop(iterations=500)), np.arange(6), np.random.default_rng(0), 0, 10):
        pass
