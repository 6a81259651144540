"""What a result says of all points: radii, nearest picks and coverage; fixed picks and shares in memory and on disk."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdp import DataFileError, InvalidProblemError, Problem, Result
from solvers import load, rank, solve
from solvers._farthest_first.from_table import _Traversal
from tests import naive
from tests.strategies import VECTOR_METRICS, cases


def radii(D, indices):
    return [min((D[i, j] for j in indices[:place]), default=np.inf) for place, i in enumerate(indices)]


def check_coverage(result, D):
    """Compare what the result says with a matrix."""
    picks = result.indices.tolist()
    assert result.radii == pytest.approx(radii(D, picks), rel=1e-9, abs=2e-7)
    labels, distances = result.assignment()
    assert distances == pytest.approx(D[:, picks].min(axis=1), rel=1e-9, abs=2e-7)
    assert D[np.arange(len(D)), np.array(picks)[labels]] == pytest.approx(distances, rel=1e-9, abs=2e-7)
    assert result.coverage_radius == pytest.approx(D[:, picks].min(axis=1).max(), rel=1e-9, abs=2e-7)


@settings(max_examples=150)
@given(case=cases())
def test_radii_and_nearest_picks_are_those_of_the_matrix(case):
    result = solve(case.problem, solver="greedy")
    check_coverage(result, case.D)
    assert result.radii[0] == np.inf
    assert result.radii[1:].min() == result.objective


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).integers(0, 50, (6000, 3)).astype(np.float64) + 1


def on_disk(rows, folder):
    np.save(folder / "rows.npy", rows)
    return folder / "rows.npy"


@pytest.mark.parametrize("solver", ["greedy", "streaming"])
def test_a_table_says_the_same_of_all_rows(rows, tmp_path, solver):
    result = solve(on_disk(rows, tmp_path), 20, solver=solver)
    distances = np.sqrt(((rows[:, None] - rows[result.indices]) ** 2).sum(axis=2))
    assert result.assignment().distances == pytest.approx(distances.min(axis=1))
    assert result.coverage_radius == pytest.approx(distances.min(axis=1).max())
    assert result.radii == pytest.approx(radii(distances[result.indices], range(20)))


def test_of_the_greedy_radii_never_increase_and_the_next_one_is_the_coverage_radius():
    X = np.random.default_rng(1).random((300, 2))
    result, further = solve(X, 20), solve(X, 21)
    assert (np.diff(result.radii[1:]) <= 0).all()
    assert result.coverage_radius == pytest.approx(further.radii[-1])


def test_what_was_read_back_has_no_points():
    result = solve(np.eye(4), 2)
    for again in (Result.from_json(result.to_json()), pickle.loads(pickle.dumps(result))):
        assert again.indices.tolist() == result.indices.tolist()
        with pytest.raises(InvalidProblemError, match="does not hold its points"):
            _ = again.radii


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine", "hamming"])
@pytest.mark.parametrize("start", ["sweep", "random", 17])
@settings(max_examples=4)
@given(data=st.data())
def test_fixed_picks_on_disk_are_those_in_memory(rows, tmp_path_factory, metric, start, data):
    path = on_disk(rows, tmp_path_factory.mktemp("rows"))
    order = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(len(rows)).tolist()
    order.remove(17)
    include = order[: data.draw(st.sampled_from((0, 0, 1, 5)))]
    exclude = order[5 : 5 + data.draw(st.sampled_from((0, 1, 3000)))]
    asked = {"metric": metric, "include": include, "exclude": exclude, "seed": 3}
    here = solve(rows, 12, solver="greedy", start=start, **asked)
    there = solve(path, 12, solver="greedy", start=start, **asked)
    assert there.indices.tolist() == here.indices.tolist()
    assert there.upper_bound >= here.objective


@pytest.mark.parametrize("solver", ["greedy", "streaming", "local_search"])
def test_a_table_keeps_fixed_picks_with_any_solver(rows, tmp_path, solver):
    path, include, exclude = on_disk(rows, tmp_path), (5999, 3), range(10, 5000)
    result = solve(path, 6, solver=solver, include=include, exclude=exclude)
    assert set(include) <= set(result.indices.tolist())
    assert not set(exclude) & set(result.indices.tolist())
    only = solve(path, 2, solver=solver, include=include)
    assert sorted(only.indices.tolist()) == [3, 5999]
    assert only.objective == only.upper_bound


def test_a_checkpoint_of_other_fixed_picks_is_refused(rows, tmp_path):
    path, checkpoint = on_disk(rows, tmp_path), tmp_path / "run.json"
    whole = solve(path, 9, include=(4,), exclude=(5, 6)).indices.tolist()

    saved = _Traversal._save

    def save_and_stop(self):
        saved(self)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Traversal, "_save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            solve(path, 9, include=(4,), exclude=(5, 6), checkpoint=checkpoint)
    with pytest.raises(DataFileError, match="belongs to"):
        solve(path, 9, include=(4,), exclude=(5,), checkpoint=checkpoint)
    assert solve(path, 9, include=(4,), exclude=(5, 6), checkpoint=checkpoint).indices.tolist() == whole


@pytest.mark.parametrize(("share", "n", "k"), [(0.1, 50, 5), (0.5, 9, 5), (0.001, 50, 2), (0.999, 3, 3), (0.25, 10, 3)])
def test_a_share_is_that_many_points(share, n, k, tmp_path):
    X = np.random.default_rng(0).random((n, 2))
    assert solve(X, share).k == Problem(share, points=X).k == k
    np.save(tmp_path / "x.npy", X)
    assert solve(tmp_path / "x.npy", np.float32(share)).indices.tolist() == solve(X, k).indices.tolist()


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5, -0.1, float("nan")])
def test_what_is_no_share_is_named(share):
    with pytest.raises(InvalidProblemError, match="a share of them lies between 0 and 1"):
        solve(np.eye(5), share)


def test_a_problem_has_its_own_fixed_picks():
    with pytest.raises(InvalidProblemError, match="its own k, metric, include and exclude"):
        solve(Problem(2, points=np.eye(3)), include=[1])


@settings(max_examples=100)
@given(case=cases(max_n=12, metrics=VECTOR_METRICS), start=st.sampled_from(("auto", "sweep", "farthest_pair")))
def test_every_beginning_of_the_rank_is_the_answer_of_the_greedy(case, start):
    problem = case.problem
    asked = {"metric": problem.geometry.name, "include": problem.include, "exclude": problem.exclude}
    whole = rank(problem.points, start=start, **asked)
    assert sorted(whole.indices.tolist()) == problem.candidates.tolist()
    for k in range(max(2, len(problem.include)), len(problem.candidates)):
        part = solve(problem.points, k, start=start, **asked).indices.tolist()
        assert whole.indices[:k].tolist() == part or set(part) == set(problem.include)
    assert naive.objective(case.D, whole.indices) == pytest.approx(whole.objective, rel=1e-7, abs=1e-9)


def test_a_rank_of_a_matrix_and_of_a_file(tmp_path):
    X = np.random.default_rng(4).random((80, 2))
    order = rank(X).indices.tolist()
    assert order[:7] == solve(X, 7).indices.tolist()
    assert rank(Problem(2, points=X).matrix(), metric="precomputed").indices.tolist() == order
    np.save(tmp_path / "x.npy", X)
    assert rank(tmp_path / "x.npy").indices.tolist() == order


def test_progress_in_memory_counts_picks_and_shows_incumbents(capsys):
    X = np.random.default_rng(5).random((60_000, 3))
    told = []
    plain = solve(X, 300).indices.tolist()
    assert solve(X, 300, progress=True).indices.tolist() == plain
    shown = capsys.readouterr().err
    assert "300/300" in shown
    load("greedy")().solve(Problem(300, points=X), tell=told.append)
    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == 300
    few, told = Problem(5, points=X[:50], metric=lambda x, y: float(abs(x - y).sum())), []
    load("greedy")().solve(few, tell=told.append)
    assert told == [1, 2, 3, 4, 5]
    seen = []
    result = solve(X[:200], 9, solver="local_search", progress=True, watch=seen.append)
    shown = capsys.readouterr().err
    assert f"objective {result.objective:.6g}, at most" in shown
    assert seen[-1].objective == result.objective
