"""Functions as distances: each pair once, kept, in time; texts and other objects as points."""

import itertools
import time
from collections import Counter

import numpy as np
import pytest

import solvers
from mmdp import InvalidProblemError, Metric, Problem, Stop, TooLargeError
from mmdp.pairs import as_items
from solvers import solve
from tests import naive

NAMES = [info.name for info in solvers.available() if not info.missing]
WORDS = ["", "a", "abc", "abd", "xyz", "xyzzy", "hello", "help", "yellow", "mellow", "z", "abcabc", "kitten", "sitting"]


def levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


def word_distances():
    return np.array([[float(levenshtein(a, b)) for b in WORDS] for a in WORDS])


class Counted:
    """The Manhattan distance of whole numbers, and how often each pair was asked for."""

    def __init__(self, seconds=0.0):
        self.calls, self.seconds = Counter(), seconds

    def __call__(self, x, y):
        self.calls[frozenset((tuple(x), tuple(y)))] += 1
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        return float(np.abs(np.asarray(x) - y).sum())


@pytest.mark.parametrize("name", NAMES)
def test_each_pair_is_measured_once_at_most(name):
    X = np.random.default_rng(0).permutation(400)[:24, None] * np.array([[1, 3]])
    metric = Counted()
    result = solve(X[:12] if name == "brute_force" else X, 4, solver=name, metric=metric, certify_seconds=0.2)
    assert max(metric.calls.values()) == 1
    assert all(len(pair) == 2 for pair in metric.calls)
    assert result.objective == naive.objective(naive.matrix("manhattan", X), result.indices)


def test_what_was_measured_is_kept_for_later_problems():
    X = np.random.default_rng(1).permutation(400)[:40, None]
    metric = Counted()
    problem = Problem(4, points=X, metric=metric)
    assert solve(problem, solver="local_search").objective > 0
    solve(problem, solver="exact", certify_seconds=0.1)
    Problem(5, points=problem.points, metric=problem.metric).matrix()
    assert sum(metric.calls.values()) == 40 * 39 // 2
    assert (problem.matrix() == np.abs(X - X.T)).all()


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_points_of_a_function(name):
    words = WORDS[:10] if name == "brute_force" else WORDS
    result = solve(words, 4, solver=name, metric=levenshtein)
    D = word_distances()
    assert result.objective == naive.objective(D, result.indices)
    assert result.metric == "levenshtein"
    assert result.upper_bound >= naive.optimum(D[: len(words), : len(words)], 4)
    if solvers.load(name).exact:
        assert result.objective == naive.optimum(D[: len(words), : len(words)], 4)


SETS = [{1, 2}, {2, 3}, {9}, set(), {1, 2, 3, 4}, {7, 8, 9}]
OBJECTS = {
    "sets": (SETS, lambda a, b: float(len(a ^ b))),
    "texts of one length": (
        ["ab", "cd", "ad", "zz"],
        lambda a, b: float(sum(x != y for x, y in zip(a, b, strict=True))),
    ),
    "lists of different lengths": ([[1], [1, 2], [5, 5, 5], []], lambda a, b: float(abs(sum(a) - sum(b)))),
    "numbers": ([1.0, 2.5, 9.0, 4.0], lambda a, b: abs(a - b)),
    "an array of objects": (np.array(["abc", "b", "cd"], dtype=object), lambda a, b: float(abs(len(a) - len(b)))),
    "a table of texts": (np.array([["a", "b"], ["c", "d"], ["a", "d"]]), lambda a, b: float((a != b).sum())),
    "dictionaries": ([{"x": 1}, {"x": 4}, {"x": 2}], lambda a, b: float(abs(a["x"] - b["x"]))),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_any_objects_are_points_of_a_function(kind):
    points, metric = OBJECTS[kind]
    D = np.array([[metric(a, b) for b in points] for a in points])
    problem = Problem(2, points=points, metric=metric)
    assert (problem.matrix() == D).all()
    assert solve(problem, solver="exact").objective == D.max()


def test_tables_of_numbers_are_rows_as_before():
    torch = pytest.importorskip("torch")
    for points in (np.eye(3), [[1, 2], [3, 4]], [(1.0,), (2.0,)], torch.eye(3), np.ones((2, 2), bool)):
        assert as_items(points) is None
    metric = Counted()
    assert (Problem(2, points=torch.eye(3), metric=metric).matrix() == 2 * (1 - np.eye(3))).all()
    with pytest.raises(InvalidProblemError, match="NaN or infinity in row 1"):
        Problem(2, points=[[0.0], [np.nan]], metric=metric)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_what_is_no_distance_is_named_with_its_points(wrong):
    with pytest.raises(InvalidProblemError, match=r"metric returned .* for the points 1 and 2"):
        Problem(2, points=["a", "b", "c"], metric=lambda x, y: wrong if (x, y) == ("b", "c") else 1.0).matrix()


def test_the_bound_is_finite_when_all_distances_are_known_or_the_function_is_a_metric():
    X = np.random.default_rng(2).permutation(999)[:60, None]
    known = solve(X, 5, metric=Counted())  # the default start compares all pairs
    assert known.upper_bound <= np.ptp(X)
    unknown = solve(X, 5, metric=Counted(), start="sweep")
    assert unknown.upper_bound == np.inf
    stated = Metric("steps", "callable", True, function=Counted())
    assert solve(X, 5, metric=stated, start="sweep").upper_bound <= 2 * known.upper_bound


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("brute_force", "random")])
def test_a_limit_in_seconds_is_kept_whatever_the_function_costs(name):
    X = np.random.default_rng(3).permutation(9999)[:600, None]
    solve(X[:100], 5, solver=name, metric=Counted(), stop=Stop(seconds=1))  # compiled by now
    metric = Counted(seconds=2e-4)
    result = solve(X, 5, solver=name, metric=metric, stop=Stop(seconds=0.5))
    assert sum(metric.calls.values()) <= 0.5 / 2e-4 + 200  # all pairs are 179,700
    assert result.objective > 0
    assert len(set(result.indices.tolist())) == 5


def test_a_limit_keeps_fixed_picks_and_excluded_points():
    X = np.random.default_rng(4).permutation(9999)[:300, None]
    for seconds in (0.0, 0.01, 0.2):
        problem = Problem(6, points=X, metric=Counted(seconds=2e-4), include=(7, 8), exclude=range(20, 280))
        result = solve(problem, solver="local_search", stop=Stop(seconds=seconds))
        assert {7, 8} <= set(result.indices.tolist()) <= set(problem.candidates.tolist())


def test_the_whole_matrix_in_too_little_time_is_refused():
    problem = Problem(2, points=np.arange(900.0)[:, None], metric=Counted(seconds=1e-4))
    with pytest.raises(TooLargeError, match="the distances of 900 points take longer"), problem.within(0.01):
        problem.matrix()
    assert problem.reduced_distances([0], [1])[0, 0] == 1


def test_distances_of_a_matrix_have_no_metric_and_precomputed_is_one():
    D = word_distances()
    with pytest.raises(InvalidProblemError, match="metric = 'cosine' is a distance of points, but distances are given"):
        Problem(3, distances=D, metric="cosine")
    best = solve(Problem(3, distances=D), solver="exact").objective
    assert solve(D, 3, solver="exact", metric="precomputed").objective == best
    assert Problem(3, points=D, metric="precomputed").points is None
    assert best == max(naive.objective(D, chosen) for chosen in itertools.combinations(range(len(D)), 3))
