"""Utility and diversity together."""

import itertools

import numpy as np
import pytest

from mmdp import InvalidOptionError, Problem
from solvers import solve


def test_weight_moves_between_the_most_useful_and_the_most_diverse():
    rng = np.random.default_rng(0)
    X, utility = rng.normal(size=(60, 2)), rng.random(60)
    useful = solve(X, 5, solver="gist", utility=utility, weight=0.0)
    assert sorted(useful.indices.tolist()) == sorted(np.argsort(-utility)[:5].tolist())
    diverse = solve(X, 5, solver="gist", utility=utility, weight=1e6)
    assert diverse.objective > useful.objective


@pytest.mark.parametrize("seed", range(30))
def test_value_is_what_it_says_and_at_least_half_the_best(seed):
    rng = np.random.default_rng(seed)
    X, utility = rng.normal(size=(12, 2)), rng.random(12)
    problem = Problem(4, points=X)
    result = solve(problem, solver="gist", utility=utility, weight=0.7)

    def value(subset):
        return utility[list(subset)].sum() + 0.7 * problem.objective(subset)[0]

    assert result.notes["value"] == pytest.approx(value(result.indices))
    assert result.notes["value"] >= max(map(value, itertools.combinations(range(12), 4))) / 2


def test_utility_of_the_wrong_length_is_named():
    with pytest.raises(InvalidOptionError, match="one finite value"):
        solve(np.eye(4), 2, solver="gist", utility=[1.0])
