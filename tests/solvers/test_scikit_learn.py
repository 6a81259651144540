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
