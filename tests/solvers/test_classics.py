"""drop_add, grasp and interchange: what each adds over the others' common table."""

import numpy as np
import pytest

import solvers
from mmdp import Clock, Problem, Stop
from mmdp.instances import geo, ran
from solvers._framework.slices import Slices
from solvers._local_search.pick_distances import closest, improve, new_picks, reset
from solvers._local_search.random_starts import randomized_greedy
from tests import naive

CLASSICS = ("drop_add", "grasp", "interchange")


@pytest.mark.parametrize("name", CLASSICS)
@pytest.mark.parametrize("instance", [geo(120, 1, d=4), ran(120, 1)], ids=lambda instance: instance.name)
def test_above_a_random_subset_and_counted_limits_are_exact(name, instance):
    problem = instance.problem(15)
    result = solvers.solve(problem, solver=name, stop=Stop(iterations=3), seed=1)
    assert result.objective > solvers.solve(problem, solver="random", seed=1).objective
    assert result.iterations <= 3


def test_improve_ends_where_no_swap_helps():
    problem = Problem(6, points=np.random.default_rng(2).integers(0, 12, size=(40, 2)).astype(float))
    state = new_picks(problem)
    assert reset(state, np.arange(6), Clock(Stop()))
    while improve(state, 5, 0) == 5:
        pass
    D = naive.matrix("sqeuclidean", problem.points)
    picks = state.picks.tolist()

    def rank(subset):
        d = D[np.ix_(subset, subset)][np.triu_indices(6, 1)]
        return d.min(), -int((d == d.min()).sum())

    assert closest(state) == (rank(picks)[0], -rank(picks)[1])
    for i in range(6):
        for v in set(range(40)) - set(picks):
            assert rank([*picks[:i], v, *picks[i + 1 :]]) <= rank(picks)


class Looks(Clock):
    """A clock whose time is up after so many looks at what is left of it."""

    def __init__(self, looks):
        super().__init__(Stop(seconds=1e9))
        self.looks = looks

    @property
    def remaining(self):
        self.looks -= 1
        return float(self.looks >= 0)


def test_the_table_of_many_picks_keeps_the_limit(monkeypatch):
    problem = Problem(30, points=np.random.default_rng(0).random((40, 2)))
    monkeypatch.setattr("solvers._local_search.pick_distances._READ", 80)  # those of one pick
    state = new_picks(problem)
    assert not reset(state, np.arange(30), Looks(7))
    assert (state.place >= 0).sum() == 7
    assert reset(state, np.arange(30), Looks(30))
    assert (state.place >= 0).sum() == 30


def test_a_greedy_start_keeps_the_limit(monkeypatch):
    problem = Problem(30, points=np.random.default_rng(0).random((40, 2)), include=(7,), exclude=(5, 6))
    lowered, lower = [], Problem.lower
    monkeypatch.setattr(Problem, "lower", lambda *given: lowered.append(lower(*given)))
    chosen = randomized_greedy(problem, np.random.default_rng(0), 0.9, Looks(4))
    assert len(lowered) == 4
    assert len({7, *chosen.tolist()} - {5, 6}) == 30


def test_the_first_slice_has_fewer_moves_where_they_take_long():
    assert Slices(Clock(Stop()), 100, first=3).next() == 3
    assert Slices(Clock(Stop()), 100, first=0).next() == 1


@pytest.mark.parametrize("name", CLASSICS)
def test_fixed_and_excluded_picks(name):
    problem = geo(60, 2, d=2).problem(8, include=(11, 3), exclude=tuple(range(30, 50)))
    chosen = set(solvers.solve(problem, solver=name, stop=Stop(iterations=20)).indices.tolist())
    assert {3, 11} <= chosen
    assert not chosen & set(range(30, 50))


def test_slices_that_end_early_do_not_make_later_ones_longer():
    slices = Slices(Clock(Stop(seconds=60)), patience=0)
    first = slices.next()
    slices.done(first)
    longer = slices.next()
    assert longer > first
    for moves in range(first, first + 100):  # one move each time
        slices.done(moves)
        assert slices.next() <= longer
