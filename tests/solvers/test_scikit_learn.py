"""scikit-learn's own checks of an estimator, and what it adds to a plain call."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.utils.estimator_checks import check_estimator

from solvers import DiversitySelector, solve


def test_scikit_learns_estimator_checks():
    check_estimator(DiversitySelector(k=3))


def test_landmarks_are_those_of_solve():
    X = np.random.default_rng(0).normal(size=(200, 3))
    fitted = DiversitySelector(7, metric="cosine").fit(X)
    assert fitted.indices_.tolist() == solve(X, 7, metric="cosine").indices.tolist()
    distances = fitted.transform(X)
    assert distances.shape == (200, 7)
    assert distances[fitted.indices_, range(7)] == pytest.approx(0)


def test_wrong_k_is_named():
    with pytest.raises(ValueError, match="k = 1 is out of range"):
        DiversitySelector(1).fit(np.eye(3))
    with pytest.raises(ValueError, match="k is how many points to choose, a whole number, not '3'"):
        DiversitySelector("3").fit(np.eye(3))


def test_k_is_compared_with_all_rows():
    with pytest.raises(ValueError, match=r"k = 1 is out of range.*at most n = 30"):
        DiversitySelector(1).fit(np.zeros((30, 2)))


def test_a_sparse_row_is_named_by_its_place():
    sparse = pytest.importorskip("scipy.sparse")
    X = np.random.default_rng(0).random((30, 8))
    fitted = DiversitySelector(5, metric="cosine").fit(sparse.csr_matrix(X))
    rows = X[:3].copy()
    assert fitted.transform(sparse.csr_matrix(rows)) == pytest.approx(
        DiversitySelector(5, metric="cosine").fit(X).transform(rows), abs=1e-12
    )
    rows[1] = 0
    with pytest.raises(ValueError, match="row 1: a zero vector"):
        fitted.transform(sparse.csr_matrix(rows))


def test_every_random_state_of_scikit_learn_is_a_seed():
    X = np.random.default_rng(0).random((40, 2))
    for state in (3, np.random.RandomState(3), None):
        assert len(DiversitySelector(5, solver="random", random_state=state).fit(X).indices_) == 5


def test_columns_have_names_for_data_frames():
    fitted = DiversitySelector(2).fit(np.eye(3))
    assert fitted.get_feature_names_out().tolist() == ["diversityselector0", "diversityselector1"]


def test_a_share_is_that_many_rows():
    X = np.random.default_rng(0).random((40, 2))
    assert DiversitySelector(0.1).fit(X).indices_.tolist() == DiversitySelector(4).fit(X).indices_.tolist()
    assert DiversitySelector(4, metric="l1").fit(X).transform(X).shape == (40, 4)


def test_landmarks_that_are_fixed_or_excluded():
    X = np.random.default_rng(0).random((40, 2))
    first = solve(X, 6).indices[:2].tolist()
    fitted = DiversitySelector(6, include=[3, 17], exclude=first).fit(X)
    assert fitted.indices_.tolist() == solve(X, 6, include=[3, 17], exclude=first).indices.tolist()
    assert DiversitySelector(6, exclude=range(36)).fit(X).indices_.tolist() == [36, 37, 38, 39]
    for asked, message in (
        ({"include": [40]}, "include names .40."),
        ({"include": [1], "exclude": [1]}, "both in include and in exclude"),
        ({"exclude": "a"}, "exclude is a sequence of whole numbers"),
        ({"include": range(7)}, "include fixes 7 points, more than k = 6"),
    ):
        with pytest.raises(ValueError, match=message):
            DiversitySelector(6, **asked).fit(X)


def test_tensors_blocks_and_sparse_rows_are_read():
    torch, sparse = pytest.importorskip("torch"), pytest.importorskip("scipy.sparse")
    X = np.random.default_rng(0).random((40, 3)).astype(np.float32)
    expected = DiversitySelector(5, metric="cosine").fit(X)
    blocks = (torch.tensor(X[start : start + 20], requires_grad=True) for start in (0, 20))
    for points in (torch.tensor(X, requires_grad=True), blocks, sparse.csr_matrix(X), sparse.coo_array(X)):
        fitted = DiversitySelector(5, metric="cosine").fit(points)
        assert fitted.indices_.tolist() == expected.indices_.tolist()
        assert fitted.transform(X) == pytest.approx(expected.transform(X), abs=1e-6)
    for dtype in (torch.bfloat16, torch.float8_e4m3fn):
        narrow = torch.tensor(X).to(dtype)
        assert DiversitySelector(5).fit(narrow).indices_.tolist() == solve(narrow.float(), 5).indices.tolist()
    with pytest.raises(ValueError, match=r"sparse tensor; convert with \.to_dense"):
        DiversitySelector(5).fit(torch.tensor(X).to_sparse())


def test_texts_become_landmarks_by_their_words():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    pipeline = pytest.importorskip("sklearn.pipeline")
    words = [
        f"{subject} {verb}" for subject in ("cat", "dog", "bank", "phone") for verb in ("sleeps", "closed", "broke")
    ]
    made = pipeline.make_pipeline(text.TfidfVectorizer(), DiversitySelector(4, metric="cosine"))
    distances = made.fit_transform(words)
    assert distances.shape == (12, 4)
    landmarks = made[-1].indices_
    assert distances[landmarks, range(4)] == pytest.approx(0, abs=1e-7)
    assert distances == pytest.approx(made.transform(words))


def test_a_column_of_text_is_named():
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="column 'name' holds text, not numbers; drop it"):
        DiversitySelector(2).fit(pd.DataFrame({"name": ["a", "b", "c"], "x": [1.0, 2.0, 3.0]}))
