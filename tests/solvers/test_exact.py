"""The exact solver: both searches against enumeration, honest bounds when stopped, thresholds that respect rounding."""

import math
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Clock, InvalidOptionError, Problem, Status, Stop, TooLargeError
from mmdp.instances import ran, uniform
from solvers._exact import clique_search, incumbents, matrix_proof, open_levels
from solvers._exact.cell_proof import CellProof
from solvers._exact.certificate_writer import proof_tree
from solvers._exact.clique_search import EXHAUSTED, FOUND, CliqueSearch
from solvers._exact.matrix_proof import MatrixProof
from solvers._exact.optimal_subsets import optimal_subsets
from solvers._exact.reduced_thresholds import least_reduced_above
from solvers._framework.subprocesses import call
from solvers.local_search import LocalSearch
from tests.solvers.interrupting import last_line


@st.composite
def box_problems(draw):
    """Points of few dimensions, on a lattice (ties, duplicates) or not, with fixed and excluded picks."""
    n = draw(st.integers(3, 60))
    k = draw(st.integers(2, min(n - 1, 9)))
    metric = draw(st.sampled_from(["euclidean", "manhattan", "chebyshev", "haversine", "euc_2d", "ceil_2d"]))
    d = 2 if metric == "haversine" else draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    X = rng.integers(0, 12, (n, d)) if draw(st.booleans()) else rng.uniform(0, 50, (n, d))
    order = rng.permutation(n).tolist()
    included = order[: draw(st.integers(0, min(2, k)))]
    return Problem(k, points=X, metric=metric, include=included, exclude=order[n - draw(st.integers(0, 1)) :])


@settings(max_examples=300, deadline=None)
@given(box_problems())
def test_cells_and_matrix_agree(problem):
    weak = {"heuristics": ("random",)}  # so that the searches have to find the optimum, not only to confirm it
    cells = solvers.solve(problem, solver="exact", method="cells", **weak)
    dense = solvers.solve(problem, solver="exact", method="matrix", **weak)
    assert cells.is_optimal
    assert dense.is_optimal
    assert cells.objective == dense.objective


@pytest.mark.parametrize("metric", ["euclidean", "euc_2d", "ceil_2d", "haversine", "geo", "cosine"])
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_pair_exceeds_a_distance_iff_its_reduced_distance_reaches_the_threshold(metric, seed):
    points = np.random.default_rng(seed).uniform(1, 80, (8, 2))
    problem = Problem(3, points=points, metric=metric)
    s, values = problem.reduced_matrix(), problem.matrix()
    for distance in np.unique(values):
        assert ((s >= least_reduced_above(problem, distance)) == (values > distance)).all()


def test_ten_thousand_points_in_the_plane():
    points = np.random.default_rng(0).random((10_000, 2))
    result = solvers.solve(points, 7, solver="exact")
    assert result.is_optimal
    checked = solvers.solve(points[result.indices], 7, solver="greedy")
    assert checked.objective == result.objective


@pytest.mark.parametrize("method", ["cells", "matrix"])
@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_stopped_early_its_bound_holds(method, seconds):
    points = np.random.default_rng(5).random((1500, 3))
    problem = Problem(12, points=points)
    result = solvers.solve(problem, solver="exact", method=method, stop=Stop(seconds=seconds))
    best = solvers.solve(problem, solver="exact", stop=Stop(seconds=5))
    assert result.objective <= best.upper_bound
    assert best.objective <= result.upper_bound
    bounds = [moment.upper_bound for moment in result.history]
    assert bounds == sorted(bounds, reverse=True)


@pytest.mark.parametrize(("n", "d", "k"), [(300, 8, 12), (5000, 2, 8), (60, 2, 5)])
def test_any_result_can_be_certified(n, d, k):
    problem = Problem(k, points=np.random.default_rng(6).random((n, d)))
    plain = solvers.solve(problem, solver="greedy")
    certified = solvers.solve(problem, solver="greedy", certify_seconds=3)
    truth = solvers.solve(problem, solver="exact")
    assert certified.indices.tolist() == plain.indices.tolist()
    assert truth.objective <= certified.upper_bound < plain.upper_bound


def test_a_matrix_for_which_there_is_no_time_still_leaves_an_answer():
    problem = Problem(10, points=np.random.default_rng(7).random((2500, 8)))
    result = solvers.solve(problem, solver="exact", stop=Stop(seconds=0))
    assert result.status is Status.STOPPED
    assert result.objective == solvers.solve(problem, solver="greedy").objective
    with pytest.raises(TooLargeError, match="2500 x 2500 distance matrix takes longer than the time limit"):
        problem.matrix(lambda: True)


