"""A solution to start from: taken, improved on, repaired or refused; and a target that ends any run."""

import numpy as np
import pytest

import solvers
from mmdp import InvalidOptionError, Problem, Status, Stop
from solvers.local_search import LocalSearch

NAMES = [info.name for info in solvers.available() if not info.missing]
TAKING = [name for name in NAMES if solvers.load(name).takes_initial]
X = np.random.default_rng(0).random((24, 2))
PROBLEM = Problem(5, points=X, groups=np.arange(24) % 3, counts={0: 2, 1: (1, 2)})
BEST = solvers.solve(PROBLEM, solver="brute_force")
ONCE = Stop(iterations=1)


@pytest.mark.parametrize("name", TAKING)
@pytest.mark.parametrize("counted", [True, False])
def test_never_worse_than_its_start(name, counted):
    problem = PROBLEM if counted else Problem(5, points=X)
    best = solvers.solve(problem, solver="brute_force")
    result = solvers.solve(problem, solver=name, initial=best.indices.tolist(), stop=ONCE)
    assert result.objective == best.objective
    assert "initial" not in result.notes


@pytest.mark.parametrize("name", TAKING)
def test_a_poor_start_is_improved(name):
    worst = solvers.solve(PROBLEM, solver="random", seed=1)
    result = solvers.solve(PROBLEM, solver=name, initial=worst.indices, stop=Stop(iterations=500))
    assert result.objective > worst.objective


@pytest.mark.parametrize("name", ["exact", "ilp", "brute_force"])
def test_a_start_at_the_optimum_is_proven(name):
    result = solvers.solve(PROBLEM, solver=name, initial=BEST.indices)
    assert result.status is Status.OPTIMAL
    assert result.objective == BEST.objective
    assert result.history[0].objective == BEST.objective


def test_the_proof_runs_no_heuristic_before():
    class NoHeuristicError(Exception):
        pass

    def forbidden(*arguments, **options):
        raise NoHeuristicError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("solvers.exact.warm_start", forbidden)
        result = solvers.solve(PROBLEM, solver="exact", initial=BEST.indices)
    assert result.is_optimal


BROKEN = {
    "too few": ([0, 1], "had (2,) indices instead of (5,); 2 of its 2 points are kept"),
    "too many": (list(range(12)), "had (12,) indices instead of (5,); 5 of its 12 points are kept"),
    "counts": ([0, 3, 6, 9, 12], "had 5 points of group 0, which takes 2 to 2; 2 of its 5 points are kept"),
}


@pytest.mark.parametrize("name", TAKING)
@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_solution_is_repaired_and_told(name, case):
    initial, note = BROKEN[case]
    result = solvers.solve(PROBLEM, solver=name, initial=initial, stop=ONCE)
    assert result.notes["initial"] == note


def test_fixed_and_excluded_points_are_repaired():
    problem = Problem(4, points=X, include=(3,), exclude=(0,))
    result = solvers.solve(problem, solver="local_search", initial=[0, 1, 2, 5], stop=ONCE)
    assert result.notes["initial"] == "had an excluded index; 3 of its 4 points are kept"
    result = solvers.solve(problem, solver="exact", initial=[4, 1, 2, 5])
    assert result.notes["initial"] == "had a set without all included indices; 3 of its 4 points are kept"


def test_a_repair_is_told_of_an_interrupted_run_too(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    problem = Problem(4, points=X, exclude=[1])
    solvers.solve(problem, solver="local_search", stop=ONCE)  # compiled by now
    monkeypatch.setattr(LocalSearch, "_run", interrupted)
    result = solvers.solve(problem, solver="local_search", initial=[0, 1, 2, 3])
    assert result.status is Status.INTERRUPTED
    assert result.notes["initial"] == "had an excluded index; 3 of its 4 points are kept"


@pytest.mark.parametrize(
    ("initial", "message"),
    [([0, 0, 1, 2, 3], "twice"), ([0, 1, 2, 3, 99], "outside 0 ... 23"), (["a"], "whole numbers"), ([0.5, 1], "whole")],
)
def test_what_cannot_be_points_is_refused(initial, message):
    with pytest.raises(InvalidOptionError, match=f"initial .*{message}.*give k different indices"):
        solvers.solve(PROBLEM, solver="exact", initial=initial)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TAKING])
def test_a_method_that_constructs_its_answer_refuses_a_start(name):
    assert not next(info for info in solvers.available() if info.name == name).takes_initial
    with pytest.raises(InvalidOptionError, match=f"{name} constructs its answer and takes no initial.*available"):
        solvers.solve(X, 5, solver=name, initial=[0, 1, 2, 3, 4])


def test_the_table_of_solvers_says_which_take_a_start():
    told = {info.name: info.takes_initial for info in solvers.available() if not info.missing}
    assert told == {name: solvers.load(name).takes_initial for name in told}
    assert {name for name, takes in told.items() if takes} >= set(TAKING)


def test_a_table_takes_no_start(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(InvalidOptionError, match="initial is for points in memory"):
        solvers.solve(tmp_path / "x.npy", 5, solver="local_search", initial=[0, 1, 2, 3, 4])


@pytest.mark.parametrize("name", TAKING)
def test_a_target_ends_the_run(name):
    target = 0.5 * BEST.objective
    result = solvers.solve(PROBLEM, solver=name, stop=Stop(target=target))
    assert result.objective >= target
    at_once = solvers.solve(PROBLEM, solver=name, initial=BEST.indices, stop=Stop(target=target))
    assert at_once.iterations == 0
    assert at_once.indices.tolist() == BEST.indices.tolist()
