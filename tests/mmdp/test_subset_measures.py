"""Measures of a subset against plain Python, and where they are found."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given

import solvers
from mmdp import Problem, measures
from tests.strategies import cases


@given(case=cases(max_n=8))
def test_measures_are_those_of_all_pairs(case):
    problem = case.problem
    chosen = [*problem.include, *(i for i in range(problem.n) if i not in problem.include)][: problem.k]
    matrix = problem.matrix()
    D = np.minimum(matrix, matrix.T)
    distances = [D[i, j] for i, j in itertools.combinations(chosen, 2)]
    found = measures(problem, chosen)
    assert found.smallest == pytest.approx(min(distances), rel=1e-9, abs=1e-12)
    assert found.total == pytest.approx(sum(distances), rel=1e-9, abs=1e-9)
    assert found.mean == pytest.approx(sum(distances) / len(distances), rel=1e-9, abs=1e-9)
    assert found.least_total == pytest.approx(min(sum(D[i, j] for j in chosen) for i in chosen), rel=1e-9, abs=1e-9)
    assert found.smallest < found.second_smallest
    assert 1 <= found.critical_pairs <= len(distances)


def test_ties_are_counted_once_a_pair():
    grid = np.stack(np.meshgrid(np.arange(4), np.arange(4)), -1).reshape(-1, 2)
    problem = Problem(16, points=grid)
    found = measures(problem, np.arange(16))
    assert (found.smallest, found.critical_pairs, found.second_smallest) == (1.0, 24, math.sqrt(2))
    square = Problem(3, distances=1.0 - np.eye(3))
    assert measures(square, [2, 0, 1]).second_smallest == math.inf


def test_blocks_of_rows_change_nothing(monkeypatch):
    problem = Problem(60, points=np.random.default_rng(0).integers(0, 9, (60, 2)))
    whole = measures(problem, np.arange(60))
    monkeypatch.setattr("mmdp.subset_measures._BLOCK", 60 * 7)
    parts = measures(problem, np.arange(60))
    assert parts.total == pytest.approx(whole.total)
    assert (parts.smallest, parts.critical_pairs, parts.second_smallest) == (
        whole.smallest,
        whole.critical_pairs,
        whole.second_smallest,
    )


def test_a_result_measures_its_points():
    problem = Problem(2, points=[[0.0], [1.0], [5.0]])
    found = solvers.solve(problem).measures(problem)
    assert (found.smallest, found.mean, found.critical_pairs) == (5.0, 5.0, 1)
