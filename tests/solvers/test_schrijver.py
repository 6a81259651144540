"""The bound by Schrijver numbers: against known numbers, against all cliques of small graphs, and inside of a proof."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Clock, Problem, Status, Stop
from solvers._exact.matrix_proof import MatrixProof
from solvers._exact.open_levels import OpenLevels
from solvers._exact.schrijver_bound import SchrijverBound
from solvers._exact.schrijver_number import SchrijverNumber
from tests.solvers.test_exact_parts import cliques, graphs


def paley(q):
    """Join numbers whose difference is a square modulo a prime q = 1 modulo 4."""
    squares = {x * x % q for x in range(1, q)}
    return np.array([[(i - j) % q in squares for j in range(q)] for i in range(q)])


@pytest.mark.parametrize("q", [5, 13, 17, 29])
def test_the_number_of_a_paley_graph_is_the_root_of_its_size(q):
    number = SchrijverNumber(paley(q), math.floor(math.sqrt(q)))
    assert number.run(math.inf) is False
    assert math.sqrt(q) - 1e-6 <= number.bound < 1.01 * math.sqrt(q)
    assert SchrijverNumber(paley(q), math.ceil(math.sqrt(q))).run(math.inf) is True


def test_two_edges_that_meet_nowhere_and_a_complete_graph():
    apart = np.zeros((4, 4), dtype=bool)
    apart[[0, 1, 2, 3], [1, 0, 3, 2]] = True
    assert SchrijverNumber(apart, 3).run(math.inf) is True
    assert SchrijverNumber(apart, 2).run(math.inf) is False
    whole = ~np.eye(6, dtype=bool)
    assert SchrijverNumber(whole, 6).run(math.inf) is False
    assert SchrijverNumber(whole, 7).run(0.0) is True


@settings(max_examples=100)
@given(graphs(most=9))
def test_no_step_bounds_below_the_largest_clique(adjacent):
    largest = max(size for size in range(len(adjacent) + 1) if cliques(adjacent, size))
    for need in range(1, len(adjacent) + 2):
        number = SchrijverNumber(adjacent, need)
        refuted = number.run(math.inf)
        assert number.bound >= largest - 1e-6
        assert refuted is (number.bound < need * (1 - 1e-7))
        assert not (refuted and need <= largest)


def test_it_goes_on_where_its_time_was_up():
    rng = np.random.default_rng(0)
    adjacent = np.triu(rng.random((60, 60)) < 0.5, 1)
    adjacent |= adjacent.T
    whole, parts = SchrijverNumber(adjacent, 9), SchrijverNumber(adjacent, 9)
    assert parts.run(0.0) is None
    answers = {parts.run(5 * parts.least_seconds / 60) for _ in range(10_000)} - {None}
    assert answers == {whole.run(math.inf)}
    assert parts.bound == whole.bound


@st.composite
def matrices(draw):
    n = draw(st.integers(4, 10))
    D = np.triu(np.random.default_rng(draw(st.integers(0, 2**32))).integers(1, draw(st.integers(2, 40)), (n, n)), 1)
    forced = draw(st.lists(st.integers(0, n - 1), unique=True, max_size=2))
    return (D + D.T).astype(float), draw(st.integers(max(2, len(forced)), n - 1)), forced


@settings(max_examples=150)
@given(matrices())
def test_the_bound_of_a_matrix_is_lowered_and_not_below_the_optimum(case):
    D, k, forced = case
    problem = Problem(k, distances=D, include=forced)
    best = solvers.solve(problem, solver="brute_force")
    first = solvers.solve(problem, solver="random", seed=0)
    clock = Clock(Stop())
    clock.report(first.indices, first.objective)
    levels = OpenLevels(problem.matrix(), clock)
    top = levels.above[-1] if len(levels.above) else clock.objective
    bound = SchrijverBound(problem.matrix(), k, forced, levels, clock)
    proven = bound.lower(math.inf)
    assert clock.upper_bound >= best.objective
    assert clock.upper_bound <= top or math.isinf(clock.upper_bound)
    if proven:
        assert first.objective == best.objective == clock.upper_bound
        assert not bound.lower(math.inf)  # what was proven before is not its doing


def test_a_random_matrix_gets_a_smaller_bound_than_its_largest_distances():
    D = np.triu(np.random.default_rng(3).integers(1, 100, (80, 80)), 1).astype(float)
    problem = Problem(20, distances=D + D.T)
    clock = Clock(Stop())
    greedy = solvers.solve(problem, solver="greedy")
    clock.report(greedy.indices, greedy.objective)
    levels = OpenLevels(problem.matrix(), clock)
    bound = SchrijverBound(problem.matrix(), 20, (), levels, clock)
    assert not bound.lower(math.inf)
    assert clock.upper_bound < 40  # of which the search alone proves 30
    before = clock.upper_bound
    assert not bound.lower(math.inf)
    assert clock.upper_bound == before


def test_a_proof_by_the_number_says_so(monkeypatch):
    monkeypatch.setattr(MatrixProof, "_run", lambda self, search, seconds, nodes=math.inf: False)
    monkeypatch.setattr(MatrixProof, "_pack", lambda self, search, seconds: False)
    monkeypatch.setattr("solvers.exact._FEW", 0)
    D = np.where(paley(13), 2.0, 1.0)
    np.fill_diagonal(D, 0.0)
    result = solvers.solve(Problem(4, distances=D), solver="exact", stop=Stop(seconds=20))
    assert (result.status, result.objective, result.upper_bound) == (Status.OPTIMAL, 1.0, 1.0)
    assert result.notes["proven_by"] == "Schrijver number"


def test_eigenvectors_that_do_not_converge_leave_the_bound_as_it_was(monkeypatch):
    def fail(*_, **__):
        raise np.linalg.LinAlgError("did not converge")

    number = SchrijverNumber(paley(13), 4)
    assert number.run(10 * number.least_seconds / 60) is None
    before = number.bound
    monkeypatch.setattr("solvers._exact.schrijver_number.eigh", fail)
    assert number.run(math.inf) is False
    assert number.bound == before
