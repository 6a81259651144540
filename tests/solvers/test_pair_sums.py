"""Sums over coordinates: the order is that of the formula, to the last bit, so no compiler has changed it."""

import numpy as np
import pytest

from mmdp.metrics import unit_vectors
from solvers._farthest_first.intervals import rule_distances, squared_norms
from solvers._framework.distance_forms import KINDS, one_reduced_distance
from tests.naive import in_lanes


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("kind", ["sqeuclidean", "manhattan"])
def test_sums_in_the_order_of_the_formula(dtype, kind):
    rng = np.random.default_rng(0)
    for d in range(1, 150):
        x = rng.integers(0, 256, (2, d)) if dtype == np.uint8 else rng.normal(size=(2, d))
        x = x.astype(dtype)
        delta = x[0].astype(np.float64) - x[1].astype(np.float64)
        terms = delta * delta if kind == "sqeuclidean" else abs(delta)
        assert one_reduced_distance(KINDS[kind], x, 0, x, 1) == in_lanes(terms)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaled_rows_are_summed_as_the_unit_vectors_that_they_stand_for(dtype):
    rng = np.random.default_rng(1)
    for d in (1, 7, 8, 31, 32, 45, 300):
        x = rng.normal(size=(2, d)).astype(dtype)
        squares = squared_norms(x)
        assert squares.tolist() == in_lanes(np.square(x.astype(np.float64))).tolist()
        unit = unit_vectors(x)
        pair = np.array([0]), np.array([1])
        assert 2 * rule_distances(x, 1 / np.sqrt(squares), *pair)[0] == in_lanes(np.square(unit[0] - unit[1]))


def test_unit_vectors_of_arrays_and_tensors_have_the_same_bits():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(2).normal(size=(50, 77)) * 10.0 ** np.random.default_rng(3).uniform(-140, 140, (50, 1))
    x[3] = 0.0
    assert unit_vectors(torch.from_numpy(x)).numpy().tobytes() == unit_vectors(x).tobytes()
    np.testing.assert_allclose(np.linalg.norm(unit_vectors(x), axis=1), np.arange(50) != 3)
