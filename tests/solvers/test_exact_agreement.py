"""Many random problems: exact against enumeration where that is possible, and against the integer programs beyond.

Every proof of a small problem is written as a certificate and checked.

The numbers of problems are small enough for every day; ``SMALL_CASES=100000`` and ``MIDDLE_CASES=500`` in the
environment run as many.
"""

import os

import numpy as np
import pytest

import solvers
from mmdp import Problem, Stop
from mmdp.instances import uniform
from tests.certificates import verdicts

SMALL_CASES = int(os.environ.get("SMALL_CASES", "800"))
MIDDLE_CASES = int(os.environ.get("MIDDLE_CASES", "10"))
METRICS = ("euclidean", "manhattan", "chebyshev", "cosine", "haversine", "euc_2d", "ceil_2d", "hamming")


def random_problem(rng, n, k):
    """Points or a matrix, with ties, duplicates and fixed picks in a part of them."""
    order = rng.permutation(n).tolist()
    include = order[: rng.integers(0, min(3, k + 1))] if rng.random() < 0.2 else ()
    if rng.random() < 0.3:
        low = int(rng.choice([1, 50]))
        D = np.triu(rng.integers(low, int(rng.choice([low + 5, 101])), (n, n)), 1).astype(float)
        return Problem(k, distances=D + D.T, include=include)
    metric = str(rng.choice(METRICS))
    d = 2 if metric in ("haversine", "euc_2d", "ceil_2d") else int(rng.integers(1, 6))
    X = rng.integers(1, 6, (n, d)).astype(float) if rng.random() < 0.4 else rng.uniform(1, 80, (n, d))
    return Problem(k, points=X, metric=metric, include=include)


def test_small_problems_agree_with_enumeration():
    for seed in range(SMALL_CASES):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(3, 15))
        problem = random_problem(rng, n, int(rng.integers(2, n + 1)))
        result = solvers.solve(problem, solver="exact", seed=seed)
        assert result.is_optimal, seed
        assert result.objective == solvers.solve(problem, solver="brute_force").objective, seed
        for verdict in verdicts(problem, result):
            assert verdict.optimal, seed
            assert (verdict.k, verdict.bound) == (problem.k, result.objective), seed


def test_a_bound_that_a_heuristic_meets_up_to_rounding_is_no_proof():
    points = np.array([[5, 5], [5, 1], [3, 2], [5, 1], [1, 3], [4, 1]])  # mirrored pairs differ in the last digit
    problem = Problem(2, points=points, metric="haversine")
    assert solvers.solve(problem, solver="exact").objective == problem.matrix().max()


@pytest.mark.slow
def test_middle_sized_problems_agree_with_integer_programming():
    pytest.importorskip("ortools")
    for seed in range(MIDDLE_CASES):
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, int(rng.integers(40, 121)), int(rng.integers(3, 9)))
        result = solvers.solve(problem, solver="exact", seed=seed)
        assert result.is_optimal, seed
        other = solvers.solve(problem, solver="ilp", seed=seed)
        assert other.is_optimal, seed
        assert result.objective == other.objective, seed


@pytest.mark.slow
def test_stopped_after_a_second_its_bounds_enclose_the_value_of_a_longer_run():
    D = np.triu(np.random.default_rng(0).integers(1, 101, (500, 500)), 1).astype(float)
    problem = Problem(30, distances=D + D.T)
    short, longer = (solvers.solve(problem, solver="exact", stop=Stop(seconds=s)) for s in (1, 10))
    assert short.objective <= longer.upper_bound
    assert longer.objective <= short.upper_bound < problem.matrix().max()


def test_without_a_patient_heuristic_the_optimum_is_the_same():
    problem = uniform("", 300, 12, 1.0, seed=1).problem(10)
    result = solvers.solve(problem, solver="exact")
    plain = solvers.solve(problem, solver="exact", heuristics=("greedy",))
    assert result.is_optimal
    assert result.objective == plain.objective
