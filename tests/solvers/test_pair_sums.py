"""Sums over coordinates: the order is that of the formula, to the last bit, so no compiler has changed it."""

import numpy as np
import pytest

from solvers._framework.distance_forms import KINDS, one_reduced_distance


def in_lanes(terms):
    """The formula of ``solvers._framework.pair_sums``."""
    lanes, c = np.zeros((4, 8)), 0
    while len(terms) - c >= 32:
        lanes += terms[c : c + 32].reshape(4, 8)
        c += 32
    while len(terms) - c >= 8:
        lanes[0] += terms[c : c + 8]
        c += 8
    a, rest = ((lanes[0] + lanes[1]) + lanes[2]) + lanes[3], 0.0
    for term in terms[c:]:
        rest += term
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7])) + rest


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
