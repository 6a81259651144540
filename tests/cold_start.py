"""What is compiled or loaded inside the clock of a first run: nothing should be.

``python -m tests.cold_start`` runs every case in a process of its own that has called no compiled function before. A
specialisation that a dispatcher takes up while the clock runs is counted, whether it was compiled or came from the
cache on disk: with an empty cache it would have been compiled.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEURISTICS = ("greedy", "local_search", "exact", "drop_add", "grasp", "interchange", "coreset", "fair", "gist")


@dataclass(frozen=True)
class Case:
    """One first run: a solver on so many points of some kind."""

    solver: str
    n: int
    d: int
    k: int
    dtype: str = "float64"
    metric: str = "euclidean"
    seconds: float = 0.5

    def __str__(self):
        return f"{self.solver} n={self.n} d={self.d} k={self.k} {self.dtype} {self.metric}"


def cases():
    """A grid of sizes, dimensions, dtypes and metrics; "precomputed" stands for a matrix."""
    for solver in ("greedy", "local_search", "exact"):
        for n, d, k in [(30, 3, 5), (300, 5, 10), (1500, 2, 8), (1800, 64, 10), (6000, 2, 10), (6000, 20, 30)]:
            yield Case(solver, n, d, k)
        yield from (Case(solver, 400, 6, 8, dtype) for dtype in ("float32", "int64"))
        yield from (Case(solver, 3000, 2, 8, metric=metric) for metric in ("cosine", "manhattan", "chebyshev"))
        yield Case(solver, 5000, 2, 8, metric="haversine")
        yield Case(solver, 900, 12, 8, metric="hamming")
        yield from (Case(solver, n, 0, k, metric="precomputed") for n, k in ((60, 5), (700, 20), (3200, 10)))
    yield from (Case("local_search", 20_000, d, 50) for d in (2, 20))
    yield Case("local_search", 50_000, 64, 300, "float32")
    yield from (Case("exact", n, d, 300, "float32") for n, d in ((50_000, 2), (20_000, 20)))
    yield from (Case("greedy", 70_000, d, 20, dtype) for d, dtype in itertools.product((2, 64), ("float32", "float64")))
    for solver in ("drop_add", "grasp", "interchange", "coreset", "fair", "gist"):
        yield Case(solver, 400, 3, 8)
        yield Case(solver, 400, 0, 8, metric="precomputed")


def problem_of(case):
    """Random points of the case, or the matrix of their distances."""
    from mmdp import Problem

    rng = np.random.default_rng(1)
    if case.metric == "precomputed":
        X = rng.normal(size=(case.n, 8))
        D = np.sqrt(((X[:, None] - X[None]) ** 2).sum(-1)) if case.n < 1000 else _random_matrix(case.n, rng)
        return Problem(case.k, distances=D)
    X = rng.uniform(-50, 50, size=(case.n, case.d))
    X = np.round(X / 25) if case.metric == "hamming" else X
    return Problem(case.k, points=X.astype(case.dtype), metric=case.metric)


def _random_matrix(n, rng):
    upper = np.triu(rng.uniform(1, 2, size=(n, n)), 1)
    return upper + upper.T


def specialisations_in_the_clock(case):
    """Run the case in this process, and name what dispatchers took up between the start of its clock and its end."""
    from numba.core.dispatcher import Dispatcher

    from mmdp import Clock, Stop
    from solvers import make

    problem, solver, taken_up = problem_of(case), make(case.solver), []
    running = False
    add, start = Dispatcher.add_overload, Clock.__init__

    def add_overload(self, *args, **kwargs):
        if running:
            taken_up.append(self.py_func.__qualname__)
        return add(self, *args, **kwargs)

    warm_up = type(solver).warm_up

    def warmed(self, problem):
        nonlocal running
        warm_up(self, problem)
        running = running or self is solver

    Dispatcher.add_overload, type(solver).warm_up = add_overload, warmed
    try:
        solver.solve(problem, stop=Stop(seconds=case.seconds))
    finally:
        Dispatcher.add_overload, Clock.__init__, type(solver).warm_up = add, start, warm_up
    return sorted(set(taken_up))


def _child(case, connection):
    with Path(os.devnull).open("w") as nowhere:
        sys.stderr = nowhere
        try:
            connection.send(specialisations_in_the_clock(case))
        except BaseException as error:  # the parent tells it
            connection.send([f"{type(error).__name__}: {error}"])


def run(chosen):
    """Each case and what was taken up inside its clock, in a process forked before anything is compiled."""
    import solvers

    for name in HEURISTICS:
        solvers.load(name)
    context = multiprocessing.get_context("fork")
    for case in chosen:
        here, there = context.Pipe()
        process = context.Process(target=_child, args=(case, there))
        process.start()
        there.close()  # so that a child that dies is an end of its pipe, not a silence
        try:
            yield case, here.recv()
        except EOFError:
            yield case, ["the process died"]
        process.join()


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    late = {}
    every = [case for case in cases() if wanted in str(case)]
    for case, names in run(every):
        late |= {str(case): names} if names else {}
        print(f"{case}: {', '.join(names) or 'nothing'}", flush=True)
    print(f"{len(every)} cases, {len(late)} of which compiled inside the clock")
    sys.exit(json.dumps(late, indent=1) if late else 0)
