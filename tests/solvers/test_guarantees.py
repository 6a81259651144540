"""streaming and coreset keep the factors they state, against enumeration; Dask gives the same as it would in memory."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmdp import InvalidProblemError, Problem, Status, Stop
from solvers import coreset, load, solve
from solvers.random import Random
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


def test_a_coreset_claims_no_factor_for_an_answer_of_zero_that_may_be_wrong():
    twice = np.repeat(np.arange(6.0)[:, None], 3, axis=0)
    answers = [solve(twice, 6, solver="coreset", inner=inner) for inner in ("random", "greedy")]
    assert answers[0].objective == 0
    assert answers[0].notes["approximation_factor"] == np.inf
    assert answers[1].objective * answers[1].notes["approximation_factor"] >= 1
    assert solve(np.ones((9, 2)), 3, solver="coreset").notes["approximation_factor"] < np.inf


def test_a_coreset_hands_on_its_seed_and_what_is_left_of_its_time(monkeypatch):
    X = np.random.default_rng(0).random((400, 2))
    picks = {tuple(solve(X, 5, solver="coreset", inner="random", seed=seed).indices) for seed in range(3)}
    assert len(picks) == 3
    seen = []

    class Inner(Random):
        def solve(self, problem, stop=None, seed=0):
            seen.append(stop.seconds)
            return replace(super().solve(problem, seed=seed), status=Status.INTERRUPTED)

    monkeypatch.setattr(coreset, "make", lambda inner: Inner())
    monkeypatch.setattr(coreset, "_core", lambda problem, keep: time.sleep(0.05) or (np.arange(keep), 0.0))
    result = solve(X, 5, solver="coreset", stop=Stop(seconds=2))
    assert seen[0] < 1.9
    assert result.status is Status.INTERRUPTED
