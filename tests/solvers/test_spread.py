"""The most points that are all a distance apart, against enumeration; bounds, limits, fixed picks and messages."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from mmdp import DataFileError, InvalidProblemError, Problem, Status, Stop
from solvers import rank, spread
from solvers.__main__ import application
from solvers._farthest_first import accelerated
from solvers._spread import spread as spread_module
from solvers._spread.clique_constraints import edge_clique_cover, fractional_bound, largest_independent
from solvers._spread.conflict_graph import closest_distance, conflict_graph
from solvers._spread.independent_set import BEST, SIZE, advance, clique_cover, new_search
from tests.solvers.interrupting import last_line
from tests.strategies import cases


def apart(D, chosen, distance):
    return all(D[i, j] >= distance for i, j in itertools.combinations(chosen, 2))


def most(D, distance, include=(), exclude=()):
    """The largest size of a subset, by enumeration; 0 if the included points are too close."""
    if not apart(D, include, distance):
        return 0
    free = [i for i in range(len(D)) if i not in exclude and i not in include]
    free = [i for i in free if all(D[i, j] >= distance for j in include)]
    largest, stack = 0, [(0, free)]
    while stack:
        size, left = stack.pop()
        largest = max(largest, size)
        if left and size + len(left) > largest:
            first, *rest = left
            stack.append((size, rest))
            stack.append((size + 1, [i for i in rest if D[first, i] >= distance]))
    return largest + len(include)


@st.composite
def spread_cases(draw):
    case = draw(cases(max_n=11))
    D = case.problem.matrix()
    distances = sorted({d for d in D.ravel().tolist() if d > 0}) or [1.0]
    distance = draw(st.sampled_from(distances)) * draw(st.sampled_from((1.0, 1.0, 0.9, 1.1)))
    return case.problem, D, distance


def arguments(problem):
    if problem.distances is not None:
        return problem.distances, "precomputed"
    return problem.points, problem.geometry.name


STOPS = st.sampled_from((Stop(), Stop(), Stop(iterations=1), Stop(seconds=0)))


@settings(max_examples=200)
@given(asked=spread_cases(), stop=STOPS)
def test_the_size_is_that_of_enumeration_and_the_bound_holds(asked, stop):
    check(asked, stop)


@pytest.mark.slow
@settings(max_examples=2000)
@given(asked=spread_cases(), stop=STOPS)
def test_the_size_is_that_of_enumeration_in_many_cases(asked, stop):
    check(asked, stop)


def check(asked, stop):
    """Compare one case with enumeration."""
    problem, D, distance = asked
    points, metric = arguments(problem)
    fixed = {"include": problem.include, "exclude": problem.exclude}
    largest = most(D, distance, **fixed)
    if largest == 0:
        with pytest.raises(InvalidProblemError, match="include: points"):
            spread(points, distance, metric=metric, **fixed)
        return
    found = spread(points, distance, metric=metric, stop=stop, **fixed)
    chosen = found.indices.tolist()
    assert set(problem.include) <= set(chosen)
    assert not set(problem.exclude) & set(chosen)
    assert apart(D, chosen, distance)
    assert found.size <= largest <= found.upper_bound
    if stop == Stop():
        assert found.size == found.upper_bound == largest
        assert found.is_optimal


def test_greedy_alone_is_not_the_most_and_the_proof_is():
    X = np.random.default_rng(0).random((300, 2))
    first, best = spread(X, 0.15, stop=Stop(seconds=0)), spread(X, 0.15, stop=Stop())
    assert first.size < best.size == best.upper_bound == 41
    assert first.upper_bound >= 41
    assert not first.is_optimal
    assert best.objective >= 0.15
    assert "41 of 300 points at least 0.15 apart" in best.summary()
    assert "gap at most" in first.summary()


@pytest.mark.parametrize("d", [2, 12])
@pytest.mark.parametrize("fixed", [{}, {"include": (5, 17), "exclude": (0, 3)}])
def test_the_first_answer_among_many_points_is_the_farthest_first_order(monkeypatch, d, fixed):
    monkeypatch.setattr(accelerated, "MANY_COORDINATES", 10_000)
    monkeypatch.setattr(spread_module, "_AT_LEAST", np.inf)
    X = np.random.default_rng(d).random((4000, d))
    X = np.concatenate([X, X[:2000] + 1e-9])
    assert accelerated.applies(Problem(2, points=X))
    for distance in (0.02, 0.06, 0.2):
        first = spread(X, distance, stop=Stop(seconds=0), **fixed)
        with monkeypatch.context() as plain:
            plain.setattr(accelerated, "applies", lambda problem: False)
            assert first.indices.tolist() == spread(X, distance, stop=Stop(seconds=0), **fixed).indices.tolist()


@pytest.mark.parametrize("n", [300, 7000])
def test_a_first_answer_that_takes_too_long_is_cut(monkeypatch, n):
    monkeypatch.setattr(accelerated, "MANY_COORDINATES", 10_000)
    monkeypatch.setattr(spread_module, "_AT_LEAST", 0.0)
    X = np.random.default_rng(0).random((n, 2))
    found = spread(X, 1e-6, stop=Stop(seconds=0))
    assert 1 <= found.size < n == found.upper_bound
    assert found.status is Status.STOPPED
    assert found.objective >= 1e-6


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_the_closest_pair_of_many_points(metric):
    points = np.random.default_rng(1).integers(0, 10**6, (5000, 2)).astype(float)
    problem, chosen = Problem(2, points=points, metric=metric), np.arange(0, 5000)
    assert closest_distance(problem, chosen) == problem.objective(chosen)[0]


@pytest.mark.slow
def test_a_limit_keeps_the_incumbent_and_its_bound():
    X = np.random.default_rng(0).random((1000, 2))
    found = spread(X, 0.1, stop=Stop(seconds=6))
    assert 85 < found.size <= found.upper_bound < 110  # of 92 or more, at most 95
    assert found.status is Status.STOPPED


def test_an_interrupt_keeps_the_incumbent():
    program = """
        from mmdp import Stop
        X = np.random.default_rng(0).random((3000, 2))
        solvers.spread(X[:50], 0.1)  # compiled by now
        print("begins", flush=True)
        found = solvers.spread(X, 0.06, stop=Stop())
        print(found.status, found.size, found.upper_bound)
    """
    status, size, bound = last_line(program, "begins", seconds=2).split()
    assert status == Status.INTERRUPTED
    assert 0 < int(size) < int(bound)


def test_without_the_pairs_the_balls_give_a_bound(monkeypatch):
    X = np.random.default_rng(0).random((300, 2))
    assert spread(X, 0.15).upper_bound == 41  # with the pairs, which the warm-up needs
    monkeypatch.setattr("solvers._spread.spread.conflict_graph", lambda *_: None)
    for metric, exponent in (("euclidean", 1), ("sqeuclidean", 2), ("manhattan", 1)):
        found = spread(X, 0.15**exponent, metric=metric)
        assert found.size <= found.upper_bound < 300
        if metric != "manhattan":
            assert found.upper_bound >= 41
    no_triangle = spread(X, 0.15, metric=lambda x, y: float(np.abs(x - y).max()))
    assert no_triangle.upper_bound == 300


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_the_pairs_of_a_tree_are_those_of_all_rows(metric, monkeypatch):
    X = np.random.default_rng(1).integers(0, 30, (400, 2)).astype(float)  # ties at the threshold in plenty
    X += 0.1
    problem, everyone = Problem(2, points=X, metric=metric), np.arange(400)
    threshold = 9.0 if metric == "euclidean" else 3.0
    rows = conflict_graph(problem, everyone, threshold, lambda: False)
    monkeypatch.setattr("solvers._spread.conflict_graph._TREE_POINTS", 1)
    dense = conflict_graph(problem, everyone, 100 * threshold, lambda: False)
    assert len(dense.members) > 0.05 * 400**2  # so rows were compared
    assert np.array_equal(dense.dense(), problem.reduced_matrix() + 1e9 * np.eye(400) < 100 * threshold)
    monkeypatch.setattr("solvers._spread.conflict_graph._from_rows", None)
    assert conflict_graph(problem, everyone, threshold, lambda: True) is None
    tree = conflict_graph(problem, everyone, threshold, lambda: False)
    assert len(rows.members) > 400
    assert all(np.array_equal(a, b) for a, b in zip(rows, tree, strict=True))


def test_points_at_just_the_distance_may_both_be_chosen():
    grid = np.array([[x, y] for x in range(10) for y in range(10)], dtype=float)
    assert spread(grid, 1).size == 100
    assert spread(grid, np.nextafter(1.0, 2.0)).size == 50


def test_search_keeps_its_counts_and_covers_bound_the_size():
    X = np.random.default_rng(3).random((200, 2))
    graph = conflict_graph(Problem(2, points=X), np.arange(200), 0.04, lambda: False)
    conflict = graph.dense()
    search = new_search(graph.start, graph.members, np.empty(0, np.int64), seed=1)
    for _ in range(50):
        advance(search, 40)
        assert search.chosen.sum() == search.counter[SIZE]
        assert (search.tight == conflict[search.chosen].sum(axis=0)).all()
        best = np.flatnonzero(search.best)
        assert len(best) == search.counter[BEST]
        assert not conflict[np.ix_(best, best)].any()
    clique = clique_cover(graph.start, graph.members, np.arange(200))
    for c in range(clique.max() + 1):
        inside = np.flatnonzero(clique == c)
        assert conflict[np.ix_(inside, inside)].sum() == len(inside) * (len(inside) - 1)
    first, among = edge_clique_cover(graph.start, graph.members)
    covered = np.zeros_like(conflict)
    for c in range(len(first) - 1):
        inside = among[first[c] : first[c + 1]]
        covered[np.ix_(inside, inside)] = True
    np.fill_diagonal(covered, False)
    assert (covered == conflict).all()
    size = search.counter[BEST]
    assert size <= fractional_bound(graph.start, graph.members, np.inf) <= clique.max() + 1
    chosen, bound = largest_independent(graph.start, graph.members, 1, 200, np.inf)
    assert len(chosen) == bound >= size
    assert largest_independent(graph.start, graph.members, bound + 1, 200, np.inf) == (None, bound)


def test_one_point_a_file_and_a_matrix(tmp_path):
    alone = spread([[3.0, 4.0]], 1)
    assert (alone.indices.tolist(), alone.upper_bound, alone.n, alone.is_optimal) == ([0], 1, 1, True)
    X = np.random.default_rng(2).random((60, 2))
    np.save(tmp_path / "x.npy", X)
    here = spread(X, 0.3)
    assert spread(tmp_path / "x.npy", 0.3).indices.tolist() == here.indices.tolist()
    matrix = Problem(2, points=X).matrix()
    assert spread(matrix, 0.3, metric="precomputed").upper_bound == here.upper_bound
    assert spread(X, 99).size == spread(X, 99).upper_bound == 1


def test_one_point_of_any_kind():
    torch = pytest.importorskip("torch")
    row = np.array([[1.0, 2.0]])
    for points, metric in (
        ([[0.0]], "precomputed"),
        (np.zeros((1, 1)), "precomputed"),
        (sparse.csr_array(row), "euclidean"),
        (torch.tensor(row, dtype=torch.bfloat16), "euclidean"),
        ([row], lambda a, b: float(np.abs(a - b).sum())),
        (["a"], lambda a, b: float(a != b)),
    ):
        found = spread(points, 1.0, metric=metric)
        assert (found.indices.tolist(), found.upper_bound, found.n) == ([0], 1, 1)
    with pytest.raises(InvalidProblemError, match=r"distances\[0, 0\] is 3"):
        spread([[3.0]], 1.0, metric="precomputed")


@pytest.mark.parametrize("seed", [np.int32(3), np.uint8(200), 2**63, 2**100])
def test_any_whole_number_is_a_seed(seed):
    X = np.random.default_rng(2).random((60, 2))
    assert spread(X, 0.2, seed=seed).indices.tolist() == spread(X, 0.2, seed=int(seed)).indices.tolist()


def test_frames_of_every_kind():
    X = np.random.default_rng(2).random((60, 2))
    here = spread(X, 0.3).indices.tolist()
    order = rank(X).indices.tolist()
    xr, pl = pytest.importorskip("xarray"), pytest.importorskip("polars")
    columns = {"x": X[:, 0], "y": X[:, 1]}
    frames = [xr.Dataset({name: ("i", values) for name, values in columns.items()}), xr.DataArray(X)]
    for frame in (*frames, pl.DataFrame(columns), pl.DataFrame(columns).lazy()):
        assert spread(frame, 0.3).indices.tolist() == here
        assert rank(frame).indices.tolist() == order
        assert rank(frame, metric=lambda a, b: float(np.hypot(*(a - b)))).k == 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distance": 0}, "distance = 0: give the smallest distance allowed"),
        ({"distance": float("nan")}, "distance = nan"),
        ({"distance": "1"}, "distance = '1'"),
        ({"distance": True}, "distance = True"),
        ({"distance": 2, "include": [0, 1]}, "points 0 and 1 are 1 apart, closer than 2"),
        ({"distance": 2, "exclude": [0, 1, 2]}, "exclude leaves none of 3"),
        ({"distance": 2, "include": [0], "exclude": [0]}, "row 0: both"),
    ],
)
def test_what_is_wrong_is_named(arguments, message):
    with pytest.raises(InvalidProblemError, match=message):
        spread([[0.0], [1.0], [5.0]], **arguments)
    with pytest.raises(InvalidProblemError, match="no Problem, which has a k"):
        spread(Problem(2, points=np.eye(3)), 1)


def test_on_the_command_line(tmp_path, capsys):
    X = np.random.default_rng(5).random((40, 2))
    np.save(tmp_path / "x.npy", X)
    expected = spread(X, 0.3).indices.tolist()
    arguments = ["spread", str(tmp_path / "x.npy"), "--distance", "0.3"]
    application(arguments, standalone_mode=False)
    shown = capsys.readouterr()
    assert [int(line) for line in shown.out.split()] == expected
    assert "at least 0.3 apart" in shown.err
    for suffix, read in ((".npy", np.load), (".csv", lambda path: np.loadtxt(path, dtype=int))):
        application([*arguments, "-o", str(tmp_path / f"chosen{suffix}")], standalone_mode=False)
        assert read(tmp_path / f"chosen{suffix}").tolist() == expected
    with pytest.raises(DataFileError, match=r"write one of .npy, .csv"):
        application([*arguments, "-o", "chosen.txt"], standalone_mode=False)


def test_columns_of_a_frame_whose_rows_have_gaps():
    pd = pytest.importorskip("pandas")
    X = np.random.default_rng(5).random((40, 2))
    X[7, 1] = np.nan
    frame = pd.DataFrame(X, columns=["x", "y"]).assign(name="n")
    kept = np.delete(np.arange(40), 7)
    expected = spread(X[kept], 0.3, include=[7], exclude=[0])
    for asked in ({"columns": ["x", "y"]}, {"drop": "name"}):
        found = spread(frame, 0.3, **asked, drop_null=True, include=[8], exclude=[0])
        assert found.indices.tolist() == kept[expected.indices].tolist()
        assert found.n == 39
    assert found.of(frame).equals(frame.iloc[found.indices])
    with pytest.raises(InvalidProblemError, match="include: row 7 cannot be used"):
        spread(frame, 0.3, drop="name", drop_null=True, include=[7])


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3])
def test_a_limit_is_kept_whatever_a_function_costs(seconds):
    X = np.random.default_rng(6).random((400, 2))
    calls = []

    def slow(x, y):
        calls.append(time.perf_counter())
        while time.perf_counter() < calls[-1] + 2e-4:
            pass
        return float(np.abs(x - y).max())

    found = spread(X, 0.1, metric=slow, stop=Stop(seconds=seconds), include=(3, 77))
    assert len(calls) <= seconds / 2e-4 + 64 + found.size * (found.size - 1) / 2 + 1
    assert {3, 77} <= set(found.indices.tolist())
    assert found.objective >= 0.1
    assert found.upper_bound <= 400
