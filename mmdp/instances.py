"""Generators of the literature's instance families; ``mmdp.instance_readers`` reads its files.

The families, the first six as measured from the published files (no seeds were published):

| family | what it is                                                   | source              |
|--------|--------------------------------------------------------------|---------------------|
| geo    | Euclidean, U[0, 100]^d, each instance its own d from 2 to 21 | Resende et al. 2010 |
| ran    | integers U{50..100} for every pair; not a metric             | Resende et al. 2010 |
| glover | Euclidean, U[0, 100]^d, d from 2 to 30 (GKD-a, -b)           | Glover et al. 1998  |
| gkd_c  | Euclidean, U[0, 10]^10, n = 500                              | Duarte, Marti 2007  |
| mdg_a  | real U[0, 10] with two decimals; not a metric                | Duarte, Marti 2007  |
| mdg_b  | real U[0, 1000]; not a metric                                | Duarte, Marti 2007  |
| gkd_d  | Euclidean, U[0, 100]^2                                       | Parreno et al. 2021 |
| mdg_c  | as mdg_b, n = 3000                                           | Marti et al. 2013   |
| pmed   | shortest paths in a random graph of n^2 / 50 edges           | Beasley 1985        |

The last three are made as their sources describe them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csgraph

from mmdp.exceptions import InvalidOptionError
from mmdp.problem import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Instance:
    """Points or distances with a name, before k is chosen.

    Attributes
    ----------
    name : str
    points : (n, d) float64 array, or None
    distances : (n, n) float64 array, or None
    metric : str
        Of the points.
    capacity : (n,) float64 array, or None
    demand : float, or None
        Of an instance that has them in place of k.
    """

    name: str
    points: Floats | None = None
    distances: Floats | None = None
    metric: str = "euclidean"
    capacity: Floats | None = None
    demand: float | None = None

    def problem(self, k: int | None = None, **picks: Any) -> Problem:
        """Return the problem of choosing k, or of reaching the demand if there is no k.

        ``picks`` are ``include`` and ``exclude`` as in :class:`~mmdp.Problem`.
        """
        limits = {"capacity": self.capacity, "demand": self.demand} if k is None else {"k": k}
        return Problem(points=self.points, distances=self.distances, metric=self.metric, **limits, **picks)


def uniform(name: str, n: int, d: int, high: float, seed: int) -> Instance:
    """Return n points uniform in [0, high]^d."""
    _check_sizes(n, d)
    return Instance(name, points=np.random.default_rng(seed).uniform(0.0, high, size=(n, d)))


def _check_sizes(n: int, d: int = 1) -> None:
    if n < 1 or d < 1:
        raise InvalidOptionError(f"n = {n}, d = {d}: an instance has at least one point of at least one dimension")


def geo(n: int = 100, seed: int = 0, d: int | None = None) -> Instance:
    """Return a Geo instance: U[0, 100]^d, with d drawn from 2 to 21 unless given.

    Examples
    --------
    >>> geo(n=100, seed=1, d=3).problem(k=10).points.shape
    (100, 3)
    """
    d = int(np.random.default_rng([seed, 1]).integers(2, 22)) if d is None else d
    return uniform(f"geo_{n}_{seed}", n, d, 100.0, seed)


def glover(n: int = 50, seed: int = 0, d: int | None = None) -> Instance:
    """Return a Glover (GKD-a, GKD-b) instance: U[0, 100]^d, with d drawn from 2 to 30 unless given."""
    d = int(np.random.default_rng([seed, 2]).integers(2, 31)) if d is None else d
    return uniform(f"glover_{n}_{seed}", n, d, 100.0, seed)


def gkd_c(n: int = 500, seed: int = 0) -> Instance:
    """Return a GKD-c instance: U[0, 10]^10."""
    return uniform(f"gkd_c_{n}_{seed}", n, 10, 10.0, seed)


def gkd_d(n: int = 500, seed: int = 0) -> Instance:
    """Return a GKD-d instance: U[0, 100]^2."""
    return uniform(f"gkd_d_{n}_{seed}", n, 2, 100.0, seed)


def _random_matrix(name: str, n: int, draw: Callable[[int], Any]) -> Instance:
    _check_sizes(n)
    D = np.zeros((n, n))
    upper = np.triu_indices(n, 1)
    D[upper] = draw(len(upper[0]))
    return Instance(name, distances=D + D.T)


def ran(n: int = 100, seed: int = 0, low: int = 50, high: int = 100) -> Instance:
    """Return a Ran instance: an integer from ``low`` to ``high`` for every pair."""
    if low > high:
        raise InvalidOptionError(f"low = {low} is above high = {high}")
    rng = np.random.default_rng(seed)
    return _random_matrix(f"ran_{n}_{seed}", n, lambda pairs: rng.integers(low, high + 1, pairs))


def mdg_a(n: int = 500, seed: int = 0) -> Instance:
    """Return an MDG-a instance: a real number of two decimals in [0, 10] for every pair."""
    rng = np.random.default_rng(seed)
    return _random_matrix(f"mdg_a_{n}_{seed}", n, lambda pairs: rng.uniform(0.0, 10.0, pairs).round(2))


def mdg_b(n: int = 500, seed: int = 0) -> Instance:
    """Return an MDG-b instance: a real number in [0, 1000] for every pair."""
    rng = np.random.default_rng(seed)
    return _random_matrix(f"mdg_b_{n}_{seed}", n, lambda pairs: rng.uniform(0.0, 1000.0, pairs))


def mdg_c(n: int = 3000, seed: int = 0) -> Instance:
    """Return an MDG-c instance: a real number in [0, 1000] for every pair, of more points than MDG-b."""
    return replace(mdg_b(n, seed), name=f"mdg_c_{n}_{seed}")


def pmed(n: int = 100, seed: int = 0) -> Instance:
    """Return a p-median instance: distances along n^2 / 50 random edges of integer length from 1 to 100.

    The first n - 1 edges are a path through all vertices, so that each can be reached.
    """
    _check_sizes(n)
    rng = np.random.default_rng(seed)
    path = rng.permutation(n)
    drawn = rng.choice(n * (n - 1) // 2, max(0, n * n // 50 - n + 1), replace=False)
    ends, others = np.triu_indices(n, 1)
    i, j = np.concatenate([path[:-1], ends[drawn]]), np.concatenate([path[1:], others[drawn]])
    return Instance(f"pmed_{n}_{seed}", distances=along_edges(n, i, j, rng.integers(1, 101, len(i))))


def along_edges(n: int, i: NDArray[np.int64], j: NDArray[np.int64], cost: NDArray[Any]) -> Floats:
    """Return the (n, n) lengths of shortest paths; infinite without one. An edge given twice has the later cost."""
    direct = np.full((n, n), np.inf)
    direct[np.minimum(i, j), np.maximum(i, j)] = cost
    D: Floats = csgraph.shortest_path(csgraph.csgraph_from_dense(direct, null_value=np.inf), directed=False)
    return D


FAMILIES: dict[str, Callable[..., Instance]] = {
    make.__name__: make for make in (geo, ran, glover, gkd_c, gkd_d, mdg_a, mdg_b, mdg_c, pmed)
}
