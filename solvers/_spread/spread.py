"""As many points as possible that are all at least a given distance apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from mmdp import Clock, Incumbent, InvalidProblemError, Problem, SolverContractError, Status, Stop, TooLargeError
from mmdp.arrays import Array, Indices, Vector, count_rows, is_tensor, to_numpy
from mmdp.bounds import size_bound
from mmdp.metrics import PRECOMPUTED, Metric
from mmdp.tables import Table, in_memory, is_dask
from mmdp.validation import fixed_picks
from solvers._exact.reduced_thresholds import least_reduced_above
from solvers._farthest_first import accelerated
from solvers._framework.base import checked_options
from solvers._framework.distance_forms import KINDS
from solvers._framework.first_pick import Rows
from solvers._framework.grading import places_of
from solvers._framework.interrupts import interrupted
from solvers._framework.warm_up import MANY_COORDINATES, kind_of, once, part_of
from solvers._spread.clique_constraints import edge_clique_cover
from solvers._spread.component_proof import ComponentProof
from solvers._spread.conflict_graph import ConflictGraph, closest_distance, conflict_graph
from solvers._spread.independent_set import BEST, FOUND, MOVES, Search, advance, new_search
from solvers._spread.packing import Packing

DEFAULT_STOP = Stop(seconds=10.0)
_SEARCH_SHARE = 0.3  # of the time left, for the local search of each turn
_PATIENCE = 40  # moves without a gain for each point, until a turn of the local search ends
_LEAST_PATIENCE = 4_000
_COMPARED = 2**22  # points that picks are compared with until the last of them is looked at
_AT_LEAST = 0.1  # seconds that the first answer may take
_SLICE = 500  # moves between two looks at the clock
_SEEDS = 2**61  # of the local search, which take a word of 64 bits
_PART = 40  # points of a warm-up
_ROUNDING = 1e-9  # relative; of a radius whose ball holds one chosen point


def spread(
    points: Array | Table | str | Path,
    distance: float,
    *,
    metric: str | Metric | Callable[[Any, Any], float] = "euclidean",
    include: Sequence[int] = (),
    exclude: Sequence[int] = (),
    columns: str | Collection[str] | None = None,
    drop: str | Collection[str] = (),
    drop_null: bool = False,
    stop: Stop | None = None,
    seed: int = 0,
    watch: Callable[[Incumbent], None] | None = None,
) -> Packing:
    """Choose as many points as possible that are all at least ``distance`` apart.

    Where k is not known but a minimum distance is: sites, samples to thin, near-duplicates to drop. The first answer is
    the farthest-first order, cut where the next point is too close. A local search on the graph of the pairs that are
    too close makes it larger, and clique searches and integer programs prove how large it can be, one connected
    component of that graph after the other.

    Parameters
    ----------
    points : (n, d) array, data frame, path or table
        As for :func:`solvers.solve`; with ``metric="precomputed"`` an (n, n) matrix of distances.
    distance : float
        The smallest distance allowed, in the unit of the metric, greater than 0. Two points at exactly this distance
        may both be chosen.
    metric : str, Metric or callable
    include, exclude : sequence of int
        Points that are chosen in any case, and points that never are.
    columns, drop, drop_null
        Of a data frame or file, as for :func:`solvers.solve`. Indices count all rows.
    stop : Stop, optional
        Limits; 10 seconds if not given. ``Stop()`` searches until the proof is complete, and ``Stop(seconds=0)``
        returns the first answer. ``target`` and ``gap`` count points.
    seed : int
        Seed of the local search.
    watch : callable, optional
        Called with each larger set and each smaller bound, as an :class:`mmdp.Incumbent` of numbers of points.

    Returns
    -------
    Packing

    Raises
    ------
    InvalidProblemError
        If the distance is not a number greater than 0, or two points of ``include`` are closer.

    Notes
    -----
    O(n^2 d) time for the pairs, and memory for those that are too close; many points of up to 6 dimensions are compared
    through a k-d tree. Where the pairs fit neither, the first answer stands, and the bound is the number of balls of
    half the distance that cover all points. On a plane, the size is also bounded by the area that so many points need
    (:func:`mmdp.bounds.size_bound`). The proof takes exponential time in the worst case.

    The problem is that of a largest independent set. The local search is due to Andrade, Resende, Werneck (Journal of
    Heuristics 18(4), 2012).

    Examples
    --------
    >>> found = spread([[0.0], [1.0], [2.0], [5.0]], distance=2)
    >>> found.indices.tolist(), found.upper_bound, found.is_optimal
    ([0, 2, 3], 3, True)
    """
    generator = checked_options(stop, seed, 0)
    is_number = isinstance(distance, (int, float, np.number)) and not isinstance(distance, bool)
    if not is_number or not 0 < distance < math.inf:
        raise InvalidProblemError(f"distance = {distance!r}: give the smallest distance allowed, a number > 0")
    if isinstance(points, Problem) or is_dask(points):
        raise InvalidProblemError(
            "spread takes an array, a matrix or a file: no Problem, which has a k, and no Dask collection"
        )
    loaded, metric, row_numbers = in_memory(points, metric, columns, drop, drop_null)
    n = count_rows(loaded)
    include, exclude = places_of(include, row_numbers, "include"), places_of(exclude, row_numbers, "exclude")
    include, exclude = fixed_picks(n, include, exclude)
    if n and len(exclude) == n:
        raise InvalidProblemError(f"exclude leaves none of {n} points")
    if n == 1:  # a problem has two points at least
        loaded, exclude = _twice(loaded, metric), (1,)
    problem = Problem(2, points=loaded, metric=metric)
    _warm_up(problem)
    clock = Clock(DEFAULT_STOP if stop is None else stop, watch)
    found = _Spread(problem, float(distance), include, exclude, clock, int(generator.integers(_SEEDS)))
    status = Status.STOPPED
    try:
        with suppress(TooLargeError), problem.within(clock.remaining):  # distances that take all of the time
            found.run()
    except (KeyboardInterrupt, SystemError) as stopped:
        if clock.indices is None or not interrupted(stopped):
            raise
        status = Status.INTERRUPTED
    indices = np.sort(clock.best())
    closest = closest_distance(problem, indices) if len(indices) > 1 else math.inf
    if closest < distance:
        raise SolverContractError(f"spread returned two points {closest!r} apart, closer than {distance!r}")
    bound = int(clock.upper_bound)
    return Packing(
        indices if row_numbers is None else row_numbers[indices],
        distance=float(distance),
        upper_bound=bound,
        status=Status.OPTIMAL if bound == len(indices) else status,
        objective=closest,
        runtime=clock.elapsed,
        metric=problem.geometry.name,
        n=n,
    )


def _twice(points: Any, metric: Any) -> Any:
    """A single point, or its distance from itself, and the same again."""
    if isinstance(points, (list, tuple)) and metric not in (PRECOMPUTED, PRECOMPUTED.name):
        return [*points, *points]
    if hasattr(points, "tocsr"):
        return sparse.vstack([points, points])
    held = to_numpy(points) if is_tensor(points) else np.asarray(points)
    return np.tile(held, (2, 2)) if metric in (PRECOMPUTED, PRECOMPUTED.name) else np.repeat(held, 2, axis=0)


class _Spread:
    """One run; the clock counts points where it counts distances for a solver."""

    def __init__(
        self,
        problem: Problem,
        distance: float,
        include: tuple[int, ...],
        exclude: tuple[int, ...],
        clock: Clock,
        seed: int,
    ) -> None:
        self._problem, self._clock, self._seed, self._include = problem, clock, seed, list(include)
        self._threshold = least_reduced_above(problem, float(np.nextafter(distance, 0.0)))
        between = problem.reduced_distances(include, include) if include else np.empty((0, 0))
        close = np.argwhere(np.triu(between < self._threshold, 1))
        if len(close):
            i, j = (include[place] for place in close[0])
            apart = problem.objective([i, j])[0]
            raise InvalidProblemError(f"include: points {i} and {j} are {apart:.6g} apart, closer than {distance:.6g}")
        self._excluded = list(exclude)
        self._nearest: Vector = np.full(problem.n, np.inf)
        self._nearest[self._excluded] = -1.0

    def run(self) -> None:
        """Choose greedily, then search and prove until the set is the largest or the clock expires."""
        clock = self._clock
        far = self._farthest_first()
        clock.report(upper_bound=size_bound(self._problem, self._threshold) if len(far) else len(self._include))
        if clock.expired:
            return
        graph = conflict_graph(self._problem, far, self._threshold, lambda: clock.remaining <= 0)
        if graph is None:
            self._count_balls(far)
            return
        first = np.flatnonzero(np.isin(far, clock.best()))
        search = new_search(graph.start, graph.members, first, self._seed)
        proofs = [ComponentProof(graph, vertices, search.best) for vertices in graph.components()]
        turn = 0
        while self._tell(graph, proofs):
            self._improve(graph, search)
            for proof in proofs:
                proof.improve(np.flatnonzero(search.best[proof.vertices]))
            for proof in (proof for proof in proofs if not proof.is_proven):
                if not self._tell(graph, proofs):
                    return
                clock.iterations += proof.work(turn, clock)
            turn += 1

    def _farthest_first(self) -> Indices:
        """Report the farthest-first order, cut where the next point is too close; the points that may be chosen."""
        rows, nearest, picks = Rows(self._problem), self._nearest, list(self._include)
        far = np.flatnonzero(nearest >= 0)
        try:
            for pick in picks:
                rows.lower(nearest, pick)
                nearest[pick] = -1.0
            far = np.flatnonzero(nearest >= self._threshold)
            if not picks:
                sweep = nearest.copy()
                rows.lower(sweep, int(far[0]))
                picks = [int(sweep.argmax())]
                rows.lower(nearest, picks[0])
                nearest[picks] = -1.0
            if accelerated.applies(self._problem):
                picks = self._extended(picks, 1 + int((nearest >= self._threshold).sum()))
            else:
                while nearest[pick := int(nearest.argmax())] >= self._threshold and not self._is_late:
                    picks.append(pick)
                    rows.lower(nearest, pick)
                    nearest[pick] = -1.0
        finally:  # also where the distances take longer than there is time
            picks = picks or [int(far[0])]
            self._clock.report(picks, len(picks), len(self._include) + len(np.setdiff1d(far, self._include)))
        return far

    @property
    def _is_late(self) -> bool:
        """Whether the first answer is to be left as it is; one that takes no time is not."""
        return self._clock.remaining <= 0 and self._clock.elapsed > _AT_LEAST

    def _extended(self, picks: list[int], most: int) -> list[int]:
        """Extend picks by up to ``most`` others in the same order, with most distances skipped."""
        problem = self._problem
        nearest = np.full(problem.n, np.inf)
        nearest[[*self._excluded, *picks]] = -1.0
        room = min(len(picks) + most, problem.n - len(self._excluded))
        kernel = accelerated.kernel(problem.vectors, problem.geometry, nearest, room, picks)
        order, count = np.array(picks + [-1] * (room - len(picks))), len(picks)
        while count < room and not self._is_late:
            stop = min(room, count + max(1, _COMPARED // problem.n))
            if kernel(order, count, stop) < self._threshold:
                near = (
                    problem.reduced_distances(order[p], order[:p]).min() < self._threshold for p in range(count, stop)
                )
                return list(map(int, order[: count + list(near).index(True)]))
            count = stop
        return list(map(int, order[:count]))

    def _count_balls(self, far: Indices) -> None:
        """Bound the size by balls that hold one chosen point each, where a triangle inequality holds."""
        constant = self._problem.geometry.triangle_constant
        if constant is None:
            return
        radius = self._threshold / constant * (1 - _ROUNDING)
        nearest = np.full(self._problem.n, -1.0)
        nearest[far] = np.inf
        rows, centre, count, most = Rows(self._problem), int(far[0]), 0, self._clock.upper_bound
        while nearest[centre] >= radius and count < most:
            rows.lower(nearest, centre)
            nearest[centre] = -1.0
            centre, count = int(nearest.argmax()), count + 1
            if self._clock.remaining <= 0:
                return
        self._clock.report(upper_bound=len(self._include) + count)

    def _improve(self, graph: ConflictGraph, search: Search) -> None:
        """Search until the turn brings nothing more, or a share of the time is over."""
        clock, counter = self._clock, search.counter
        end = clock.elapsed + _SEARCH_SHARE * clock.remaining
        patience, began = max(_LEAST_PATIENCE, _PATIENCE * len(graph.points)), counter[MOVES]
        while counter[MOVES] - max(began, counter[FOUND]) < patience and clock.elapsed < end:
            size, moves = counter[BEST], counter[MOVES]
            advance(search, _SLICE)
            clock.iterations += int(counter[MOVES] - moves)
            if counter[BEST] > size:
                self._report(graph, np.flatnonzero(search.best))
            if clock.expired:
                return

    def _tell(self, graph: ConflictGraph, proofs: list[ComponentProof]) -> bool:
        """Report the sets and the bounds of all components; whether to go on."""
        self._report(graph, np.concatenate([proof.vertices[proof.chosen] for proof in proofs]))
        self._clock.report(upper_bound=len(self._include) + sum(proof.bound for proof in proofs))
        return not self._clock.expired

    def _report(self, graph: ConflictGraph, vertices: Indices) -> None:
        chosen = np.concatenate([self._include, graph.points[vertices]]).astype(np.int64)
        self._clock.report(chosen, len(chosen))


def _warm_up(problem: Problem) -> None:
    """Compile before the clock starts: the search and the proof on a few points, and the rows of this problem."""
    once(("spread",), _try_all)
    if problem.geometry.form in KINDS:
        rows = Rows(part_of(problem, _PART, 2))
        once(("spread", *kind_of(problem)), lambda: rows.lower(np.full(rows.problem.n, np.inf), 0))
    if accelerated.applies(problem):
        many = part_of(problem, 1 + MANY_COORDINATES // problem.vectors.shape[1], 2)
        once(("spread", "many", *kind_of(problem)), lambda: accelerated.traverse(many, np.full(many.n, np.inf), [0]))


def _try_all() -> None:
    points = np.random.default_rng(0).random((_PART, 2))
    problem = Problem(2, points=points)
    for distance in (0.2, 0.5):
        _Spread(problem, distance, (), (), Clock(Stop()), 0).run()
    graph = conflict_graph(problem, np.arange(_PART), 0.04, lambda: False)
    assert graph is not None
    edge_clique_cover(graph.start, graph.members)
