"""All points in the order in which farthest-first takes them, which is the answer where there is only one subset."""

import numpy as np
import pytest
from hypothesis import given, settings

import solvers
from mmdp import Problem
from tests import naive
from tests.strategies import cases


@settings(max_examples=300, deadline=None)
@given(case=cases())
def test_each_point_is_the_farthest_from_those_before_it(case):
    problem, D = case.problem, case.D
    order = problem.max_min_order().tolist()
    m = max(1, len(problem.include))
    assert sorted(order) == problem.candidates.tolist()
    assert order[: len(problem.include)] == list(problem.include)
    for place in range(m, len(order)):
        nearest = D[np.ix_(order[:place], order[place:])].min(axis=0)
        assert nearest[0] >= nearest.max() * (1 - 1e-9) - 1e-9
    if not problem.include:
        first = problem.candidates[0]
        assert D[first, order[0]] >= D[first, problem.candidates].max() * (1 - 1e-9) - 1e-9


def test_ties_go_to_the_lowest_index():
    X = np.array([[0, 0], [0, 3], [3, 0], [3, 3], [0, 0], [3, 3]], dtype=float)
    assert Problem(6, points=X).max_min_order().tolist() == naive.farthest_first(naive.matrix("euclidean", X), 6, [3])


@pytest.mark.parametrize("name", ["greedy", "local_search", "exact"])
def test_the_only_subset_comes_in_that_order(name):
    points = np.array([[0.0], [1.0], [2.5], [9.0]])
    everything = solvers.solve(Problem(4, points=points), solver=name)
    assert everything.indices.tolist() == [3, 0, 2, 1]
    fixed = solvers.solve(Problem(3, points=points, include=[2], exclude=[3]), solver=name)
    assert fixed.indices.tolist() == [2, 0, 1]
    as_given = solvers.solve(Problem(2, points=points, include=[2, 0]), solver=name)
    assert as_given.indices.tolist() == [2, 0]
    assert all(result.is_optimal for result in (everything, fixed, as_given))
