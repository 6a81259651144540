"""How many tokens stay: a fraction kept or a count, never a share pruned."""

from __future__ import annotations

from numbers import Integral, Real

from mmdp.exceptions import InvalidOptionError


def check_keep(keep: float | int) -> float | int:
    """Return ``keep`` as a Python int (a count) or float (a fraction kept), or say what is wrong with it.

    Parameters
    ----------
    keep : float or int
        A float in (0, 1] is the fraction that stays; an int >= 1 is the number of tokens that stay. ``1`` keeps one
        token and ``1.0`` keeps them all.

    Raises
    ------
    InvalidOptionError
        If it is neither: zero, negative, not a number, or a float above 1.
    """
    if isinstance(keep, bool) or not isinstance(keep, Real):
        raise InvalidOptionError(f"keep={keep!r} is neither a fraction kept (float) nor a count (int)")
    if isinstance(keep, Integral):
        if keep < 1:
            raise InvalidOptionError(f"keep={keep!r}: a count is at least 1; a fraction is a float in (0, 1]")
        return int(keep)
    if not keep > 0:
        raise InvalidOptionError(
            f"keep={keep!r} would leave no visual token; give a fraction in (0, 1] or a count >= 1"
        )
    if keep > 1:
        percent = f", for {keep:g} percent write keep={keep / 100:g}" if keep <= 100 else ""
        raise InvalidOptionError(
            f"keep={keep!r} is a float above 1, so neither a fraction kept nor a count; "
            f"for a count write an int{percent}"
        )
    return float(keep)


def retained_count(n: int, keep: float | int) -> int:
    """Number of tokens that stay out of n: the count itself, or round(keep * n) and at least one.

    Raises
    ------
    InvalidOptionError
        If a count exceeds n, or ``keep`` is not a budget (:func:`check_keep`).
    """
    keep = check_keep(keep)
    if isinstance(keep, float):
        return max(1, round(keep * n))
    if keep > n:
        raise InvalidOptionError(
            f"keep={keep} asks for more tokens than the {n} that are there; lower it, or give a fraction in (0, 1]"
        )
    return keep


def capped_count(n: int, keep: float | int) -> int:
    """As :func:`retained_count`, but all n tokens stay where a count exceeds them."""
    return retained_count(n, min(n, keep) if isinstance(keep, int) else keep)
