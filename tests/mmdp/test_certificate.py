"""Certificates: written for every small optimum, and refused when anything in them is wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

import solvers
from mmdp import Problem, Stop
from mmdp.certificate import Certificate, check
from tests.strategies import cases


def certified(problem):
    result = solvers.solve(problem, solver="exact", certificate_nodes=10_000)
    notes = json.loads(json.dumps(result.notes))  # as a file would keep it
    return result, Certificate(**notes["certificate"])


@settings(max_examples=200)
@given(case=cases())
def test_every_small_optimum_is_certified(case):
    result, certificate = certified(case.problem)
    assert check(certificate, case.problem, result.objective)


@pytest.fixture(scope="module")
def example():
    problem = Problem(6, points=np.random.default_rng(0).random((40, 2)))
    return problem, *certified(problem)


def test_a_weaker_claim_is_refused(example):
    problem, result, certificate = example
    assert check(certificate, problem, result.objective)
    assert not check(certificate, problem, result.objective * 0.99)
    lower = float(np.unique(problem.matrix()[problem.matrix() <= result.objective])[-2])
    assert not check(replace(certificate, threshold=lower), problem, lower * 0.999)


def test_a_damaged_tree_is_refused(example):
    problem, result, certificate = example
    groups, branches = certificate.tree
    assert branches
    without_a_branch = replace(certificate, tree=[groups, branches[1:]])
    without_a_point = replace(certificate, tree=[[groups[0][1:], *groups[1:]], branches])
    one_group_too_many = replace(certificate, tree=[[*groups, [branches[0][0]]], branches[1:]])
    merged = replace(certificate, tree=[[groups[0] + groups[1], *groups[2:]], branches])
    for damaged in (without_a_branch, without_a_point, one_group_too_many, merged):
        assert not check(damaged, problem, result.objective)


def test_other_k_is_refused(example):
    problem, result, certificate = example
    assert not check(certificate, Problem(5, points=problem.points), result.objective)


def test_a_proof_that_is_too_long_is_left_out():
    problem = Problem(6, points=np.random.default_rng(0).random((40, 2)))
    assert "certificate" not in solvers.solve(problem, solver="exact", certificate_nodes=2).notes


def test_what_is_no_number_proves_nothing(example):
    problem, result, certificate = example
    nan = float("nan")
    assert not check(certificate, problem, nan)
    assert not check(Certificate(certificate.k, nan, certificate.tree), problem, result.objective)


@pytest.mark.parametrize("fixed", [{}, {"include": [2, 0, 1]}, {"exclude": [3]}])
def test_the_only_subset_has_its_notes_too(fixed):
    corners = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    problem = Problem(3, points=[*corners, [2.0, 2.0]] if fixed else corners, **fixed)
    result = solvers.solve(problem, solver="exact", max_optima=5, certificate_nodes=100)
    assert result.notes["optima"] == [[0, 1, 2]]
    assert check(Certificate(**result.notes["certificate"]), problem, result.objective)


def test_listing_subsets_ends_with_the_time():
    problem = Problem(15, distances=1.0 - np.eye(30))  # 155 million optima
    result = solvers.solve(problem, solver="exact", max_optima=10**8, stop=Stop(seconds=0.2))
    assert 0 < len(result.notes["optima"]) < 10**8


def test_all_optimal_subsets_are_listed():
    corners = Problem(2, points=[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert solvers.solve(corners, solver="exact", max_optima=10).notes["optima"] == [[0, 3], [1, 2]]
    assert len(solvers.solve(corners, solver="exact", max_optima=1).notes["optima"]) == 1
