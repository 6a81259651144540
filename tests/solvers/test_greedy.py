"""Farthest-first: DivPrune's rule index for index, the same picks on CPU and torch, and what each start means."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdp import Problem
from solvers import load, solve
from tests import naive
from tests.strategies import METRICS, cases


def token_like(seed):
    """Random or clustered features, as a projector emits."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(10, 120)), int(rng.integers(2, 64))
    centres = rng.normal(size=(n if seed % 2 else 1 + n // 8, d))
    return centres[rng.integers(0, len(centres), n)] + 0.1 * rng.normal(size=(n, d))


@pytest.mark.parametrize("seed", range(200))
def test_isolated_start_under_cosine_is_divprunes_rule(seed):
    X = token_like(seed)
    k = max(2, len(X) // (2 + seed % 9))
    expected = naive.divprune(X, k)
    assert solve(X, k, solver="greedy", metric="cosine", start="isolated").indices.tolist() == expected
    assert load("greedy")().select(X, k).tolist() == expected


@settings(max_examples=300)
@given(case=cases(max_n=12, metrics=METRICS), start=st.sampled_from(("isolated", "farthest_pair", "sweep", "random")))
def test_torch_and_numba_agree_to_the_index(case, start):
    pytest.importorskip("torch")
    compiled, tensors = (solve(case.problem, start=start, backend=b) for b in ("numba", "torch"))
    assert compiled.indices.tolist() == tensors.indices.tolist()


def test_a_selection_of_lists_and_of_no_items():
    X = np.random.default_rng(0).random((20, 3))
    for name in ("greedy", "local_search"):
        solver = load(name)()
        assert solver.select(X.tolist(), 3).tolist() == solver.select(X, 3).tolist()
        assert solver.select(np.zeros((0, 5, 3)), 2).shape == (0, 2)
        assert solver.select(np.zeros((0, 5, 3)), 2).dtype == np.int64


def test_starts():
    X = np.array([[0.0], [1.0], [2.0], [7.0], [12.0], [13.0]])
    first = {start: solve(X, 3, start=start).indices[0] for start in ("isolated", "farthest_pair", "sweep", 1)}
    assert first == {"isolated": 3, "farthest_pair": 0, "sweep": 5, 1: 1}
    assert solve(X, 3, start="farthest_pair").indices.tolist() == [0, 5, 3]


def test_the_oracles_traversal_from_any_start():
    X = np.random.default_rng(0).integers(0, 6, size=(40, 2)).astype(float)  # full of ties
    D = naive.matrix("euclidean", X)
    for start in range(0, 40, 7):
        assert solve(X, 12, start=start).indices.tolist() == naive.farthest_first(D, 12, [start])


def test_fixed_picks_begin_the_traversal():
    X = np.random.default_rng(1).normal(size=(30, 2))
    D = naive.matrix("euclidean", X)
    result = solve(Problem(8, points=X, include=(4, 9)))
    assert result.indices.tolist() == naive.farthest_first(D, 8, [4, 9])


def test_duplicates_never_come_twice_where_divprunes_own_loop_repeats():
    X = np.vstack([np.eye(4), np.eye(4), np.eye(4)])
    assert sorted(set(load("greedy")().select(X, 8))) == sorted(load("greedy")().select(X, 8))


def test_large_n_does_not_take_the_quadratic_start():
    X = np.random.default_rng(2).normal(size=(5000, 3))
    assert solve(X, 4).indices.tolist() == solve(X, 4, start="sweep").indices.tolist()


@pytest.mark.parametrize("n", [500, 40_000])
def test_serial_and_parallel_kernels_agree(n):
    X = np.random.default_rng(3).normal(size=(n, 16))
    picks = solve(X, 6, start=0).indices
    nearest = np.full(n, np.inf)
    for c, following in itertools.pairwise(picks):
        nearest = np.minimum(nearest, ((X - X[c]) ** 2).sum(1))
        assert int(nearest.argmax()) == following


@pytest.mark.parametrize("n", [7, 50, 52, 88, 97, 145, 300])
def test_of_copies_the_first_is_taken_wherever_they_stand(n):
    torch = pytest.importorskip("torch")
    X = torch.randn(2, n, 40, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    copies = [1, n // 2, n - 1]
    X[:, copies] = -5 * X.mean(1, keepdim=True)
    for points in (X, X.float(), X[0]):
        chosen = load("greedy")().select(points, n - 3).reshape(-1, n - 3).tolist()
        assert all(1 in picks and not {*copies[1:]} & {*picks} for picks in chosen)
