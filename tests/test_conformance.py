"""What every solver owes its users, whichever file it lives in: listed means tested here."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Problem, Status, Stop
from tests import naive
from tests.strategies import METRICS, TRIANGLE, cases

NAMES = [info.name for info in solvers.available() if not info.missing]
EXACT = [name for name in NAMES if solvers.load(name).exact]


def close(metric):
    """Tolerances against the oracle; arcs lose half the digits near antipodes, where the chord hardly changes."""
    return {"rel": 5e-8 if metric in ("angular", "haversine") else 1e-9, "abs": 1e-9}


@pytest.fixture(params=NAMES)
def solver(request):
    return solvers.load(request.param)()


def check(result, case):
    """Everything that can be said of one result."""
    problem, near = case.problem, close(case.problem.geometry.name)
    assert len(set(result.indices.tolist())) == problem.k
    assert set(problem.include) <= set(result.indices.tolist()) <= set(problem.candidates.tolist())
    assert result.objective == pytest.approx(naive.objective(case.D, result.indices), **near)
    assert case.D[result.critical_pair] == pytest.approx(result.objective, **near)
    optimum = case.optimum()
    assert result.objective <= result.upper_bound
    assert result.upper_bound >= optimum * (1 - near["rel"]) - 1e-9
    assert 0 <= result.gap <= 1
    if result.is_optimal:
        assert result.objective == pytest.approx(optimum, **near)
    assert result.history[-1].objective == pytest.approx(result.objective, **near)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150)
@given(case=cases())
def test_result_is_a_graded_solution(name, case):
    result = solvers.load(name)().solve(case.problem)
    check(result, case)
    again = solvers.load(name)().solve(case.problem)
    assert again.indices.tolist() == result.indices.tolist()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100)
@given(case=cases(), limit=st.integers(1, 60))
def test_what_a_stopped_run_claims_is_true(name, case, limit):
    check(solvers.load(name)().solve(case.problem, Stop(iterations=limit)), case)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=2000)
@given(case=cases())
def test_exact_solvers_equal_enumeration(name, case):
    result = solvers.load(name)().solve(case.problem)
    assert result.status is Status.OPTIMAL
    check(result, case)


@settings(max_examples=2000)
@given(case=cases(metrics=TRIANGLE), start=st.sampled_from(("isolated", "farthest_pair", "sweep", "random", 0)))
def test_greedy_is_at_least_half_the_optimum_under_a_metric(case, start):
    if start == 0 and 0 in case.problem.exclude:
        start = "auto"
    assume(not case.problem.include)  # the guarantee is about a free choice of the first point
    result = solvers.solve(case.problem, solver="greedy", start=start)
    assert result.objective >= case.optimum() / 2 - 1e-9


@pytest.mark.parametrize("stop", [Stop(seconds=0), Stop(iterations=1), Stop(target=0), Stop(gap=1)], ids=str)
def test_stopped_at_once_still_answers(solver, stop):
    X = np.random.default_rng(3).normal(size=(30, 3))
    problem = Problem(5, points=X[:18] if solver.keyword() == "brute_force" else X)
    result = solver.solve(problem, stop=stop)
    assert result.objective == pytest.approx(problem.objective(result.indices)[0])
    assert result.upper_bound >= solvers.solve(problem, solver="greedy").objective


def test_a_gap_is_measured_against_a_bound_of_ones_own():
    problem = Problem(10, points=np.random.default_rng(0).random((300, 2)))
    for name in ("local_search", "drop_add", "grasp", "interchange"):
        result = solvers.solve(problem, solver=name, stop=Stop(gap=0.9))
        assert result.gap <= 0.9
        assert result.iterations < 1000


def test_endless_limits_are_none():
    assert Stop(seconds=np.inf, iterations=np.inf, no_improvement=5) == Stop(no_improvement=5)


def test_a_bound_that_rounds_to_the_objective_is_no_proof(solver):
    D = 1.0 - np.eye(6)
    D[3:, 3:] += 5e-10 * D[3:, 3:]
    result = solver.solve(Problem(3, distances=D))
    assert result.upper_bound >= D.max()
    assert result.is_optimal == (result.objective == result.upper_bound)


def test_more_picks_than_distinct_points(solver):
    X = np.repeat([[0.0, 0.0], [3.0, 4.0]], 6, axis=0)
    result = solver.solve(Problem(5, points=X))
    assert result.objective == 0
    assert len(set(result.indices.tolist())) == 5


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric(solver, metric):
    rng = np.random.default_rng(5)
    X = rng.integers(0, 2, size=(14, 12)) if metric == "jaccard" else rng.uniform(-80, 80, size=(14, 2))
    X[0] = 1
    result = solver.solve(Problem(4, points=X, metric=metric))
    assert result.objective == pytest.approx(naive.objective(naive.matrix(metric, X), result.indices))


@pytest.mark.parametrize(
    "kind", ["read_only", "fortran", "strided", "swapped", "float32", "float16", "int", "bool", "list"]
)
def test_any_layout_and_dtype(solver, kind):
    X = np.random.default_rng(7).integers(0, 20, size=(16, 3)).astype(float)  # exact in every dtype
    given = {
        "read_only": lambda: (X.setflags(write=False), X)[1],
        "fortran": lambda: np.asfortranarray(X),
        "strided": lambda: np.repeat(X, 2, axis=0)[::2],
        "swapped": lambda: X.astype(X.dtype.newbyteorder()),
        "float32": lambda: X.astype(np.float32),
        "float16": lambda: X.astype(np.float16),
        "int": lambda: X.astype(np.int32),
        "bool": lambda: X > 9,
        "list": lambda: X.tolist(),
    }[kind]()
    base = X > 9 if kind == "bool" else X
    reference = solver.solve(Problem(4, points=base.astype(float)))
    assert solver.solve(Problem(4, points=given)).indices.tolist() == reference.indices.tolist()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64"])
def test_torch_tensors(solver, dtype):
    torch = pytest.importorskip("torch")
    X = np.random.default_rng(7).integers(0, 20, size=(16, 3)).astype(float)
    reference = solver.solve(Problem(4, points=X))
    result = solver.solve(Problem(4, points=torch.tensor(X).to(getattr(torch, dtype))))
    assert result.indices.tolist() == reference.indices.tolist()


def test_permuted_points_give_as_good_an_answer(solver):
    """Exactly as good for exact solvers; for the others the value of the same subset must not depend on its names."""
    rng = np.random.default_rng(11)
    X, order = rng.normal(size=(16, 3)), rng.permutation(16)
    result, permuted = solver.solve(Problem(4, points=X)), solver.solve(Problem(4, points=X[order]))
    assert Problem(4, points=X).objective(order[permuted.indices])[0] == pytest.approx(permuted.objective)
    if solver.exact or solver.keyword() == "greedy":
        assert permuted.objective == pytest.approx(result.objective)


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40])
def test_scaled_points_give_the_scaled_answer(solver, factor):
    X = np.random.default_rng(13).normal(size=(16, 3))
    result, scaled = solver.solve(Problem(4, points=X)), solver.solve(Problem(4, points=X * factor))
    assert scaled.indices.tolist() == result.indices.tolist()
    assert scaled.objective == result.objective * factor


def test_callable_metric(solver):
    X = np.random.default_rng(17).integers(0, 9, size=(10, 3))
    result = solver.solve(Problem(3, points=X, metric=lambda x, y: float(np.abs(x - y).sum())))
    assert result.objective == pytest.approx(naive.objective(naive.matrix("manhattan", X), result.indices))


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_select_is_batched_and_returns_what_it_was_given(solver, k):
    torch = pytest.importorskip("torch")
    X = np.random.default_rng(19).normal(size=(2, 12, 6))
    chosen = solver.select(X, k)
    assert chosen.shape == (2, k)
    assert all(len(set(row)) == k for row in chosen.tolist())
    tensors = solver.select(torch.tensor(X), k)
    assert tensors.dtype == torch.int64
    assert tensors.tolist() == chosen.tolist()


def test_select_survives_zero_vectors_and_repeated_rows(solver):
    X = np.vstack([np.zeros((3, 4)), np.tile([1.0, 2.0, 0.0, 0.0], (4, 1)), np.eye(4)])
    chosen = solver.select(X, 7)
    assert len(set(chosen.tolist())) == 7


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_one_pick_is_that_of_the_greedy_whoever_is_asked(metric):
    X = np.random.default_rng(5).integers(-2, 3, (40, 6)).astype(float)
    expected = solvers.load("greedy")().select(X, 1, metric).tolist()
    assert solvers.load("random")().select(X, 1, metric).tolist() == expected
    assert solvers.load("random")().select(X[:1], 1, metric).tolist() == [0]
