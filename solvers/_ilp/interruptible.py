"""Waiting for a solver written in C++ such that Ctrl-C reaches it as ``KeyboardInterrupt`` reaches Python."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.05  # between two looks for Ctrl-C: short enough not to be felt


def wait_for(solve: Callable[[], T], stop: Callable[[], None]) -> T:
    """Return ``solve()``, run in a thread; if the wait is interrupted, call ``stop()``, let it end, and raise.

    ``stop`` is called again after every poll, because a solver that has not begun its search yet may forget a request.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(solve)
        try:
            while not wait([running], timeout=_POLL_SECONDS).done:
                pass
        except KeyboardInterrupt:
            while not running.done():
                stop()
                wait([running], timeout=_POLL_SECONDS)
            raise
        return running.result()
