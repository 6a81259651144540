"""Farthest-first from products of integers: all picks of the float64 rule, or those up to where distances tie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from mmdp import SolverContractError
from mmdp.arrays import Points, Vector, widened
from solvers._farthest_first import intervals, isolated
from solvers._farthest_first.integer_products import half_distances, refine
from solvers._farthest_first.integer_rows import SQUARES, IntegerRows, integer_rows
from solvers._framework.distance_forms import FEW_DIMENSIONS
from solvers._framework.first_pick import RANKED

MOST_POINTS = 8192  # whose matrix takes 256 MiB
FEW_PICKS = 8  # a start that looks at one row is as fast without a matrix where n is more than so many times k
_WORTH_FINER = 32  # n^2 over so many distances in float64 take as long as finer products of all pairs
MANY_POINTS = 512  # from which on the isolated point is looked for without all pairs, where few are picked
_SAMPLE = 64  # rows whose mean stands for the middle of all


@dataclass(frozen=True)
class Outcome:
    """Picks that products decided, all of the rule, perhaps fewer than asked for, and the distances it took.

    Parameters
    ----------
    picks : list of int
    recomputed : int
        Distances in float64, of pairs that the bound left open.
    """

    picks: list[int]
    recomputed: int = 0


def applies(n: int, d: int, k: int, start: str | int, first: Sequence[int]) -> bool:
    """Whether products of all pairs are sooner done than rows of distances: many dimensions, and a matrix that fits."""
    all_pairs = not first and start in RANKED
    fits = 2 <= n <= MOST_POINTS and (all_pairs or k * FEW_PICKS >= n)
    return d > FEW_DIMENSIONS and (fits or _needs_no_matrix(n, k, start, first))


def _needs_no_matrix(n: int, k: int, start: str | int, first: Sequence[int]) -> bool:
    """Whether all pairs are looked at for the first pick alone, and few picks follow."""
    return start == "isolated" and not first and n >= MANY_POINTS and k * MANY_POINTS <= n * FEW_PICKS


def pick(
    x: Points, k: int, start: str | int, first: Sequence[int], angular: bool, slack: float = 1.0, threads: int = 1
) -> Outcome:
    """Pick among the rows of ``x`` by products of integers; see :mod:`solvers._farthest_first.intervals`.

    Products of 16 bits decide most. Where they leave so much open that distances in float64 would take longer than
    finer products, these go on from the picks so far.

    Parameters
    ----------
    x : (n, d) float32 or float64 array, or one of uint16: the bits of bfloat16; C-contiguous
    k : int
    start : str or int
        "isolated", "farthest_pair", "sweep", or an index; not used with ``first``.
    first : sequence of int
        Picks that are made already.
    angular : bool
        Whether rows are compared as unit vectors; zero vectors stay zero.
    slack : float
        Factor on the error bound; below 1 only for the test that the bound is needed.
    threads : int
        That multiply.

    Returns
    -------
    Outcome
        No picks where norms are out of range, or not finite; fewer than k if distances tie by the mass, so that the
        plain traversal is sooner done.

    Raises
    ------
    SolverContractError
        If a distance is farther from its product than the bound allows.
    """
    n, picks = len(x), np.full(k, -1)
    picks[: len(first)] = first[:k]
    count = min(len(first), k)
    rows = _rows(x, angular)
    if rows is None:
        return Outcome(list(first))
    if _needs_no_matrix(n, k, start, first):
        found, computed, wrong = isolated.most_isolated(rows, slack * rows.error, threads)
        _check(wrong, slack * rows.error)
        if found >= 0 or n > MOST_POINTS:
            return Outcome([found][: found + 1], computed)
    matrix, least = half_distances(rows, threads)
    work, budget = np.zeros(3, np.int64), n * n // _WORTH_FINER
    pairs = _pairs(rows, matrix, slack * rows.error)
    count = _extend(pairs, least, start, picks, count, work, budget, budget)
    if count < k:
        least, pairs = refine(rows, matrix, threads), _pairs(rows, matrix, slack * rows.fine_error)
        count = _extend(pairs, least, start, picks, count, work, n * n // 8 + n * min(2, k), n * k // 2)
    return Outcome(picks[:count].tolist(), int(work[intervals.COMPUTED]))


def _extend(
    pairs: intervals.Pairs,
    least: intervals.Floats,
    start: str | int,
    picks: NDArray[np.int64],
    count: int,
    work: NDArray[np.int64],
    for_the_first: int,
    for_others: int,
) -> int:
    """Return how many picks there are once all are made, or so many distances in float64 were not enough."""
    if not count:
        work[intervals.LEFT] = for_the_first
        picks[0] = _first(pairs, least, start, work)
        count = int(picks[0] >= 0)
    if 0 < count < len(picks):
        work[intervals.LEFT] = for_others
        count = intervals.extend(pairs, intervals.unknown(len(least)), picks, 0, count, len(picks), work)
    _check(int(work[intervals.WRONG]), pairs.error)
    return count


def radius_of_last(x: Points, picks: Sequence[int]) -> float:
    """Squared distance of the last pick to those before it."""
    before = np.array(picks[:-1])
    distances = intervals.rule_distances(x, np.ones(len(x)), np.full(len(before), picks[-1]), before)
    return 2 * float(distances.min(initial=np.inf))


def warm_up(x: Points, start: str | int) -> None:
    """Compile for rows of this dtype and a start, with few picks and with many."""
    rows = np.ascontiguousarray(x[: FEW_PICKS * 2])
    pick(rows, min(2, len(rows)), 0 if start == "random" else start, [], angular=False)
    ready = _rows(rows, angular=False)
    if ready is not None:
        isolated.warm_up(ready, numba.get_num_threads())
        refine(ready, half_distances(ready)[0])


def _check(wrong: int, error: float) -> None:
    if wrong:
        raise SolverContractError(
            f"{wrong} products of integers are off by more than {error:.3g}, which cannot be; please report it. "
            "Greedy(accelerated=False) does without them"
        )


def _rows(x: Points, angular: bool) -> IntegerRows | None:
    """Round the rows after they are scaled as the rule does; None where products cannot tell."""
    scale = _scales(x, angular)
    return None if scale is None else integer_rows(x, scale, _middle(x, scale))


def _pairs(rows: IntegerRows, matrix: intervals.Floats, error: float) -> intervals.Pairs:
    outwards = float(np.nextafter(np.float32(error), np.float32(np.inf)))
    return intervals.Pairs(rows.x, rows.scale, matrix, outwards)


def _scales(x: Points, angular: bool) -> Vector | None:
    """What the rule multiplies rows with; None if a norm is out of range or not finite."""
    if not angular:
        return np.ones(len(x))
    squares = intervals.squared_norms(x)
    zero = squares == 0
    if not (((squares >= SQUARES[0]) & (squares <= SQUARES[1])) | zero).all():
        return None
    return np.where(zero, 0.0, 1 / np.sqrt(np.where(zero, 1.0, squares)))


def _middle(x: Points, scale: Vector) -> Vector:
    """Return the mean of a sample of the scaled rows."""
    every = max(1, len(x) // _SAMPLE)
    sample = widened(x[::every]) if x.dtype == np.uint16 else x[::every]
    with np.errstate(over="ignore", invalid="ignore"):  # where it leaves float64, so do the norms, which are looked at
        return np.asarray((sample * scale[::every, None]).mean(axis=0))


def _first(pairs: intervals.Pairs, least: intervals.Floats, start: str | int, work: NDArray[np.int64]) -> int:
    if start == "isolated":
        return int(intervals.most_isolated(pairs, least, work))
    if start == "farthest_pair":
        return int(intervals.end_of_farthest_pair(pairs, work))
    if start == "sweep":
        return int(intervals.farthest_from(pairs, 0, work))
    return int(start)
