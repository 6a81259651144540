"""No bound is ever below the optimum, and each earns its place."""

import numpy as np
import pytest
from hypothesis import given, settings

from mmdp import Problem, bounds
from mmdp.instances import gkd_c, ran
from tests.strategies import cases

EVERY_BOUND = (
    bounds.farthest_first_bound,
    bounds.averaging_bound,
    bounds.included_bound,
    bounds.degree_bound,
    bounds.clustering_bound,
    bounds.cheap_bound,
    bounds.upper_bound,
)


@pytest.mark.parametrize("bound", EVERY_BOUND)
@settings(max_examples=400)
@given(case=cases())
def test_never_below_the_optimum(bound, case):
    assert bound(case.problem) >= case.optimum() * (1 - 1e-9) - 1e-9


def test_averaging_is_tight_for_a_simplex():
    assert bounds.averaging_bound(Problem(8, points=np.eye(8))) == pytest.approx(np.sqrt(2))


def test_degree_bound_helps_without_a_triangle_inequality():
    problem = ran(60, seed=1).problem(30)
    assert bounds.degree_bound(problem) < problem.matrix().max()


def test_colouring_improves_on_complete_linkage():
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    problem = gkd_c(120, seed=2).problem(10)
    diameter = linkage(squareform(problem.matrix(), checks=False), "complete")[-9, 2]
    assert bounds.clustering_bound(problem) < diameter
