"""Suites of problems to measure on, each a file of this package with a function ``cases``."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmdp import Problem, UnknownNameError


@dataclass(frozen=True, eq=False)
class Case:
    """One problem of a suite.

    Attributes
    ----------
    suite, name : str
        Together they name the data; k is in the problem.
    problem : Problem
    note : str
        What was done to the data that a reader has to know, such as rows dropped.
    """

    suite: str
    name: str
    problem: Problem
    note: str = ""

    def __str__(self) -> str:
        return f"{self.suite}/{self.name} k={self.problem.k}"

    @cached_property
    def digest(self) -> str:
        """Short hash of the data and the metric: equal digests and equal k mean the same problem."""
        data = np.asarray(self.problem.points if self.problem.distances is None else self.problem.distances)
        head = f"{self.problem.geometry.name} {data.dtype} {data.shape}".encode()
        return hashlib.sha256(head + np.ascontiguousarray(data).tobytes()).hexdigest()[:12]


def names() -> list[str]:
    """Names of all suites."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> list[Case]:
    """Return the cases of a suite.

    Raises
    ------
    UnknownNameError
        If there is no such suite; the message lists those that exist.
    """
    if name not in names():
        raise UnknownNameError(f"no suite named {name!r}; choose one of {', '.join(names())}")
    cases: list[Case] = importlib.import_module(f"{__name__}.{name}").cases()
    return cases
