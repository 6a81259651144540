"""Named distances against the oracle, and what each promises of the triangle inequality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdp import METRICS, Problem
from tests import naive
from tests.strategies import METRICS as NAMES
from tests.strategies import points


def test_the_strategies_cover_every_named_metric():
    assert set(NAMES) <= set(METRICS)


@pytest.mark.parametrize("metric", NAMES)
@settings(max_examples=100)
@given(data=st.data())
def test_matrix_equals_the_oracle(metric, data):
    X = data.draw(points(metric, 6))
    expected = naive.matrix(metric, X)
    assert Problem(2, points=X, metric=metric).matrix() == pytest.approx(expected, rel=1e-9, abs=2e-7)


@pytest.mark.parametrize("metric", NAMES)
@settings(max_examples=100)
@given(data=st.data())
def test_the_triangle_constant_bounds_the_reduced_distance(metric, data):
    problem = Problem(2, points=data.draw(points(metric, 5)), metric=metric)
    s = problem.reduced_matrix()
    within = np.maximum(s[:, :, None], s[None, :, :])  # radius about the middle point j of i - j - l
    assert (s[:, None, :] <= problem.geometry.triangle_constant * within * (1 + 1e-12) + 1e-12).all()
    if METRICS[metric].is_metric:
        D = problem.matrix()
        assert (D[:, None, :] <= (D[:, :, None] + D[None, :, :]) * (1 + 1e-9) + 1e-6).all()


def test_equal_vectors_are_at_distance_zero_to_the_last_bit():
    x = np.random.default_rng(0).normal(size=(1, 77))
    for metric in ("euclidean", "cosine", "angular", "manhattan"):
        assert Problem(2, points=np.repeat(x, 5, axis=0), metric=metric).matrix().max() == 0


def test_numpy_and_torch_embed_alike():
    torch = pytest.importorskip("torch")
    X = np.random.default_rng(1).uniform(-80, 80, size=(9, 2))
    for metric in ("cosine", "haversine", "euclidean"):
        of_tensor = Problem(2, points=torch.tensor(X), metric=metric).matrix()
        assert of_tensor == pytest.approx(Problem(2, points=X, metric=metric).matrix(), rel=1e-12)


def test_no_copy_is_made_of_plain_points():
    X = np.zeros((4, 3), dtype=np.float32)
    X[0] = 1
    assert np.shares_memory(Problem(2, points=X).vectors, X)
