"""Farthest-first of arrays: from products in float32 where that is sooner, by the plain traversal for what is left."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from mmdp import InvalidProblemError, Problem, SolverContractError
from mmdp.arrays import Array, Points, Vector, compiled_dtype, to_numpy
from mmdp.metrics import ANGULAR, METRICS
from mmdp.problem import selection_problem
from solvers._farthest_first import intervals, isolated, plain_traversal
from solvers._farthest_first.half_product import UNIT, half_product, one_thread, relative_error
from solvers._framework.distance_forms import FEW_DIMENSIONS
from solvers._framework.first_pick import RANKED, Rows, first_pick

MOST_POINTS = 8192  # whose matrix takes 256 MiB
FEW_PICKS = 8  # a start that looks at one row is as fast without a matrix where n is more than so many times k
MANY_POINTS = 512  # from which on the isolated point is looked for without all pairs, where few are picked
_SAMPLE = 64  # rows whose mean stands for the middle of all
_TIGHT = 100  # errors of a product that distances between directions should exceed, or the rows are moved first
_SQUARES = 1e-20, 1e30  # sums of squares between which products in float32 neither overflow nor lose digits


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
    """Whether a matrix of products is sooner done than rows of distances: many dimensions, not too many points."""
    all_pairs = not first and start in RANKED
    return d > FEW_DIMENSIONS and 2 <= n <= MOST_POINTS and (all_pairs or k * FEW_PICKS >= n)


def from_products(
    x: Points, k: int, start: str | int, first: Sequence[int], angular: bool, slack: float = 1.0, threads: int = 1
) -> Outcome:
    """Pick among the rows of ``x`` by half products; see :mod:`solvers._farthest_first.intervals`.

    Parameters
    ----------
    x : (n, d) float32 or float64 array, C-contiguous
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
    n = len(x)
    if start == "isolated" and not first and n >= MANY_POINTS and k * MANY_POINTS <= n * FEW_PICKS:
        found = _isolated(x, angular, slack, threads)
        if found is not None:
            return found
    pairs, least = _pairs(x, angular, slack, threads)
    if pairs is None:
        return Outcome(list(first))
    work = np.array([n * n // 8 + n * min(2, k), 0, 0])
    picks = np.full(k, -1)
    picks[: len(first)] = first[:k]
    if not first:
        picks[0] = _first(pairs, least, start, work)
    count = max(1, min(len(first), k)) if picks[0] >= 0 else 0
    if count and count < k:
        work[intervals.LEFT] = n * k // 2
        count = intervals.extend(pairs, intervals.unknown(n), picks, 0, count, k, work)
    _check(int(work[intervals.WRONG]), pairs.error)
    return Outcome(picks[:count].tolist(), int(work[intervals.COMPUTED]))


def radius_of_last(x: Points, picks: Sequence[int]) -> float:
    """Squared distance of the last pick to those before it."""
    before = np.array(picks[:-1])
    distances = intervals.rule_distances(x, np.ones(len(x)), np.full(len(before), picks[-1]), before)
    return 2 * float(distances.min(initial=np.inf))


def warm_up(x: Points, start: str | int) -> None:
    """Compile for rows of this dtype and a start, with few picks and with many."""
    rows = np.ascontiguousarray(x[: FEW_PICKS * 2])
    from_products(rows, min(2, len(rows)), 0 if start == "random" else start, [], angular=False)
    if start == "isolated":
        _isolated(rows, angular=False, slack=1.0)
        isolated.warm_up()


def _check(wrong: int, error: float) -> None:
    if wrong:
        raise SolverContractError(
            f"{wrong} products of float32 are off by more than {error:.3g}, which cannot be; is the BLAS of NumPy and "
            "SciPy of full precision? Greedy(accelerated=False) does without it"
        )


def _isolated(x: Points, angular: bool, slack: float, threads: int = 1) -> Outcome | None:
    """Only the first pick, where the others are few; None where products cannot tell."""
    found = _scales(x, angular)
    if found is None:
        return None
    moved = _moved(x, found[0], _middle(x, found[0]))
    if moved is None:
        return None
    error = slack * (moved.error + moved.reach * 1.01 * x.shape[1] * UNIT)
    first, computed, wrong = isolated.most_isolated(x, found[0], moved.rows, moved.half, error, threads)
    _check(wrong, error)
    return Outcome([first], computed) if first >= 0 else None


@dataclass(frozen=True)
class _Factors:
    """Rows to multiply in float32, and what makes half a squared distance of a product of two.

    That is ``half[i] + half[j] - factor[i] factor[j] rows[i] @ rows[j]``, with an error of at most ``error``, and that
    of a product of norms of ``reach``.
    """

    rows: intervals.Floats
    half: intervals.Floats
    factor: intervals.Floats
    reach: float
    error: float


def _pairs(x: Points, angular: bool, slack: float, threads: int = 1) -> tuple[intervals.Pairs | None, intervals.Floats]:
    """Matrix, error bound and row minima, or None if float32 may not be able to tell.

    Rows that are near to each other and far from the origin, and all rows under Euclidean metrics, are moved to their
    middle before they are multiplied: the error of a product is a share of the norms.
    """
    n, d = x.shape
    least = np.full(n, np.inf, np.float32)
    found = _scales(x, angular)
    if found is None:
        return None, least
    scale, zero = found
    centre = _middle(x, scale)
    if angular and 1 - centre @ centre > _TIGHT * relative_error(d):
        factors: _Factors | None = _as_they_are(x, scale, zero)
    else:
        factors = _moved(x, scale, centre)
    if factors is None:
        return None, least
    matrix = half_product(factors.rows, threads)
    intervals.to_half_distances(matrix, factors.half, factors.factor, least)
    error = slack * (factors.error + factors.reach * relative_error(d))
    return intervals.Pairs(x, scale, matrix, float(np.nextafter(np.float32(error), np.float32(np.inf)))), least


def _scales(x: Points, angular: bool) -> tuple[Vector, NDArray[np.bool_]] | None:
    """What the rule multiplies rows with, and which are zero; None if a norm is out of range or not finite."""
    if not angular:
        return np.ones(len(x)), np.zeros(len(x), np.bool_)
    squares = intervals.squared_norms(x)
    zero = squares == 0
    if not (((squares >= _SQUARES[0]) & (squares <= _SQUARES[1])) | zero).all():
        return None
    return np.where(zero, 0.0, 1 / np.sqrt(np.where(zero, 1.0, squares))), zero


def _middle(x: Points, scale: Vector) -> Vector:
    """Return the mean of a sample of the scaled rows."""
    every = max(1, len(x) // _SAMPLE)
    with np.errstate(over="ignore", invalid="ignore"):  # where it leaves float64, so do the norms, which are looked at
        return np.asarray((x[::every] * scale[::every, None]).mean(axis=0))


def _as_they_are(x: Points, scale: Vector, zero: NDArray[np.bool_]) -> _Factors:
    """Multiply rows and scale the products: unit vectors need no copy.

    In units u of float32: 2 for the scales, 2 for multiplying by them, 1 for the difference, 1 for the intervals' own
    rounding, rounded up to 8, and 3 if the rows were rounded. The distances of the rule, and its unit vectors, are off
    by less than 8 d 2^-53.
    """
    rows = x if x.dtype == np.float32 else x.astype(np.float32)
    half = np.where(zero, np.float32(0.0), np.float32(0.5))
    error = (8 if rows is x else 11) * UNIT + x.shape[1] * 2.0**-50
    return _Factors(rows, half, scale.astype(np.float32), 1.0, error)


def _moved(x: Points, scale: Vector, centre: Vector) -> _Factors | None:
    """Move the scaled rows by a point, which changes no distance; None if norms are out of range or not finite.

    In units u of float32 and of the largest squared norm: 4 for rounding the moved rows, 1 for the halves, 1 for their
    sum, 2 for the difference and 2 for the intervals' own rounding, rounded up to 22. Moving happens in float64, where
    it is a share of what is moved. The distances of the rule are off by a share of d 2^-53.
    """
    rows = intervals.centred(x, scale, centre)
    squares = intervals.squared_norms(rows)
    reach, origin = float(squares.max()), float(intervals.squared_norms(centre[None])[0])
    if not (_SQUARES[0] <= reach <= _SQUARES[1] and origin <= _SQUARES[1]):
        return None
    moving = 2.0**-49 * np.sqrt(reach * (origin + reach))
    error = float(reach * (22 * UNIT + x.shape[1] * 2.0**-50) + moving)
    return _Factors(rows, (squares / 2).astype(np.float32), np.ones(len(x), np.float32), reach, error)


def _first(pairs: intervals.Pairs, least: intervals.Floats, start: str | int, work: NDArray[np.int64]) -> int:
    if start == "isolated":
        return int(intervals.most_isolated(pairs, least, work))
    if start == "farthest_pair":
        return int(intervals.end_of_farthest_pair(pairs, work))
    if start == "sweep":
        return int(intervals.farthest_from(pairs, 0, work))
    return int(start)


def as_rows(points: Array) -> NDArray[Any]:
    """Return an array as one of float32, float64 or uint8; what no table of numbers is, a problem refuses by name."""
    if type(points) is not np.ndarray or points.dtype.kind not in "fiub" or not points.size:
        if points.ndim > 2 and not len(points):
            return np.empty(points.shape)
        items = points if points.ndim > 2 else [points]
        checked = np.stack([Problem(min(2, len(item)), points=item).points for item in items])
        points = checked if points.ndim > 2 else checked[0]
    return np.asarray(compiled_dtype(to_numpy(points)))


class Items(Protocol):
    """Points (b, n, d) of which one item is looked at at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Items, points and coordinates."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of an item."""

    def __getitem__(self, place: int, /) -> Points:
        """Rows (n, d) of an item."""


def select(
    points: Items,
    k: int,
    metric: str,
    start: str | int,
    fixed: NDArray[np.int8] | None = None,
    ks: NDArray[np.int64] | None = None,
    accelerate: bool = True,
) -> NDArray[np.int64]:
    """Indices (b, k) of points (b, n, d), items side by side on all threads; -1 where there are no more.

    Parameters
    ----------
    points : (b, n, d) array, or what gives the rows of each item
    k : int
    metric : str
    start : str or int
        As :class:`solvers.greedy.Greedy` takes it, "auto" aside.
    fixed : (b, n) array of int8, optional
        1 for points that are chosen first, in the order of their indices, -1 for those that never are, 0 for others.
    ks : (b,) array of int, optional
        How many to choose of each item, at most k.
    accelerate : bool
        Whether to skip what bounds prove needless.
    """
    items = [_Item(points, i, k, metric, start, fixed, ks) for i in range(points.shape[0])]
    if accelerate:
        together, threads = [item for item in items if item.takes_products()], numba.get_num_threads()
        if len(together) > 1 and threads > 1:
            with one_thread(), ThreadPoolExecutor(threads) as pool:
                list(pool.map(_Item.from_products, together))
        else:
            for item in together:
                item.from_products(threads)
    picks = np.full((len(items), k), -1, dtype=np.int64)
    for row, item in zip(picks, items, strict=True):  # compiled threads may not be asked by several threads at once
        chosen = item.completed(accelerate)
        row[: len(chosen)] = chosen
    return picks


class _Item:
    """One item of a batch: which of its rows may be chosen, and the picks so far."""

    def __init__(
        self,
        points: Items,
        place: int,
        k: int,
        metric: str,
        start: str | int,
        fixed: NDArray[np.int8] | None,
        ks: NDArray[np.int64] | None,
    ) -> None:
        self.metric, self.start, self.place = metric, start, place
        self.usable: NDArray[np.int64] | None = None
        self.picks: list[int] = []
        self._points = points
        n = self.n = points.shape[1]
        if fixed is not None:
            self.usable = np.flatnonzero(fixed[place] >= 0)
            self.picks = np.flatnonzero(fixed[place][self.usable] > 0).tolist()
            self.n = len(self.usable)
        self.k = max(0, min(k, self.n, k if ks is None else int(ks[place])))
        self.picks = self.picks[: self.k]
        if start == "random":
            self.start = int(np.random.default_rng(0).integers(n)) % max(1, self.n)
        elif not isinstance(start, str) and self.usable is not None:
            found = np.flatnonzero(self.usable == start)
            self.start = int(found[0]) if len(found) else 0
        self.was_measured = False  # and so found finite, if it has all its picks

    def rows(self) -> Points:
        """Those that may be chosen; a copy only where they are not as they came."""
        rows, n = self._points[self.place], self.n
        if self.usable is not None:
            rows = rows[:n] if n and self.usable[-1] == n - 1 else rows[self.usable]
        return np.ascontiguousarray(rows)

    def takes_products(self) -> bool:
        """Whether there is something to choose, and products are the way to do it."""
        known = METRICS.get(self.metric) if isinstance(self.metric, str) else None
        return (
            len(self.picks) < self.k
            and self._points.dtype in (np.float32, np.float64)
            and known is not None
            and (self.metric in ANGULAR or (known.embeds_as_is and known.form == "sqeuclidean"))
            and applies(self.n, self._points.shape[2], self.k, self.start, self.picks)
        )

    def from_products(self, threads: int = 1) -> None:
        """Pick what products decide."""
        angular = self.metric in ANGULAR
        self.picks = from_products(self.rows(), self.k, self.start, self.picks, angular, threads=threads).picks
        self.was_measured = True

    def completed(self, accelerate: bool) -> Sequence[int] | NDArray[np.int64]:
        """All picks, as indices of the points as they came."""
        if len(self.picks) < self.k and self.n == 1:
            self.picks = [0]
        elif len(self.picks) < self.k:
            rows = self.rows()
            try:  # which looks at all numbers: once is enough
                problem = selection_problem(rows, max(2, self.k), self.metric)
            except InvalidProblemError:
                self._refuse_what_is_not_finite(rows)
                raise
            if self.k == 1:
                self.picks = [first_pick(Rows(problem), self.start)]
            else:
                self.picks = plain_traversal.extend(problem, self.picks, self.start, accelerate)[0]
            self.was_measured = True
        if not self.was_measured:
            self._refuse_what_is_not_finite(self.rows())
        return self.picks if self.usable is None else self.usable[self.picks]

    def _refuse_what_is_not_finite(self, rows: Points) -> None:
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            row, column = (int(i) for i in np.argwhere(~np.isfinite(rows))[0])
            row = row if self.usable is None else int(self.usable[row])
            raise InvalidProblemError(
                f"points has NaN or infinity in row {row} of item {self.place}, column {column}; drop or fill such rows"
            )
