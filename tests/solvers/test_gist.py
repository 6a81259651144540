"""Utility and diversity together."""

import itertools

import numpy as np
import pytest

from mmdp import DataFileError, InvalidOptionError, Problem, Status, Stop
from solvers import gist, solve
from solvers.__main__ import application

LINE, USEFUL = [[0.0], [10.0], [1.0], [2.0], [3.0]], [0.0, 0.0, 100.0, 100.0, 100.0]


def test_the_history_is_that_of_the_answer():
    result = solve(LINE, 2, solver="gist", utility=USEFUL)
    assert sorted(result.indices.tolist()) == [2, 4]
    assert result.history[-1].objective == result.objective == 2.0


def test_a_limit_on_the_distance_ends_the_search():
    counted = [solve(LINE, 2, solver="gist", stop=stop).iterations for stop in (Stop(), Stop(target=5.0))]
    assert counted[0] > counted[1] == 1


def test_an_interrupt_keeps_the_best_value(monkeypatch):
    calls, spaced = [], gist._spaced

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return spaced(*arguments)

    monkeypatch.setattr(gist, "_spaced", interrupted)
    result = solve(LINE, 2, solver="gist", utility=USEFUL)
    assert result.status is Status.INTERRUPTED
    assert sorted(result.indices.tolist()) == [2, 4]
    assert result.notes["value"] == 202.0


def test_the_only_solution_has_a_value_too():
    points = [[0.0], [1.0], [5.0]]
    result = solve(points, 3, solver="gist", utility=[1.0, 2.0, 3.0])
    assert result.notes["value"] == result.notes["value_upper_bound"] == 7.0
    with pytest.raises(InvalidOptionError, match="utility has shape"):
        solve(points, 3, solver="gist", utility=[1.0, 2.0])


def test_weight_moves_between_the_most_useful_and_the_most_diverse():
    rng = np.random.default_rng(0)
    X, utility = rng.normal(size=(60, 2)), rng.random(60)
    useful = solve(X, 5, solver="gist", utility=utility, weight=0.0)
    assert sorted(useful.indices.tolist()) == sorted(np.argsort(-utility)[:5].tolist())
    diverse = solve(X, 5, solver="gist", utility=utility, weight=1e6)
    assert diverse.objective > useful.objective


@pytest.mark.parametrize("seed", range(30))
def test_value_is_what_it_says_and_at_least_half_the_best(seed):
    rng = np.random.default_rng(seed)
    X, utility = rng.normal(size=(12, 2)), rng.random(12)
    problem = Problem(4, points=X)
    result = solve(problem, solver="gist", utility=utility, weight=0.7)

    def value(subset):
        return utility[list(subset)].sum() + 0.7 * problem.objective(subset)[0]

    assert result.notes["value"] == pytest.approx(value(result.indices))
    assert result.notes["value"] >= max(map(value, itertools.combinations(range(12), 4))) / 2


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("shift", [-5.0, -0.5, 0.0])
def test_utilities_may_have_any_sign_and_the_bound_of_the_value_holds(seed, shift):
    rng = np.random.default_rng(seed)
    X, utility = rng.normal(size=(11, 2)), rng.random(11) + shift
    fixed = {"include": (2,), "exclude": (0, 5)} if seed % 2 else {}
    problem = Problem(4, points=X, **fixed)
    result = solve(problem, solver="gist", utility=utility, weight=0.7)
    values = [
        utility[list(chosen)].sum() + 0.7 * problem.objective(chosen)[0]
        for chosen in itertools.combinations(range(11), 4)
        if set(problem.include) <= set(chosen) and not set(problem.exclude) & set(chosen)
    ]
    assert result.notes["value"] - 1e-9 <= max(values) <= result.notes["value_upper_bound"] + 1e-9
    moved = solve(problem, solver="gist", utility=utility - shift, weight=0.7)  # k points all lose the same
    assert moved.notes["value"] == pytest.approx(result.notes["value"] - 4 * shift)


@pytest.mark.parametrize(
    "metric", ["euclidean", "cosine", "angular", "manhattan", "haversine", "hamming", "correlation"]
)
def test_a_query_is_a_utility_of_minus_the_distance_to_the_nearest_one(metric):
    rng = np.random.default_rng(1)
    X, queries = (rng.integers(-40, 40, (n, 2 if metric == "haversine" else 4)).astype(float) + 0.5 for n in (30, 3))
    both = Problem(2, points=np.vstack([X, queries]), metric=metric)
    utility = -both.matrix()[:30, 30:].min(axis=1)
    expected = solve(X, 5, solver="gist", metric=metric, utility=utility, weight=0.3)
    for given in (queries, queries.tolist()):
        result = solve(X, 5, solver="gist", metric=metric, query=given, weight=0.3)
        assert result.indices.tolist() == expected.indices.tolist()
        assert result.notes["value"] == pytest.approx(expected.notes["value"])
    one = solve(X, 5, solver="gist", metric=metric, query=queries[0], weight=0.0)
    assert set(one.indices.tolist()) == set(np.argsort(both.matrix()[:30, 30], kind="stable")[:5].tolist())


