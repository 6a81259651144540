"""The bound by vectors: against all sets of far points of small cases, and against proven optima."""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Clock, Problem, Stop
from mmdp.bounds import area_bound
from solvers._exact.umbrella import Umbrella
from solvers._exact.vector_bound import VectorBound
from solvers._exact.vector_program import VectorProgram


def most_far_apart(far):
    """The size of the largest set whose pairs are all far, by trying all sets."""
    cells = range(len(far))
    sizes = (
        size
        for size in range(len(far), 1, -1)
        for chosen in itertools.combinations(cells, size)
        if all(far[a, b] for a, b in itertools.combinations(chosen, 2))
    )
    return next(sizes, 1)


@st.composite
def far_cells(draw):
    cells = draw(st.integers(2, 8))
    far = np.zeros((cells, cells), dtype=bool)
    for a, b in itertools.combinations(range(cells), 2):
        far[a, b] = far[b, a] = draw(st.booleans())
    return far


def overlapping_parts(cells):
    return [np.arange(cells), np.arange(cells // 2, cells)]


@settings(max_examples=200)
@given(far_cells(), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_any_vectors_prove_no_less_than_the_largest_set(far, seed, terms):
    rng = np.random.default_rng(seed)
    parts = overlapping_parts(len(far))
    vectors = [rng.normal(size=(len(part), terms)).astype(np.float32) for part in parts]
    handle = [np.abs(rng.normal(size=terms)).astype(np.float32) for _ in parts]
    umbrella = Umbrella(len(far), parts, [np.abs(v) if rng.random() < 0.5 else v for v in vectors], handle)
    largest = most_far_apart(far)
    for k in range(1, len(far) + 1):
        assert k > largest or umbrella.most_points(far, k) >= k


def test_far_points_in_one_cell_and_a_handle_that_points_away_prove_nothing():
    vectors = np.array([[1.0], [1.0]], dtype=np.float32)
    handle = np.ones(1, dtype=np.float32)
    far = np.array([[True, False], [False, False]])
    assert Umbrella(2, [np.arange(2)], [vectors], [handle]).most_points(far, 2) == math.inf
    assert Umbrella(2, [np.arange(2)], [vectors], [-handle]).most_points(~np.eye(2, dtype=bool), 2) == math.inf


def program_of(far, size, steps):
    parts = overlapping_parts(len(far))
    program = VectorProgram(parts, [np.eye(len(part), dtype=np.float32) for part in parts], far, size)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(steps):
            program.step(pool)
    return program.umbrella()


@settings(max_examples=60)
@given(far_cells(), st.sampled_from([1, 20]))
def test_no_step_bounds_below_the_largest_set(far, steps):
    umbrella = program_of(far, 2, steps)
    largest = most_far_apart(far)
    assert umbrella.most_points(far, largest) >= largest


def test_the_vectors_of_a_pentagon_approach_the_root_of_five():
    far = np.array([[abs(a - b) % 5 in (1, 4) for a in range(5)] for b in range(5)])
    assert math.sqrt(5) <= program_of(far, 2, 600).most_points(far, 1) < 1.05 * math.sqrt(5)


def bounded(problem, objective, upper_bound, rounds):
    clock = Clock(Stop(iterations=rounds))
    clock.report(np.arange(problem.k), objective, upper_bound)
    VectorBound(problem, clock).lower(math.inf)
    return clock.upper_bound


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "euc_2d"])
@pytest.mark.parametrize("k", [4, 9])
def test_the_bound_is_lowered_and_not_below_the_optimum(metric, k):
    points = np.random.default_rng(k).integers(0, 100, (250, 2)).astype(float)
    problem = Problem(k, points=points, metric=metric)
    optimum = solvers.solve(problem, solver="exact").objective
    bound = bounded(problem, 0.9 * optimum, 1.6 * optimum, rounds=12)
    assert optimum <= bound < 1.6 * optimum


def test_copies_of_points_and_points_on_a_line_are_bounded():
    line = np.repeat(np.arange(60.0), 3)[:, None] * [[1.0, 0.0]]
    problem = Problem(16, points=line)
    bound = bounded(problem, 3.0, 8.0, rounds=12)
    assert 3.0 <= bound < 8.0
    scattered = Problem(16, points=line, exclude=[0, 1, 2])
    assert bounded(scattered, 3.0, 8.0, rounds=12) >= 3.0


def test_no_time_leaves_the_bound_as_it_was():
    problem = Problem(5, points=np.random.default_rng(0).random((300, 2)))
    clock = Clock(Stop())
    clock.report(np.arange(5), 0.1, 2.0)
    VectorBound(problem, clock).lower(0.0)
    assert clock.upper_bound == 2.0


@pytest.mark.slow
def test_many_picks_of_a_square_get_a_smaller_bound_than_by_its_area():
    problem = Problem(40, points=np.random.default_rng(1).random((1500, 2)))
    best = solvers.solve(problem, solver="local_search", stop=Stop(seconds=2)).objective
    by_area = area_bound(problem)
    assert best <= bounded(problem, best, by_area, rounds=12) < (best + by_area) / 2


def test_a_bound_by_vectors_says_so(monkeypatch):
    def lower(self, seconds):
        self._clock.report(upper_bound=1.01 * self._clock.objective)

    monkeypatch.setattr(VectorBound, "lower", lower)
    problem = Problem(45, points=np.random.default_rng(1).random((1500, 2)))
    result = solvers.solve(problem, solver="exact", stop=Stop(seconds=2))
    assert not result.is_optimal
    assert result.notes["bounded_by"] == "vectors"
