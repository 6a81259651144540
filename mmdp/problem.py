"""The max-min diversity problem: n points or their distances, k, a metric, and what must or must not be chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import psutil
from numpy.typing import ArrayLike

from mmdp import validation
from mmdp.arrays import Array, Indices, Matrix, Points, Vector, compiled_dtype, is_tensor, to_numpy
from mmdp.capacities import Capacities, capacities
from mmdp.exceptions import InvalidProblemError, TooLargeError
from mmdp.group_checks import group_counts
from mmdp.groups import Counts, GroupCounts, Labels
from mmdp.lookup import stated
from mmdp.metrics import ANGULAR, PRECOMPUTED, Metric, unit_vectors, warn_of_packed_bits
from mmdp.pairs import Pairs
from mmdp.separations import Apart, Separations, separations

_BLOCK_BYTES = 2**24
_DERIVED = cast(int, None)  # k where a demand decides it
_BAND = 64  # rows of the matrix computed at a time, from the diagonal on


@dataclass(frozen=True, eq=False)
class Problem:
    """Choose k of n points so that their smallest pairwise distance is as large as possible.

    Parameters
    ----------
    k : int or float
        How many to choose, 2 <= k <= n; or a share of the n points, such as 0.1, which becomes that number. None with
        ``demand``.
    points : (n, d) array, optional
        A numpy array or torch tensor of any float, integer or boolean dtype, on any device, or anything that
        ``numpy.asarray`` accepts. With a function as ``metric``, a sequence of any objects too, such as texts; it is
        then their row numbers that the problem holds. Give either ``points`` or ``distances``.
    distances : (n, n) array, optional
        Symmetric, non-negative, zero on the diagonal.
    metric : str, Metric or callable
        Of ``points``: a name in ``mmdp.METRICS``, or a symmetric function of two points, which is called once for each
        pair whose distance is needed. "precomputed" says that ``points`` are distances, as in scikit-learn.
    include, exclude : sequence of int
        Indices that every solution must contain, and indices that no solution may contain.
    groups : (n,) sequence of numbers or strings, or mapping of several, optional
        Label of each point, for ``counts``; for several attributes ``{attribute: labels}``.
    counts : mapping, optional
        How many points of each group a solution contains: ``{label: number}``, or ``{label: (at least, at most)}``,
        with None for no limit; for several attributes ``{attribute: {label: number}}``. Groups that are not mentioned
        have no limits. A count that may give way is a :class:`Soft` one. Solvers that do not keep counts raise an
        error.
    apart : mapping, optional
        How far points of two groups are apart at least, whatever the objective: ``{(label, label): distance}``, with
        the same label twice for points of one group; for several attributes ``{attribute: {(label, label): ...}}``.
    capacity : (n,) sequence of numbers, optional
        What each point has, such as beds or megawatts: numbers >= 0.
    demand : float, optional
        With ``capacity``, in place of k: a solution is any set of at least two points whose capacities add up to this
        or more.

    Attributes
    ----------
    k : int
        How many points a solution has; with ``demand``, how many it has at least.
    geometry : Metric
        The resolved metric; with ``distances``, one of form "precomputed".
    group_counts : GroupCounts or None
        The checked groups and counts.
    separations : Separations or None
        The checked distances of ``apart``.
    capacities : Capacities or None
        The checked capacities and demand.

    Raises
    ------
    InvalidProblemError
        If the arguments do not state a problem; the message says which one and where.
    UnknownNameError
        If there is no such metric.

    Examples
    --------
    >>> problem = Problem(k=2, points=[[0.0], [1.0], [5.0]])
    >>> problem.objective([0, 2])
    (5.0, (0, 2))
    >>> labels = {"sex": ["f", "m", "f"], "city": ["Oslo", "Oslo", "Rome"]}
    >>> both = Problem(2, points=np.eye(3), groups=labels, counts={"sex": {"f": 1}, "city": {"Oslo": (None, 1)}})
    >>> both.group_counts.violation([0, 1])
    "2 points of group 'Oslo' of 'city', which takes 0 to 1"
    """

    k: int = _DERIVED
    points: Array = None
    distances: Array = None
    metric: str | Metric | Callable[[Any, Any], float] = "euclidean"
    include: Sequence[int] = ()
    exclude: Sequence[int] = ()
    groups: Labels | Mapping[Any, Labels] | None = None
    counts: Counts | Mapping[Any, Counts] | None = None
    apart: Apart | Mapping[Any, Apart] | None = None
    capacity: ArrayLike | None = None
    demand: float | None = None
    geometry: Metric = field(init=False)
    group_counts: GroupCounts | None = field(init=False, default=None)
    separations: Separations | None = field(init=False, default=None)
    capacities: Capacities | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        points, distances = validation.one_of(self.points, self.distances, self.metric)
        geometry = PRECOMPUTED
        if distances is not None:
            distances = validation.distance_matrix(distances)
        else:
            points, geometry = stated(points, self.metric, validation.point_table)
            if geometry.function is not None or geometry.name == "gower":  # so that parts are stated alike
                object.__setattr__(self, "metric", geometry)
        n = len(distances) if points is None else len(points)
        has_demand = self.capacity is not None or self.demand is not None
        if has_demand:
            include, exclude = validation.fixed_picks(n, self.include, self.exclude)
        else:
            k = validation.whole_k(n, self.k)
            include, exclude = validation.checked_picks(n, k, self.include, self.exclude)
        for name, checked in {
            "points": points,
            "distances": distances,
            "include": include,
            "exclude": exclude,
            "geometry": geometry,
        }.items():
            object.__setattr__(self, name, checked)
        object.__setattr__(self, "k", self._least_k() if has_demand else int(k))
        self._check_groups()
        if points is not None:
            warn_of_packed_bits(self.geometry, points)
        if points is not None and not is_tensor(points):
            _ = self.vectors  # an embedding that does not exist is an error of the problem, not of a solver

    def _least_k(self) -> int:
        """Check capacities and demand; how many points a solution has at least."""
        if self.k is not None:
            raise InvalidProblemError(
                f"k = {self.k} and demand = {self.demand}: give one of them; with a demand, as many points are chosen "
                "as it takes"
            )
        if self.counts is not None:
            raise InvalidProblemError("counts are limits on k points, and a demand leaves k open; give one of the two")
        checked = capacities(self.capacity, self.demand, self.n, self.candidates)
        object.__setattr__(self, "capacities", checked)
        return checked.least_points(self.include, self.candidates)

    def _check_groups(self) -> None:
        """Check what is said of groups against their labels."""
        if (self.groups is None) != (self.counts is None and self.apart is None):
            raise InvalidProblemError(
                "groups labels the points, and counts and apart are about the labels: give both or neither, labels "
                "and what is asked of them"
            )
        if self.counts is not None:
            assert self.groups is not None
            limits = group_counts(self.groups, self.counts, self.n, self.k, self.include, self.candidates)
            object.__setattr__(self, "group_counts", limits)
        if self.apart is not None:
            rules = separations(self.groups, self.apart, self.n)
            object.__setattr__(self, "separations", rules)
            if wrong := self.too_close(self.include):
                raise InvalidProblemError(f"include has {wrong}")

    @property
    def n(self) -> int:
        """The number of points."""
        return len(self.distances if self.points is None else self.points)

    @property
    def is_limited(self) -> bool:
        """Whether more is asked of a solution than k points with the fixed ones among them."""
        return any(limits is not None for limits in (self.group_counts, self.separations, self.capacities))

    @cached_property
    def candidates(self) -> Indices:
        """Indices of the points that may be chosen, in ascending order."""
        allowed = np.ones(self.n, dtype=bool)
        allowed[list(self.exclude)] = False
        return np.flatnonzero(allowed)

    @cached_property
    def vectors(self) -> Points:
        """Embedded points (n, d') as a C-contiguous numpy array: float32, float64 or, for sets, uint8.

        No copy is made of contiguous float32 or float64 points under a metric that embeds them as they are.
        """
        if self.points is None:
            raise validation.no_points()
        points = to_numpy(self.points)
        return np.ascontiguousarray(compiled_dtype(self.geometry.embed(points)))

    @cached_property
    def resolution(self) -> int | None:
        """Every distance is a multiple of 1 / this; None where no such number is known.

        1 for the rounded metrics of TSPLIB and for matrices of whole numbers, the number of coordinates under hamming.
        """
        if self.distances is not None:
            blocks = (self.distances[block] for block in self.blocks(self.n))
            return 1 if all((block == np.floor(block)).all() for block in blocks) else None
        if self.geometry.form == "hamming" and self.geometry.values_as_is:
            return int(self.vectors.shape[1])
        return 1 if self.geometry.is_whole else None

    def blocks(self, width: int) -> Iterator[slice]:
        """Slices that cover all n rows, so short that a block of ``width`` float64 columns takes about 16 MB."""
        step = max(1, _BLOCK_BYTES // (8 * max(1, width)))
        for start in range(0, self.n, step):
            yield slice(start, min(self.n, start + step))

    def reduced_distances(self, rows: ArrayLike, columns: ArrayLike | None = None) -> Matrix:
        """Reduced distances from ``rows`` to all points, or to ``columns`` only, without an n x n matrix.

        Parameters
        ----------
        rows : (r,) array of int
        columns : (c,) array of int, optional

        Returns
        -------
        (r, n) or (r, c) float64 array
            In O(r n d) or O(r c d) time.
        """
        rows = np.atleast_1d(np.asarray(rows, dtype=np.int64))
        if self.distances is not None:
            picked = self.distances[rows]
            return np.asarray(picked if columns is None else picked[:, np.asarray(columns)], dtype=np.float64)
        x = self.vectors[rows]
        if columns is not None:
            return self.geometry.pairwise(x, self.vectors[np.asarray(columns)])
        out = np.empty((len(rows), self.n))
        for block in self.blocks(x.shape[1]):
            out[:, block] = self.geometry.pairwise(x, self.vectors[block])
        return out

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Raise :class:`TooLargeError` in this context where a distance has to be looked up after so many seconds.

        Distances that are already known, and those of named metrics, which take no time to speak of, never raise it.
        """
        pairs = self.geometry.function
        return pairs.within(seconds) if isinstance(pairs, Pairs) else nullcontext()

    def lower(self, nearest: Vector, centre: int) -> None:
        """Set ``nearest`` (n,) to the reduced distances to one point where these are smaller, in place."""
        np.minimum(nearest, self.reduced_distances(centre)[0], out=nearest)

    @cached_property
    def _reduced_matrix(self) -> Matrix:
        return self._whole(lambda reduced_distances: reduced_distances)

    def _whole(self, transform: Callable[[Matrix], Any], expired: Callable[[], bool] = lambda: False) -> Matrix:
        """All reduced distances transformed, by bands that stay in cache."""
        if self.distances is not None and self.distances.dtype == np.float64 and self.distances.flags.c_contiguous:
            return np.asarray(self.distances)
        need, free = 8 * self.n**2, psutil.virtual_memory().available
        if need > 0.8 * free:
            raise TooLargeError(
                f"the {self.n} x {self.n} distance matrix takes {need / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are "
                "free; use a solver that reads rows (greedy, local_search, coreset) or fewer points"
            )
        if self.distances is not None:
            return np.ascontiguousarray(self.distances, dtype=np.float64)
        if self.geometry.function is not None:
            return self._whole_by_rows(transform, expired)
        x, whole = self.vectors, np.empty((self.n, self.n))
        for start in range(0, self.n, _BAND):  # the named kernels give the same number for (i, j) as for (j, i)
            if expired():
                raise TooLargeError(f"the {self.n} x {self.n} distance matrix takes longer than the time limit")
            band = slice(start, start + _BAND)
            whole[band, :start] = whole[:start, band].T  # row after row, so that memory is touched as it is needed
            whole[band, start:] = transform(self.geometry.pairwise(x[band], x[start:]))
        return whole

    def _whole_by_rows(self, transform: Callable[[Matrix], Any], expired: Callable[[], bool]) -> Matrix:
        whole = np.empty((self.n, self.n))
        for i in range(self.n):
            if expired():
                raise TooLargeError(f"the {self.n} x {self.n} distance matrix takes longer than the time limit")
            whole[i] = transform(self.reduced_distances(i)[0])
        return whole

    def reduced_matrix(self) -> Matrix:
        """All reduced distances, (n, n) float64, computed on the first call and then kept.

        Raises
        ------
        TooLargeError
            If the matrix does not fit the free memory.
        """
        return self._reduced_matrix

    def value(self, reduced_distance: ArrayLike) -> Any:
        """Convert reduced distances to true distances: an array to an array, a number to a float."""
        values = self.geometry.value(np.asarray(reduced_distance, dtype=np.float64))
        return float(values) if np.ndim(reduced_distance) == 0 else values

    def matrix(self, expired: Callable[[], bool] = lambda: False) -> Matrix:
        """All true distances, (n, n) float64.

        Raises
        ------
        TooLargeError
            If the matrix does not fit the free memory, or ``expired()`` becomes true before it is complete.
        """
        return self._whole(self.value, expired)

    def with_distances(self, distances: Matrix) -> Problem:
        """Return the same problem by its true distances, which this does not compute."""
        return Problem(
            _DERIVED if self.capacities is not None else self.k,
            distances=distances,
            include=self.include,
            exclude=self.exclude,
            groups=self.groups,
            counts=self.counts,
            apart=self.apart,
            capacity=self.capacity,
            demand=self.demand,
        )

    def kept_apart(self, distances: Matrix) -> Matrix:
        """Return distances among the candidates with minus infinity for two that ``apart`` does not allow together.

        Without ``apart`` this is the array itself.
        """
        if self.separations is None:
            return distances
        return np.where(self.separations.broken(distances, self.candidates, self.candidates), -np.inf, distances)

    def max_min_order(self) -> Indices:
        """All candidates in farthest-first order: fixed ones as given, then each the farthest from those before it.

        Without fixed ones it begins with the candidate farthest from the first one. Ties go to the lowest index.
        O(n^2 d) time, O(n) memory.

        Examples
        --------
        >>> Problem(3, points=[[0.0], [1.0], [5.0]], include=[1]).max_min_order()
        array([1, 2, 0])
        """
        candidates = self.candidates
        order = list(self.include) or [int(candidates[self.reduced_distances(candidates[0], candidates)[0].argmax()])]
        nearest = self.reduced_distances(order, candidates).min(axis=0)
        nearest[np.searchsorted(candidates, order)] = -1.0
        while len(order) < len(candidates):
            place = int(nearest.argmax())
            order.append(int(candidates[place]))
            np.minimum(nearest, self.reduced_distances(candidates[place], candidates)[0], out=nearest)
            nearest[place] = -1.0
        return np.array(order, dtype=np.int64)

    def too_close(self, indices: ArrayLike) -> str:
        """Name two points of a subset that are closer than ``apart`` allows; empty if there are none."""
        subset = np.asarray(indices, dtype=np.int64)
        if self.separations is None or len(subset) < 2:
            return ""
        return self.separations.violation(self.value(self.reduced_distances(subset, subset)), subset)

    def objective(self, indices: ArrayLike) -> tuple[float, tuple[int, int]]:
        """The smallest pairwise distance of a subset, in float64, and the first pair that attains it.

        Parameters
        ----------
        indices : (m,) array of int
            A subset of at least two points, in any order.

        Raises
        ------
        InvalidProblemError
            If they are no such subset.
        """
        chosen = validation.subset(self.n, indices)
        closest, pair = np.inf, (int(chosen[0]), int(chosen[1]))
        step = max(1, _BLOCK_BYTES // (8 * len(chosen)))
        for start in range(0, len(chosen), step):
            block = self.reduced_distances(chosen[start : start + step], chosen)
            own = np.arange(len(block))
            block[own, start + own] = np.inf
            row, column = np.unravel_index(int(np.argmin(block)), block.shape)
            if block[row, column] < closest:
                closest, pair = float(block[row, column]), (int(chosen[start + row]), int(chosen[column]))
        return float(self.value(closest)), pair


def selection_problem(points: Array, k: int, metric: str) -> Problem:
    """State the selection of k rows as a problem, with zero vectors allowed under the angular metrics.

    A zero vector counts as a point at the centre of the unit sphere: half the distance of a right angle from every
    other vector, and at distance zero from other zero vectors.

    Parameters
    ----------
    points : (n, d) array
    k : int
        At least 2.
    metric : str
    """
    if metric in ANGULAR:
        as_given = Problem(k, points=points)  # names NaN, shapes and k before the rows are normalised
        return Problem(k, points=unit_vectors(as_given.points), metric="sqeuclidean")
    return Problem(k, points=points, metric=metric)
