"""Results survive CSV and JSON, and say what a person wants to know."""

import copy
import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings

from mmdp import Clock, InvalidProblemError, Result, Status, Stop
from solvers import solve
from tests.strategies import cases


def same(a, b):
    return a.to_row() == b.to_row() and np.array_equal(a.indices, b.indices) and a.history == b.history


@settings(max_examples=50)
@given(case=cases())
def test_rows_round_trip_through_csv_and_json(case):
    result = solve(case.problem, solver="random", tries=3)
    text = io.StringIO()
    writer = csv.DictWriter(text, result.to_row())
    writer.writeheader()
    writer.writerow(result.to_row())
    (row,) = csv.DictReader(io.StringIO(text.getvalue()))
    assert same(Result.from_row(row), result)
    assert same(Result.from_json(result.to_json()), result)


def test_a_seed_of_any_whole_type_is_written():
    result = solve(np.eye(4), 2, solver="random", seed=np.int32(3))
    assert Result.from_json(result.to_json()).seed == 3
    with pytest.raises(InvalidProblemError, match="because it was read from a file or copied"):
        _ = copy.deepcopy(result).radii


def test_summary_says_value_bound_and_proof():
    X = [[0.0], [1.0], [5.0]]
    assert "optimal, proven" in solve(X, 2, solver="brute_force").summary()
    assert "gap at most" in solve(np.random.default_rng(0).normal(size=(50, 9)), 5).summary()


def test_gap_of_nothing_known_and_of_all_duplicates():
    result = solve(np.zeros((6, 2)), 3)
    assert result.gap == 0
    assert result.status is Status.OPTIMAL


def test_history_never_worsens():
    result = solve(np.random.default_rng(0).normal(size=(30, 3)), 4, solver="random", tries=200)
    objectives = [moment.objective for moment in result.history]
    assert objectives == sorted(objectives)
    assert len(objectives) > 2


@pytest.mark.parametrize(
    ("stop", "expired"),
    [
        (Stop(), False),
        (Stop(seconds=0), True),
        (Stop(iterations=5), True),
        (Stop(iterations=6), False),
        (Stop(no_improvement=2), True),
        (Stop(target=3.0), True),
        (Stop(target=3.5), False),
        (Stop(gap=0.25), True),
        (Stop(gap=0.2), False),
        (Stop(upper_bound=3.0), True),
    ],
)
def test_clock_honours_each_limit(stop, expired):
    clock = Clock(stop)
    clock.iterations = 3
    clock.report([0, 1], 3.0, upper_bound=4.0)
    clock.iterations = 5
    assert clock.expired is expired


def test_watch_sees_every_improvement():
    seen = []
    solve(np.random.default_rng(0).normal(size=(30, 3)), 4, solver="random", tries=50, watch=seen.append)
    assert len(seen) > 1
