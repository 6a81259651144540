"""Every objective against its definition, every method against all subsets, and bounds that hold."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import objectives
from mmdp import InvalidOptionError, InvalidProblemError, Problem, SolverContractError, Status, Stop, UnknownNameError
from objectives import measures, models
from objectives.solution import Answer, graded
from tests import naive


def cases(count, seed=0):
    """Small problems in several metrics, with ties and duplicates of whole coordinates, and weights of all kinds."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        n, d = int(rng.integers(2, 9)), int(rng.integers(1, 4))
        k = int(rng.integers(1, n + 1))
        points = rng.integers(-2, 3, (n, d)).astype(float) if number % 2 else rng.normal(size=(n, d))
        metric = ("euclidean", "sqeuclidean", "manhattan", "cosine")[number // 2 % 4]
        if metric == "cosine":
            points[~points.any(axis=1)] = 1.0
        weights = (None, rng.uniform(0.1, 3, n), rng.integers(0, 3, n) + np.eye(n)[0])[number % 3]
        yield points, k, metric, weights


def radius(D, chosen, w):
    return max(w[i] * min(D[i][j] for j in chosen) for i in range(len(D)))


def coverage(D, chosen, w, reach):
    return sum(w[i] * max(reach - D[i][j] for j in chosen) for i in range(len(D))) / sum(w)


def agree(points, k, metric, weights):
    """Solve one small problem with every method, and compare with all subsets."""
    D = naive.matrix(metric, points)
    w = np.ones(len(points)) if weights is None else weights
    subsets = list(itertools.combinations(range(len(points)), k))
    given = {"metric": metric, "weights": weights}
    smallest = min(radius(D, chosen, w) for chosen in subsets)
    reach = 2.0 if metric == "cosine" else D.max()
    largest = max(coverage(D, chosen, w, reach) for chosen in subsets)
    for method in objectives.METHODS:
        centres = objectives.solve(points, k, "k_centre", method=method, **given)
        assert centres.objective == pytest.approx(radius(D, centres.indices, w), abs=1e-9)
        assert centres.bound <= smallest + 1e-9 <= centres.objective + 2e-9
        covering = objectives.solve(points, k, "facility_location", method=method, **given)
        assert covering.objective == pytest.approx(coverage(D, covering.indices, w, reach), abs=1e-9)
        assert covering.bound >= largest - 1e-9 >= covering.objective - 2e-9
        if method == "exact":
            assert centres.is_optimal
            assert centres.objective == centres.bound == pytest.approx(smallest, abs=1e-9)
            assert covering.is_optimal
            assert covering.objective == covering.bound == pytest.approx(largest, abs=1e-9)
        if method == "greedy":
            assert covering.objective >= (1 - 1 / math.e) * largest - 1e-9
            if weights is None and metric in ("euclidean", "manhattan"):
                assert centres.objective <= 2 * smallest + 1e-9


def test_methods_equal_all_subsets():
    pytest.importorskip("ortools")
    for case in cases(120):
        agree(*case)


def test_a_gap_that_is_small_beside_the_reach_is_a_gap():
    points = np.random.default_rng(0).random((12, 2))
    near = np.ones((12, 3)) + 1e-6 * np.random.default_rng(1).random((12, 3))  # cosine distances of 1e-12
    for X, metric, reach in ((points, "euclidean", 1e10), (near, "cosine", None)):
        D = Problem(2, points=X, metric=metric).matrix()
        least = min(D[:, chosen].min(axis=1).sum() for chosen in map(list, itertools.combinations(range(12), 4)))
        costs = {}
        for method in objectives.METHODS:
            found = objectives.solve(X, 4, method=method, metric=metric, reach=reach)
            costs[method] = D[:, found.indices].min(axis=1).sum()
            lost = 12 * 4e-15 * found.objective  # digits that similarities of this size do not have
            assert not found.is_optimal or costs[method] <= least * (1 + 1e-9) + lost
        assert costs["greedy"] > least * (1 + 1e-3)


def test_half_a_distance_is_not_rounded_up_beyond_a_radius():
    middle, away = np.array([9.2, 5.7, 7.3]), np.array([5.3, 5.3, 7.6])
    points = np.array([middle, middle - away, middle + away, middle + 30 * away])
    best = objectives.solve(points, 2, "k_centre", metric="manhattan", method="exact")
    assert best.is_optimal
    assert best.objective == pytest.approx(18.2)
    assert objectives.solve(points, 2, "k_centre", metric="manhattan").bound <= best.objective


@pytest.mark.slow
def test_methods_equal_all_subsets_of_two_thousand_problems():
    pytest.importorskip("ortools")
    for case in cases(2000, seed=1):
        agree(*case)


def test_a_local_search_is_at_least_as_good_as_its_greedy_and_no_swap_helps():
    rng = np.random.default_rng(4)
    for _ in range(20):
        points, k = rng.normal(size=(30, 3)), int(rng.integers(1, 6))
        D = naive.matrix("euclidean", points)
        for name, better in (("k_centre", min), ("facility_location", max)):
            start, found = (objectives.solve(points, k, name, method=method) for method in ("greedy", "local_search"))
            assert better(start.objective, found.objective) == found.objective
            value = {"k_centre": radius, "facility_location": lambda D, S, w: coverage(D, S, w, D.max())}[name]
            w = np.ones(30)
            for out, into in itertools.product(range(k), range(30)):
                swapped = [*np.delete(found.indices, out), into]
                if len(set(swapped)) == k:
                    assert better(value(D, swapped, w), found.objective) == pytest.approx(found.objective, abs=1e-9)


MATRICES = st.integers(2, 7).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(1, n), st.integers(0, 2**20), st.booleans())
)


