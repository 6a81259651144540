"""A function in a process of its own comes back within its time limit, or is ended."""

import math
import time

import numpy as np
import pytest

from solvers._framework.subprocesses import call

HERE = "tests.solvers.test_subprocesses"


def told(value, seconds):
    """The value, and the time left."""
    return value, seconds


def forever(seconds):
    """A presolve that knows no limit."""
    time.sleep(60 + 0 * seconds)


def broken(seconds):
    raise ValueError


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5])
def test_a_function_that_overruns_its_limit_is_ended(seconds):
    started = time.perf_counter()
    assert call(f"{HERE}:forever", seconds=seconds) is None
    assert time.perf_counter() - started < seconds + 0.5


def test_starting_the_process_counts():
    _, left = call(f"{HERE}:told", np.arange(3), seconds=60.0)
    assert 0 < left < 59.8


def test_without_a_limit():
    assert call(f"{HERE}:told", "value", seconds=math.inf) == ("value", math.inf)


def test_an_error_is_reported():
    with pytest.raises(RuntimeError, match="broken ended with exit code 1"):
        call(f"{HERE}:broken", seconds=60.0)
