"""Checks of what a user hands to :class:`mmdp.Problem`, each with a message that says where and what to do."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmdp import advice
from mmdp.arrays import (
    LARGEST_COORDINATE,
    WIDE_BYTES,
    Array,
    Indices,
    all_finite,
    check_reach,
    check_whole,
    describe_rows,
    is_tensor,
    namespace,
    to_numpy,
    value_range,
)
from mmdp.exceptions import InvalidProblemError
from mmdp.metrics import PRECOMPUTED
from mmdp.tables import is_frame, read_frame

_STRIP = 64  # rows and columns of a matrix that are compared at a time
_ROUNDING_STEPS = 64  # how many units in the last place a computed distance matrix may be off symmetry or zero


def no_points() -> InvalidProblemError:
    """Return the error of asking a distance matrix for coordinates."""
    return InvalidProblemError(
        "this problem is given by its distances and has no points; use a solver that reads a matrix"
    )


def one_of(points: Any, distances: Any, metric: Any) -> tuple[Any, Any]:
    """Check that exactly one of the two is given, and return them; points may be distances by the metric's name."""
    is_precomputed = metric is PRECOMPUTED or (isinstance(metric, str) and metric == PRECOMPUTED.name)
    if (points is None) == (distances is None):
        raise InvalidProblemError(
            f"give either points or distances; {'neither' if points is None else 'both'} came. "
            "Problem(k, points=X) for an (n, d) array, Problem(k, distances=D) for an (n, n) matrix"
        )
    if distances is not None and not is_precomputed and metric != "euclidean":
        raise InvalidProblemError(
            f"metric = {metric!r} is a distance of points, but distances are given; give only one of them"
        )
    return (None, points) if points is not None and is_precomputed else (points, distances)


def _table(x: Any, name: str) -> Array:
    if hasattr(x, "toarray"):
        raise InvalidProblemError(f"{name} is a sparse matrix; convert with .toarray()")
    if is_tensor(x) and "sparse" in str(x.layout):
        raise InvalidProblemError(f"{name} is a sparse tensor; convert with .to_dense()")
    if np.ma.is_masked(x):
        raise InvalidProblemError(f"{name} has masked entries; drop such rows, or fill them with .filled()")
    if is_frame(x):
        x = read_frame(x, name=name).points
    if not is_tensor(x):
        x = _array(x, name)
        if x.dtype.kind == "f" and x.dtype.itemsize > 8:
            x = x.astype(np.float64)
    elif x.is_complex():
        raise InvalidProblemError(f"{name} must hold real numbers, not {x.dtype}")
    elif x.is_floating_point() and x.dtype.itemsize == 1:  # of which torch computes next to nothing
        x = x.float()
    if x.ndim != 2:
        raise advice.wrong_shape(name, x)
    if 0 in x.shape:
        raise InvalidProblemError(f"{name} is empty: shape {tuple(x.shape)}")
    if (x.is_floating_point() if is_tensor(x) else x.dtype.kind == "f") and not all_finite(x):
        finite = namespace(x).isfinite(x)
        bad = np.flatnonzero(~np.asarray(finite.all(1).tolist()))
        column = int(np.flatnonzero(~np.asarray(finite[int(bad[0])].tolist()))[0])
        raise InvalidProblemError(
            f"{name} has NaN or infinity in {describe_rows(bad)}, first at [{bad[0]}, {column}]; drop or fill them"
        )
    return x


def _array(x: Any, name: str) -> Any:
    """Anything that numpy reads as real numbers."""
    if (wrong := advice.no_array(name, x)) is not None:
        raise wrong
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise advice.no_array(name, x, error) or error from error
    if x.dtype.kind not in "fiub":
        raise advice.no_reals(name, x)
    return x


def tables(points: Any) -> Any:
    """Return one table of points or a batch of them, (n, d) or (..., n, d), as an array or a tensor."""
    points = points if hasattr(points, "ndim") else _array(points, "points")
    if points.ndim < 2:
        raise advice.wrong_shape("points", points)
    return points


def point_table(points: Any) -> Array:
    """Check coordinates."""
    x = _table(points, "points")
    check_whole("points", x)
    largest = max(map(abs, value_range(x))) if x.dtype.itemsize >= WIDE_BYTES else 0.0
    check_reach("points", largest)
    if 0 < largest < 1 / LARGEST_COORDINATE:
        raise InvalidProblemError(
            f"points reach only {largest:.3g}: squared distances would vanish; multiply them all by a common factor"
        )
    return x


