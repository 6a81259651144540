"""When a search ends: :class:`Stop`, the immutable limits, and :class:`Clock`, the state of one run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from mmdp.arrays import Indices
from mmdp.exceptions import InvalidOptionError, SolverContractError


@dataclass(frozen=True)
class Stop:
    """Limits of one run; the first one reached ends it, and ``None`` sets no limit.

    A plain record rather than a callback, because a compiled kernel and CP-SAT can read numbers and cannot call
    back into Python.

    Parameters
    ----------
    seconds : float, optional
        Wall-clock time of the whole run.
    iterations : int, optional
        Moves, nodes or models, in the unit that the solver documents.
    no_improvement : int, optional
        Iterations since the last better incumbent.
    target : float, optional
        Stop as soon as the objective is at least this distance.
    gap : float, optional
        Stop as soon as (upper bound - objective) / upper bound is at most this share.
    upper_bound : float, optional
        A bound on the optimum that the caller already knows, for ``gap`` to measure against.

    Raises
    ------
    InvalidOptionError
        If a limit is negative or not a number.

    Examples
    --------
    >>> Stop(seconds=2.5, gap=0.01)  # at most 2.5 seconds, less if the gap falls to 1 %
    Stop(seconds=2.5, iterations=None, no_improvement=None, target=None, gap=0.01, upper_bound=None)
    """

    seconds: float | None = None
    iterations: int | None = None
    no_improvement: int | None = None
    target: float | None = None
    gap: float | None = None
    upper_bound: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            limit = getattr(self, field.name)
            is_number = isinstance(limit, (int, float, np.number)) and not isinstance(limit, bool)
            if limit is not None and not (is_number and limit >= 0):
                raise InvalidOptionError(
                    f"Stop({field.name}={limit!r}): a limit is a number >= 0, or None for no limit"
                )
            if limit == math.inf:
                object.__setattr__(self, field.name, None)


@dataclass(frozen=True)
class Incumbent:
    """What was known at one moment of a run.

    Attributes
    ----------
    seconds : float
        Since the run began.
    objective : float
        Smallest pairwise distance of the best solution found by then.
    upper_bound : float
        The smallest bound on the optimum proven by then; infinite if there was none.
    """

    seconds: float
    objective: float
    upper_bound: float = math.inf


class Clock:
    """The state of one run: time, incumbent, bound and their history.

    A solver calls :meth:`report` when it finds something better, counts its ``iterations``, and checks :attr:`expired`
    between short stretches of work. If Ctrl-C interrupts the solver, the result is built from its clock.

    Parameters
    ----------
    stop : Stop
        The limits of the run.
    watch : callable, optional
        Called with an :class:`Incumbent` after each improvement.
    tell : callable, optional
        Called with the number of points chosen so far, by a method that constructs one solution.

    Attributes
    ----------
    indices : (k,) int64 array or None
        The incumbent.
    objective, upper_bound : float
        Of the incumbent, and on the optimum; true distances.
    iterations : int
        Counted by the solver, in its own unit.
    history : list of Incumbent
        All improvements so far.

    Examples
    --------
    >>> clock = Clock(Stop(target=4.0))
    >>> clock.report([0, 2], objective=5.0)
    >>> clock.expired
    True
    """

    def __init__(
        self,
        stop: Stop,
        watch: Callable[[Incumbent], None] | None = None,
        tell: Callable[[int], None] | None = None,
    ) -> None:
        self.stop = stop
        self.indices: Indices | None = None
        self.objective = -math.inf
        self.upper_bound = math.inf if stop.upper_bound is None else stop.upper_bound
        self.iterations = 0
        self.last_gain = 0
        self.history: list[Incumbent] = []
        self._watch, self._tell = watch, tell
        self._start = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._start

    @property
    def remaining(self) -> float:
        """Seconds left, ``inf`` without a time limit, never negative."""
        return math.inf if self.stop.seconds is None else max(0.0, self.stop.seconds - self.elapsed)

    @property
    def satisfied(self) -> bool:
        """Whether the incumbent is good enough: the target, the gap or the bound itself is met."""
        if self.objective >= self.upper_bound:
            return True
        if self.stop.target is not None and self.objective >= self.stop.target:
            return True
        if self.stop.gap is None or not math.isfinite(self.upper_bound):
            return False
        return self.upper_bound - self.objective <= self.stop.gap * self.upper_bound

    @property
    def expired(self) -> bool:
        """Whether any limit has been reached."""
        stop = self.stop
        return (
            self.remaining <= 0
            or (stop.iterations is not None and self.iterations >= stop.iterations)
            or (stop.no_improvement is not None and self.iterations - self.last_gain >= stop.no_improvement)
            or self.satisfied
        )

    def chosen(self, points: int) -> None:
        """Tell how many points of the one solution are chosen by now."""
        if self._tell is not None:
            self._tell(points)

    def best(self) -> Indices:
        """Return the picks of the best incumbent, in the order in which they were reported.

        Raises
        ------
        SolverContractError
            If none has been reported yet.
        """
        if self.indices is None:
            raise SolverContractError("the run has no incumbent yet: report one before asking for the best")
        return self.indices

    def report(
        self, indices: ArrayLike | None = None, objective: float = -math.inf, upper_bound: float = math.inf
    ) -> None:
        """Record a better incumbent, a tighter bound on the optimum, or both; anything else is ignored.

        ``objective`` and ``upper_bound`` are true distances, not reduced distances.
        """
        better = indices is not None and objective > self.objective
        if better:
            self.indices = np.array(indices, dtype=np.int64)
            self.objective = float(objective)
            self.last_gain = self.iterations
        if not better and not upper_bound < self.upper_bound:
            return
        self.upper_bound = min(self.upper_bound, float(upper_bound))
        self.history.append(Incumbent(self.elapsed, self.objective, self.upper_bound))
        if self._watch is not None:
            self._watch(self.history[-1])
