"""Ctrl-C as it arrives from compiled code."""

from __future__ import annotations


def interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C was the cause; Numba wraps one that arrives as a compiled function returns in SystemErrors."""
    return isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemError) and interrupted(error.__cause__))
