"""Choosing k of n points by something other than their smallest distance, and measuring a subset by all of it.

The function :func:`solve` maximises the coverage of a subset ("facility_location") or minimises its radius
("k_centre"), with a bound on what any subset can reach; :mod:`objectives.measures` has one function per objective.

This is a package beside ``solvers`` and not a field of :class:`mmdp.Problem`. Everything that belongs to a problem
means the smallest distance: the critical pair, an upper bound, the gap, the limits of a search, tables, groups, and
thirteen solvers that would have to refuse the field. A radius is minimised and bounded from below, and a coverage is a
sum. What the two packages share is the contract: no method grades itself, and every answer comes with a bound.
"""

from objectives.api import METHODS, OBJECTIVES, solve
from objectives.solution import Solution

__all__ = ["METHODS", "OBJECTIVES", "Solution", "solve"]
