"""No bound is ever below the optimum, and each earns its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Problem, Stop, bounds
from mmdp.instances import gkd_c, ran
from solvers._framework import grading
from tests import naive
from tests.strategies import cases

EVERY_BOUND = (
    bounds.farthest_first_bound,
    bounds.averaging_bound,
    bounds.area_bound,
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


def on_a_line(*places, k, **fixed):
    return Problem(k, points=np.array(places, dtype=float)[:, None], **fixed)


def pairs_bound(D, k, exclude=()):
    """What the definition of the degree bound says, in plain Python."""
    kept = [i for i in range(len(D)) if i not in exclude]
    reach = sorted((sorted((D[i][j] for j in kept if j != i), reverse=True)[k - 2] for i in kept), reverse=True)
    return reach[k - 1]


def test_farthest_first_bound_is_twice_the_radius_of_one_centre_fewer():
    assert bounds.farthest_first_bound(on_a_line(0, 1, 10, 14, k=2)) == pytest.approx(28)
    assert bounds.farthest_first_bound(on_a_line(0, 1, 10, 14, k=3)) == pytest.approx(8)
    assert bounds.farthest_first_bound(on_a_line(0, 1, 10, 14, k=4)) == pytest.approx(2)
    assert bounds.farthest_first_bound(on_a_line(0, 1, 10, 14, k=3, exclude=[2])) == pytest.approx(2)
    assert bounds.farthest_first_bound(Problem(2, points=[[0.0], [3.0]], metric="sqeuclidean")) == pytest.approx(36)
    assert bounds.farthest_first_bound(Problem(2, distances=1 - np.eye(3))) == np.inf


def test_averaging_bound_is_that_of_the_points_farthest_from_the_mean():
    assert bounds.averaging_bound(on_a_line(-3, -1, 0, 4, k=2)) == pytest.approx(np.sqrt(2 * (9 + 16)))
    assert bounds.averaging_bound(on_a_line(-3, -1, 0, 4, k=3)) == pytest.approx(np.sqrt(9 + 16 + 1))
    excluded = on_a_line(-3, -1, 0, 4, k=2, exclude=[3])  # the mean stays that of all points: any centre will do
    assert bounds.averaging_bound(excluded) == pytest.approx(np.sqrt(2 * (9 + 1)))
    assert bounds.averaging_bound(Problem(2, points=[[0.0], [3.0]], metric="manhattan")) == np.inf


@pytest.mark.parametrize("block", [1, 3, 64])
def test_averaging_bound_by_blocks(monkeypatch, block):
    points = np.random.default_rng(0).normal(size=(20, 3))
    whole = bounds.averaging_bound(Problem(4, points=points))
    steps = [slice(start, min(start + block, 20)) for start in range(0, 20, block)]
    monkeypatch.setattr(Problem, "blocks", lambda self, columns: iter(steps))
    assert bounds.averaging_bound(Problem(4, points=points)) == pytest.approx(whole)


def test_included_bound_is_the_smallest_distance_of_fixed_picks():
    assert bounds.included_bound(on_a_line(0, 1, 10, 14, k=4, include=[0, 3])) == 14
    assert bounds.included_bound(on_a_line(0, 1, 10, 14, k=4, include=[0, 3, 2])) == 4
    assert bounds.included_bound(on_a_line(0, 1, 10, 14, k=4, include=[3])) == np.inf
    assert bounds.included_bound(on_a_line(0, 1, 10, 14, k=4)) == np.inf


@pytest.mark.parametrize("exclude", [(), (1, 6)])
def test_degree_bound_is_its_definition(exclude):
    rng = np.random.default_rng(4)
    for k in (2, 3, 5):
        D = np.triu(rng.integers(1, 30, (9, 9)), 1)
        D = D + D.T
        assert bounds.degree_bound(Problem(k, distances=D, exclude=exclude)) == pytest.approx(
            pairs_bound(D, k, exclude)
        )


def test_clustering_bound_of_groups_that_are_plain_to_see():
    groups = on_a_line(0, 1, 10, 12, 30, 33, k=4)
    assert bounds.clustering_bound(groups) == pytest.approx(3)
    assert bounds.clustering_bound(on_a_line(0, 1, 10, 12, k=2)) == pytest.approx(12)
    assert bounds.clustering_bound(on_a_line(0, 1, 10, 12, 30, 33, k=4, exclude=[5])) == pytest.approx(2)


@settings(max_examples=300)
@given(case=cases(metrics=("matrix",), picks=False))
def test_colours_differ_along_conflicts(case):
    for level in np.unique(case.D)[1:]:
        conflicts = level <= case.D
        for colours in range(1, len(case.D) + 1):
            colour = bounds._dsatur(conflicts, colours)
            if colour is not None:
                assert colour.min() >= 0
                assert colour.max() < colours
                assert not (conflicts & (colour[:, None] == colour)).any()
        assert colour is not None  # as many colours as points


def test_dsatur_colours_a_wheel_and_a_path_with_as_few_as_there_are():
    path = np.eye(7, k=1, dtype=bool)
    path |= path.T
    assert bounds._dsatur(path, 2) is not None
    assert bounds._dsatur(path, 1) is None
    wheel = np.roll(np.eye(6, dtype=bool), 1, axis=1)
    wheel |= wheel.T
    wheel = np.pad(wheel, ((0, 1), (0, 1)), constant_values=True)
    wheel[-1, -1] = False
    assert bounds._dsatur(wheel, 3) is not None
    assert bounds._dsatur(wheel, 2) is None


def triangle_of_points(side):
    return np.array([(i + j / 2, j * np.sqrt(3) / 2) for j in range(side + 1) for i in range(side + 1 - j)])


SQUARE = np.array([(i, j) for i in range(5) for j in range(5)], dtype=float)
LATTICES = {
    "triangles": (triangle_of_points(6), "euclidean", 1.0),
    "squares": (SQUARE, "chebyshev", 1.0),
    "diamonds": (SQUARE @ [[0.5, 0.5], [0.5, -0.5]], "manhattan", 1.0),
    "a line": (3.0 * np.arange(12)[:, None], "euclidean", 3.0),
    "a line, squared": (3.0 * np.arange(12)[:, None], "sqeuclidean", 9.0),
}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 2.0**40])
@pytest.mark.parametrize("name", LATTICES)
def test_the_area_bound_is_attained_by_lattices(name, scale):
    points, metric, apart = LATTICES[name]
    scaled = apart * (scale**2 if metric == "sqeuclidean" else scale)
    problem = Problem(len(points), points=7.0 + scale * points, metric=metric)
    assert bounds.area_bound(problem) == pytest.approx(scaled, rel=1e-6)
    reduced = scaled**2 if metric == "euclidean" else scaled
    assert bounds.size_bound(problem, reduced) == len(points)
    assert bounds.size_bound(problem, reduced / 9) > len(points)


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(2, 9),
    d=st.integers(1, 2),
    width=st.sampled_from([3, 8, 1000]),
    metric=st.sampled_from(["euclidean", "sqeuclidean", "manhattan", "chebyshev", "euc_2d"]),
)
def test_no_more_points_are_apart_than_the_size_bound_says(seed, n, d, width, metric):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, width, (n, d)) * rng.choice([1.0, 1e-3], d)
    problem = Problem(2, points=points, metric=metric)
    matrix = problem.reduced_matrix()
    apart = rng.choice(matrix[np.triu_indices(n, 1)])
    largest = max(
        len(chosen) for chosen in naive.subsets(n, range(2, n + 1)) if naive.objective(matrix, chosen) >= apart
    )
    assert bounds.size_bound(problem, apart) >= largest


def test_which_bounds_take_part():
    matrix = ran(40, seed=1).problem(20)
    assert bounds.cheap_bound(matrix) == bounds.degree_bound(matrix) < np.inf
    points = on_a_line(0, 1, 10, 12, 30, 33, k=4)
    linear = (bounds.farthest_first_bound, bounds.averaging_bound, bounds.area_bound, bounds.included_bound)
    assert bounds.cheap_bound(points) == min(bound(points) for bound in linear)
    quadratic = (bounds.degree_bound, bounds.clustering_bound)
    assert bounds.upper_bound(points) == min(bound(points) for bound in (*linear, *quadratic))
    assert bounds.upper_bound(points) < bounds.cheap_bound(points)


def test_the_quadratic_bounds_take_part_up_to_their_limit(monkeypatch):
    problem = on_a_line(0, 1, 10, 12, 30, 33, k=4)
    monkeypatch.setattr(bounds, "_CLUSTERING_LIMIT", 6)
    assert bounds.upper_bound(problem) == bounds.clustering_bound(problem)
    monkeypatch.setattr(bounds, "_CLUSTERING_LIMIT", 5)
    assert bounds.upper_bound(problem) == bounds.cheap_bound(problem)


def test_a_bound_is_rounded_up():
    problem = Problem(2, points=[[0.0], [0.1], [0.3]], metric="manhattan")
    assert bounds.clustering_bound(problem) >= 0.3
    assert bounds.degree_bound(problem) >= 0.3
    assert bounds.degree_bound(problem) == pytest.approx(0.3, rel=1e-12)


def test_no_long_bound_is_computed_after_the_time_is_up(monkeypatch):
    problem = Problem(30, points=np.random.default_rng(0).random((400, 3)))
    assert solvers.solve(problem, solver="random", stop=Stop(seconds=0)).upper_bound == bounds.cheap_bound(problem)
    monkeypatch.setattr(grading, "_IN_A_SECOND", 10 * (400 * 30 * 3 - 1))
    found = solvers.solve(problem, solver="random", stop=Stop(seconds=0)).upper_bound
    assert found == bounds.averaging_bound(problem) > bounds.cheap_bound(problem)
    monkeypatch.undo()
    assert solvers.solve(problem, solver="random").upper_bound == bounds.cheap_bound(problem)
