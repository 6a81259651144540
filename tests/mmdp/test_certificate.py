"""Certificates: written for every small optimum, and refused when anything in them is wrong."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Problem, Stop
from mmdp.certificate import Certificate, check
from tests import naive
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


def two_near_one():
    """Points 0 and 1 are 5 apart, point 2 is near both."""
    return Problem(2, distances=[[0.0, 5.0, 1.0], [5.0, 0.0, 1.0], [1.0, 1.0, 0.0]])


def three_and_a_near_one(**fixed):
    """Points 0, 1, 2 are pairwise 5 apart, point 3 is at 1 from all."""
    D = np.full((4, 4), 5.0)
    D[3], D[:, 3] = 1.0, 1.0
    np.fill_diagonal(D, 0.0)
    return Problem(3, distances=D, **fixed)


FALSE_PROOFS = {  # of the objective 1, where the optimum is 5
    "as many groups as points are needed": (two_near_one(), [[[0, 2], [1]], []]),
    "more groups than points are needed": (two_near_one(), [[[0], [1], [2]], []]),
    "a pair of a group at the threshold": (two_near_one(), [[[0, 1, 2]], []]),
    "such a pair, not its first two points": (two_near_one(), [[[2, 0, 1]], []]),
    "such a pair in the last group": (three_and_a_near_one(), [[[3], [0, 1, 2]], []]),
    "a group too many below a branch": (
        three_and_a_near_one(),
        [[[0, 3]], [[2, [[[0], [1]], []]], [1, [[[0]], []]]]],
    ),
    "a near pair of groups below a branch": (
        three_and_a_near_one(),
        [[[0, 3]], [[2, [[[0, 1]], []]], [1, [[[0]], []]]]],
    ),
    "a fixed pair at the threshold": (three_and_a_near_one(include=[0, 1]), [[], []]),
    "a point at the threshold from a fixed pick left out": (three_and_a_near_one(include=[0]), [[[1]], []]),
    "a point at the threshold from a branch left out": (
        three_and_a_near_one(),
        [[[0, 3]], [[2, [[[0]], []]], [1, [[[0]], []]]]],
    ),
    "a point that no group and no branch has": (three_and_a_near_one(), [[[0, 3], [1]], []]),
    "a damaged last branch": (
        three_and_a_near_one(),
        [[[3]], [[2, [[], [[0, [[], []]], [1, [[], []]]]]], [1, [[], []]], [0, [[], []]]]],
    ),
}


@pytest.mark.parametrize("name", FALSE_PROOFS)
def test_a_false_proof_is_refused(name):
    problem, tree = FALSE_PROOFS[name]
    assert problem.matrix()[0, 1] == 5.0
    assert not check(Certificate(problem.k, 5.0, tree), problem, 1.0)


TRUE_PROOFS = {  # of the objective 5, that nothing reaches 6
    "one group for two points": (two_near_one(), [[[0, 1, 2]], []]),
    "branches alone": (two_near_one(), [[], [[0, [[], []]], [1, [[], []]], [2, [[], []]]]]),
    "two groups for three points": (three_and_a_near_one(), [[[0, 3], [1, 2]], []]),
    "a group and a branch": (three_and_a_near_one(), [[[0, 3], [1]], [[2, [[], []]]]]),
    "a fixed pair nearer than the threshold": (three_and_a_near_one(include=[0, 1]), [[], []]),
    "one fixed pick": (three_and_a_near_one(include=[0]), [[], []]),
    "an excluded point is nowhere": (three_and_a_near_one(exclude=[3]), [[[0, 1, 2]], []]),
}


@pytest.mark.parametrize("name", TRUE_PROOFS)
def test_a_proof_by_hand_is_accepted(name):
    problem, tree = TRUE_PROOFS[name]
    assert check(Certificate(problem.k, 6.0, tree), problem, 5.0)


def test_a_distance_between_objective_and_threshold_is_a_gap_in_the_proof():
    D = np.array([[0.0, 5.0, 1.0], [5.0, 0.0, 3.0], [1.0, 3.0, 0.0]])
    tree = [[[0, 1, 2]], []]
    assert not check(Certificate(2, 6.0, tree), Problem(2, distances=D), 3.0)  # 5 lies between
    assert check(Certificate(2, 6.0, tree), Problem(2, distances=D), 5.0)
    assert check(Certificate(2, 5.1, [[[0, 2]], []]), Problem(2, distances=D, exclude=[1]), 1.0)


def proves(D, points, need, node):
    """Whether a tree shows that no ``need`` of the points are pairwise at distance 3 or more: the module's words."""
    groups, branches = node
    if len(groups) >= need or sorted(points) != sorted({*(i for g in groups for i in g), *(b for b, _ in branches)}):
        return False
    if any(D[a][b] >= 3 for group in groups for a in group for b in group if a != b):
        return False
    later = [b for b, _ in branches]
    free = {i for group in groups for i in group}
    return all(
        proves(D, [j for j in free | set(later[place + 1 :]) if D[b][j] >= 3 and j != b], need - 1, child)
        for place, (b, child) in enumerate(branches)
    )


