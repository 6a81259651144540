"""Leaving out distances changes no pick: against the plain traversal, ties and duplicates included."""

from functools import partial

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdp import Problem
from mmdp.traversal import farthest_first
from solvers import solve
from solvers._farthest_first import accelerated
from solvers._framework.distance_forms import FEW_DIMENSIONS
from solvers._framework.first_pick import Rows
from tests.strategies import VECTOR_METRICS

BOXED = ("euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "angular")


def clouds(seed, n, d, kind, dtype):
    """Random, clustered, or on a small lattice where most distances tie and points repeat."""
    rng = np.random.default_rng(seed)
    if kind == "lattice":
        X = rng.integers(-2, 3, size=(n, d))
    elif kind == "clustered":
        X = rng.normal(size=(1 + n // 20, d))[rng.integers(0, 1 + n // 20, n)] + 1e-2 * rng.normal(size=(n, d))
    else:
        X = rng.normal(size=(n, d))
    X = X.astype(dtype)
    X[~X.any(axis=1), 0] = 1
    return X


def traversals(problem):
    first = list(problem.include) or [int(problem.candidates[0])]

    def nearest():
        row = np.full(problem.n, -1.0)
        row[problem.candidates] = np.inf
        return row

    yield farthest_first(Rows(problem).lower, nearest(), first, problem.k)
    few = problem.geometry.name in BOXED and problem.vectors.shape[1] <= FEW_DIMENSIONS
    build = partial(accelerated.in_buckets, size=4) if few else accelerated.in_turn
    bounds = nearest()
    bounds[first] = -1.0
    kernel = build(problem.vectors, problem.geometry, bounds, problem.k, first)
    yield accelerated.in_slices(kernel, first, problem.k, problem.n)


@settings(max_examples=500)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(3, 200),
    d=st.sampled_from((1, 2, 3, 5, 8, 9, 16, 33, 100)),
    kind=st.sampled_from(("random", "clustered", "lattice")),
    dtype=st.sampled_from((np.float32, np.float64)),
    metric=st.sampled_from(VECTOR_METRICS),
    share=st.floats(0, 1),
    picks=st.booleans(),
)
def test_same_picks_as_the_plain_traversal(seed, n, d, kind, dtype, metric, share, picks):
    X = clouds(seed, n, d, kind, dtype)
    order = np.random.default_rng(seed).permutation(n)
    k = 2 + int(share * (min(n, 40) - 2))
    include, exclude = (order[: min(k - 1, 3)], order[k : k + 5]) if picks else ((), ())
    (picked, radius), *others = traversals(Problem(k, points=X, metric=metric, include=include, exclude=exclude))
    for other in others:
        assert other == (picked, radius)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("d", [3, 24])
def test_any_number_of_threads(threads, d):
    X = clouds(1, 60_000, d, "clustered", np.float32)
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        accelerated_picks = solve(X, 80).indices
    finally:
        numba.set_num_threads(before)
    assert accelerated_picks.tolist() == solve(X, 80, accelerated=False).indices.tolist()


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
def test_threads_divide_the_buckets():
    problem = Problem(20, points=clouds(1, 400_000, 3, "clustered", np.float32))  # more than one thread does alone
    found = []
    before = numba.get_num_threads()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        nearest = np.full(problem.n, np.inf)
        nearest[0] = -1.0
        kernel = accelerated.in_buckets(problem.vectors, problem.geometry, nearest, problem.k, [0], size=256)
        found.append(accelerated.in_slices(kernel, [0], problem.k, problem.n))
    numba.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_million_points_in_space():
    X = np.random.default_rng(0).normal(size=(10**6, 3)).astype(np.float32)
    assert solve(X, 200).indices.tolist() == solve(X, 200, accelerated=False).indices.tolist()
