"""Lowering the bound on points of the plane by vectors, where so many picks fit that searches bound them badly."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from mmdp import Clock, Problem
from mmdp.arrays import Indices, Matrix, Vector
from mmdp.bounds import attainable
from mmdp.traversal import farthest_first
from solvers._exact.reduced_thresholds import least_reduced_above
from solvers._exact.umbrella import Floats, Umbrella
from solvers._exact.vector_program import VectorProgram
from solvers._framework.compilation import njit
from solvers._framework.distance_forms import KINDS, SQEUCLIDEAN, lower_nearest, reduced_distance

_PICKS = 40  # from which proofs rarely end, and vectors bound better than searches
_RADIUS = 1.2  # of a part, times the distance: larger ones prove more, and take longer
_APART = 0.5  # of the middles of parts, times the distance
_CELLS = 45  # for each pick, which take so many seconds: more prove more, and take longer
_PICK_SECONDS, _DIVIDED = 0.25, 0.6  # of which the second part is divided among threads
_COST_POWER = 1.5  # of the cells for each pick, by which time grows
_FEWEST = 20  # for each pick, with which anything is proven
_MOST_CELLS = 5000  # whose products take 200 MB
_CELLS_A_BUMP = 3.75  # fewer prove more, and take longer
_WIDTH = 2.0  # of a bump, times the distance of neighbours: narrow ones say less, wide ones are hardly independent
_STEPS = 25  # between two looks at what they prove
_SHORTENED = range(3, 6)  # rounds of so many steps after which these become shorter
_SHORTER = 0.3
_FIRST = 0.5  # distance in question, as a share of the interval of bounds
_FOLLOWS = 4  # round from which it follows what is expected,
_SETTLED = 7  # and from which it follows what is proven
_SPARE = 0.001  # relative, of what is proven
_POWER = 1.8  # of the distance, by which fewer points fit: 2 but for those at the edge
_MOST_CHANGE = 1.02  # of the distance in a round
_HALVINGS = 12  # of the interval of bounds, for what vectors prove
_SECONDS_A_PAIR = 2e-9  # of points, for the widths of cells
_SLACK = 1e-12  # relative, of a distance; far above its rounding


def suits(problem: Problem) -> bool:
    """Whether vectors are worth a part of the time."""
    is_plane = problem.points is not None and problem.points.shape[1] <= 2
    return is_plane and len(problem.include) == 0 and problem.k >= _PICKS


class VectorBound:
    """Finds vectors that prove that k points cannot all be so far apart, for ever smaller distances.

    Points are grouped into cells, each around a place of a net. The cells are covered by overlapping parts, discs a
    little wider than the distance. In each part, vectors are smooth functions of the place: combinations of a constant
    and of Gaussian bumps, which all end at the edge of the disc.

    Parameters
    ----------
    problem : Problem
        Of points.
    clock : Clock
        Holds an incumbent, and a finite bound.
    threads : int
    """

    def __init__(self, problem: Problem, clock: Clock, threads: int = 1) -> None:
        self._problem, self._clock, self._need, self._threads = problem, clock, problem.k, threads
        self._distance = clock.objective + _FIRST * (clock.upper_bound - clock.objective)
        self._x = np.unique(problem.vectors[problem.candidates].astype(np.float64), axis=0)

    def lower(self, seconds: float) -> None:
        """Lower the bound of the clock for so many seconds, if these are enough for it."""
        clock, need, widening = self._clock, self._need, _SECONDS_A_PAIR * len(self._x) ** 2
        pick_seconds = _PICK_SECONDS + _DIVIDED / self._threads
        per_pick = _CELLS * (max(0.0, seconds - 2 * widening) / (pick_seconds * need)) ** (1 / _COST_POWER)
        cells = int(min(len(self._x), per_pick * need, _MOST_CELLS))
        if cells < min(len(self._x), _FEWEST * need):
            return
        end, slowest, rounds = clock.elapsed + seconds, 0.0, 0
        parts, bases, widths = self._cells(cells)
        program = VectorProgram(parts, bases, widths >= self._reduced(self._distance), need)
        with ThreadPoolExecutor(self._threads) as pool, threadpool_limits(1, "blas"):  # parts are too small for threads
            while not clock.expired and clock.elapsed + slowest < end:
                began, rounds = clock.elapsed, rounds + 1
                for _ in range(_STEPS):
                    program.step(pool)
                most = self._report(program.umbrella(), widths)
                slowest = max(slowest, clock.elapsed - began)
                clock.iterations += 1
                if rounds in _SHORTENED:
                    program.shorten_steps(_SHORTER)
                if rounds >= _FOLLOWS:
                    self._follow(program.most if rounds < _SETTLED else most * (1 + _SPARE))
                    program.set_far(widths >= self._reduced(self._distance))

    def _follow(self, expected: float) -> None:
        """Move the distance to where as many points are expected as are needed."""
        factor = (expected / self._need) ** (1 / _POWER)
        self._distance *= min(max(factor, 1 / _MOST_CHANGE), _MOST_CHANGE)

    def _reduced(self, distance: float) -> float:
        return least_reduced_above(self._problem, distance)

    def _report(self, umbrella: Umbrella, widths: Matrix) -> float:
        """Report the smallest distance that the vectors exclude; how many points they prove to be the most at this."""
        low, high, proven = self._clock.objective, self._clock.upper_bound, False
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if umbrella.most_points(widths >= self._reduced(middle), self._need) < self._need:
                high, proven = middle, True
            else:
                low = middle
        if proven:
            self._clock.report(upper_bound=attainable(self._problem, high))
        return umbrella.most_points(widths >= self._reduced(self._distance), self._need)

    def _cells(self, size: int) -> tuple[list[Indices], list[Floats], Matrix]:
        """Parts of cells, a basis of each, and the largest reduced distance between points of two cells."""
        x, kind = self._x, KINDS[self._problem.geometry.form]
        reach = self._reduced(self._distance) if kind != SQEUCLIDEAN else math.sqrt(self._reduced(self._distance))
        net, gap = _net(x, size)
        middles, bumps = net[gap >= _APART * reach], net[: max(1, int(size / _CELLS_A_BUMP))]
        width = _WIDTH * float(gap[len(bumps) - 1])
        net = net[np.lexsort((net[:, 0], net[:, -1] // (reach / 2)))]  # neighbours are near in memory
        cell = KDTree(net).query(x)[1]
        order = np.argsort(cell, kind="stable")
        widths = _widths(kind, x[order], cell[order], size) * (1 + _SLACK)
        radius = _RADIUS * reach
        parts = [np.flatnonzero(_from(net, middle) <= radius) for middle in middles]
        bases = [
            _basis(net[part], bumps[_from(bumps, middle) <= radius + width], width, middle, radius)
            for part, middle in zip(parts, middles, strict=True)
        ]
        return parts, bases, widths


def _basis(places: Matrix, bumps: Matrix, width: float, middle: Vector, radius: float) -> Floats:
    """Orthonormal combinations of a constant and of bumps, which end at the radius."""
    if len(places) <= 1 + len(bumps):
        return np.eye(len(places), dtype=np.float32)
    end = 1 - (_from(places, middle) / radius) ** 2
    columns = np.exp(-cdist(places, bumps, "sqeuclidean") / (2 * width * width))
    Q, _ = qr(end[:, None] * np.column_stack((np.ones(len(places)), columns)), mode="economic")
    basis: Floats = np.ascontiguousarray(Q, dtype=np.float32)
    return basis


def _from(x: Matrix, middle: Vector) -> Vector:
    distances: Vector = cdist(x, middle[None])[:, 0]
    return distances


def _net(x: Matrix, size: int) -> tuple[Matrix, Vector]:
    """So many points, each the farthest from those before it, and their distances from these."""
    squares = []

    def lower(nearest: Vector, centre: int) -> None:
        squares.append(nearest[centre])
        lower_nearest(SQEUCLIDEAN, x, centre, nearest)

    picks, last = farthest_first(lower, np.full(len(x), np.inf), [0], size)
    return x[picks], np.sqrt([*squares, last])


@njit(cache=True, nogil=True)
def _widths(kind: int, x: Matrix, cell: NDArray[np.int64], cells: int) -> Matrix:
    """The largest reduced distance between a point of one cell and one of another."""
    widths = np.zeros((cells, cells))
    for i in range(len(x)):
        of_cell = widths[cell[i]]
        for j in range(i):
            of_cell[cell[j]] = max(of_cell[cell[j]], reduced_distance(kind, x, i, x, j))
    return np.maximum(widths, widths.T)
