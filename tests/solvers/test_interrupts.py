"""Ctrl-C at any moment of a run leaves a checked, graded answer behind."""

import os
import signal
import threading

import numpy as np
import pytest

import solvers
from mmdp import Problem, Status, Stop
from mmdp.instances import geo, ran

HEURISTICS = ["local_search", "drop_add", "grasp", "interchange"]
PROBLEMS = {
    "points": geo(150, 1, d=4).problem(15, include=(3,), exclude=(8, 9)),
    "matrix": ran(150, 1).problem(15, include=(3,), exclude=(8, 9)),
    "many points": geo(3000, 2, d=2).problem(40, include=(3,), exclude=(8, 9)),  # which no proof ends in that time
}


@pytest.fixture
def ctrl_c():
    """Send SIGINT to this process after some seconds, and see that none is left over."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timers = []

    def after(seconds):
        timers.append(threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)))
        timers[-1].start()

    yield after
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for timer in timers:
        timer.join()
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("name", HEURISTICS)
def test_any_moment_after_the_first_incumbent(name, kind, ctrl_c):
    problem = PROBLEMS[kind]
    for wait in np.random.default_rng(len(name)).uniform(0.0, 0.08, size=4):
        armed = []

        def arm(_, wait=wait, armed=armed):
            if not armed:
                armed.append(True)
                ctrl_c(wait)

        result = solvers.solve(problem, solver=name, stop=Stop(seconds=20), watch=arm)
        assert result.status is Status.INTERRUPTED or result.is_optimal
        assert len(set(result.indices.tolist())) == problem.k
        assert 3 in result.indices
        assert not {8, 9} & set(result.indices.tolist())
        assert result.objective == problem.objective(result.indices)[0] <= result.upper_bound


def test_while_the_answer_is_graded_the_bound_stays(monkeypatch):
    class Bounded(solvers.Solver):
        def _run(self, problem, clock, rng):
            return solvers.Run(range(problem.k), upper_bound=9.0)

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("solvers._framework.base.checked_bound", stopped)
    result = solvers.solve(Problem(3, distances=np.ones((20, 20)) - np.eye(20)), solver=Bounded())
    assert (result.upper_bound, result.status) == (9.0, Status.INTERRUPTED)


def test_while_the_bound_is_made_smaller(ctrl_c):
    problem = Problem(k=20, points=np.random.default_rng(0).normal(size=(400, 12)))
    solvers.solve(problem, certify_seconds=0.01)
    ctrl_c(0.5)
    result = solvers.solve(problem, certify_seconds=60)
    assert result.indices.tolist() == solvers.solve(problem).indices.tolist()
    assert result.objective <= result.upper_bound <= solvers.solve(problem).upper_bound
