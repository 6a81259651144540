"""Thresholds as exact numbers: the first reduced distance at which the true distance exceeds a value."""

from __future__ import annotations

import math

import numpy as np

from mmdp import Problem

_LARGEST = float(np.finfo(np.float64).max)


def least_reduced_above(problem: Problem, distance: float) -> float:
    """Return the smallest float64 s with ``problem.value(s) > distance``, or inf if there is none.

    A pair is farther apart than ``distance`` iff its reduced distance is at least s, whatever rounding ``value`` does.
    As floats that are not negative are ordered like their bit patterns, this is a binary search over integers.
    """
    if not problem.value(_LARGEST) > distance:
        return math.inf
    low, high = -1, int(np.float64(_LARGEST).view(np.int64))
    while high - low > 1:
        middle = (low + high) // 2
        if problem.value(float(np.int64(middle).view(np.float64))) > distance:
            high = middle
        else:
            low = middle
    return float(np.int64(high).view(np.float64))
