"""A first incumbent for the methods that prove: what the heuristics reach, told to the clock of the proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mmdp import Clock, NoSolutionError, Problem, Status, Stop
from solvers._framework.registry import make

_SEARCH = "local_search"
_TIME_SHARE = 0.2  # of what is left, for each heuristic: more finds better incumbents, and leaves less for the proof
_SHORT_SECONDS = 1.0  # that each may take in any case: in a short run the incumbent counts more than the bound
_SHORT_SHARE = 0.95  # of what is left, as long as these are not over: the rest is for a bound and for checking
_RESTARTS_SHARE = 0.5  # of what is left, for all restarts together
_PATIENCE = 40  # moves without a gain for each point: a quick start goes on for fewer, a patient one for more
_QUICK_MOVES = 500_000  # of a quick start at most: about a second of the local search
_PATIENT_MOVES = 2_500_000  # of a patient one at most: half a minute where moves are slow
_SAMPLE = 20_000  # points: the more, the nearer its optimum is to that of all, and the longer its proof
_SAMPLE_NODES = 1_000_000  # of the proof for a sample: its picks count, not its bound
_STARTS = 12  # restarts at most: more try more arrangements, and keep the proof waiting
_POINTS_OF_STARTS = 400_000  # points of all restarts together, so that large problems restart less often


def seconds_for_one(clock: Clock) -> float:
    """Time for one of several attempts at an incumbent: a share of what is left, or nearly all if that is short."""
    return max(_TIME_SHARE * clock.remaining, min(_SHORT_SECONDS, _SHORT_SHARE * clock.remaining))


def has_sample(problem: Problem) -> bool:
    """Whether a sample has more points than are to be chosen."""
    return problem.k < _SAMPLE


def from_sample(problem: Problem, clock: Clock, rng: np.random.Generator) -> None:
    """Solve for a sample of the points: a proof on thousands takes seconds, and its picks lie near good ones of all.

    Raises
    ------
    KeyboardInterrupt
        When that was interrupted.
    """
    assert problem.points is not None
    some = np.sort(rng.choice(problem.candidates, _SAMPLE, replace=False))
    part = Problem(problem.k, points=problem.points[some], metric=problem.metric)
    seconds = seconds_for_one(clock) if np.isfinite(clock.remaining) else None
    found = make("exact").solve(part, Stop(seconds=seconds, iterations=_SAMPLE_NODES), seed=int(rng.integers(2**31)))
    chosen = some[found.indices]
    clock.report(chosen, problem.objective(chosen)[0])
    if found.status is Status.INTERRUPTED:
        raise KeyboardInterrupt


def restarts(problem: Problem, clock: Clock, rng: np.random.Generator, heuristics: Sequence[str]) -> Iterator[None]:
    """Run the heuristics quickly, once at each step, as ``warm_start``; fewer times for more points."""
    end = clock.elapsed + _RESTARTS_SHARE * clock.remaining
    for _ in range(min(_STARTS, _POINTS_OF_STARTS // problem.n)):
        if not clock.expired and clock.elapsed < end:
            warm_start(problem, clock, rng, heuristics, share=_TIME_SHARE)
        yield


def patient_start(
    problem: Problem, clock: Clock, rng: np.random.Generator, heuristics: Sequence[str]
) -> Iterator[None]:
    """Run the heuristics patiently at the first step, as ``warm_start``."""
    warm_start(problem, clock, rng, heuristics, quick=False)
    yield


def suitable(problem: Problem, heuristics: Sequence[str]) -> tuple[str, ...]:
    """Those of the heuristics that take the problem; the local search where none does, if it takes it."""
    taking = tuple(name for name in heuristics if not make(name).refusal(problem))
    return taking or tuple(name for name in (_SEARCH,) if not make(name).refusal(problem))


def warm_start(
    problem: Problem,
    clock: Clock,
    rng: np.random.Generator,
    heuristics: Sequence[str],
    quick: bool = True,
    share: float | None = None,
) -> None:
    """Run the heuristics in turn, each within counted limits and a share of the time that is left.

    A quick start is enough for a search that proves in no time, or that finds better incumbents on its way. Without
    ``share`` the heuristics get what :func:`seconds_for_one` gives them.

    Raises
    ------
    KeyboardInterrupt
        When a heuristic was interrupted; its incumbent is with the clock by then.
    """
    for name in heuristics:
        solver = make(name)
        rest = solver.default_stop.no_improvement
        stop = replace(solver.default_stop, target=clock.stop.target, upper_bound=clock.upper_bound)
        chosen, most = (min, _QUICK_MOVES) if quick else (max, _PATIENT_MOVES)
        stop = replace(stop, no_improvement=rest and chosen(rest, _PATIENCE * problem.n), iterations=most)
        if np.isfinite(clock.remaining):
            stop = replace(stop, seconds=seconds_for_one(clock) if share is None else share * clock.remaining)
        try:
            found = solver.solve(problem, stop, seed=int(rng.integers(2**31)))
        except NoSolutionError:  # which a proof may find or refute
            continue
        clock.report(found.indices, found.objective)
        if found.upper_bound > found.objective:  # one that met the objective met it up to rounding, which is no proof
            clock.report(upper_bound=found.upper_bound)
        if found.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if clock.expired:
            break
