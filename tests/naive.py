"""The oracle: everything written again in plain Python, slow and obvious. It shares no code with the packages."""

import decimal
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


def reaches(capacity, demand, indices):
    """Whether at least two points have so much together, in decimals as they are written."""
    total = sum(decimal.Decimal(repr(float(capacity[i]))) for i in indices)
    return len(indices) >= 2 and total >= decimal.Decimal(repr(float(demand)))


def are_apart(D, labels, apart, indices):
    """Whether every two points of groups that have to be apart are."""
    return all(
        D[i][j] >= distance
        for i, j in itertools.permutations(indices, 2)
        for (one, other), distance in apart.items()
        if (labels[i], labels[j]) == (one, other)
    )


def subsets(n, sizes, include=(), exclude=()):
    """All sets of some sizes with the fixed points."""
    for size in sizes:
        for chosen in itertools.combinations(range(n), size):
            if set(include) <= set(chosen) and not set(exclude) & set(chosen):
                yield chosen


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


def in_lanes(terms):
    """Sum over the last axis in the order of ``solvers._framework.pair_sums``: in four times eight lanes."""
    lanes, d, c = np.zeros((*terms.shape[:-1], 4, 8)), terms.shape[-1], 0
    while d - c >= 32:
        lanes += terms[..., c : c + 32].reshape(lanes.shape)
        c += 32
    while d - c >= 8:
        lanes[..., 0, :] += terms[..., c : c + 8]
        c += 8
    a = ((lanes[..., 0, :] + lanes[..., 1, :]) + lanes[..., 2, :]) + lanes[..., 3, :]
    rest = np.zeros(terms.shape[:-1])
    while c < d:
        rest += terms[..., c]
        c += 1
    pairs = [a[..., i] + a[..., i + 4] for i in range(4)]
    return ((pairs[0] + pairs[2]) + (pairs[1] + pairs[3])) + rest


def in_order(terms):
    total = np.zeros(terms.shape[:-1])
    for c in range(terms.shape[-1]):
        total += terms[..., c]
    return total


def float64_rule(X, metric):
    """The distances that decide the greedy's picks, to the last bit: squared, of float64 coordinates.

    Under cosine a row is multiplied by the reciprocal of its length, each product rounded by itself; zero vectors stay
    zero. Squared differences are summed in lanes, up to 8 coordinates in their order. Equal rows are at distance 0,
    and (i, j) has the distance of (j, i). Ties go to the lowest index.
    """
    V = np.asarray(X, dtype=np.float64)
    if metric == "cosine":
        largest = np.abs(V).max(axis=1, keepdims=True)
        V = np.ldexp(V, 1 - np.frexp(largest)[1])  # a power of two, which rounds nothing
        squares = in_lanes(V * V)[:, None]
        V = np.where(squares > 0, V * (1 / np.sqrt(np.where(squares > 0, squares, 1))), 0)
    total = in_order if V.shape[1] <= 8 else in_lanes
    return np.array([total(np.square(V - v)) for v in V])


def greedy(D, k, start, state=None):
    """Picks of farthest-first by a matrix of distances, with -1 where there are no more.

    ``state`` has 1 for points that are picked first, -1 for those that never are.
    """
    n = len(D)
    usable = [i for i in range(n) if state is None or state[i] >= 0]
    picks = [i for i in usable if state is not None and state[i] > 0][:k]
    if not picks and usable and k:
        others = lambda i: [D[i][j] for j in usable if j != i] or [0.0]  # noqa: E731
        if start == "isolated":
            picks = [max(usable, key=lambda i: min(others(i)))]
        elif start == "farthest_pair":
            picks = [max(usable, key=lambda i: max(others(i)))]
        elif start == "sweep":
            picks = [max(usable[1:] or usable, key=lambda i: D[usable[0]][i])]
        elif start == "random":
            picks = [usable[int(np.random.default_rng(0).integers(n)) % len(usable)]]
        else:
            picks = [start if start in usable else usable[0]]
    nearest = np.full(n, -1.0)
    nearest[usable] = np.inf
    for c in picks:
        nearest = np.minimum(nearest, D[c])
    while len(picks) < min(k, len(usable)):
        nearest[picks] = -1.0
        picks.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, D[picks[-1]])
    return picks + [-1] * (k - len(picks))
