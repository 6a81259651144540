"""Distances by name: a cheap reduced distance for the loops, the true value for the reports.

Every named metric is ``value(form(embed(x), embed(y)))``. The distance form, one of a handful that the solvers compile,
gives a *reduced distance*; ``value`` never decreases, so comparing reduced distances orders the pairs as the true
distances do. Cosine, angular and great-circle distances all become squared Euclidean distances this way:

| metric      | embedding            | form            | distance from s                  |
|-------------|----------------------|-----------------|----------------------------------|
| euclidean   | x                    | sum (x - y)^2   | sqrt(s)                          |
| sqeuclidean | x                    | sum (x - y)^2   | s                                |
| cosine      | x / norm(x)          | sum (x - y)^2   | s / 2 = 1 - cos                  |
| angular     | x / norm(x)          | sum (x - y)^2   | 2 asin(sqrt(s) / 2), in radians  |
| haversine   | point on unit sphere | sum (x - y)^2   | 2 R asin(sqrt(s) / 2)            |
| manhattan   | x                    | sum abs(x - y)  | s                                |
| chebyshev   | x                    | max abs(x - y)  | s                                |
| hamming     | x                    | share of x != y | s                                |
| packed_hamming | the bits of bytes | share of x != y | s                                |
| jaccard     | 0/1 as uint8         | 1 - and / or    | s                                |
| dice        | 0/1 as uint8         | 1 - and / or    | s / (2 - s)                      |
| sokalsneath | 0/1 as uint8         | 1 - and / or    | 2 s / (1 + s)                    |
| rogerstanimoto | 0/1 as uint8      | share of x != y | 2 s / (1 + s)                    |
| correlation | (x - mean) / norm    | sum (x - y)^2   | s / 2 = 1 - Pearson correlation  |
| canberra    | x                    | sum abs(x - y) / (abs(x) + abs(y)) | s             |
| braycurtis  | x                    | sum abs(x - y) / abs(sum (x + y)) | s              |
| euc_2d      | x                    | sum (x - y)^2   | floor(sqrt(s) + 1/2)             |
| ceil_2d     | x                    | sum (x - y)^2   | ceil(sqrt(s))                    |
| geo         | point on unit sphere | sum (x - y)^2   | floor(2 r asin(sqrt(s) / 2) + 1) |

"hamming" compares numbers, also those of bytes; "packed_hamming" the bits in them, as np.packbits packs fingerprints.
The last three are the rounded distances of TSPLIB (Reinelt, ORSA Journal on Computing 3(4), 1991), under its names;
"geo" takes DDD.MM degrees and minutes, and r = 6378.388 km. Rounding costs them the triangle inequality.

With squared differences instead of ``1 - x.y``, equal vectors are at distance zero to the last bit. The price is
paid by arcs near half a turn, where a chord hardly changes: there they are good to about 1e-8 of themselves.

Names that scipy and scikit-learn have for the same distances are aliases: l1, cityblock and taxicab for manhattan, l2
for euclidean, linf for chebyshev, tanimoto for jaccard, matching for hamming, great_circle for haversine.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from mmdp.arrays import Array, Matrix, Points, Vector, describe_rows, is_tensor, namespace
from mmdp.exceptions import InvalidProblemError, UnknownNameError
from mmdp.pairs import Pairs, as_distance

ANGULAR = ("cosine", "angular")  # metrics that compare directions
EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG
_TSPLIB_RADIUS_KM = 6378.388
_ROUNDED = 1e-15  # relative; coordinates that differ from their mean by no more are equal
_LARGEST = {"hamming": 1.0, "jaccard": 1.0, "sparse_jaccard": 1.0}  # reduced distances of these forms
_CACHED_ENTRIES = 2**16  # of rows that are looked at several times
_OPPOSITE = 4.0  # squared distance of opposite unit vectors
_CDIST_NAME = {"manhattan": "cityblock"}
_TRIANGLE_CONSTANTS = {
    **dict.fromkeys(("manhattan", "chebyshev", "hamming", "jaccard", "sparse_jaccard"), 2.0),
    **dict.fromkeys(("sqeuclidean", "sparse_sqeuclidean"), 4.0),
}


def _as_is(x: Any) -> Any:
    return x


def _double(x: Array) -> Array:
    if not is_tensor(x):
        return np.asarray(x, dtype=np.float64)
    xp = namespace(x)
    return x.to(xp.float32 if x.device.type == "mps" else xp.float64)  # Apple's GPUs have no float64


def unit_vectors(x: Array) -> Array:
    """Rows times the reciprocal of their length, in float64; rows of zeros stay zero.

    A length is the root of squares summed in the order that ``solvers`` sums them, so the same numbers have the same
    unit vector, to the last bit, in an array, in a tensor on the CPU, and in compiled code. On other devices the order
    is the device's own.
    """
    if is_tensor(x) and x.device.type == "cpu":
        xp = namespace(x)
        return xp.from_numpy(unit_vectors(x.detach().double().numpy()))
    if is_tensor(x):
        x = _double(x)
        xp = namespace(x)
        largest = xp.abs(x).max(-1).values
        x = x / xp.where(largest > 0, largest, xp.ones_like(largest))[..., None]  # so that no square leaves its range
        squares = (x * x).sum(-1)
        return x * (1 / xp.sqrt(xp.where(squares > 0, squares, xp.ones_like(squares))))[..., None]
    unit = np.empty(x.shape)
    step = max(1, _CACHED_ENTRIES // max(1, x[:1].size))
    for i in range(0, len(x), step):
        unit[i : i + step] = _unit_rows(np.asarray(x[i : i + step], dtype=np.float64))
    return unit


def _unit_rows(x: Vector) -> Vector:
    largest = np.abs(x).max(-1, initial=0.0)
    power = np.where(largest > 0, largest / (2 * np.frexp(np.where(largest > 0, largest, 1.0))[0]), 1.0)
    x = x / power[..., None]  # so that no square over- or underflows; a power of two rounds nothing
    squares = _sum_of_squares(x)
    return np.asarray(x * (1 / np.sqrt(np.where(squares > 0, squares, 1.0)))[..., None])


def _sum_of_squares(x: Vector) -> Vector:
    """Sums over the last axis, 32 coordinates at a time, then 8, then one."""
    d, lanes = x.shape[-1], np.zeros((*x.shape[:-1], 32))
    for c in range(0, d - 31, 32):
        lanes += np.square(x[..., c : c + 32])
    for c in range(d - d % 32, d - 7, 8):
        lanes[..., :8] += np.square(x[..., c : c + 8])
    a = ((lanes[..., :8] + lanes[..., 8:16]) + lanes[..., 16:24]) + lanes[..., 24:]
    a = a[..., :4] + a[..., 4:]
    a = a[..., :2] + a[..., 2:]
    rest = np.zeros(x.shape[:-1])
    for c in range(d - d % 8, d):
        rest += np.square(x[..., c])
    return np.asarray((a[..., 0] + a[..., 1]) + rest)


def _directions(x: Array) -> Array:
    unit = unit_vectors(x)
    zero = np.flatnonzero(np.asarray((unit == 0).all(-1).tolist()))
    if len(zero):
        raise InvalidProblemError(
            f"{describe_rows(zero)}: a zero vector has no direction, so its cosine distance is undefined; "
            "drop these rows, or use metric='euclidean'"
        )
    return unit


def _sphere(x: Array) -> Array:
    x = _double(x)
    if x.shape[1] != 2:
        raise InvalidProblemError(
            f"a great-circle distance takes latitude and longitude in degrees, not {x.shape[1]} columns; name the "
            "two columns of a table, as in columns=['lat', 'lon'] (--columns lat,lon)"
        )
    xp = namespace(x)
    if bool((xp.abs(x[:, 0]) > 90).any()) or bool((xp.abs(x[:, 1]) > 360).any()):
        raise InvalidProblemError(
            "a great-circle distance takes degrees: column 0 is a latitude in [-90, 90], column 1 a longitude in "
            "[-360, 360]; are the columns swapped, or, under 'geo', are the minutes after the point more than 60?"
        )
    latitude, longitude = x[:, 0] * (np.pi / 180), x[:, 1] * (np.pi / 180)
    flat = xp.cos(latitude)
    return xp.stack((flat * xp.cos(longitude), flat * xp.sin(longitude), xp.sin(latitude)), -1)


def _bits(x: Array) -> Array:
    xp = namespace(x)
    if bool(((x != 0) & (x != 1)).any()):
        raise InvalidProblemError(
            "jaccard, dice and their like compare sets given as rows of 0 and 1 (or booleans); other values were "
            "found; bits that are packed into bytes become such rows by np.unpackbits(x, axis=1)"
        )
    return x.to(xp.uint8) if is_tensor(x) else np.asarray(x, dtype=np.uint8)


def _centred_directions(x: Array) -> Array:
    centred = _double(x)
    centred = centred - centred.mean(-1)[..., None]
    largest = namespace(x).abs(_double(x)).max(-1)
    largest = largest.values if is_tensor(x) else largest
    spread = (centred * centred).sum(-1)
    flat = np.flatnonzero(np.asarray((spread <= (_ROUNDED * largest) ** 2 * x.shape[-1]).tolist()))
    if len(flat):
        raise InvalidProblemError(
            f"{describe_rows(flat)}: all coordinates are equal, so the correlation is undefined; drop these rows, or "
            "use metric='euclidean'"
        )
    return unit_vectors(centred)


def _non_negative(x: Array) -> Array:
    if bool((x < 0).any()):
        raise InvalidProblemError(
            "braycurtis compares amounts, which are not negative; negative coordinates were found"
        )
    return x


def _dice(s: Vector) -> Vector:
    s = np.minimum(s, 1.0)
    return s / (2.0 - s)


def _twice_over(s: Vector) -> Vector:
    s = np.minimum(s, 1.0)
    return 2.0 * s / (1.0 + s)


def _unpacked(x: Array) -> Array:
    xp = namespace(x)
    if x.dtype != xp.uint8:
        raise InvalidProblemError(
            f"packed_hamming compares the bits of bytes: give uint8, as np.packbits returns it, not {x.dtype}"
        )
    shifts = (
        xp.arange(7, -1, -1, dtype=xp.uint8, device=x.device) if is_tensor(x) else np.arange(7, -1, -1, dtype=np.uint8)
    )
    return ((x[..., None] >> shifts) & 1).reshape(*x.shape[:-1], -1)


def _arc(s: Vector) -> Vector:
    return 2.0 * np.arcsin(np.minimum(np.sqrt(s) / 2.0, 1.0))


def _kilometres(s: Vector) -> Vector:
    return EARTH_RADIUS_KM * _arc(s)


def _half(s: Vector) -> Vector:
    return s / 2.0


def _tsplib_sphere(x: Array) -> Array:
    degrees = _double(x)
    whole = namespace(degrees).trunc(degrees)
    return _sphere(whole + (degrees - whole) * (5.0 / 3.0))


def _nearest_integer(s: Vector) -> Vector:
    return np.floor(np.sqrt(s) + 0.5)


def _next_integer(s: Vector) -> Vector:
    return np.ceil(np.sqrt(s))


def _tsplib_kilometres(s: Vector) -> Vector:
    return np.where(s > 0, np.floor(_TSPLIB_RADIUS_KM * _arc(s) + 1.0), 0.0)


@dataclass(frozen=True)
class Metric:
    """A distance: how points are embedded, which form compares them, and what the reduced distance means.

    Parameters
    ----------
    name : str
        Shown in reports.
    form : str
        "sqeuclidean", "manhattan", "chebyshev", "hamming", "jaccard", "canberra", "braycurtis", "callable" or
        "precomputed". In the ``geometry`` of a problem on sparse rows, "sparse_sqeuclidean" or "sparse_jaccard".
    is_metric : bool
        Whether the true distance obeys the triangle inequality.
    embed : callable
        Points (n, d) to the vectors (n, d') that the form compares.
    value : callable
        Reduced distance to true distance, element by element, never decreasing.
    is_whole : bool
        Whether every true distance is a whole number.
    function : callable, optional
        For form "callable": ``function(x, y)``, symmetric and non-negative, of two points. In the ``geometry`` of a
        problem, what looks the distances up.
    largest : float
        No reduced distance exceeds it, whatever the points.

    Examples
    --------
    >>> import numpy as np
    >>> cosine = METRICS["cosine"]
    >>> x = cosine.embed(np.array([[1.0, 0.0], [0.0, 2.0]]))
    >>> cosine.value(cosine.pairwise(x[:1], x[1:])).round(12).tolist()
    [[1.0]]
    """

    name: str
    form: str
    is_metric: bool
    embed: Callable[[Array], Array] = _as_is
    value: Callable[[Vector], Vector] = _as_is
    is_whole: bool = False
    function: Callable[[Any, Any], float] | Pairs | None = None
    largest: float = math.inf

    @property
    def embeds_as_is(self) -> bool:
        """Whether the form compares the points as they come."""
        return self.embed is _as_is

    @property
    def compares_directions(self) -> bool:
        """Whether the form compares unit vectors."""
        return self.embed is _directions

    @property
    def values_as_is(self) -> bool:
        """Whether reduced distances are the true ones."""
        return self.value is _as_is

    @property
    def triangle_constant(self) -> float | None:
        """The constant c of the relaxed triangle inequality of reduced distances.

        Two points that are both within reduced distance r of a third one are at most c r apart. c is 4 for the squared
        Euclidean form, even under cosine, which is not a metric itself; 2 for the other metrics; ``None`` without a
        triangle inequality.
        """
        return _TRIANGLE_CONSTANTS.get(self.form, 2.0 if self.is_metric else None)

    @property
    def root(self) -> float | None:
        """The p for which the p-th root of the true distance obeys the triangle inequality.

        1 for metrics, 2 for squared Euclidean and cosine distances, ``None`` if no p is known.
        """
        if self.is_metric:
            return 1.0
        constant = self.triangle_constant
        if constant is None or self.value(np.array([constant]))[0] != constant * self.value(np.array([1.0]))[0]:
            return None  # rounded distances, for one
        return math.log2(constant)

    def bound(self, reduced_distance: float) -> float:
        """Return the true distance of a bound on reduced distances, cut to what the metric can reach at all."""
        limit = min(reduced_distance, self.largest, _LARGEST.get(self.form, math.inf))
        return float(self.value(np.asarray(limit, dtype=np.float64)))

    def of_embedded(self) -> Metric:
        """Return the same distance for points that are embedded already."""
        return replace(self, embed=_as_is)

    def pairwise(self, x: Points, y: Points) -> Matrix:
        """Reduced distances, (a, b) float64, between embedded numpy vectors (a, d') and (b, d')."""
        if isinstance(self.function, Pairs):
            return self.function.between(x[:, 0].astype(np.int64), y[:, 0].astype(np.int64))
        if self.function is not None:
            function = self.function
            distances = cdist(x, y, lambda a, b: as_distance(function(a, b), "a pair of points"))
            return np.asarray(distances, dtype=np.float64)
        if self.form == "jaccard":
            x, y = x.astype(bool), y.astype(bool)
        distances = np.asarray(cdist(x, y, _CDIST_NAME.get(self.form, self.form)), dtype=np.float64)
        if self.form == "braycurtis":  # of two rows of zeros, which are equal
            np.nan_to_num(distances, copy=False, nan=0.0)
        return distances


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("euclidean", "sqeuclidean", True, value=np.sqrt),
        Metric("sqeuclidean", "sqeuclidean", False),
        Metric("cosine", "sqeuclidean", False, embed=_directions, value=_half, largest=_OPPOSITE),
        Metric("angular", "sqeuclidean", True, embed=_directions, value=_arc, largest=_OPPOSITE),
        Metric("correlation", "sqeuclidean", False, embed=_centred_directions, value=_half, largest=_OPPOSITE),
        Metric("haversine", "sqeuclidean", True, embed=_sphere, value=_kilometres, largest=_OPPOSITE),
        Metric("manhattan", "manhattan", True),
        Metric("chebyshev", "chebyshev", True),
        Metric("hamming", "hamming", True),
        Metric("packed_hamming", "hamming", True, embed=_unpacked),
        Metric("jaccard", "jaccard", True, embed=_bits),
        Metric("dice", "jaccard", False, embed=_bits, value=_dice),
        Metric("sokalsneath", "jaccard", True, embed=_bits, value=_twice_over),
        Metric("rogerstanimoto", "hamming", True, embed=_bits, value=_twice_over),
        Metric("canberra", "canberra", True),
        Metric("braycurtis", "braycurtis", False, embed=_non_negative, largest=1.0),
        Metric("euc_2d", "sqeuclidean", False, value=_nearest_integer, is_whole=True),
        Metric("ceil_2d", "sqeuclidean", False, value=_next_integer, is_whole=True),
        Metric(
            "geo",
            "sqeuclidean",
            False,
            embed=_tsplib_sphere,
            value=_tsplib_kilometres,
            is_whole=True,
            largest=_OPPOSITE,
        ),
    )
}
"""All named metrics, by name."""
ALIASES = {
    "l1": "manhattan",
    "cityblock": "manhattan",
    "taxicab": "manhattan",
    "l2": "euclidean",
    "linf": "chebyshev",
    "tanimoto": "jaccard",
    "matching": "hamming",
    "great_circle": "haversine",
}
"""Other names of metrics, such as those of scipy and scikit-learn."""
_PACKED = 127  # the largest byte that may well be the number of a category
PRECOMPUTED = Metric("precomputed", "precomputed", False)


def warn_of_packed_bits(metric: Metric, x: Array) -> None:
    """Say that "hamming" compares bytes as numbers, where the bytes look like packed bits."""
    if metric.name == "hamming" and str(x.dtype).endswith("uint8") and len(x) and int(x.max()) > _PACKED:
        warnings.warn(
            "hamming compares these bytes as numbers; if they are packed bits, use metric='packed_hamming'",
            stacklevel=2,
        )


def compares_objects(metric: object) -> bool:
    """Whether a function of two points is the metric, so that these may be any objects."""
    return metric.function is not None if isinstance(metric, Metric) else callable(metric)


def resolve(metric: str | Metric | Callable[[Array, Array], float]) -> Metric:
    """Return the metric of that name, a metric as it is, or a function of two vectors wrapped as a non-metric.

    Raises
    ------
    UnknownNameError
        If no metric has the name; the message lists those that exist.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        name = ALIASES.get(metric, metric)
        if name == "gower":
            raise InvalidProblemError(
                "gower compares the columns of a file or a data frame: solve(table, k, metric='gower'), not those of "
                "blocks of numbers or of a table that is open already"
            )
        if name not in METRICS:
            known = ", ".join((*METRICS, "gower", *ALIASES))
            raise UnknownNameError(f"no metric named {metric!r}; choose one of {known}, or pass a function")
        return METRICS[name]
    if callable(metric):
        return Metric(getattr(metric, "__name__", "callable"), "callable", False, function=metric)
    raise UnknownNameError(f"metric is a name, a function of two vectors or a Metric, not {type(metric).__name__}")
