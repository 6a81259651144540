"""Compiled work in slices short enough for the clock and for Ctrl-C, whose lengths do not change the outcome."""

from __future__ import annotations

import time

from mmdp import Clock

_SECONDS = 0.02
_FIRST, _GROWTH = 64, 4


class Slices:
    """Deals out moves of a search until the clock has expired.

    Counted limits are cut exactly, so that the same seed gives the same answer however the slices fell.

    Parameters
    ----------
    clock : Clock
    patience : int
        The natural end: moves since the last better incumbent, for runs limited neither in time nor in moves.
    first : int
        Moves of the first slice, at most; fewer where a move takes long.
    """

    def __init__(self, clock: Clock, patience: int, first: int = _FIRST) -> None:
        self._clock = clock
        stop = clock.stop
        endless = stop.seconds is None and stop.iterations is None
        self._patience = patience if endless and stop.no_improvement is None else stop.no_improvement
        self._moves = max(1, min(_FIRST, first))
        self._dealt, self._counted, self._dealt_at = 0, 0, 0.0

    def next(self) -> int:
        """Moves that the next slice may make; 0 at the end."""
        clock = self._clock
        allowed = self._moves
        if clock.stop.iterations is not None:
            allowed = min(allowed, int(clock.stop.iterations) - clock.iterations)
        if self._patience is not None:
            allowed = min(allowed, int(self._patience) - (clock.iterations - clock.last_gain))
        self._dealt, self._counted, self._dealt_at = max(0, allowed), clock.iterations, time.perf_counter()
        return 0 if clock.expired else self._dealt

    def done(self, moves: int) -> None:
        """Count the moves of a slice, and deal more or fewer next time."""
        self._clock.iterations = moves
        seconds, whole = time.perf_counter() - self._dealt_at, moves - self._counted >= self._dealt
        if whole and seconds < _SECONDS / 2:  # one that ended early says nothing about the time of more moves
            self._moves = self._dealt * (_GROWTH if seconds < _SECONDS / _GROWTH else 2)
        elif seconds > _SECONDS * 2:
            self._moves = max(1, self._dealt // 2)
