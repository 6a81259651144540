"""Diverse rows as a scikit-learn estimator; ``from solvers import DiversitySelector``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from mmdp import Problem, Result
from mmdp.arrays import compiled_dtype, is_tensor, to_numpy
from mmdp.metrics import resolve
from mmdp.tables import is_frame, open_table, read_frame
from mmdp.validation import checked_picks, fixed_picks, point_table, whole_k
from solvers._framework.registry import make


class DiversitySelector(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fit the k most diverse rows as landmarks; transform rows to their distances from these.

    Parameters
    ----------
    k : int or float
        How many rows to choose, all of them where there are fewer; or a share of them between 0 and 1.
    solver : str
        A keyword of ``solvers.available()``.
    metric : str
        "euclidean", "sqeuclidean", "cosine", "manhattan", "chebyshev" or "hamming".
    random_state : int, RandomState or None
        Seed of the solver, or what one is drawn from; None draws it anew for each fit.
    include, exclude : sequence of int
        Rows of what is fitted that become landmarks in any case, and rows that never do.

    Attributes
    ----------
    indices_ : (k,) int64 array
        Rows chosen from what was fitted.
    landmarks_ : (k, d) array or sparse matrix
        The rows themselves.
    result_ : Result or None
        Objective and upper bound; None if there were no more than k rows to choose from.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [5.0]])
    >>> DiversitySelector(k=2).fit(X).transform(X).shape
    (3, 2)
    """

    def __init__(
        self,
        k: float = 10,
        *,
        solver: str = "greedy",
        metric: str = "euclidean",
        random_state: int | np.random.RandomState | None = 0,
        include: Sequence[int] = (),
        exclude: Sequence[int] = (),
    ) -> None:
        self.k = k
        self.solver = solver
        self.metric = metric
        self.random_state = random_state
        self.include = include
        self.exclude = exclude

    def fit(self, X: Any, y: Any = None) -> Self:
        """Choose the landmarks among the rows of X, which may be sparse, a tensor or blocks of rows; y is ignored."""
        X = validate_data(self, _in_memory(X), dtype=[np.float64, np.float32], accept_sparse="csr")
        n = X.shape[0]
        k = whole_k(n, self.k)
        if not isinstance(k, Integral) or k < 2:
            checked_picks(max(2, n), k)  # names what is wrong with k
        self.result_: Result | None = None
        include, exclude = fixed_picks(n, self.include, self.exclude)
        self.indices_ = np.setdiff1d(np.arange(n), exclude)
        if k < len(self.indices_):
            problem = Problem(k, points=X, metric=self.metric, include=include, exclude=exclude)
            self.result_ = make(self.solver).solve(problem, seed=_seed(self.random_state))
            self.indices_ = self.result_.indices
        self.landmarks_ = X[self.indices_]
        self._n_features_out = len(self.indices_)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Distances (rows of X, k) to the landmarks."""
        check_is_fitted(self)
        X = validate_data(self, _in_memory(X), dtype=[np.float64, np.float32], accept_sparse="csr", reset=False)
        k = len(self.indices_)
        if hasattr(X, "tocsr") or hasattr(self.landmarks_, "tocsr"):
            parts = [sparse.csr_array(rows) for rows in (X, self.landmarks_)]  # X first, whose rows messages name
            both = Problem(2, points=sparse.vstack(parts), metric=self.metric)
            return np.asarray(both.value(both.reduced_distances(np.arange(both.n - k), np.arange(both.n - k, both.n))))
        geometry = resolve(self.metric)
        embedded = (np.ascontiguousarray(compiled_dtype(geometry.embed(x))) for x in (X, self.landmarks_))
        return np.asarray(geometry.value(geometry.pairwise(*embedded)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _seed(random_state: Any) -> int:
    """A seed of a solver, from what scikit-learn takes as one."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _in_memory(X: Any) -> Any:
    """What scikit-learn can check: tensors and blocks become arrays; a frame that is no table of numbers is named."""
    if is_tensor(X):
        return to_numpy(point_table(X))
    if is_frame(X):
        read_frame(X, drop_null=True)  # gaps are named as in all of scikit-learn
        return X
    return open_table(X).load() if isinstance(X, Iterator) else X  # type: ignore[union-attr]