def distance_matrix(distances: Any) -> Any:
    """Check distances, and mend what only rounding made wrong."""
    D = to_numpy(_table(distances, "distances"))
    check_whole("distances", D)
    if D.shape[0] != D.shape[1]:
        raise InvalidProblemError(f"distances must be square, not {D.shape}; for an (n, d) array of points use points=")
    precision = float(np.finfo(D.dtype).eps) if D.dtype.kind == "f" else 0.0
    D = D.astype(np.float64) if D.dtype.kind != "f" else D
    least, largest = value_range(D)
    tolerance = _ROUNDING_STEPS * precision * max(-least, largest)
    if (diagonal := np.abs(np.diagonal(D))).max() > tolerance:
        i = int(diagonal.argmax())
        raise advice.not_zero(D, i)
    if least < -tolerance:
        i, j = divmod(int(D.argmin()), len(D))
        raise InvalidProblemError(f"distances[{i}, {j}] is {D[i, j]:.6g}; distances are never negative")
    skew, i, j = _largest_skew(D)
    if skew > tolerance:
        raise advice.not_symmetric(D, i, j)
    if skew or np.diagonal(D).any() or least < 0:  # rounding left by whoever computed the matrix
        D = np.maximum(D / 2 + D.T / 2, 0.0)
        np.fill_diagonal(D, 0.0)
    return D


def _largest_skew(D: Any) -> tuple[float, int, int]:
    """The largest ``|D[i, j] - D[j, i]|`` and where it is, by strips that stay in cache."""
    largest, place = 0.0, (0, 0)
    for start in range(0, len(D), _STRIP):
        rows = D[start : start + _STRIP, start:]
        skew = np.abs(rows - D[start:, start : start + _STRIP].T)
        if (most := float(skew.max())) > largest:
            i, j = divmod(int(skew.argmax()), skew.shape[1])
            largest, place = most, (start + i, start + j)
    return largest, *place


def whole_k(n: int, k: Any) -> Any:
    """Return how many points a share of n is, to the nearest whole number and at least 2; anything else as it is."""
    if isinstance(k, (float, np.floating)) and 0 < k < 1:
        return min(n, max(2, math.floor(k * n + 0.5)))
    return k


def checked_picks(
    n: int, k: Any, include: Sequence[int] = (), exclude: Sequence[int] = ()
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Check k and the fixed picks against n and each other."""
    if k is None:
        raise InvalidProblemError("how many points? give k, or the capacity of each point and a demand")
    try:
        k = operator.index(k)
    except TypeError as error:
        raise InvalidProblemError(
            f"k is how many points to choose, a whole number, not {k!r}; a share of them lies between 0 and 1"
        ) from error
    if not 2 <= k <= n:
        raise InvalidProblemError(
            f"k = {k} is out of range: choose at least 2 (a distance needs a pair) and at most n = {n}"
        )
    include, exclude = fixed_picks(n, include, exclude)
    if len(include) > k:
        raise InvalidProblemError(f"include fixes {len(include)} points, more than k = {k}")
    if n - len(exclude) < k:
        raise InvalidProblemError(f"exclude leaves {n - len(exclude)} of {n} points, fewer than k = {k}")
    return include, exclude


def fixed_picks(n: int, include: Sequence[int], exclude: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Check the indices to include and to exclude against n and each other."""
    include, exclude = distinct(n, include, "include"), distinct(n, exclude, "exclude")
    if both := set(include) & set(exclude):
        raise InvalidProblemError(f"{describe_rows(sorted(both))}: both in include and in exclude")
    return include, exclude


def subset(n: int, indices: Any) -> Indices:
    """Return the indices of two or more of n points in ascending order."""
    chosen = np.sort(np.asarray(indices), axis=None)
    if chosen.dtype.kind not in "iu" or np.ndim(indices) != 1 or len(chosen) < 2:
        raise InvalidProblemError(f"give the indices of at least two points, as a distance needs a pair, not {indices}")
    if chosen[0] < 0 or chosen[-1] >= n or (chosen[1:] == chosen[:-1]).any():
        distinct(n, chosen.tolist(), "indices")  # names what is wrong
    return chosen.astype(np.int64)


def distinct(n: int, indices: Sequence[int], name: str) -> tuple[int, ...]:
    """Return indices of n points as integers, once each; ``name`` says in messages what they are."""
    try:
        chosen = tuple(operator.index(i) for i in indices)
    except TypeError as error:
        raise InvalidProblemError(f"{name} is a sequence of whole numbers: {error}") from error
    if outside := [i for i in chosen if not 0 <= i < n]:
        raise InvalidProblemError(f"{name} names {outside[:5]}, outside 0 ... {n - 1}")
    if len(set(chosen)) < len(chosen):
        twice = sorted(index for index, times in Counter(chosen).items() if times > 1)
        raise InvalidProblemError(f"{name} names an index twice: {twice[:5]}")
    return chosen
