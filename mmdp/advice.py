"""What to type instead, for data that state no problem: told by what the data look like."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from mmdp.arrays import Matrix
from mmdp.exceptions import InvalidProblemError

_SHOWN = 40


def no_array(name: str, given: Any, error: Exception | None = None) -> InvalidProblemError | None:
    """The error of something that is no array of numbers at all; None if it may be one."""
    if isinstance(given, (str, Path)):
        return InvalidProblemError(
            f"{name} = {str(given)!r} is a path, and a Problem holds an array; solve({str(given)!r}, k) reads it, "
            f"and so does mmdp.tables.open_table({str(given)!r}).load()"
        )
    if isinstance(given, dict):
        return InvalidProblemError(
            f"{name} is a dictionary; give the values as columns, as in np.column_stack(list({name}.values())), or as "
            "a data frame"
        )
    if error is not None:
        return InvalidProblemError(
            f"{name} cannot be read as a table of numbers: {error}; do all rows have the same length?"
        )
    return None


def no_reals(name: str, x: Any) -> InvalidProblemError:
    """The error of an array of another kind than real numbers."""
    said = f"{name} must hold real numbers, not {x.dtype}"
    if x.dtype.kind == "c":
        return InvalidProblemError(f"{said}; give real and imaginary parts as two columns, x.view(float)")
    if x.dtype.kind in "Mm":
        return InvalidProblemError(f"{said}; give days as numbers, (x - x.min()) / np.timedelta64(1, 'D')")
    if x.dtype.kind in "USO" and (told := _entry(x)) is not None:
        return InvalidProblemError(f"{said}: {told}")
    return InvalidProblemError(said)


def _entry(x: Any) -> str | None:
    """What the first entry that is no number is, and how numbers come out of it; None without entries."""
    for place in np.ndindex(x.shape):
        entry = x[place]
        where = f"[{', '.join(map(str, place))}]"
        if isinstance(entry, (list, tuple, np.ndarray)) or (hasattr(entry, "__array__") and np.ndim(entry)):
            return f"{where} is a {type(entry).__name__} of {len(entry)}; np.stack(x) makes a table of them"
        if entry is None or (isinstance(entry, float) and math.isnan(entry)):
            return f"{where} is missing; drop or fill such rows"
        if isinstance(entry, (str, bytes)):
            if not _is_number(entry) and x.ndim == 1:
                return (
                    f"{where} is the text {str(entry)[:_SHOWN]!r}; to compare texts, give their embeddings, or a "
                    "function of two of them as metric"
                )
            if not _is_number(entry):
                return f"{where} is the text {str(entry)[:_SHOWN]!r}; drop such columns"
        elif not isinstance(entry, (bool, int, float, np.number, np.bool_)) and type(entry).__name__ != "Decimal":
            return f"{where} is a {type(entry).__name__}, which is not a number"
    return "all of them can be read as numbers; convert with np.asarray(x, dtype=float)" if x.size else None


def _is_number(text: str | bytes) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def wrong_shape(name: str, x: Any) -> InvalidProblemError:
    """The error of a table with more or fewer than two dimensions."""
    shape = tuple(x.shape)
    said = f"{name} must be a table of two dimensions, not of shape {shape}"
    if name == "distances" and x.ndim == 1 and (n := points_of_condensed(len(x))):
        return InvalidProblemError(
            f"{said}; the distances of the pairs of {n} points become one by scipy.spatial.distance.squareform(D)"
        )
    if x.ndim == 1:
        return InvalidProblemError(f"{said}; for {shape[0]} points on a line pass x.reshape(-1, 1)")
    if x.ndim == 3:
        return InvalidProblemError(
            f"{said}; for a choice in each of {shape[0]} tables use select, as in solvers.make('greedy').select(x, k), "
            f"and for points of {shape[1]} x {shape[2]} numbers x.reshape({shape[0]}, -1)"
        )
    return InvalidProblemError(said)


def points_of_condensed(pairs: int) -> int:
    """How many points have so many pairs; 0 if none."""
    n = (1 + math.isqrt(1 + 8 * pairs)) // 2
    return n if n > 1 and n * (n - 1) // 2 == pairs else 0


def not_symmetric(D: Matrix, i: int, j: int) -> InvalidProblemError:
    """The error of distances that depend on the direction."""
    said = f"distances are not symmetric: [{i}, {j}] is {D[i, j]:.6g} and [{j}, {i}] is {D[j, i]:.6g}"
    below, above = np.tril(D, -1).any(), np.triu(D, 1).any()
    if not (below and above):
        return InvalidProblemError(f"{said}; only one triangle is filled, so pass D + D.T")
    return InvalidProblemError(f"{said}; if the shorter way counts, pass np.minimum(D, D.T)")


def not_zero(D: Matrix, i: int) -> InvalidProblemError:
    """The error of points at a distance from themselves."""
    said = f"distances[{i}, {i}] is {D[i, i]:.6g}, and a point is at distance 0 from itself"
    diagonal = np.diagonal(D)
    if np.allclose(diagonal, diagonal[0]) and diagonal[0] >= D.max() * (1 - 1e-6):
        top = "1" if np.allclose(diagonal, 1) else f"{diagonal[0]:.6g}"
        return InvalidProblemError(
            f"{said}; these look like similarities, whose distances are {top} - S, with np.fill_diagonal(D, 0)"
        )
    return InvalidProblemError(said)
