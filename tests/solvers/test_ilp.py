"""The OR-Tools models: optimal where brute force can tell, honest about what is proven when cut short."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvers
from mmdp import InvalidOptionError, Problem, Status, Stop
from tests.solvers.interrupting import last_line

pytest.importorskip("ortools")


@st.composite
def small_problems(draw):
    n = draw(st.integers(3, 11))
    k = draw(st.integers(2, n))
    shape = draw(st.sampled_from(["plane", "grid", "matrix"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    order = rng.permutation(n).tolist()
    excluded = order[: draw(st.integers(0, n - k))]
    included = order[len(excluded) :][: draw(st.integers(0, 2))]
    picks = {"include": included, "exclude": excluded}
    if shape == "plane":
        return Problem(k, points=rng.random((n, 2)), **picks)
    if shape == "grid":  # ties and duplicates
        return Problem(k, points=rng.integers(0, 3, (n, 2)), metric="manhattan", **picks)
    D = np.triu(rng.integers(0, 6, (n, n)), 1)
    return Problem(k, distances=D + D.T, **picks)


@settings(max_examples=150, deadline=None)
@given(small_problems())
def test_agrees_with_brute_force(problem):
    truth = solvers.solve(problem, solver="brute_force")
    result = solvers.solve(problem, solver="ilp")
    assert result.is_optimal
    assert result.objective == truth.objective


@pytest.mark.slow
@pytest.mark.parametrize("formulation", ["node_packing", "compact", "big_m"])
@pytest.mark.parametrize("backend", ["highs", "scip"])
def test_textbook_models_agree_with_the_clique_search(formulation, backend):
    rng = np.random.default_rng(3)
    D = np.triu(rng.integers(1, 9, (16, 16)), 1)
    problems = [
        Problem(5, points=rng.random((20, 2)), include=[3], exclude=[7, 8]),
        Problem(4, points=rng.integers(0, 4, (14, 2))),
        Problem(6, distances=D + D.T),
    ]
    for problem in problems:
        truth = solvers.solve(problem, solver="exact")
        result = solvers.solve(problem, solver="ilp", formulation=formulation, backend=backend)
        assert result.is_optimal
        assert result.objective == truth.objective


@pytest.mark.slow
@pytest.mark.parametrize("formulation", ["compact", "big_m"])
@pytest.mark.parametrize("backend", ["highs", "scip"])
def test_small_numbers_are_no_smaller_than_their_tolerance(formulation, backend):
    for seed in range(3):
        problem = Problem(5, points=np.random.default_rng(seed).random((12, 2)) * 1e-7)
        truth = solvers.solve(problem, solver="brute_force")
        result = solvers.solve(problem, solver="ilp", formulation=formulation, backend=backend)
        assert result.is_optimal
        assert result.objective == truth.objective


@pytest.mark.slow
@pytest.mark.parametrize("formulation", ["thresholds", "node_packing", "compact", "big_m"])
def test_every_formulation_returns_a_valid_bound_in_time(formulation):
    problem = Problem(15, points=np.random.default_rng(4).random((90, 5)))
    result = solvers.solve(problem, solver="ilp", formulation=formulation, stop=Stop(seconds=2))
    truth = solvers.solve(problem, solver="exact")
    assert truth.is_optimal
    assert result.objective <= truth.objective <= result.upper_bound
    assert result.runtime < 20


def test_a_time_limit_leaves_a_valid_bound():
    rng = np.random.default_rng(1)
    D = np.triu(rng.integers(50, 101, (150, 150)), 1)
    problem = Problem(20, distances=D + D.T)
    moments = []
    result = solvers.solve(problem, solver="ilp", stop=Stop(seconds=1.0), watch=moments.append)
    assert result.objective <= result.upper_bound
    assert moments[-1].upper_bound == result.upper_bound
    better = solvers.solve(problem, solver="local_search") if "local_search" in solvers.names() else result
    assert better.objective <= result.upper_bound


def test_a_limit_on_models_is_counted():
    points = np.random.default_rng(2).random((60, 2))
    result = solvers.solve(points, 8, solver="ilp", stop=Stop(iterations=1))
    assert result.iterations == 1
    assert result.status in (Status.STOPPED, Status.OPTIMAL)


@pytest.mark.parametrize("options", [{"threads": 0}, {"heuristics": ()}, {"formulation": "magic"}, {"backend": "none"}])
def test_bad_options_are_named(options):
    with pytest.raises(InvalidOptionError, match=next(iter(options))):
        solvers.solve(np.eye(4), 2, solver="ilp", **options)


@pytest.mark.slow
def test_ctrl_c_returns_incumbent_and_bound():
    program = """
    D = np.triu(np.random.default_rng(0).integers(50, 101, (300, 300)), 1)
    watch = lambda moment: print("moment", flush=True)
    r = solvers.solve(Problem(30, distances=D + D.T), solver="ilp", watch=watch)
    print(r.status, len(set(r.indices.tolist())), r.objective <= r.upper_bound < 101)
    """
    assert last_line(program, after="moment", seconds=3) == "interrupted 30 True"
