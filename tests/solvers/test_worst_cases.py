"""Bounds and factors on inputs where a slip shows: found by searching, as most random inputs have room to spare."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdp import METRICS, Clock, InvalidOptionError, InvalidProblemError, Problem, Status, Stop
from mmdp.bounds import farthest_first_bound
from mmdp.metrics import PRECOMPUTED
from solvers import coreset, fair, load, make, solve
from solvers._exact import cell_proof
from solvers._exact.cell_proof import CellProof
from solvers._exact.matrix_proof import MatrixProof
from solvers.streaming import Doubling
from tests import naive


def column(*numbers):
    return np.array(numbers, dtype=float)[:, None]


def best(points, k, metric="euclidean", **fixed):
    return naive.optimum(naive.matrix(metric, points), k, **fixed)


@st.composite
def scattered(draw, most=10):
    """Few points on a line at several scales, in any order: pairs, clusters and far points."""
    places = st.tuples(st.integers(-3, 3), st.sampled_from([1.0, 3.9, 10.0, 100.0]), st.integers(-2, 2))
    drawn = draw(st.lists(places, min_size=4, max_size=most))
    return column(*(a * scale + b for a, scale, b in drawn))


# streaming


def streamed(points, k, sizes=(1,)):
    problem = Problem(k, points=points)
    stream, start = Doubling(k, problem.geometry, problem.reduced_distances), 0
    size = itertools.cycle(sizes)
    while start < len(points):
        block = np.arange(start, min(start + next(size), len(points)))
        stream.add(block)
        start += len(block)
    return stream


def test_streaming_bounds_by_two_doublings():
    points = column(0, 2, 100, 102, 7.9, 11.8, 104, 1000, -7.9)
    assert best(points, 4) == pytest.approx(19.7)
    assert streamed(points, 4).upper_bound() >= best(points, 4)
    assert solve(points, 4, solver="streaming").upper_bound >= best(points, 4)


@settings(max_examples=400)
@given(points=scattered(), k=st.integers(2, 4), size=st.integers(1, 5))
def test_streaming_keeps_what_it_says_of_its_centres(points, k, size):
    stream = streamed(points, k)
    D = np.abs(points - points.T)
    tau = np.sqrt(stream.threshold)
    assert len(stream.centres) < k
    assert all(D[a, b] >= tau * (1 - 1e-12) for a, b in itertools.combinations(stream.centres, 2))
    assert (D[stream.centres].min(axis=0) <= 2 * tau * (1 + 1e-12)).all()
    assert stream.upper_bound() == pytest.approx(4 * tau)
    assert stream.upper_bound() >= best(points, k)
    if len(stream.solution):
        assert len(set(stream.solution.tolist())) == k
        assert naive.objective(D, stream.solution) * 2 >= tau * (1 - 1e-12)
        assert naive.objective(D, stream.solution) * 8 >= best(points, k)
    else:
        assert stream.threshold == 0
    assert len(stream.kept()) < 3 * k
    if len(stream.solution):
        returned = solve(points, k, solver="streaming").objective
        assert returned >= naive.objective(D, stream.solution) * (1 - 1e-12)
    in_blocks = streamed(points, k, (size, 3))
    assert in_blocks.kept().tolist() == stream.kept().tolist()
    assert in_blocks.threshold == stream.threshold


def test_streaming_takes_thousands_at_a_time():
    points = np.random.default_rng(0).random((5000, 2))
    points[3000:] += 10  # so that a later part of a batch changes what is kept
    one, all_at_once = streamed(points, 6), streamed(points, 6, (5000,))
    assert one.kept().tolist() == all_at_once.kept().tolist()
    assert one.threshold == all_at_once.threshold > 0


def test_a_point_at_the_threshold_becomes_a_centre():
    assert streamed(column(0, 1), 2).threshold == 4  # reduced: squared
    assert streamed(column(0, 1, 2), 2).threshold == 16
    assert streamed(column(0, 1, 1.9), 2).threshold == 4


@pytest.mark.parametrize("k", [1, 0, 10, 2.5])
def test_streaming_over_a_file_refuses_what_is_no_k(k, tmp_path):
    np.save(tmp_path / "points.npy", np.arange(18.0).reshape(9, 2))
    with pytest.raises(InvalidProblemError, match="k "):
        solve(str(tmp_path / "points.npy"), k, solver="streaming")


FACTORS = {"euclidean": 1, "manhattan": 1, "angular": 1, "haversine": 1, "sqeuclidean": 2, "cosine": 2, "euc_2d": None}


@pytest.mark.parametrize("metric", FACTORS)
def test_the_factor_of_streaming_is_eight(metric):
    points = np.random.default_rng(1).uniform(1, 60, (30, 2))
    stated = solve(points, 4, solver="streaming", metric=metric).notes["approximation_factor"]
    assert stated == (np.inf if FACTORS[metric] is None else 8 ** FACTORS[metric])
    fixed = Problem(4, points=points, metric=metric, include=[3])
    assert solve(fixed, solver="streaming").notes["approximation_factor"] == np.inf


# coreset


def solved_union(objective, upper_bound):
    """A result as the inner solver hands it over."""
    return replace(solve(column(0, 1), 2), objective=objective, upper_bound=upper_bound)


@pytest.mark.parametrize(
    ("metric", "inner", "reach", "factor"),
    [
        ("euclidean", (2.0, 2.0, "exact"), 100.0, 3.0),  # a proven union: three
        ("euclidean", (2.0, 3.0, "exact"), 100.0, 4.5),  # of which two thirds are known
        ("euclidean", (2.0, 100.0, "greedy"), 100.0, 6.0),  # greedy's own two
        ("euclidean", (2.0, 3.0, "greedy"), 100.0, 4.5),
        ("euclidean", (2.0, 100.0, "local_search"), 1000.0, 150.0),
        ("euclidean", (2.0, 2.0, "exact"), 1.0, 1.5),  # no point is far from the union: 1 + reach / objective
        ("euclidean", (2.0, 100.0, "greedy"), 1.0, 2.5),
        ("euclidean", (2.0, 2.0, "exact"), 4.0, 3.0),
        ("sqeuclidean", (2.0, 2.0, "exact"), 1000.0, 9.0),
        ("sqeuclidean", (2.0, 100.0, "greedy"), 1000.0, 36.0),
        ("sqeuclidean", (4.0, 4.0, "exact"), 1.0, 2.25),  # (1 + sqrt(1 / 4)) squared
        ("euclidean", (0.0, 0.0, "greedy"), 1.0, 6.0),
        ("euclidean", (0.0, 0.0, "exact"), 1.0, 6.0),
        ("euclidean", (0.0, 5.0, "exact"), 1.0, np.inf),  # a search that was stopped, at an answer of any quality
        ("euc_2d", (2.0, 2.0, "exact"), 1.0, np.inf),
    ],
)
def test_the_factor_of_a_coreset(metric, inner, reach, factor):
    *values, solver = inner
    proven = make(solver).approximation_factor
    found = coreset.approximation_factor(METRICS[metric], solved_union(*values), proven, reach)
    assert found == pytest.approx(factor)


def test_a_coreset_states_its_factor():
    points = np.random.default_rng(1).random((60, 2))
    assert solve(points, 4, solver="coreset", inner="exact").notes["approximation_factor"] <= 3
    assert solve(Problem(4, points=points, include=[5]), solver="coreset").notes["approximation_factor"] == np.inf
    assert solve(points, 4, solver="coreset", metric="euc_2d").notes["approximation_factor"] == np.inf
    assert coreset.approximation_factor(PRECOMPUTED, solved_union(1.0, 1.0), np.inf, 0.0) == np.inf


@pytest.fixture
def at_once():
    config = pytest.importorskip("dask.config")
    pytest.importorskip("distributed")
    with config.set(scheduler="synchronous"):
        yield


def on_dask(points, k, rows, shape=None, **options):
    da = pytest.importorskip("dask.array")
    if shape:
        points = points.reshape(shape)
        return solve(da.from_array(points, chunks=rows), k, solver="coreset", **options)
    return solve(da.from_array(points, chunks=(rows, points.shape[1])), k, solver="coreset", **options)


@pytest.mark.usefixtures("at_once")
def test_a_coreset_on_dask_bounds_by_one_centre_fewer_than_picks():
    points = np.array([[6, 6], [9, 5], [9, 1], [6, 4], [0, 7], [5, 0], [3, 10]], dtype=float)
    assert on_dask(points, 2, 4).upper_bound >= best(points, 2)


@settings(max_examples=60)
@given(
    points=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=4, max_size=9, unique=True),
    k=st.integers(2, 4),
    rows=st.integers(1, 5),
    size=st.sampled_from([None, 2, 5]),
    inner=st.sampled_from(["greedy", "brute_force"]),
)
def test_a_coreset_on_dask_keeps_bound_and_factor(points, k, rows, size, inner):
    config = pytest.importorskip("dask.config")
    points = np.array(points, dtype=float)
    with config.set(scheduler="synchronous"):
        result = on_dask(points, k, rows, size=size, inner=inner)
    optimum = best(points, k)
    assert result.objective == pytest.approx(naive.objective(naive.matrix("euclidean", points), result.indices))
    assert result.upper_bound >= optimum - 1e-9
    assert result.objective * result.notes["approximation_factor"] >= optimum - 1e-9
    assert result.upper_bound <= 2 * farthest_first_bound(Problem(k, points=points)) + 1e-9
    assert result.notes["partitions"] == -(-len(points) // rows)
    a, b = result.critical_pair
    assert a < b
    assert np.linalg.norm(points[a] - points[b]) == pytest.approx(result.objective)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("size", [None, 4, 6])
def test_partitions_as_large_as_what_is_kept_of_them_lose_nothing(size):
    points = np.random.default_rng(0).random((12, 2))
    rows = max(4, size or 0)
    for result in (
        on_dask(points, 4, rows, size=size),
        solve(points, 4, solver="coreset", partitions=12 // rows, size=size),
    ):
        assert result.notes["union"] == 12
        assert result.notes["approximation_factor"] <= 2
    larger = np.random.default_rng(0).random((60, 2))
    for result in (on_dask(larger, 4, 20, size=size), solve(larger, 4, solver="coreset", partitions=3, size=size)):
        assert result.notes["union"] == 3 * rows


@pytest.mark.usefixtures("at_once")
def test_a_coreset_on_dask_is_optimal_if_its_bound_is_met():
    met = on_dask(column(0, 0, 0, 0, 0, 0), 2, 3)
    assert (met.status, met.upper_bound) == (Status.OPTIMAL, 0)
    open_gap = on_dask(np.random.default_rng(0).random((30, 2)), 4, 10)
    assert open_gap.status is Status.HEURISTIC
    assert open_gap.upper_bound > open_gap.objective


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_coreset_on_dask_bounds_by_what_it_measured(scale):
    points = np.random.default_rng(2).random((40, 2))
    assert on_dask(scale * points, 4, 10).upper_bound == pytest.approx(scale * on_dask(points, 4, 10).upper_bound)


@pytest.mark.usefixtures("at_once")
def test_what_a_coreset_on_dask_refuses():
    points = np.arange(12.0).reshape(6, 2)
    assert sorted(on_dask(points, 6, 3).indices.tolist()) == list(range(6))
    with pytest.raises(InvalidProblemError, match="k = 1 is out of range: choose at least 2"):
        on_dask(points, 1, 3)
    with pytest.raises(InvalidProblemError, match=r"k = 7 is out of range.*at most n = 6"):
        on_dask(points, 7, 3)
    with pytest.raises(InvalidProblemError, match=r"partition [01] holds <U"):
        on_dask(points.astype(str), 2, 3)
    with pytest.raises(InvalidOptionError, match="has no compiled distance form"):
        on_dask(points, 2, 3, metric=lambda x, y: abs(x - y).sum())
    with pytest.raises(InvalidProblemError, match=r"a table of two dimensions, not of shape \(6,\)"):
        on_dask(points[:, :1], 2, 3, shape=(6,))


def test_an_inner_solver_keeps_its_own_limits():
    points, given_stops = np.random.default_rng(0).random((60, 2)), []

    class Inner(load("greedy")):
        def solve(self, problem, stop=None, **others):
            given_stops.append(stop)
            return super().solve(problem, stop=stop, **others)

    for stop, expected in ((None, None), (Stop(), None), (Stop(iterations=7), Stop(iterations=7))):
        solve(points, 5, solver=load("coreset")(inner=Inner()), stop=stop)
        assert given_stops[-1] == expected  # before it, those of warming up
    result = solve(points, 5, solver="coreset", inner="local_search")
    assert result.objective >= solve(points, 5, solver="coreset").objective
    with pytest.raises(InvalidOptionError, match="size = 0"):
        load("coreset")(size=0)
    with pytest.raises(InvalidOptionError, match="partitions = 0"):
        load("coreset")(partitions=0)


# fair


@pytest.mark.parametrize("epsilon", [0, -0.1, 1.1])
def test_an_epsilon_out_of_range_is_named(epsilon):
    with pytest.raises(InvalidOptionError, match="give a number above 0, at most 1"):
        load("fair")(epsilon=epsilon)
    assert load("fair")(epsilon=1).epsilon == 1


@settings(max_examples=100)
@given(points=scattered(), k=st.integers(2, 4))
def test_fair_without_counts_begins_as_farthest_first(points, k):
    problem = Problem(k, points=points, exclude=[1] if len(points) > k else [])
    D = np.abs(points - points.T)
    D[1 if len(points) > k else [], :] = D[:, 1 if len(points) > k else []] = -1.0
    first = int(D[0].argmax())
    picks = fair.within_counts(problem, fair.one_group(problem))
    assert naive.objective(D, picks) == naive.objective(D, naive.farthest_first(D, k, [first]))
    assert picks[0] == first


def test_fair_bounds_by_the_last_guess_without_a_flow():
    points = column(0, -1, 1, 10, 9, 11)
    assert best(points, 3) == 2.0
    assert solve(points, 3, solver="fair").upper_bound >= 2.0


@settings(max_examples=300)
@given(points=scattered(most=8), k=st.integers(2, 4), epsilon=st.sampled_from([0.01, 0.3, 1.0]))
def test_a_guess_of_fair_is_never_refuted_at_the_optimum(points, k, epsilon):
    problem = Problem(k, points=points)
    limits, clock = fair.one_group(problem), Clock(Stop())
    bound, finished = fair._guess(problem, limits, 1.0, clock, epsilon)
    optimum = best(points, k)
    assert finished
    assert bound >= optimum * (1 - 1e-6)
    assert bound <= farthest_first_bound(problem)
    if optimum > 0:  # one more guess below the bound has a flow, and reaches its part of it
        assert clock.objective * 2 * (1 + epsilon) * (1 + 1e-6) >= bound


# the searches for a bound


def lowered(search, problem):
    """The bound after one search for it from a poor incumbent, and the incumbent then."""
    clock = Clock(Stop())
    clock.report(range(problem.k), problem.objective(range(problem.k))[0], farthest_first_bound(problem))
    proof = search(problem, clock, lambda: None)
    proof._tighten_bound() if search is CellProof else proof._tighten_bound(np.inf, np.inf)
    return clock


@pytest.mark.parametrize("search", [CellProof, MatrixProof])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [2, 4])
def test_a_bound_that_k_points_reach_is_not_lowered(search, seed, k):
    problem = Problem(k, points=np.random.default_rng(seed).random((60, 2)))
    optimum = solve(problem, solver="brute_force" if k == 2 else "ilp").objective
    clock = lowered(search, problem)
    assert clock.objective <= optimum * (1 + 1e-12)
    assert optimum <= clock.upper_bound * (1 + 1e-12)
    assert k == 2 or clock.upper_bound < farthest_first_bound(problem)
    if search is CellProof:
        assert clock.upper_bound - clock.objective <= 2 * cell_proof._CLOSE * clock.upper_bound


def test_the_search_for_a_bound_on_cells_counts_fixed_picks():
    points = np.random.default_rng(3).random((40, 2))
    for include in ([7], [7, 30]):
        problem = Problem(4, points=points, include=include)
        clock = Clock(Stop())
        start = [*include, *[i for i in range(4) if i not in include]][:4]
        clock.report(start, problem.objective(start)[0], farthest_first_bound(problem))
        CellProof(problem, clock, lambda: None)._tighten_bound()
        assert clock.upper_bound >= best(points, 4, include=include) * (1 - 1e-12)


# greedy


@pytest.mark.parametrize("start", ["farthest_pair", "isolated", "sweep"])
def test_greedy_never_takes_the_diagonal_for_a_distance(start):
    x = np.array([0.0, 1.0, 5.0, -4.0])
    problem = Problem(2, distances=np.abs(np.subtract.outer(x, x)))
    assert sorted(solve(problem, solver="greedy", start="farthest_pair").indices.tolist()) == [2, 3]
    result = solve(problem, solver="greedy", start=start)
    assert result.objective == np.abs(np.subtract(*x[result.indices]))
    assert result.objective > 0


@settings(max_examples=300)
@given(data=st.data())
def test_where_greedy_starts_on_a_matrix(data):
    n = data.draw(st.integers(4, 8))
    D = np.zeros((n, n))
    upper = np.triu_indices(n, 1)
    D[upper] = data.draw(st.lists(st.integers(1, 20), min_size=len(upper[0]), max_size=len(upper[0])))
    D += D.T
    exclude = data.draw(st.lists(st.integers(0, n - 1), max_size=n - 3, unique=True))
    problem = Problem(2, distances=D, exclude=exclude)
    allowed = problem.candidates
    among = D[np.ix_(allowed, allowed)]
    pair = solve(problem, solver="greedy", start="farthest_pair")
    assert pair.objective == among.max()
    others = among + np.where(np.eye(len(among)), np.inf, 0)
    most_isolated = int(allowed[others.min(axis=1).argmax()])
    assert solve(problem, solver="greedy", start="isolated").indices[0] == most_isolated
    assert solve(problem, solver="greedy", start="sweep").indices[0] == allowed[among[0].argmax()]


@pytest.mark.parametrize("solver", ["streaming", "coreset", "fair"])
def test_no_point_is_chosen_twice_where_all_are_equal(solver):
    assert len(set(solve(np.ones((9, 2)), 4, solver=solver).indices.tolist())) == 4


@pytest.mark.parametrize("start", ["farthest_pair", "isolated", "sweep", "random", 2])
def test_greedy_takes_no_point_twice_where_all_are_equal(start):
    for problem in (Problem(3, distances=np.zeros((5, 5))), Problem(3, points=np.ones((5, 2)))):
        assert len(set(solve(problem, solver="greedy", start=start).indices.tolist())) == 3


@settings(max_examples=100)
@given(points=scattered(), k=st.integers(2, 3), groups=st.integers(1, 3), apart=st.sampled_from([0.5, 2.0, 4.0, 20.0]))
def test_clusters_of_fair_are_what_they_say(points, k, groups, apart):
    labels = np.arange(len(points)) % groups
    problem = Problem(k, points=points, groups=labels, counts=dict.fromkeys(range(groups), (0, k)))
    clusters = fair._clusters(problem, problem.group_counts, apart)
    D = np.abs(points - points.T)
    for cluster in clusters:
        assert len(set(labels[cluster])) == len(cluster)
        for place, point in enumerate(cluster[1:], 1):
            assert D[point, cluster[:place]].min() < apart
    for one, other in itertools.combinations(clusters, 2):
        assert D[np.ix_(one, other)].min() >= apart
    spread = np.bincount(labels[np.concatenate(clusters)], minlength=groups)
    assert (spread <= k).all()
    for point in set(range(len(points))) - set(np.concatenate(clusters).tolist()):
        near = any(D[point, cluster].min() < apart for cluster in clusters)
        assert near or spread[labels[point]] == k


@pytest.mark.parametrize("name", ["coreset", "fair", "streaming"])
def test_the_only_solution_is_within_a_factor_of_one(name):
    assert solve([[0.0], [1.0], [5.0]], 3, solver=name).notes["approximation_factor"] == 1.0
