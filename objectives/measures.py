"""What a subset is worth, one function for each objective, all in float64.

Weights, where they are given, say how much each of the n points counts; without them all count 1. For the visual tokens
of an image, ``lmm_integration`` weighs by how unlike the rest a token is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from mmdp.arrays import Indices, Matrix, Vector
from mmdp.exceptions import InvalidProblemError


def dispersion(distances: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Smallest distance of two chosen points: the objective of max-min diversity. Larger is better.

    With weights, the distance of i and j counts sqrt(w_i w_j) times.

    Parameters
    ----------
    distances : (n, n) array
    chosen : (k,) array of int
    weights : (n,) array, optional

    Returns
    -------
    float
        Infinite for a single point. O(k^2) time.

    Examples
    --------
    >>> D = abs(np.subtract.outer([0.0, 1.0, 5.0], [0.0, 1.0, 5.0]))
    >>> dispersion(D, [0, 2])
    5.0
    """
    return min(_pairs(distances, chosen, weights).tolist(), default=math.inf)


def sum_of_distances(distances: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Sum of the distances of all pairs of chosen points: the objective of max-sum diversity. Larger is better.

    With weights, the distance of i and j counts sqrt(w_i w_j) times. Parameters as for :func:`dispersion`.

    Examples
    --------
    >>> D = abs(np.subtract.outer([0.0, 1.0, 5.0], [0.0, 1.0, 5.0]))
    >>> sum_of_distances(D, [0, 1, 2])
    10.0
    """
    return math.fsum(_pairs(distances, chosen, weights))


def coverage_radius(distances: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Largest distance of any point to its nearest chosen one: the objective of k-centre. Smaller is better.

    With weights, the largest w_i times distance. Parameters as for :func:`dispersion`; O(n k) time.

    Examples
    --------
    >>> D = abs(np.subtract.outer([0.0, 1.0, 5.0], [0.0, 1.0, 5.0]))
    >>> coverage_radius(D, [0, 2])
    1.0
    """
    D, picks, w = _checked(distances, chosen, weights)
    return float((w * D[:, picks].min(axis=1)).max())


def mean_similarity(similarities: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean over all points of the similarity to the most similar chosen one: facility location. Larger is better.

    Parameters
    ----------
    similarities : (n, n) array
    chosen : (k,) array of int
    weights : (n,) array, optional
        Of the mean.

    Returns
    -------
    float
        O(n k) time.

    Examples
    --------
    >>> mean_similarity([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]], [0, 2], weights=[1, 2, 1])
    0.75
    """
    S, picks, w = _checked(similarities, chosen, weights)
    return math.fsum(w * S[:, picks].max(axis=1)) / math.fsum(w)


def log_determinant(similarities: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Logarithm of the determinant of the chosen part of a kernel: a determinantal point process. Larger is better.

    With weights, the kernel is w_i s_ij w_j. Parameters as for :func:`mean_similarity`; the matrix is positive
    semidefinite.

    Returns
    -------
    float
        Minus infinity if the chosen rows are linearly dependent. O(k^3) time.

    Examples
    --------
    >>> log_determinant(np.eye(3), [0, 2])
    0.0
    """
    S, picks, w = _checked(similarities, chosen, weights)
    sign, value = np.linalg.slogdet(w[picks, None] * S[np.ix_(picks, picks)] * w[picks])
    return float(value) if sign > 0 else -math.inf


def _pairs(distances: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None) -> Vector:
    D, picks, w = _checked(distances, chosen, weights)
    i, j = np.triu_indices(len(picks), 1)
    return np.asarray(np.sqrt(w[picks[i]] * w[picks[j]]) * D[picks[i], picks[j]])


def _checked(matrix: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None) -> tuple[Matrix, Indices, Vector]:
    D, picks = np.asarray(matrix, dtype=np.float64), np.asarray(chosen)
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise InvalidProblemError(f"a matrix of shape {D.shape}; a row and a column for each point are needed: (n, n)")
    if picks.ndim != 1 or not len(picks) or picks.dtype.kind not in "iu":
        raise InvalidProblemError(f"chosen = {chosen!r}: give the indices of at least one point, such as [0, 2]")
    if picks.min() < 0 or picks.max() >= len(D) or len(np.unique(picks)) < len(picks):
        raise InvalidProblemError(f"chosen = {picks.tolist()}: give different indices from 0 to {len(D) - 1}")
    return D, picks.astype(np.int64), checked_weights(weights, len(D))


def checked_weights(weights: ArrayLike | None, n: int) -> Vector:
    """Return the weights as n floats, ones by default.

    Raises
    ------
    InvalidProblemError
        If they are not n finite numbers >= 0, at least one of them positive; the message names the first wrong one.
    """
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (n,):
        raise InvalidProblemError(f"weights of shape {w.shape}; {n} points need ({n},)")
    if wrong := np.flatnonzero(~(np.isfinite(w) & (w >= 0))).tolist():
        raise InvalidProblemError(f"weights[{wrong[0]}] = {w[wrong[0]]}: a weight is a finite number >= 0")
    if not w.any():
        raise InvalidProblemError("weights are all zero: at least one point must count")
    return w