def test_a_query_with_a_function_is_a_point_or_a_list_of_them():
    words = ["a", "abc", "abcdefgh", "b" * 20, "xy"]

    def metric(a, b):
        return float(abs(len(a) - len(b)))

    near = solve(words, 2, solver="gist", metric=metric, query="c" * 9, weight=0.0)
    assert sorted(near.indices.tolist()) == [1, 2]
    both = solve(words, 2, solver="gist", metric=metric, query=["d" * 19, "ab"], weight=0.0)
    assert sorted(both.indices.tolist()) == [3, 4]


@pytest.mark.parametrize(
    ("points", "asked", "message"),
    [
        (np.eye(4), {"utility": [1.0]}, "one finite value"),
        (np.eye(4), {"utility": [1.0, 2.0, np.nan, 0.0]}, "one finite value"),
        (np.eye(4), {"query": np.ones(4), "utility": np.ones(4)}, "give one of them"),
        (np.eye(4), {"query": np.ones(3)}, "query has 3 coordinates"),
        (Problem(2, distances=1 - np.eye(4)), {"query": np.ones(4)}, "give utility="),
    ],
)
def test_what_says_nothing_of_the_points_is_named(points, asked, message):
    k = None if isinstance(points, Problem) else 2
    with pytest.raises(InvalidOptionError, match=message):
        solve(points, k, solver="gist", **asked)


def test_utilities_and_queries_on_the_command_line(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(2)
    X, score, query = rng.random((30, 2)).round(3), rng.normal(size=30).round(3), np.array([0.2, 0.8])
    lines = [f"{x},{y},{s}" for (x, y), s in zip(X.tolist(), score.tolist(), strict=True)]
    (tmp_path / "x.csv").write_text("\n".join(["x,y,score", *lines]) + "\n")
    np.save(tmp_path / "q.npy", query)
    table = str(tmp_path / "x.csv")
    by_score = ["select", table, "-k", "5", "--utility", "score", "--weight", "2"]
    by_query = ["select", table, "-k", "5", "--drop", "score", "--query", str(tmp_path / "q.npy"), "--weight", "3"]
    for arguments, asked in ((by_score, {"utility": score, "weight": 2}), (by_query, {"query": query, "weight": 3})):
        application(arguments, standalone_mode=False)
        shown = capsys.readouterr()
        expected = solve(X, 5, solver="gist", **asked)
        assert [int(line) for line in shown.out.split()] == expected.indices.tolist()
        assert f"value        {expected.notes['value']:.6g}" in shown.err
    for extra, message in (
        (["--solver", "greedy"], "for --solver gist"),
        (["--query", str(tmp_path / "q.npy")], "give one of them"),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            application([*by_score, *extra], standalone_mode=False)
    (tmp_path / "no.npy").write_text("x")
    with pytest.raises(DataFileError, match=r"not a \.npy file of numbers"):
        application(["select", table, "-k", "2", "--query", str(tmp_path / "no.npy")], standalone_mode=False)
    with pytest.raises(InvalidOptionError, match="something else than numbers"):
        solve(X, 2, solver="gist", utility=["a"] * 30)


def test_flags_beside_a_query_are_those_of_gist(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    X = np.random.default_rng(2).random((30, 2)).round(3)
    np.savetxt(tmp_path / "x.csv", X, delimiter=",", header="x,y", comments="")
    np.savetxt(tmp_path / "q.csv", X[:2], delimiter=",", header="x,y", comments="")
    query = ["select", str(tmp_path / "x.csv"), "-k", "5", "--query", str(tmp_path / "q.csv")]
    application([*query, "--seconds", "5", "--include", "3", "--exclude", "0,1"], standalone_mode=False)
    expected = solve(X, 5, solver="gist", query=X[:2], include=[3], exclude=[0, 1])
    assert [int(line) for line in capsys.readouterr().out.split()] == expected.indices.tolist()
    for extra, message in (
        (["--checkpoint", "c.json"], "--checkpoint: gist writes no checkpoints"),
        (["--workers", "2"], "--workers: gist takes"),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            application([*query, *extra], standalone_mode=False)
    with pytest.raises(InvalidOptionError, match="--weight weighs distance against utility"):
        application([*query[:-2], "--weight", "2"], standalone_mode=False)


def test_utilities_belong_to_the_rows_that_stay(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    X, score = np.random.default_rng(3).random((30, 2)).round(3), np.arange(30.0)
    lines = [f"{x},{y},{s}" for (x, y), s in zip(X.tolist(), score.tolist(), strict=True)]
    lines[29] = ",0.5,29"
    (tmp_path / "x.csv").write_text("\n".join(["x,y,score", *lines]) + "\n")
    command = ["select", str(tmp_path / "x.csv"), "-k", "3", "--utility", "score", "--drop-null", "--weight", "0"]
    application(command, standalone_mode=False)
    assert sorted(map(int, capsys.readouterr().out.split())) == [26, 27, 28]