@settings(max_examples=500)
@given(data=st.data())
def test_no_tree_of_any_shape_proves_what_is_false(data):
    """Trees over five points, grown at random until they are nearly right."""
    n, k = 5, data.draw(st.integers(2, 4))
    D = np.zeros((n, n))
    D[np.triu_indices(n, 1)] = data.draw(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0]), min_size=10, max_size=10))
    D += D.T
    problem = Problem(k, distances=D)
    best = optimum_of(D, k)

    def grow(points, need):
        groups, branches, left = [], [], list(points)
        for i in list(points):
            choice = data.draw(st.integers(0, max(1, need)))
            if choice < len(groups):
                groups[choice].append(i)
            elif choice < need:
                groups.append([i])
            else:
                left.remove(i)
                branches.append(i)
        nodes, rest = [], set(points)
        for b in branches:
            rest.discard(b)
            nodes.append([b, grow([j for j in rest if D[b, j] >= 3], need - 1) if need > 0 else [[], []]])
        return [groups, nodes]

    tree = grow(range(n), k)
    lower = D[D < 3].max(initial=0.0)
    accepted = check(Certificate(k, 3.0, tree), problem, lower)
    assert accepted == proves(D, range(n), k, tree)
    assert not (accepted and best >= 3)


def optimum_of(D, k):
    return max(naive.objective(D, subset) for subset in itertools.combinations(range(len(D)), k))


def test_nodes_are_counted():
    assert Certificate(2, 5.0, [[], []]).nodes == 1
    assert Certificate(2, 5.0, [[[0]], [[1, [[], []]], [2, [[], [[3, [[], []]]]]]]]).nodes == 4


def test_a_union_of_groups_of_two_attributes_is_refused():
    """One point may be the only one of two groups: their least counts do not add up."""
    groups = {"one": ["a", "b", "b"], "two": ["x", "y", "y"]}
    counts = {"one": {"a": (1, None)}, "two": {"x": (1, None)}}
    problem = Problem(2, points=[[0.0], [1.0], [5.0]], groups=groups, counts=counts)
    limits = problem.group_counts
    union = np.flatnonzero(limits.low == 1).tolist()
    assert limits.attribute[union].tolist() == [0, 1]
    assert not check(Certificate(k=2, threshold=4.0, tree=[[[0]], [], union]), problem, objective=1.0)


@pytest.mark.parametrize("union", [[-1], [2], [True], ["b"], 0, []])
def test_a_union_of_groups_that_are_not_there_proves_nothing(union):
    problem = Problem(2, points=[[0.0], [1.0], [5.0]], groups=["a", "a", "b"], counts={"b": 1})
    assert not check(Certificate(2, 4.5, [[], [], union]), problem, 4.0)


@pytest.mark.parametrize("tree", [[], [[0, 1, 2]], [[[0, 1, 2]], [0]], [[["a"]], []], [[[0, 1, 9]], []]])
def test_a_tree_that_is_none_proves_nothing(tree):
    assert not check(Certificate(2, 5.1, tree), Problem(2, points=[[0.0], [1.0], [5.0]]), 5.0)
