"""Farthest-first of arrays and batches: from products where that is sooner, by the plain traversal for what is left."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from mmdp import InvalidProblemError, Problem
from mmdp.arrays import Array, Points, compiled_dtype, to_numpy, widened
from mmdp.metrics import ANGULAR, METRICS
from mmdp.problem import selection_problem
from solvers._farthest_first import from_products, plain_traversal
from solvers._framework.first_pick import Rows, first_pick


def as_rows(points: Array) -> NDArray[Any]:
    """Return an array as one of float32, float64 or uint8; what no table of numbers is, a problem refuses by name."""
    if type(points) is not np.ndarray or points.dtype.kind not in "fiub" or not points.size:
        if points.ndim > 2 and not len(points):
            return np.empty(points.shape)
        items = points if points.ndim > 2 else [points]
        checked = np.stack([Problem(min(2, len(item)), points=item).points for item in items])
        points = checked if points.ndim > 2 else checked[0]
    return np.asarray(compiled_dtype(to_numpy(points)))


def select(
    points: NDArray[Any],
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
    points : (b, n, d) array of float32 or float64, or of uint16: the bits of bfloat16
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
            with ThreadPoolExecutor(threads) as pool:
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
        points: NDArray[Any],
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
        """Those that may be chosen."""
        rows = self._as_they_came()
        return widened(rows) if rows.dtype == np.uint16 else rows

    def _as_they_came(self) -> NDArray[Any]:
        """A copy only where some may not be chosen."""
        rows, n = self._points[self.place], self.n
        if self.usable is not None:
            rows = rows[:n] if n and self.usable[-1] == n - 1 else rows[self.usable]
        return np.ascontiguousarray(rows)

    def takes_products(self) -> bool:
        """Whether there is something to choose, and products are the way to do it."""
        known = METRICS.get(self.metric) if isinstance(self.metric, str) else None
        return (
            len(self.picks) < self.k
            and self._points.dtype in (np.float32, np.float64, np.uint16)
            and known is not None
            and (self.metric in ANGULAR or (known.embeds_as_is and known.form == "sqeuclidean"))
            and from_products.applies(self.n, self._points.shape[2], self.k, self.start, self.picks)
        )

    def from_products(self, threads: int = 1) -> None:
        """Pick what products decide."""
        angular = self.metric in ANGULAR
        self.picks = from_products.pick(
            self._as_they_came(), self.k, self.start, self.picks, angular, threads=threads
        ).picks
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
