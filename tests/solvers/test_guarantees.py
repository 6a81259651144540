"""streaming and coreset keep the factors they state, against enumeration; Dask gives the same as it would in memory."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmdp import InvalidProblemError, Problem
from solvers import load, solve
from tests.strategies import METRICS, cases

da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")


def holds(case, result):
    optimum = case.optimum()
    assert result.upper_bound >= optimum * (1 - 1e-7) - 1e-9
    assert result.objective * result.notes["approximation_factor"] >= optimum * (1 - 1e-7) - 1e-9


@settings(max_examples=1000)
@given(case=cases(metrics=METRICS, picks=False))
def test_streaming_holds_its_guarantee(case):
    result = solve(case.problem, solver="streaming")
    assume(result.notes)  # none if there is one subset only
    assert result.notes["approximation_factor"] < np.inf
    holds(case, result)


@settings(max_examples=1000)
@given(
    case=cases(metrics=METRICS, picks=False),
    partitions=st.integers(1, 4),
    inner=st.sampled_from(("greedy", "brute_force")),
    size=st.sampled_from((None, 4, 6)),
)
def test_coreset_holds_its_guarantee(case, partitions, inner, size):
    result = solve(case.problem, solver="coreset", partitions=partitions, inner=inner, size=size)
    assume(result.notes)
    holds(case, result)


def test_a_larger_size_tightens_the_ratio():
    X = np.random.default_rng(0).uniform(size=(20_000, 2))
    ratios = [solve(X, 10, solver="coreset", size=size).notes["approximation_factor"] for size in (10, 100, 1000)]
    assert ratios[0] <= 6
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[-1] < 2.3  # greedy's own two, and little more


def test_streaming_bound_by_itself_covers_the_optimum():
    from solvers.streaming import Doubling

    for seed in range(50):
        problem = Problem(4, points=np.random.default_rng(seed).normal(size=(12, 2)))
        stream = Doubling(problem.k, problem.geometry, problem.reduced_distances)
        for index in range(12):
            stream.add(np.array([index]))
        assert len(stream.kept()) < 3 * problem.k
        assert stream.upper_bound() >= solve(problem, solver="brute_force").objective


@pytest.fixture
def threads():
    dask = pytest.importorskip("dask")
    with dask.config.set(scheduler="threads"):
        yield


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_dask_array_and_frame(metric):
    X = np.random.default_rng(0).normal(size=(3000, 4))
    result = solve(da.from_array(X, chunks=(500, 2)), 12, solver="coreset", metric=metric)
    again = solve(da.from_array(X, chunks=(500, 4)).to_dask_dataframe(), 12, solver="coreset", metric=metric)
    in_memory = solve(X, 12, solver=load("coreset")(partitions=6), metric=metric)
    assert result.indices.tolist() == again.indices.tolist() == in_memory.indices.tolist()
    problem = Problem(12, points=X, metric=metric)
    assert result.objective == pytest.approx(problem.objective(result.indices)[0])
    assert result.upper_bound >= solve(problem, solver="local_search").objective


@pytest.mark.usefixtures("threads")
def test_dask_errors_say_where():
    X = np.random.default_rng(0).normal(size=(6400, 4))
    X[3704, 2] = np.nan
    with pytest.raises(InvalidProblemError, match="partition 37 has NaN or infinity at row 4, column 2"):
        solve(da.from_array(X, chunks=(100, 4)), 5, solver="coreset")
    with pytest.raises(InvalidProblemError, match="out of range"):
        solve(da.from_array(X[:100], chunks=(50, 4)), 101, solver="coreset")
    with pytest.raises(InvalidProblemError, match="coreset"):
        solve(da.from_array(X[:100], chunks=(50, 4)), 5)