@pytest.mark.parametrize("rows", [1, 3, 12])
@pytest.mark.parametrize("seed", range(20))
def test_bounds_from_some_rows_of_a_matrix_hold(monkeypatch, rows, seed):
    monkeypatch.setattr(open_levels, "_SORTABLE", 13 * rows)
    D = np.triu(np.random.default_rng(seed).uniform(1, 2, (12, 12)), 1)
    problem, clock = Problem(4, distances=D + D.T), Clock(Stop())
    clock.report(range(4), problem.objective(range(4))[0])
    MatrixProof(problem, clock, lambda: None)._tighten_bound(math.inf, math.inf)
    optimum = solvers.solve(problem, solver="exact").objective
    assert clock.objective <= optimum <= clock.upper_bound < math.inf


@pytest.mark.parametrize("metric", ["euc_2d", "ceil_2d"])
def test_bounds_from_cells_are_whole_where_distances_are(metric):
    points = np.random.default_rng(2).uniform(0, 40, (400, 2))
    problem, clock = Problem(5, points=points, metric=metric), Clock(Stop())
    clock.report(range(5), problem.objective(range(5))[0], 60.0)
    CellProof(problem, clock, lambda: None)._tighten_bound()
    optimum = solvers.solve(problem, solver="exact").objective
    bounds = [moment.upper_bound for moment in clock.history]
    assert bounds[-1] == round(bounds[-1])
    assert optimum == clock.upper_bound


@pytest.mark.parametrize("name", ["greedy", "local_search", "drop_add"])
def test_the_bound_of_any_result_is_whole_where_distances_are(name):
    stop = Stop(iterations=100, upper_bound=80.5)
    result = solvers.solve(ran(60, seed=1).problem(20), solver=name, stop=stop)
    assert result.upper_bound == 80


def test_the_integer_program_keeps_the_limit(monkeypatch):
    calls = []

    def recorded(*arguments, seconds):
        calls.append(seconds)
        return call(*arguments, seconds=seconds)

    monkeypatch.setattr(matrix_proof, "call", recorded)
    monkeypatch.setattr(matrix_proof, "_TURN_NODES", 1000)
    problem = Problem(150, points=np.random.default_rng(0).random((500, 10)))
    result = solvers.solve(problem, solver="exact", heuristics=("greedy",), stop=Stop(seconds=5))
    assert calls
    assert max(calls) <= 5  # what is left when it begins, never a time of its own
    assert result.status is Status.STOPPED


@pytest.mark.parametrize("n", [900, 1700])
def test_a_short_limit_goes_to_the_incumbent(monkeypatch, n):
    seconds, shares = 0.8, []
    problem = Problem(10, points=np.random.default_rng(4).random((n, 64)))
    solvers.solve(problem, solver="exact", stop=Stop(seconds=0.1))  # compiles
    watch = Clock(Stop(seconds=seconds))

    class Recorded(LocalSearch):
        @classmethod
        def keyword(cls):
            return "local_search"

        def solve(self, problem, stop=None, **rest):
            shares.append(stop.seconds / max(watch.remaining, 1e-9))
            return super().solve(problem, stop, **rest)

    monkeypatch.setattr(incumbents, "make", lambda name: Recorded() if name == "local_search" else solvers.make(name))
    result = solvers.solve(problem, solver="exact", stop=Stop(seconds=seconds))
    assert shares[0] > 0.8
    alone = solvers.solve(problem, solver="local_search", stop=Stop(seconds=seconds / 4))
    assert result.objective >= 0.99 * alone.objective


def test_nodes_are_limited_exactly():
    D = np.triu(np.random.default_rng(1).integers(50, 101, (150, 150)), 1)
    result = solvers.solve(
        Problem(20, distances=D + D.T), solver="exact", heuristics=("greedy",), stop=Stop(iterations=1000)
    )
    assert result.iterations == 1000
    assert result.status is Status.STOPPED


def test_thousands_of_picks_keep_the_limit():
    problem = Problem(2500, points=np.random.default_rng(8).random((6000, 2)))
    result = solvers.solve(problem, solver="exact", stop=Stop(seconds=1))
    assert result.status is Status.STOPPED
    assert result.upper_bound < 2 * solvers.solve(problem).objective


