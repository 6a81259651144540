"""No bound is ever below the optimum, and each earns its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@st.composite
def whole_problems(draw):
    """Problems whose distances are whole numbers, or whole multiples of 1 / d."""
    problem = draw(cases(metrics=("hamming", "matrix", "euclidean", "haversine"), picks=False)).problem
    if problem.points is None or problem.geometry.name == "hamming":
        return problem
    rounded = ("geo",) if problem.geometry.name == "haversine" else ("euc_2d", "ceil_2d")
    return Problem(problem.k, points=problem.points, metric=draw(st.sampled_from(rounded)))


@settings(max_examples=400)
@given(problem=whole_problems(), share=st.floats(0.0, 1.0))
def test_bounds_round_down_to_a_distance_that_the_problem_can_have(problem, share):
    values = np.unique(problem.matrix())
    bound = values[-1] * share
    rounded = bounds.attainable(problem, bound)
    assert rounded <= bound * (1 + 1e-9)
    assert rounded * problem.resolution == pytest.approx(round(rounded * problem.resolution), abs=1e-9)
    assert rounded >= values[values <= bound].max()
    for value in values:  # exactly, although a bound may have been rounded in either direction
        for near in (value, np.nextafter(value, np.inf), value * (1 - 1e-12)):
            assert bounds.attainable(problem, near) == value


def test_bounds_of_other_distances_are_left_as_they_are():
    for problem in (gkd_c(9, seed=0).problem(3), Problem(3, distances=gkd_c(9, seed=0).problem(3).matrix())):
        assert bounds.attainable(problem, 3.7) == 3.7


def test_the_degree_bound_of_a_matrix_of_whole_numbers_is_one():
    bound = bounds.degree_bound(ran(60, seed=1).problem(30))
    assert bound == round(bound)


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
