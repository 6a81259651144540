"""One table of bad inputs: each raises its named exception, with words a newcomer can act on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

import solvers
from mmdp import (
    InvalidOptionError,
    InvalidProblemError,
    MissingDependencyError,
    MMDPError,
    Problem,
    SolverContractError,
    Stop,
    TooLargeError,
    UnknownNameError,
    measures,
)
from mmdp.metrics import METRICS
from mmdp.tables import open_table
from solvers import Run, Solver, make, rank, solve, spread

X = np.arange(12.0).reshape(6, 2)
D = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))


def changed(array, place, value):
    array = np.array(array, dtype=float)
    array[place] = value
    return array


BAD_INPUT = {
    "neither": (lambda: Problem(2), InvalidProblemError, "points or distances; neither"),
    "both": (lambda: Problem(2, points=X, distances=D), InvalidProblemError, "points or distances; both"),
    "nan": (lambda: solve(changed(X, (3, 1), np.nan), 2), InvalidProblemError, r"NaN or infinity in row 3.*\[3, 1\]"),
    "infinity": (lambda: solve(changed(X, (0, 0), -np.inf), 2), InvalidProblemError, "row 0"),
    "nan distance": (lambda: Problem(2, distances=changed(D, (1, 2), np.nan)), InvalidProblemError, r"\[1, 2\]"),
    "overflow": (lambda: solve(X * 1e200, 2), InvalidProblemError, "overflow; divide"),
    "overflow in the other byte order": (lambda: solve((X * 1e200).astype(">f8"), 2), InvalidProblemError, "overflow"),
    "underflow": (lambda: solve(X * 1e-200, 2), InvalidProblemError, "vanish; multiply"),
    "masked": (lambda: solve(np.ma.masked_equal(X, 3), 2), InvalidProblemError, "masked entries; drop"),
    "sparse": (
        lambda: solve(csr_matrix(X), 2, metric="manhattan"),
        InvalidProblemError,
        r"sparse matrix, and the metric manhattan needs dense rows.*toarray",
    ),
    "sparse distances": (lambda: Problem(2, distances=csr_matrix(D)), InvalidProblemError, r"convert with .toarray"),
    "counts beside points": (
        lambda: solve(X, 2, solver="fair", groups=[1] * len(X), counts={1: 2}),
        InvalidOptionError,
        r"counts, groups belongs to the problem: solve\(Problem\(k, points=X, counts=\.\.\., groups=",
    ),
    "a decimal mark beside a path": (
        lambda: solve("x.csv", 2, decimal=","),
        InvalidOptionError,
        r"decimal says how a file is read: solve\(open_table\(path, decimal=",
    ),
    "gower of blocks": (
        lambda: make("greedy").solve_table(open_table([X, X]), 2, "gower"),
        InvalidProblemError,
        "not those of blocks",
    ),
    "k missing": (lambda: solve(X), InvalidProblemError, "give k"),
    "k one": (lambda: solve(X, 1), InvalidProblemError, "k = 1 is out of range"),
    "k above n": (lambda: solve(X, 7), InvalidProblemError, "k = 7 is out of range.*n = 6"),
    "k negative": (lambda: solve(X, -2), InvalidProblemError, "k = -2"),
    "k a fraction": (lambda: solve(X, 2.5), InvalidProblemError, "whole number, not 2.5"),
    "k twice": (lambda: solve(Problem(2, points=X), 3), InvalidProblemError, "has its own k"),
    "select k": (lambda: solvers.load("greedy")().select(X, 0), InvalidProblemError, "at least 1"),
    "one dimension": (lambda: solve(np.arange(5.0), 2), InvalidProblemError, "two dimensions.*shape"),
    "three dimensions": (lambda: solve(np.zeros((2, 2, 2)), 2), InvalidProblemError, "two dimensions"),
    "empty": (lambda: solve(np.zeros((0, 3)), 2), InvalidProblemError, "empty"),
    "ragged": (lambda: solve([[1.0], [2.0, 3.0]], 2), InvalidProblemError, "table of numbers"),
    "text": (lambda: solve(np.array([["a"], ["b"]]), 2), InvalidProblemError, "real numbers"),
    "complex": (lambda: solve(X * 1j, 2), InvalidProblemError, "real numbers, not complex"),
    "objects": (lambda: solve(np.array([[None], [1]]), 2), InvalidProblemError, "real numbers, not object"),
    "not square": (lambda: Problem(2, distances=X), InvalidProblemError, r"square, not \(6, 2\).*points="),
    "not symmetric": (
        lambda: Problem(2, distances=changed(D, (0, 3), 9)),
        InvalidProblemError,
        r"not symmetric: \[0, 3\] is 9.*np.minimum",
    ),
    "negative": (lambda: Problem(2, distances=-D), InvalidProblemError, "never negative"),
    "diagonal": (lambda: Problem(2, distances=changed(D, (2, 2), 1)), InvalidProblemError, r"\[2, 2\] is 1"),
    "zero vector": (
        lambda: solve(changed(X, 4, 0), 2, metric="cosine"),
        InvalidProblemError,
        "rows 4|row 0|rows 0, 4|row 4.*zero vector.*drop",
    ),
    "latitude": (lambda: solve([[100.0, 0.0], [0, 0]], 2, metric="haversine"), InvalidProblemError, "swapped"),
    "haversine 3-d": (lambda: solve(np.zeros((4, 3)), 2, metric="haversine"), InvalidProblemError, "latitude"),
    "jaccard of reals": (lambda: solve(X, 2, metric="jaccard"), InvalidProblemError, "0 and 1"),
    "include outside": (lambda: Problem(2, points=X, include=[6]), InvalidProblemError, "include names .6., outside"),
    "include twice": (lambda: Problem(3, points=X, include=[1, 1]), InvalidProblemError, "twice"),
    "include too many": (lambda: Problem(2, points=X, include=[0, 1, 2]), InvalidProblemError, "more than k"),
    "exclude too many": (lambda: Problem(5, points=X, exclude=[0, 1]), InvalidProblemError, "fewer than k"),
    "both picks": (lambda: Problem(2, points=X, include=[1], exclude=[1]), InvalidProblemError, "row 1: both"),
    "include a name": (lambda: Problem(2, points=X, include=["a"]), InvalidProblemError, "whole numbers"),
    "matrix too large": (
        lambda: Problem(2, points=np.zeros((3_000_000, 1))).reduced_matrix(),
        TooLargeError,
        "3000000 x 3000000.*GiB.*use a solver that reads rows",
    ),
    "unknown solver": (lambda: solve(X, 2, solver="best"), UnknownNameError, "no solver named 'best'; choose.*greedy"),
    "a class": (lambda: solve(X, 2, solver=solvers.load("exact")), InvalidOptionError, r"pass Exact\(\) or"),
    "unknown metric": (lambda: solve(X, 2, metric="l3"), UnknownNameError, "no metric named 'l3'; choose.*euclidean"),
    "metric a number": (lambda: solve(X, 2, metric=3), UnknownNameError, "not int"),
    "unknown option": (lambda: solve(X, 2, speed=1), InvalidOptionError, "no option speed; it takes start"),
    "option of a solver": (
        lambda: solve(X, 2, solver=solvers.load("greedy")(), start="random"),
        InvalidOptionError,
        "give options to the Solver",
    ),
    "start unknown": (lambda: solve(X, 2, start="middle"), InvalidOptionError, "choose one of auto, isolated"),
    "start outside": (lambda: solve(X, 2, start=6), InvalidOptionError, "start = 6 is not among"),
    "backend": (lambda: solve(X, 2, backend="cuda"), InvalidOptionError, "choose auto, numba or torch"),
    "tries": (lambda: solve(X, 2, solver="random", tries=0), InvalidOptionError, "tries = 0.*at least 1"),
    "threads a text": (lambda: solve(X, 2, solver="exact", threads="a"), InvalidOptionError, "threads = 'a'.*at least"),
    "certificate nodes": (
        lambda: solve(X, 2, solver="exact", certificate_nodes=-1),
        InvalidOptionError,
        "certificate_nodes = -1",
    ),
    "solver nothing": (lambda: solve(X, 2, solver=None), InvalidOptionError, "solver = None.*keyword"),
    "start a fraction": (lambda: solve(X, 2, start=1.5), InvalidOptionError, r"start = 1\.5"),
    "start a truth": (lambda: solve(X, 2, start=True), InvalidOptionError, "start = True"),
    "nanoseconds": (
        lambda: solve(1_700_000_000_000_000_000 + np.arange(50)[:, None], 2),
        InvalidProblemError,
        "points reach 1700000000000000049.*subtract a common offset",
    ),
    "large distances": (
        lambda: Problem(2, distances=(2**53 + 1) * (1 - np.eye(3, dtype=np.int64))),
        InvalidProblemError,
        "distances reach 9007199254740993",
    ),
    "stop negative": (lambda: Stop(seconds=-1), InvalidOptionError, "seconds=-1.*>= 0"),
    "stop below the answer": (
        lambda: solve(X, 2, stop=Stop(upper_bound=1e-6)),
        InvalidOptionError,
        r"Stop\(upper_bound=1e-06\): .* has been reached",
    ),
    "heuristics a text": (
        lambda: solve(X, 2, solver="exact", heuristics="greedy"),
        InvalidOptionError,
        "heuristics = 'greedy': give a tuple",
    ),
    "stop nan": (lambda: Stop(target=float("nan")), InvalidOptionError, "target=nan"),
    "stop a text": (lambda: Stop(seconds="5"), InvalidOptionError, "seconds='5'"),
    "stop a number": (lambda: solve(X, 2, stop=5), InvalidOptionError, r"Stop\(seconds=5\), not 5"),
    "seed negative": (lambda: solve(X, 2, seed=-1), InvalidOptionError, "seed = -1.*whole number >= 0"),
    "seed nothing": (lambda: solve(X, 2, seed=None), InvalidOptionError, "seed = None: give a whole number >= 0"),
    "seed of spread": (lambda: spread(X, 1.0, seed=[1, 2]), InvalidOptionError, r"seed = \[1, 2\]: give a whole"),
    "stop a truth": (lambda: Stop(seconds=True), InvalidOptionError, "seconds=True"),
    "rank of a problem": (lambda: rank(Problem(2, points=X)), InvalidProblemError, r"problem\.max_min_order\(\)"),
    "rank with k": (lambda: rank(X, k=3), InvalidOptionError, r"k: rank puts all points.*solve\(points, k\)"),
    "rank with a solver": (lambda: rank(X, solver="exact"), InvalidOptionError, "solver: rank puts all points"),
    "rank of one": (lambda: rank(X[:1]), InvalidProblemError, "two points or more, and 1 of 1 can be chosen"),
    "a metric without a value": (
        lambda: solve(["a", "b"], 2, metric=lambda a, b: None),
        InvalidProblemError,
        "metric returned None for the points 0 and 1; a distance is one number",
    ),
    "a metric of arrays": (
        lambda: solve(["a", "b"], 2, metric=lambda a, b: np.array([1.0])),
        InvalidProblemError,
        r"metric returned \[1\.\] for the points 0 and 1",
    ),
    "a metric of blocks without a value": (
        lambda: solve(iter([X, X]), 2, solver="streaming", metric=lambda a, b: None),
        InvalidProblemError,
        "metric returned None for",
    ),
    "objective of one": (
        lambda: Problem(2, points=X).objective([0]),
        InvalidProblemError,
        "at least two points.*not .0",
    ),
    "objective outside": (lambda: Problem(2, points=X).objective([0, -1]), InvalidProblemError, "names .-1., outside"),
    "objective twice": (lambda: Problem(2, points=X).objective([1, 1]), InvalidProblemError, "an index twice"),
    "objective of a table": (
        lambda: Problem(2, points=X).objective([[0, 1]]),
        InvalidProblemError,
        "give the indices of at least two",
    ),
    "objective of halves": (
        lambda: Problem(2, points=X).objective([0.5, 1]),
        InvalidProblemError,
        "give the indices of at least two",
    ),
    "measures of one": (lambda: measures(Problem(2, points=X), [0]), InvalidProblemError, "at least two points"),
    "select of one dimension": (lambda: make("greedy").select(X[0], 2), InvalidProblemError, "two dimensions.*reshape"),
    "select by exact of one": (lambda: make("exact").select(X[0], 2), InvalidProblemError, "two dimensions.*reshape"),
    "include nothing": (lambda: solve(X, 2, include=None), InvalidProblemError, "include is a sequence of whole"),
    "include nothing of blocks": (lambda: solve([X, X], 2, include=None), InvalidProblemError, "include is a sequence"),
    "include nothing, a problem": (lambda: solve(Problem(2, points=X), include=None), InvalidProblemError, "sequence"),
    "spread of nothing": (lambda: spread(np.empty((0, 2)), 1.0), InvalidProblemError, r"points is empty: shape \(0, 2"),
    "numbers as objects": (
        lambda: solve([[2**70, 1], [3, 4]], 2),
        InvalidProblemError,
        r"convert with np\.asarray\(x, dtype=float\)",
    ),
    "certify negative": (lambda: solve(X, 2, certify_seconds=-1), InvalidOptionError, "certify_seconds = -1"),
    "too many subsets": (
        lambda: solve(np.random.default_rng(0).normal(size=(90, 2)), 40, solver="brute_force"),
        InvalidOptionError,
        "subsets are more than limit.*ilp",
    ),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_names_what_is_wrong(name):
    call, error, message = BAD_INPUT[name]
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, MMDPError)


@pytest.mark.parametrize("metric", METRICS)
def test_no_metric_lets_nan_pass(metric):
    with pytest.raises(InvalidProblemError, match="NaN"):
        solve(changed(X, (1, 0), np.nan), 2, metric=metric)


def test_nan_from_a_users_metric_is_named():
    with pytest.raises(InvalidProblemError, match="metric returned"):
        solve(X, 2, metric=lambda x, y: float("nan"))


def test_missing_package_names_the_install_command(tmp_path, monkeypatch):
    (tmp_path / "needy.py").write_text("import ortools_that_is_not_there\n")
    monkeypatch.setattr(solvers, "__path__", [*solvers.__path__, str(tmp_path)])
    with pytest.raises(MissingDependencyError, match="needs ortools_that_is_not_there: pip install"):
        solvers.load("needy")
    assert next(info for info in solvers.available() if info.name == "needy").missing


@pytest.mark.parametrize(
    ("indices", "claim", "message"),
    [
        ([0, 0], np.inf, "an index twice"),
        ([0], np.inf, "instead of"),
        ([0, 99], np.inf, "out of range"),
        ([0, 2], 0.1, "claims that nothing exceeds"),
        ([0, 3], np.inf, "excluded"),
        ([0, 2], np.inf, "without all included"),
    ],
)
def test_a_solver_is_not_trusted(indices, claim, message):
    class Liar(Solver):
        def _run(self, problem, clock, rng):
            return Run(indices, upper_bound=claim)

    include = [1] if "included" in message else []
    with pytest.raises(SolverContractError, match=message):
        Liar().solve(Problem(2, points=X, exclude=[3], include=include))


@pytest.mark.parametrize(
    ("missing", "asked"), [("torch", "supported_models"), ("transformers", "prune"), ("PIL", "overlay")]
)
def test_what_pruning_needs_is_named_with_its_command(missing, asked):
    if missing != "torch":
        pytest.importorskip("torch")
    code = f"import sys; sys.modules[{missing!r}] = None; from lmm_integration import {asked}"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert f"MissingDependencyError: lmm_integration needs {missing}" in done.stderr
    assert "pip install 'mmdp[lmm]'" in done.stderr
