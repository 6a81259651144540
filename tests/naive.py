"""The oracle: everything written again in plain Python, slow and obvious. It shares no code with the packages."""

import itertools
import math

import numpy as np


def distance(metric, x, y):
    x, y = [float(v) for v in x], [float(v) for v in y]
    if metric == "euclidean":
        return math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True)))
    if metric == "sqeuclidean":
        return math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    if metric == "manhattan":
        return math.fsum(abs(a - b) for a, b in zip(x, y, strict=True))
    if metric == "chebyshev":
        return max(abs(a - b) for a, b in zip(x, y, strict=True))
    if metric == "hamming":
        return sum(a != b for a, b in zip(x, y, strict=True)) / len(x)
    if metric == "jaccard":
        either = sum(a != 0 or b != 0 for a, b in zip(x, y, strict=True))
        both = sum(a != 0 and b != 0 for a, b in zip(x, y, strict=True))
        return 1 - both / either if either else 0.0
    if metric in ("cosine", "angular"):
        u, v = [a / math.hypot(*x) for a in x], [b / math.hypot(*y) for b in y]
        if metric == "cosine":
            return 1 - math.fsum(a * b for a, b in zip(u, v, strict=True))
        apart, together = (math.hypot(*(a + sign * b for a, b in zip(u, v, strict=True))) for sign in (-1, 1))
        return 2 * math.atan2(apart, together)  # arccos loses half the digits of small angles
    if metric == "haversine":
        (lat1, lon1), (lat2, lon2) = map(math.radians, x), map(math.radians, y)
        h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
        return 2 * 6371.0088 * math.asin(math.sqrt(min(1.0, h)))
    raise ValueError(metric)


def matrix(metric, points):
    return np.array([[0.0 if x is y else distance(metric, x, y) for y in points] for x in points])


def objective(D, indices):
    return min(D[i][j] for i, j in itertools.combinations(indices, 2))


def optimum(D, k, include=(), exclude=()):
    """The largest objective over all subsets of size k."""
    free = [i for i in range(len(D)) if i not in exclude and i not in include]
    return max(objective(D, (*include, *rest)) for rest in itertools.combinations(free, k - len(include)))


def farthest_first(D, k, first):
    chosen = list(first)
    while len(chosen) < k:
        best, best_distance = None, -1.0
        for i in range(len(D)):
            nearest = min(D[i][c] for c in chosen)
            if i not in chosen and nearest > best_distance:
                best, best_distance = i, nearest
        chosen.append(best)
    return chosen


def divprune(features, k):
    """DivPrune's rule (arXiv 2503.02175, algorithm 1), with the marks that keep a token from being taken twice.

    Cosine distances; begin with the token whose second smallest entry in its column is largest (the smallest is its
    own); then add the token whose smallest distance to those taken is largest.
    """
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    D = 1 - unit @ unit.T
    taken = [int(np.argmax(np.sort(D, axis=0)[1]))]
    while len(taken) < k:
        nearest = D[taken].min(axis=0)
        nearest[taken] = -np.inf
        taken.append(int(np.argmax(nearest)))
    return taken
