"""Names that other libraries have for distances, each against scipy; what a metric can reach bounds the bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

import solvers
from mmdp import METRICS, InvalidProblemError, Problem, Stop
from mmdp.bounds import upper_bound
from mmdp.metrics import ALIASES, resolve
from solvers import solve
from tests import naive

REALS = {  # our name: that of scipy
    "l1": "cityblock",
    "cityblock": "cityblock",
    "taxicab": "cityblock",
    "manhattan": "cityblock",
    "l2": "euclidean",
    "linf": "chebyshev",
    "chebyshev": "chebyshev",
    "matching": "hamming",
    "correlation": "correlation",
    "canberra": "canberra",
}
SETS = {
    "tanimoto": "jaccard",
    "jaccard": "jaccard",
    "dice": "dice",
    "sokalsneath": "sokalsneath",
    "rogerstanimoto": "rogerstanimoto",
}
AMOUNTS = {"braycurtis": "braycurtis"}
NAMES = [info.name for info in solvers.available() if not info.missing]


def sample(name, rng, n=12, d=5):
    if name in SETS:
        return rng.integers(0, 2, (n, d)).astype(bool)
    X = rng.integers(0, 4, (n, d)) + rng.random((n, d)) * rng.integers(0, 2, (n, 1))
    return X if name in AMOUNTS else X - 1.3


@pytest.mark.parametrize("name", REALS | SETS | AMOUNTS)
@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_each_name_is_the_distance_that_scipy_means(name, seed):
    X = sample(name, np.random.default_rng(seed))
    X[0] = 1 if name in SETS else np.arange(5)
    X = X[X.any(axis=1)]  # scipy leaves the distance of two empty sets open
    if name == "correlation":
        X = X[np.ptp(X, axis=1) > 0]
    expected = cdist(X, X, (REALS | SETS | AMOUNTS)[name])
    assert Problem(2, points=X, metric=name).matrix() == pytest.approx(expected, abs=1e-9)
    torch = pytest.importorskip("torch")
    assert Problem(2, points=torch.tensor(X), metric=name).matrix() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["dice", "sokalsneath", "rogerstanimoto", "correlation", "canberra", "braycurtis"])
@pytest.mark.parametrize("solver", NAMES)
def test_every_solver_takes_them(solver, name):
    X = sample(name, np.random.default_rng(1), n=11, d=7)
    result = solve(X, 4, solver=solver, metric=name, stop=Stop(iterations=200))
    D = cdist(X, X, name)
    assert result.objective == pytest.approx(naive.objective(D, result.indices))
    assert naive.optimum(D, 4) <= result.upper_bound * (1 + 1e-9) + 1e-9
    if result.is_optimal:
        assert result.objective == pytest.approx(naive.optimum(D, 4))


@pytest.mark.parametrize("name", ["dice", "sokalsneath", "rogerstanimoto", "correlation", "canberra"])
def test_a_file_gives_the_same_rows(name, tmp_path):
    X = sample(name, np.random.default_rng(2), n=5000, d=9)
    np.save(tmp_path / "x.npy", X)
    here = solve(X, 8, metric=name, start="sweep")
    assert solve(tmp_path / "x.npy", 8, metric=name).indices.tolist() == here.indices.tolist()


def test_aliases_are_names_of_metrics_and_of_nothing_else():
    assert set(ALIASES.values()) <= set(METRICS)
    assert not set(ALIASES) & set(METRICS)
    assert resolve("l1") is METRICS["manhattan"]


def test_equal_rows_are_at_distance_zero_and_empty_ones_too():
    rng = np.random.default_rng(3)
    for name in ("dice", "canberra", "braycurtis", "correlation"):
        X = np.repeat(sample(name, rng, n=2), 3, axis=0)
        assert solve(X, 3, metric=name).objective == 0
    for name in ("dice", "jaccard", "braycurtis", "canberra"):
        X = np.zeros((3, 4), dtype=np.int64)
        X[2] = 1
        assert Problem(2, points=X, metric=name).matrix()[:2, :2].max() == 0


@pytest.mark.parametrize(
    ("name", "X", "message"),
    [
        ("correlation", [[1.0, 2.0], [0.1, 0.1]], "row 1: all coordinates are equal"),
        ("correlation", [[1e9 + 0.1] * 3, [1, 2, 3]], "row 0: all coordinates are equal"),
        ("dice", [[1, 2], [0, 1]], r"rows of 0 and 1.*np.unpackbits"),
        ("braycurtis", [[1.0, -2.0], [0, 1]], "not negative"),
    ],
)
def test_what_a_metric_cannot_compare_is_named(name, X, message):
    with pytest.raises(InvalidProblemError, match=message):
        Problem(2, points=X, metric=name)


@pytest.mark.parametrize("name", ["jaccard", "dice", "hamming", "cosine", "angular", "correlation", "haversine"])
def test_no_bound_is_beyond_what_the_metric_can_reach(name, tmp_path):
    rng = np.random.default_rng(4)
    X = rng.integers(0, 2, (5000, 40)) if name in ("jaccard", "dice", "hamming") else rng.normal(size=(5000, 2))
    X[:, 0] += 1 if name == "correlation" else 0
    X[~X.any(axis=1), 0] = 1
    reach = {"cosine": 2.0, "correlation": 2.0, "angular": np.pi, "haversine": np.pi * 6371.0088}.get(name, 1.0)
    np.save(tmp_path / "x.npy", X)
    for solver in ("greedy", "streaming", "coreset", "random"):
        for points in (X, tmp_path / "x.npy"):
            result = solve(points, 3, solver=solver, metric=name)
            assert result.objective <= result.upper_bound <= max(reach, result.objective)
    assert upper_bound(Problem(3, points=X[:200], metric=name)) <= reach
