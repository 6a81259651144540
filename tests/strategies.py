"""Small problems for Hypothesis: every metric, ties, duplicates, fixed and excluded picks, plain matrices."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmdp import Problem
from tests import naive

VECTOR_METRICS = ("euclidean", "sqeuclidean", "manhattan", "chebyshev", "hamming", "cosine", "angular")
METRICS = (*VECTOR_METRICS, "haversine", "jaccard")
TRIANGLE = ("euclidean", "manhattan", "chebyshev", "hamming", "angular", "haversine", "jaccard")


@dataclass(frozen=True)
class Case:
    """A problem and its true distances, computed by the oracle."""

    problem: Problem
    D: np.ndarray

    def optimum(self):
        return naive.optimum(self.D, self.problem.k, self.problem.include, self.problem.exclude)


@st.composite
def points(draw, metric, n):
    if metric == "haversine":
        degrees = st.tuples(st.integers(-90, 90), st.integers(-180, 180))
        return np.array(draw(st.lists(degrees, min_size=n, max_size=n)), dtype=float)
    d = draw(st.integers(1, 5))
    if metric == "jaccard":
        return draw(arrays(np.uint8, (n, d), elements=st.integers(0, 1)))
    lattice = st.integers(-3, 3).map(float)  # ties and duplicates in plenty
    anywhere = st.floats(-100, 100, width=32).map(lambda v: round(v, 2))
    X = draw(arrays(np.float64, (n, d), elements=draw(st.sampled_from((lattice, anywhere)))))
    if metric in ("cosine", "angular"):
        X[~X.any(axis=1), 0] = 1.0
    return X


@st.composite
def matrices(draw, n):
    """Symmetric integer matrices without a triangle inequality."""
    D = np.zeros((n, n))
    pairs = n * (n - 1) // 2
    D[np.triu_indices(n, 1)] = draw(st.lists(st.integers(0, 12), min_size=pairs, max_size=pairs))
    return D + D.T


@st.composite
def cases(draw, max_n=9, metrics=(*METRICS, "matrix"), picks=True):
    n = draw(st.integers(2, max_n))
    k = draw(st.integers(2, n))
    include, exclude = (), ()
    if picks and draw(st.booleans()):
        order = draw(st.permutations(range(n)))
        include = tuple(order[: draw(st.integers(0, k))])
        exclude = tuple(order[n - draw(st.integers(0, n - k)) :])
    metric = draw(st.sampled_from(metrics))
    if metric == "matrix":
        D = draw(matrices(n))
        return Case(Problem(k, distances=D, include=include, exclude=exclude), D)
    X = draw(points(metric, n))
    return Case(Problem(k, points=X, metric=metric, include=include, exclude=exclude), naive.matrix(metric, X))
