"""Upper bounds on the optimum: what no choice of k points can exceed.

All functions take a :class:`~mmdp.Problem` and return a true distance. Required points only shrink the set of
solutions, so a bound of the problem without ``include`` also holds with it. Excluded points are ignored. In the table,
m is the number of required points.

| bound                | holds for                          | time         | memory |
|----------------------|------------------------------------|--------------|--------|
| farthest_first_bound | forms with a triangle inequality   | O(n k d)     | O(n)   |
| averaging_bound      | the squared Euclidean form         | O(n d)       | O(n)   |
| area_bound           | one or two coordinates             | O(n)         | O(n)   |
| included_bound       | two or more required points        | O(m^2 d)     | O(m^2) |
| counts_bound         | group counts, as cheap_bound holds | O(n k d)     | O(n)   |
| degree_bound         | anything                           | O(n^2)       | O(n^2) |
| clustering_bound     | anything                           | O(n^2 log n) | O(n^2) |
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from mmdp.arrays import Matrix
from mmdp.convex_region import LATTICE_AREA, Polygon, widest
from mmdp.pairs import Pairs
from mmdp.problem import Problem
from mmdp.traversal import farthest_first

_CLUSTERING_LIMIT = 3000  # points up to which the quadratic bounds take about a second
_NUMBERS_A_POINT = 20  # that area_bound takes at a time
_ROUNDING = 1e-14  # relative; a reduced distance may be rounded down, and near half a turn an arc magnifies that
_CLAIM_ROUNDING = 1e-9  # relative; a bound this little below a value that distances take may have been rounded down


def _distance(problem: Problem, reduced_distance: float) -> float:
    """The true distance of a bounding reduced distance, rounded up, and down to one that the problem can have."""
    return attainable(problem, problem.geometry.bound(reduced_distance * (1 + _ROUNDING)))


def attainable(problem: Problem, bound: float) -> float:
    """Round an upper bound down to the next multiple of ``1 / problem.resolution``, as all distances are.

    A bound that is below a multiple by no more than rounding becomes that multiple, so it is never below the optimum.

    Examples
    --------
    >>> attainable(Problem(2, points=[[0.0], [2.6], [4.0]], metric="euc_2d"), 3.7)
    3.0
    """
    resolution = problem.resolution
    if resolution is None or not math.isfinite(bound):
        return bound
    multiple = round(bound * resolution)
    if abs(multiple - bound * resolution) > _CLAIM_ROUNDING * multiple:
        multiple = math.floor(bound * resolution)
    return multiple / resolution


def farthest_first_bound(problem: Problem) -> float:
    """Twice the farthest-first radius: k - 1 balls cover every point, so two of any k points share one.

    Let every point be within reduced distance r of one of k - 1 centres. Then two points of any solution are within r
    of the same centre, hence at most ``triangle_constant`` times r apart (Gonzalez, Theoretical Computer Science 38,
    1985, section 3). Infinite without a triangle inequality.
    """
    constant = problem.geometry.triangle_constant
    if constant is None:
        return math.inf
    nearest = np.full(problem.n, -1.0)
    nearest[problem.candidates] = np.inf
    _, radius = farthest_first(problem.lower, nearest, [int(problem.candidates[0])], problem.k)
    return _distance(problem, constant * radius)


def averaging_bound(problem: Problem) -> float:
    """The smallest squared distance is at most the mean one, and the mean is bounded by the spread about a centre.

    For any c, the k points of a solution satisfy ``sum of squared pair distances <= k * sum |x - c|^2``. Taking the k
    points farthest from the mean c, and dividing by the k(k-1)/2 pairs, bounds every solution. The bound is tight for a
    regular simplex, so it is strong if the dimension is high and k is close to it. Infinite for other distance forms.
    """
    if problem.geometry.form != "sqeuclidean":
        return math.inf
    k, candidates = problem.k, problem.candidates
    total = sum(
        problem.vectors[block].sum(axis=0, dtype=np.float64) for block in problem.blocks(problem.vectors.shape[1])
    )
    centre = np.atleast_2d(np.asarray(total) / problem.n)
    spread = np.empty(problem.n)
    for block in problem.blocks(centre.shape[1]):
        spread[block] = problem.geometry.pairwise(centre, problem.vectors[block])[0]
    farthest = np.partition(spread[candidates], len(candidates) - k)[len(candidates) - k :]
    return _distance(problem, 2.0 / (k - 1) * float(farthest.sum()))


def area_bound(problem: Problem) -> float:
    """K points of a convex region of the plane that are t apart need some of its area and of its perimeter.

    It is Oler's inequality (Acta Mathematica 105, 1961) for a polygon around the points: see
    :mod:`mmdp.convex_region`. It is strong if the points fill a convex region, and the stronger the larger k is.
    Infinite for more than two coordinates, and for distances other than Euclidean, Manhattan and Chebyshev.
    """
    region = _region(problem)
    if region is None:
        return math.inf
    distance = region.largest_distance(problem.k)
    return _distance(problem, distance**2 if problem.geometry.form == "sqeuclidean" else distance)


def size_bound(problem: Problem, reduced_distance: float) -> float:
    """How many points can be at least so far apart in pairs, by the same inequality; infinite where that is."""
    region = _region(problem)
    if region is None:
        return math.inf
    is_squared = problem.geometry.form == "sqeuclidean"
    most = region.most_points(math.sqrt(reduced_distance) if is_squared else reduced_distance)
    return math.floor(most) if math.isfinite(most) else most


def _region(problem: Problem) -> Polygon | None:
    form = problem.geometry.form
    if form not in LATTICE_AREA or problem.vectors.shape[1] > 2:
        return None
    points = problem.vectors if len(problem.exclude) == 0 else problem.vectors[problem.candidates]
    centre = points[0].astype(np.float64)
    blocks = (points[block] for block in problem.blocks(_NUMBERS_A_POINT))
    return Polygon.around(np.max([widest(rows, centre) for rows in blocks if len(rows)], axis=0), form)


def included_bound(problem: Problem) -> float:
    """The smallest distance among the required points, which every solution contains; infinite for fewer than two."""
    return problem.objective(problem.include)[0] if len(problem.include) >= 2 else math.inf


def counts_bound(problem: Problem) -> float:
    """The points that counts demand of one group, or of all other groups of its attribute, bound the whole.

    A solution takes at least so many points from there, and these are no farther apart than so many of its points can
    be. Infinite without group counts, and where no more than one point is demanded.
    """
    limits, best = problem.group_counts, math.inf
    if limits is None:
        return best
    none, candidates = np.zeros_like(limits.low), problem.candidates
    member = limits.member[candidates]
    for group in range(len(limits.low)):
        others = [g for g in np.flatnonzero(limits.attribute == limits.attribute[group]).tolist() if g != group]
        for union in ([group], others):
            least = limits.least_of(union, none, problem.k) if union else 0
            if least < 2:
                continue
            part = candidates[np.isin(member, union).any(axis=1)]
            best = min(best, cheap_bound(_part(problem, least, part)))
    return best


def _part(problem: Problem, k: int, points: NDArray[np.int64]) -> Problem:
    if problem.points is None:
        return Problem(k, distances=problem.distances[np.ix_(points, points)])
    return Problem(k, points=problem.points[points], metric=problem.metric)


def degree_bound(problem: Problem) -> float:
    """In an optimal solution, each point has k - 1 others at the optimum or farther.

    So for at least k points, the (k-1)-th largest distance to another point is at least the optimum. Hence the k-th
    largest of these n values bounds it. Useful for matrices without structure.
    """
    k, candidates = problem.k, problem.candidates
    D, place = problem.reduced_matrix(), len(candidates) - (k - 1)
    reach = np.empty(len(candidates))
    for block in problem.blocks(problem.n):
        rows = D[np.ix_(candidates[block], candidates)]
        rows.partition(place, axis=1)
        reach[block] = rows[:, place]
    return _distance(problem, np.partition(reach, len(reach) - k)[len(reach) - k])


def clustering_bound(problem: Problem) -> float:
    """Partition the points into k - 1 groups of small diameter; needs no triangle inequality.

    Two of any k points share a group, so no solution exceeds the largest diameter. Complete linkage gives a first
    partition. Then, as long as it helps, the graph of all pairs at that diameter or farther is coloured with
    k - 1 colours (DSATUR, Brelaz, Communications of the ACM 22(4), 1979): each colour class is a group of smaller
    diameter.
    """
    candidates, groups = problem.candidates, problem.k - 1
    D = problem.reduced_matrix()[np.ix_(candidates, candidates)]
    if groups == 1:
        return _distance(problem, D.max())
    best = float(linkage(squareform(D, checks=False), method="complete")[len(D) - groups - 1, 2])
    levels = np.unique(D)
    low, high = 0, int(np.searchsorted(levels, best))
    while low < high:  # colourable is not monotone for a heuristic, so this finds a good level, not the best one
        middle = (low + high + 1) // 2
        colours = _dsatur(levels[middle] <= D, groups)
        if colours is None:
            low = middle
        else:
            high = int(np.searchsorted(levels, _largest_diameter(D, colours)))
    return _distance(problem, levels[high])


def _largest_diameter(D: Matrix, groups: NDArray[np.int64]) -> float:
    return float(
        max(D[np.ix_(members, members)].max() for members in map(np.flatnonzero, groups == np.unique(groups)[:, None]))
    )


def _dsatur(conflicts: NDArray[np.bool_], colours: int) -> NDArray[np.int64] | None:
    """Colour the graph, the vertex with most colours around it first (by degree on ties); None if colours run out."""
    n = len(conflicts)
    degree = conflicts.sum(axis=1)
    colour = np.full(n, -1, dtype=np.int64)
    forbidden = np.zeros((n, colours), dtype=bool)
    urgency = degree / (n + 1.0)  # saturation decides, degree breaks ties
    for _ in range(n):
        vertex = int(urgency.argmax())
        if forbidden[vertex].all():
            return None
        chosen = int(forbidden[vertex].argmin())
        colour[vertex] = chosen
        urgency[vertex] = -math.inf
        newly = conflicts[vertex] & ~forbidden[:, chosen]
        forbidden[newly, chosen] = True
        urgency[newly] += 1.0
    return colour


def cheap_bound(problem: Problem) -> float:
    """The best bound that needs no n x n matrix of points, in O(n k d) time; O(n^2) if all distances are known."""
    linear = (farthest_first_bound, averaging_bound, area_bound, included_bound, counts_bound)
    pairs = problem.geometry.function
    is_known = problem.distances is not None or (isinstance(pairs, Pairs) and pairs.is_complete)
    return min(bound(problem) for bound in ((*linear, degree_bound) if is_known else linear))


def upper_bound(problem: Problem) -> float:
    """The best bound of this module; the quadratic ones are used up to a few thousand points.

    Examples
    --------
    >>> round(upper_bound(Problem(k=2, points=[[0.0], [1.0], [5.0]])), 6)
    5.0
    """
    bounds: list[Callable[[Problem], float]] = [cheap_bound]
    if len(problem.candidates) <= _CLUSTERING_LIMIT:
        bounds += [degree_bound, clustering_bound]
    return min(bound(problem) for bound in bounds)
