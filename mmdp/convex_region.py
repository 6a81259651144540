"""How far apart k points of a convex region in the plane can be.

The readable formula, for a region of area A and perimeter P and distances of at least t between its points::

    number of points <= A / (D t^2) + P / (2 t) + 1

D is the smallest area for each point of a lattice at distance 1: sqrt(3) / 2 for Euclidean distances, 1 / 2 for
Manhattan and 1 for Chebyshev, and P is measured in the same distance (Oler, Acta Mathematica 105, 1961). Triangular and
square lattices attain it. On a line, where A = 0 and P is twice the length, it counts steps of t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mmdp.arrays import Points, Vector

LATTICE_AREA = {"sqeuclidean": math.sqrt(3) / 2, "manhattan": 0.5, "chebyshev": 1.0}
_DIRECTIONS = 72  # sides of the polygon around the points, in steps of 5 degrees
_ROUNDING = 1e-9  # relative to the size of the region; far above what its sides lose
_STEP = 2 * math.pi / _DIRECTIONS


def widest(points: Points, centre: Vector) -> Vector:
    """How far points (n, 1 or 2) reach from a centre in each direction: the support function of their convex hull."""
    angles = _STEP * np.arange(_DIRECTIONS // 2)
    reach = (_outer(points) - centre) @ np.array([np.cos(angles), np.sin(angles)])[: points.shape[1]]
    return np.asarray(np.concatenate([reach.max(axis=0), -reach.min(axis=0)]))


def _outer(points: Points) -> Points:
    """Leave out points in a rectangle beyond each of whose corners lies a point, because their hull covers it."""
    if points.shape[1] < 2:
        return points
    x, y = np.ascontiguousarray(points.T)
    rising, falling = x + y, x - y
    (x0, y0), (x1, y1) = points[rising.argmin()], points[rising.argmax()]
    (x2, y2), (x3, y3) = points[falling.argmin()], points[falling.argmax()]
    inside = (x > max(x0, x2)) & (x < min(x1, x3)) & (y > max(y0, y3)) & (y < min(y1, y2))
    return np.asarray(points[~inside])


@dataclass(frozen=True)
class Polygon:
    """A polygon around points of the plane, measured in a distance.

    Parameters
    ----------
    scale : float
        The unit of the other two, so that neither overflows.
    half_perimeter : float
        P / 2.
    lattice_points : float
        Its area in those of a lattice at distance 1: A / D.

    Examples
    --------
    >>> corners = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
    >>> square = Polygon.around(widest(corners, corners[0]), "chebyshev")
    >>> round(square.most_points(1.0), 6), round(square.largest_distance(9), 6)
    (9.0, 1.0)
    """

    scale: float
    half_perimeter: float
    lattice_points: float

    @classmethod
    def around(cls, reach: Vector, form: str) -> Polygon:
        """Its sides are ``reach`` away from the centre, and a little farther, so that nothing is lost by rounding."""
        scale = float(reach.max())
        if scale == 0:
            return cls(1.0, 0.0, 0.0)
        if not math.isfinite(scale):
            return cls(1.0, math.inf, math.inf)
        reach = reach / scale + _ROUNDING
        angles = _STEP * np.arange(_DIRECTIONS)
        sides = (np.roll(reach, 1) + np.roll(reach, -1) - 2 * math.cos(_STEP) * reach) / math.sin(_STEP)
        sides = np.maximum(sides, 0.0)
        along = np.abs([np.sin(angles), np.cos(angles)])
        length = {"sqeuclidean": 1.0, "manhattan": along.sum(axis=0), "chebyshev": along.max(axis=0)}[form]
        return cls(scale, float((sides * length).sum()) / 2, float(reach @ sides) / 2 / LATTICE_AREA[form])

    def most_points(self, t: float) -> float:
        """No more than so many points have pairwise distances of at least t; not rounded down."""
        t /= self.scale
        return self.lattice_points / t / t + self.half_perimeter / t + 1 if t > 0 else math.inf

    def largest_distance(self, k: int) -> float:
        """The t at which that many points are k: no k points are farther apart."""
        half = self.half_perimeter / (2 * (k - 1))
        return self.scale * (half + math.sqrt(half**2 + self.lattice_points / (k - 1)))
