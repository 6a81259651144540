"""When a run ends: each limit at its edge, and what a clock remembers."""

import math

import numpy as np
import pytest

from mmdp import Clock, Incumbent, InvalidOptionError, Stop
from mmdp import stopping as module

LIMITS = ("seconds", "iterations", "no_improvement", "target", "gap", "upper_bound")


@pytest.fixture
def now(monkeypatch):
    """A time that stands still until it is set."""

    class Time:
        seconds = 100.0

        def perf_counter(self):
            return self.seconds

    time = Time()
    monkeypatch.setattr(module, "time", time)
    return time


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("wrong", [-1, -0.5, math.nan, "5", [1], True])
def test_a_limit_that_is_none_is_named(name, wrong):
    with pytest.raises(InvalidOptionError, match=rf"Stop\({name}=.*a limit is a number >= 0, or None"):
        Stop(**{name: wrong})


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("limit", [0, 0.5, 3, np.float32(2), np.int64(4)])
def test_a_limit_is_kept_as_it_is(name, limit):
    stop = Stop(**{name: limit})
    assert getattr(stop, name) == limit
    assert all(getattr(stop, other) is None for other in LIMITS if other != name)
    assert getattr(Stop(**{name: math.inf}), name) is None


def test_a_new_clock_knows_nothing():
    clock = Clock(Stop())
    assert clock.indices is None
    assert (clock.objective, clock.upper_bound) == (-math.inf, math.inf)
    assert (clock.iterations, clock.last_gain, clock.history) == (0, 0, [])
    assert not clock.satisfied
    assert not clock.expired
    assert clock.remaining == math.inf


def test_time_runs_from_the_start(now):
    clock = Clock(Stop(seconds=5))
    assert (clock.elapsed, clock.remaining, clock.expired) == (0, 5, False)
    now.seconds += 4.5
    assert (clock.elapsed, clock.remaining, clock.expired) == (4.5, 0.5, False)
    now.seconds += 0.5
    assert (clock.elapsed, clock.remaining, clock.expired) == (5, 0, True)
    now.seconds += 1
    assert (clock.elapsed, clock.remaining) == (6, 0)


def test_iterations_are_counted_to_the_last():
    clock = Clock(Stop(iterations=3))
    clock.iterations = 2
    assert not clock.expired
    clock.iterations = 3
    assert clock.expired


def test_iterations_without_a_gain_are_counted_from_the_last_gain():
    clock = Clock(Stop(no_improvement=3))
    clock.iterations = 2
    assert not clock.expired
    clock.report([0, 1], 1.0)
    assert clock.last_gain == 2
    clock.iterations = 4
    clock.report([0, 2], 1.0)  # no better
    clock.report(upper_bound=9.0)  # no incumbent
    assert clock.last_gain == 2
    assert not clock.expired
    clock.iterations = 5
    assert clock.expired


def test_a_target_is_met_when_it_is_reached():
    clock = Clock(Stop(target=2.0))
    clock.report([0, 1], 1.9)
    assert not clock.satisfied
    clock.report([0, 2], 2.0)
    assert clock.satisfied
    assert clock.expired


def test_a_bound_that_is_met_ends_a_run():
    clock = Clock(Stop())
    clock.report([0, 1], 2.0, upper_bound=2.5)
    assert not clock.satisfied
    clock.report(upper_bound=2.0)
    assert clock.satisfied
    clock.report([0, 2], 2.1)
    assert clock.satisfied


def test_a_gap_is_a_share_of_the_bound():
    for objective, met in ((7.4, False), (7.5, True), (8.0, True)):
        clock = Clock(Stop(gap=0.25))
        clock.report([0, 1], objective)
        assert not clock.satisfied  # as no bound is known
        clock.report(upper_bound=10.0)
        assert clock.satisfied is met


def test_a_bound_of_the_caller_counts_from_the_start():
    clock = Clock(Stop(gap=0.1, upper_bound=4.0))
    assert clock.upper_bound == 4.0
    clock.report([0, 1], 3.6)
    assert clock.satisfied


def test_what_is_no_better_is_ignored(now):
    seen = []
    clock = Clock(Stop(), seen.append)
    chosen = np.array([3, 4])
    now.seconds += 1
    clock.report(chosen, 2.0, 9.0)
    chosen[0] = 7  # the array belongs to the caller
    now.seconds += 1
    clock.report([0, 1], 2.0)
    clock.report([0, 1], 1.5, 9.0)
    clock.report([0, 1], 1.5, 9.5)
    clock.report(objective=5.0)  # without picks
    assert clock.indices.tolist() == [3, 4]
    assert clock.indices.dtype == np.int64
    assert seen == clock.history == [Incumbent(1.0, 2.0, 9.0)]
    now.seconds += 1
    clock.report([0, 1], 1.5, 8.0)  # a better bound, no better picks
    now.seconds += 1
    clock.report([0, 2], 2.5, 8.5)  # better picks, no better bound
    assert clock.indices.tolist() == [0, 2]
    assert seen == [Incumbent(1.0, 2.0, 9.0), Incumbent(3.0, 2.0, 8.0), Incumbent(4.0, 2.5, 8.0)]


def test_an_incumbent_knows_no_bound_of_itself():
    assert Incumbent(1.0, 2.0).upper_bound == math.inf