@given(MATRICES)
@settings(max_examples=60)
def test_measures_equal_their_definitions(case):
    n, k, seed, weighted = case
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 3))
    D, S = naive.matrix("euclidean", points), points @ points.T
    chosen = rng.permutation(n)[:k]
    w = rng.uniform(0, 2, n) if weighted else np.ones(n)
    given_weights = w if weighted else None
    pairs = [math.sqrt(w[i] * w[j]) * D[i, j] for i, j in itertools.combinations(chosen, 2)]
    assert measures.dispersion(D, chosen, given_weights) == pytest.approx(min(pairs, default=math.inf))
    assert measures.sum_of_distances(D, chosen, given_weights) == pytest.approx(sum(pairs))
    assert measures.coverage_radius(D, chosen, given_weights) == pytest.approx(radius(D, chosen, w))
    expected = sum(w[i] * max(S[i, j] for j in chosen) for i in range(n)) / sum(w)
    assert measures.mean_similarity(S, chosen, given_weights) == pytest.approx(expected)
    L = np.array([[w[i] * S[i, j] * w[j] for j in chosen] for i in chosen])
    if k <= 3 and np.linalg.det(L) > 1e-9:
        assert measures.log_determinant(S, chosen, given_weights) == pytest.approx(math.log(np.linalg.det(L)), abs=1e-6)


def test_dependent_rows_have_no_volume():
    assert measures.log_determinant(np.ones((3, 3)), [0, 1]) == -math.inf


def test_a_stopped_proof_keeps_a_bound():
    pytest.importorskip("ortools")
    points = np.random.default_rng(0).normal(size=(60, 4))
    for name in objectives.OBJECTIVES:
        whole = objectives.solve(points, 6, name, method="exact")
        stopped = objectives.solve(points, 6, name, method="exact", stop=Stop(seconds=0.0))
        assert whole.is_optimal
        assert stopped.status in (Status.STOPPED, Status.OPTIMAL)
        sign = 1 if whole.sense == "max" else -1
        assert sign * stopped.objective <= sign * whole.objective <= sign * stopped.bound


def test_a_cover_that_takes_too_long_is_undecided():
    pytest.importorskip("ortools")
    within = np.random.default_rng(0).random((400, 400)) < 0.015
    assert models.smallest_cover(within, 100, 1e-3) is None


def test_no_method_grades_itself():
    measure = lambda chosen: float(len(chosen))  # noqa: E731
    for indices, bound in (([0, 0], 5.0), ([0, 7], 5.0), ([0], 5.0), ([0, 1], 1.0), ([0, 1], math.nan)):
        with pytest.raises(SolverContractError):
            graded(Answer(indices, bound, Status.OPTIMAL), measure, 1.0, "max", "x", "y", n=3, k=2, runtime=0.0)
    claimed = graded(Answer([0, 1], 3.0, Status.OPTIMAL), measure, 1.0, "max", "x", "y", n=3, k=2, runtime=0.0)
    assert claimed.status is Status.STOPPED
    assert claimed.gap == pytest.approx(1 / 3)


BAD = {
    "objective": (lambda: objectives.solve([[0], [1]], 1, "k_center"), UnknownNameError, "k_centre"),
    "method": (lambda: objectives.solve([[0], [1]], 1, method="fast"), UnknownNameError, "local_search"),
    "metric": (lambda: objectives.solve([[0], [1]], 1, metric="l3"), UnknownNameError, "euclidean"),
    "k": (lambda: objectives.solve([[0], [1]], 3), InvalidProblemError, "from 1 to all 2"),
    "zero": (lambda: objectives.solve([[0], [1]], 0), InvalidProblemError, "from 1"),
    "truth": (lambda: objectives.solve([[0], [1]], True), InvalidProblemError, "whole number"),
    "points": (lambda: objectives.solve([[0], [math.nan]], 1), InvalidProblemError, "row 1"),
    "weights": (lambda: objectives.solve([[0], [1]], 1, weights=[1]), InvalidProblemError, r"\(2,\)"),
    "negative": (lambda: objectives.solve([[0], [1]], 1, weights=[1, -1]), InvalidProblemError, r"weights\[1\]"),
    "nothing": (lambda: objectives.solve([[0], [1]], 1, weights=[0, 0]), InvalidProblemError, "all zero"),
    "reach": (lambda: objectives.solve([[0], [1]], 1, reach=0.5), InvalidOptionError, "largest distance, 1.0"),
    "radius": (lambda: objectives.solve([[0], [1]], 1, "k_centre", reach=2), InvalidOptionError, "no similarities"),
    "stop": (lambda: objectives.solve([[0], [1]], 1, stop=5), InvalidOptionError, r"Stop\(seconds=5\)"),
    "limit": (lambda: objectives.solve([[0], [1]], 1, stop=Stop(gap=0.1)), InvalidOptionError, "only seconds"),
    "chosen": (lambda: measures.dispersion(np.eye(3), [0, 3]), InvalidProblemError, "from 0 to 2"),
    "twice": (lambda: measures.dispersion(np.eye(3), [1, 1]), InvalidProblemError, "different"),
    "none": (lambda: measures.dispersion(np.eye(3), []), InvalidProblemError, "at least one"),
    "matrix": (lambda: measures.dispersion(np.ones((2, 3)), [0]), InvalidProblemError, r"\(2, 3\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_what_is_wrong(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


def test_without_ortools_the_install_command_is_named():
    code = (
        "import sys; sys.modules['ortools'] = None; import objectives; "
        "objectives.solve([[0.0], [1.0], [5.0]], 1); objectives.solve([[0.0], [1.0], [5.0]], 1, method='exact')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'mmdp[ilp]'" in done.stderr