def cliques_of(search, nodes):
    """All cliques, searched for in short runs."""
    found = []
    while (outcome := search.run(np.inf, nodes)) != EXHAUSTED:
        if outcome == FOUND:
            found.append(tuple(sorted(search.clique.tolist())))
    return sorted(found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_divided_search_finds_the_same_cliques(data, monkeypatch):
    monkeypatch.setattr(clique_search, "_ALONE", 0)
    n, threads = data.draw(st.integers(4, 14)), data.draw(st.integers(2, 4))
    k = data.draw(st.integers(3, min(n, 7)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    adjacent = np.triu(rng.random((n, n)) < data.draw(st.sampled_from([0.5, 0.7, 0.9])), 1)
    adjacent = adjacent | adjacent.T
    whole = cliques_of(CliqueSearch(adjacent, k), np.inf)
    every = [c for c in combinations(range(n), k) if adjacent[np.ix_(c, c)].sum() == k * (k - 1)]
    assert whole == every
    assert cliques_of(CliqueSearch(adjacent, k, threads=threads), data.draw(st.sampled_from([10, 200]))) == every


def test_threads_change_neither_value_nor_bound(monkeypatch):
    monkeypatch.setattr(clique_search, "_ALONE", 100)
    problem = uniform("", 250, 9, 1.0, seed=3).problem(25)
    one, four = (solvers.solve(problem, solver="exact", threads=t) for t in (1, 4))
    assert one.is_optimal
    assert four.is_optimal
    assert (one.objective, one.upper_bound) == (four.objective, four.upper_bound)
    assert four.iterations > 1000


def test_with_threads_it_keeps_its_limits():
    D = np.triu(np.random.default_rng(1).integers(1, 101, (400, 400)), 1)
    problem = Problem(30, distances=D + D.T)
    counted = solvers.solve(problem, solver="exact", threads=3, stop=Stop(iterations=60_000))
    timed = solvers.solve(problem, solver="exact", threads=3, stop=Stop(seconds=1))
    for result in (counted, timed):
        assert result.status is Status.STOPPED
        assert result.objective < result.upper_bound
    assert counted.iterations <= 60_000


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"method": "magic"}, "method"),
        ({"threads": 0}, "threads"),
        ({"heuristics": ()}, "heuristics"),
        ({"method": "cells"}, "distance forms"),
    ],
)
def test_bad_options_are_named(options, named):
    with pytest.raises(InvalidOptionError, match=named):
        solvers.solve(Problem(2, distances=np.ones((4, 4)) - np.eye(4)), solver="exact", **options)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "threads"), [("matrix", 1), ("matrix", 3), ("cells", 1)])
def test_ctrl_c_returns_incumbent_and_bound(method, threads):
    program = f"""
    problem = Problem(60, points=np.random.default_rng(0).random((1200, 3)))
    print("ready", flush=True)
    r = solvers.solve(problem, solver="exact", method="{method}", heuristics=("greedy",), threads={threads})
    print(r.status, len(set(r.indices.tolist())), r.objective <= r.upper_bound < 2)
    """
    assert last_line(program, after="ready", seconds=4) == "interrupted 60 True"


@pytest.mark.parametrize("exclude", [(), (3, 7)])
def test_start_from_a_sample_changes_nothing(monkeypatch, exclude):
    monkeypatch.setattr("solvers.exact._MANY", 200)
    monkeypatch.setattr("solvers._exact.incumbents._SAMPLE", 50)
    problem = Problem(6, points=np.random.default_rng(5).random((700, 2)), exclude=exclude)
    from_sample, on_matrix = (solvers.solve(problem, solver="exact", method=method) for method in ("cells", "matrix"))
    assert from_sample.is_optimal
    assert from_sample.objective == on_matrix.objective
    assert not set(exclude) & set(from_sample.indices.tolist())
    monkeypatch.setattr("solvers._exact.incumbents._SAMPLE", 5)  # fewer than are to be chosen
    assert solvers.solve(problem, solver="exact", method="cells").objective == on_matrix.objective


def test_an_optimum_stands_without_the_matrix_that_its_notes_take(monkeypatch, tmp_path):
    points = np.random.default_rng(0).random((60, 8))  # whose unit vectors the checker does not compute to the last bit
    file, options = str(tmp_path / "proof"), {"method": "cells", "heuristics": ("greedy",)}
    solvers.solve(points, 2, solver="exact", metric="cosine", certificate_file=file, **options)
    monkeypatch.setattr("mmdp.problem.psutil.virtual_memory", lambda: SimpleNamespace(available=1000))
    options |= {"certificate_nodes": 100, "max_optima": 2, "certificate_file": file}
    result = solvers.solve(points, 2, solver="exact", metric="cosine", **options)
    assert result.is_optimal
    assert "60 x 60 distance matrix" in result.notes["no_matrix"]
    assert "60 x 60 distance matrix" in result.notes["certificate_file"]["why"]


def test_the_matrix_of_notes_keeps_the_limit():
    problem, clock = Problem(2, points=np.eye(4)), Clock(Stop(seconds=0))
    clock.report([0, 1], math.sqrt(2))
    with pytest.raises(TooLargeError, match="time limit"):
        optimal_subsets(problem, clock, 3)
    with pytest.raises(TooLargeError, match="time limit"):
        proof_tree(problem, clock, 100)
