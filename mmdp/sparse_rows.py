"""Rows of a sparse matrix, compared without making them dense."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from mmdp.arrays import LARGEST_COORDINATE, Indices, Matrix, check_reach, describe_rows
from mmdp.exceptions import InvalidProblemError
from mmdp.pairs import Pairs

_CLOSE = 1e-6  # share of the squared lengths, below which a distance by products has lost digits and is computed again
_AT_A_TIME = 4096  # pairs that are computed again
_DENSE_ENTRIES = 2**22  # of a few rows that are made dense for one product with all


class SparseRows(Pairs):
    """Squared Euclidean or Jaccard distances of sparse rows.

    Squared distances come from products, |x|^2 + |y|^2 - 2 x.y, and those of rows so close that this loses digits from
    differences, so equal rows are at distance 0. O(stored entries) for a row of distances.

    Parameters
    ----------
    rows : (n, d) csr_array of float64
        Without stored zeros, columns ascending in each row.
    form : str
        "sqeuclidean" or "jaccard", for which the stored entries are 1.
    """

    def __init__(self, rows: csr_array, form: str) -> None:
        super().__init__(rows.shape[0])
        self.rows, self.form = rows, form
        self.sums = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()

    def between(self, rows: Indices, columns: Indices) -> Matrix:
        """Reduced distances of row numbers."""
        if len(columns) < len(rows):
            return np.ascontiguousarray(self.between(columns, rows).T)
        is_whole = len(columns) == self.n and bool((columns == np.arange(self.n)).all())
        x, y = self.rows[rows], self.rows if is_whole else self.rows[columns]
        if x.shape[0] * x.shape[1] <= _DENSE_ENTRIES:
            products = np.ascontiguousarray((y @ x.toarray().T).T)
        else:
            products = (x @ y.T).toarray()
        both = self.sums[rows][:, None] + self.sums[columns]
        if self.form == "jaccard":
            size = both - products
            return np.asarray((size - products) / np.where(size > 0, size, 1.0))
        distances = np.maximum(both - 2.0 * products, 0.0)
        close = np.argwhere(distances <= _CLOSE * both)
        for start in range(0, len(close), _AT_A_TIME):
            i, j = close[start : start + _AT_A_TIME].T
            difference = x[i] - y[j]
            distances[i, j] = np.asarray(difference.multiply(difference).sum(axis=1)).ravel()
        return np.asarray(distances, dtype=np.float64)


def sparse_rows(points: Any, form: str, directions: bool) -> SparseRows:
    """Check a sparse matrix; ``directions`` compares unit vectors.

    Raises
    ------
    InvalidProblemError
        If entries are no real numbers, or the metric cannot compare a row.
    """
    rows = csr_array(points)
    if rows.ndim != 2 or 0 in rows.shape:
        raise InvalidProblemError(f"points must be a table of two dimensions and not empty, not of shape {rows.shape}")
    if rows.dtype.kind not in "fiub":
        raise InvalidProblemError(f"points must hold real numbers, not {rows.dtype}")
    rows = rows.astype(np.float64)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    if not np.isfinite(rows.data).all():
        bad = np.unique(np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))[~np.isfinite(rows.data)])
        raise InvalidProblemError(f"points has NaN or infinity in {describe_rows(bad)}; drop or fill them")
    largest = float(np.abs(rows.data).max(initial=0.0))
    check_reach("points", largest)
    if 0 < largest < 1 / LARGEST_COORDINATE:
        raise InvalidProblemError(f"points reach only {largest:.3g}: multiply them all by a common factor")
    if form == "jaccard" and (rows.data != 1).any():
        raise InvalidProblemError(
            "jaccard, dice and their like compare sets given as rows of 0 and 1; other values were found, and "
            "(points != 0) makes them 1"
        )
    if directions:
        _normalise(rows)
    return SparseRows(rows, form)


def _normalise(rows: csr_array) -> None:
    zero = np.flatnonzero(np.diff(rows.indptr) == 0)
    if len(zero):
        raise InvalidProblemError(
            f"{describe_rows(zero)}: a zero vector has no direction, so its cosine distance is undefined; "
            "drop these rows, or use metric='euclidean'"
        )
    largest = np.maximum.reduceat(np.abs(rows.data), rows.indptr[:-1])
    counts = np.diff(rows.indptr)
    rows.data /= np.repeat(largest, counts)
    rows.data /= np.repeat(np.sqrt(np.add.reduceat(rows.data**2, rows.indptr[:-1])), counts)
