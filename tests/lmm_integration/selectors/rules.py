"""Every selector's rule once more, in plain Python and loops: slow, obvious, and without torch."""

import math

import numpy as np


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


def norm(x):
    return math.sqrt(dot(x, x))


def cosine(x, y):
    length = norm(x) * norm(y)
    if x == y:
        return float(length > 0)  # not 1 + 2e-16: the diagonal of a kernel decides ties
    return dot(x, y) / length if length else 0.0


def first_max(candidates, value):
    """The candidate of the largest value, the lowest one among equals."""
    return max(sorted(candidates), key=value)


def ranked(candidates, value):
    return sorted(candidates, key=lambda i: (-value(i), i))


def largest_norm(X, k):
    return ranked(range(len(X)), lambda i: norm(X[i]))[:k]


def stride(X, k):
    return [math.floor((i + 0.5) * len(X) / k) for i in range(k)]


def k_medoids(X, k, iterations):
    n = len(X)
    D = [[0.0 if i == j else 1 - cosine(X[i], X[j]) for j in range(n)] for i in range(n)]
    cost = lambda medoids: sum(min(D[i][m] for m in medoids) for i in range(n))  # noqa: E731
    medoids = []
    for _ in range(k):
        free = [i for i in range(n) if i not in medoids]
        medoids.append(min(free, key=lambda i: cost([*medoids, i])))
    for _ in range(iterations):
        clusters = [[] for _ in medoids]
        for i in range(n):
            own = medoids.index(i) if i in medoids else min(range(k), key=lambda c: D[i][medoids[c]])
            clusters[own].append(i)
        medoids = [min(members, key=lambda i: sum(D[i][j] for j in members)) for members in clusters]
    return medoids


def determinant(matrix):
    """By elimination."""
    matrix, value = [list(row) for row in matrix], 1.0
    for i in range(len(matrix)):
        value *= matrix[i][i]
        if not matrix[i][i]:
            return 0.0
        for j in range(i + 1, len(matrix)):
            factor = matrix[j][i] / matrix[i][i]
            matrix[j] = [b - factor * a for a, b in zip(matrix[i], matrix[j], strict=True)]
    return value


def greedy_map(L, k):
    picks = []
    for _ in range(k):
        volume = lambda i: determinant([[L[a][b] for b in (*picks, i)] for a in (*picks, i)])  # noqa: E731
        picks.append(first_max(set(range(len(L))) - set(picks), volume))
    return picks


def dpp(X, k):
    return greedy_map([[cosine(x, y) for y in X] for x in X], k)


def cdpruner(X, k, prompt):
    relevance = [sum(cosine(x, t) for t in prompt) / len(prompt) for x in X]
    low, high = min(relevance), max(relevance)
    r = [(value - low) / (high - low) for value in relevance]
    return greedy_map([[r[i] * cosine(x, y) * r[j] for j, y in enumerate(X)] for i, x in enumerate(X)], k)


def thin(X, order, k, per_round):
    order = list(order)
    while len(order) > k:
        even, odd = order[0::2], order[1::2]
        similar = {i: max(cosine(X[i], X[j]) for j in odd) for i in even}
        even.sort(key=lambda i: -similar[i])
        order = even[min(per_round, len(order) - k) :] + odd
    return order


def duplicate_removal(X, k, per_round):
    return thin(X, range(len(X)), k, per_round)


def cls_attention(attention, k):
    return ranked(range(len(attention)), lambda i: attention[i])[:k]


def vispruner(X, k, attention, important, per_round):
    order = cls_attention(attention, len(X))
    first = int(k * important)
    return order[:first] + thin(X, order[first:], k - first, per_round)


def visionzip(attention, keys, k, count):
    """Weights of the rows that stay: the attended ones in order, then the merged ones."""
    n = len(attention)
    dominant = sorted(cls_attention(attention, k - count))
    rest = [i for i in range(n) if i not in dominant]
    targets = rest[:: len(rest) // count][:count] if count else []
    members = {t: [] for t in targets}
    for i in rest:
        if count and i not in targets:
            members[first_max(targets, lambda t: cosine(keys[i], keys[t]))].append(i)  # noqa: B023
    weights = [[float(i == j) for j in range(n)] for i in dominant]
    for target, merged in members.items():
        weights.append([float(j == target) + (1 / len(merged) if j in merged else 0.0) for j in range(n)])
    return weights


def dart(X, k, pivots):
    chosen = ranked(range(len(X)), lambda i: sum(map(abs, X[i])))[: min(pivots, k)]
    group_counts, more = divmod(k - len(chosen), len(chosen))
    for place, pivot in enumerate(list(chosen)):
        free = [i for i in range(len(X)) if i not in chosen]
        chosen += ranked(free, lambda i: -cosine(X[i], X[pivot]))[: group_counts + (place < more)]  # noqa: B023
    return chosen


def softmax(values):
    exponentials = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponentials) for value in exponentials]


def coverage(M, chosen):
    return sum(max(row[j] for j in chosen) for row in M) / len(M)


def mmtok(X, k, prompt, temperature, text_temperature, vision_weight):
    vision = [softmax([cosine(x, y) / temperature for y in X]) for x in X]
    text = [softmax([cosine(t, y) / text_temperature for y in X]) for t in prompt]
    picks = []
    for _ in range(k):
        free = set(range(len(X))) - set(picks)
        value = lambda i: (  # noqa: E731
            (coverage(text, [*picks, i]) if prompt else 0.0) + vision_weight * coverage(vision, [*picks, i])
        )
        picks.append(first_max(free, value))
    return picks


def gist(X, k, diversity, epsilon):
    """The best set, and what every set is worth."""
    n = len(X)
    D = [[math.sqrt(max(0.0, 2 - 2 * cosine(x, y))) for y in X] for x in X]
    lengths = [norm(x) for x in X]
    utility = [length / max(lengths) for length in lengths]
    diameter = max(map(max, D))
    far = next([i, j] for i in range(n) for j in range(n) if D[i][j] == diameter)

    def complete(chosen, threshold):
        while len(chosen) < k:
            free = [i for i in range(n) if i not in chosen]
            nearest = {i: min((D[i][j] for j in chosen), default=math.inf) for i in free}
            apart = [i for i in free if nearest[i] >= threshold]
            chosen.append(first_max(apart, utility.__getitem__) if apart else first_max(free, nearest.__getitem__))
        return chosen

    def value(chosen):
        pairs = [D[i][j] for place, i in enumerate(chosen) for j in chosen[:place]]
        return sum(utility[i] for i in chosen) / k + diversity * min(pairs, default=diameter)

    sets, step = [complete([], 0.0)], 1.0
    while step <= 2 / epsilon:
        sets.append(complete([], step * epsilon * diameter / 2))
        step *= 1 + epsilon
    if k > 1:
        sets.append(complete(far, math.inf))
    return max(sets, key=value), value


def unlikeness(X):
    likeness = [sum(cosine(x, y) for y in X) / len(X) for x in X]
    low, high = min(likeness), max(likeness)
    return [(high - value) / (high - low) if high > low else 1.0 for value in likeness]


def centred(X):
    mean = [sum(column) / len(X) for column in zip(*X, strict=True)]
    return [[a - m for a, m in zip(x, mean, strict=True)] for x in X]


def weighted_farthest_first(Y, weight, k, first=None):
    others = lambda i: [j for j in range(len(Y)) if j != i]  # noqa: E731
    isolated = lambda i: min(1 - cosine(Y[i], Y[j]) for j in others(i))  # noqa: E731
    picks = [first_max(range(len(Y)), isolated) if first is None else first]
    while len(picks) < k:
        free = set(range(len(Y))) - set(picks)
        picks.append(first_max(free, lambda i: weight[i] * min(1 - cosine(Y[i], Y[j]) for j in picks)))
    return picks


def centred_greedy(X, k):
    return weighted_farthest_first(centred(X), unlikeness(X), k)


def weighted_greedy(X, k):
    return weighted_farthest_first(X, unlikeness(X), k)


def k_centre(X, k):
    radius = lambda i: max(1 - cosine(X[i], y) for y in X)  # noqa: E731
    return weighted_farthest_first(X, [1.0] * len(X), k, min(range(len(X)), key=radius))


def weighted_k_centre(X, k, attention):
    return weighted_farthest_first(X, attention, k, first_max(range(len(X)), attention.__getitem__))


def facility_location(X, chosen, weight=None):
    """Sum of weight times 1 + cosine to the most similar chosen token."""
    weight = weight or [1.0] * len(X)
    return sum(w * max(1 + cosine(x, X[j]) for j in chosen) for w, x in zip(weight, X, strict=True))


def quantile(values, share):
    """Linear between the sorted values."""
    values, place = sorted(values), share * (len(values) - 1)
    below = math.floor(place)
    return values[below] + (place - below) * (values[min(below + 1, len(values) - 1)] - values[below])


def coverage_weights(X, trim, floor):
    unlike = [-sum(cosine(x, y) for y in X) / len(X) for x in X]
    low, high = quantile(unlike, trim), quantile(unlike, 1 - trim)
    u = [min(1.0, max(0.0, (value - low) / (high - low))) for value in unlike]
    return [value + floor * sorted(u)[(len(u) - 1) // 2] for value in u]


def mmr(X, k, attention, relevance):
    low, high = min(attention), max(attention)
    s = [(value - low) / (high - low) for value in attention]
    picks = [first_max(range(len(X)), s.__getitem__)]
    while len(picks) < k:
        like = lambda i: max(cosine(X[i], X[j]) for j in picks)  # noqa: E731
        free = set(range(len(X))) - set(picks)
        picks.append(first_max(free, lambda i: relevance * s[i] - (1 - relevance) * like(i)))  # noqa: B023
    return picks


def scope_gain(X, picks, i, attention, power):
    c = [max((max(0.0, cosine(x, X[j])) for j in picks), default=0.0) for x in X]
    return attention[i] ** power * sum(max(0.0, cosine(x, X[i]) - ci) for x, ci in zip(X, c, strict=True))


def holov(X, k, attention, crops, variety):
    n, parts, start = len(X), [], 0
    for part in range(min(crops, n)):
        size = n // min(crops, n) + (part < n % min(crops, n))
        parts.append(list(range(start, start + size)))
        start += size
    worth = []
    for part in parts:
        a = [1000 * attention[i] for i in part]
        v = []
        for i in part:
            row = [cosine(X[i], X[j]) if i != j else 0.0 for j in part]
            mean = sum(row) / (len(part) - 1)
            v.append(sum((value - mean) ** 2 for value in row) / (len(part) - 1))
        scale = sum(a) / len(a) / (sum(v) / len(v) + 1e-6)
        worth.append(sum(ai + variety * vi * scale for ai, vi in zip(a, v, strict=True)) / len(a))
    weights = [value / sum(worth) for value in worth]
    budgets = [math.floor(weight * k) for weight in weights]
    for part in ranked(range(len(parts)), weights.__getitem__)[: k - sum(budgets)]:
        budgets[part] += 1
    assert all(budget <= len(part) for budget, part in zip(budgets, parts, strict=True))
    return [i for part, b in zip(parts, budgets, strict=True) for i in ranked(part, attention.__getitem__)[:b]]


def vidcom2(X, k, grid):
    frames, rows, columns = grid
    size, d = rows * columns, len(X[0])
    mean = [sum(column) / len(X) for column in zip(*X, strict=True)]
    variance = [sum((x[c] - mean[c]) ** 2 for x in X) / len(X) for c in range(d)]
    quiet = sorted(range(d), key=lambda c: (variance[c], c))[: d // 2]
    U = [[x[c] / norm([x[q] for q in quiet]) for c in quiet] for x in X]
    centre_of = lambda rows: [sum(column) / len(rows) for column in zip(*rows, strict=True)]  # noqa: E731

    def likeness(x, centre):
        squared = sum((a - b) ** 2 for a, b in zip(x, centre, strict=True))
        return sum(math.exp(-squared / (2 * a)) for a in (0.125, 0.25, 0.5, 1, 2))

    video = [likeness(u, centre_of(U)) for u in U]
    blocks = [range(frame * size, (frame + 1) * size) for frame in range(frames)]
    both = [video[i] + likeness(U[i], centre_of([U[j] for j in block])) for block in blocks for i in block]
    p = softmax([-sum(video[i] for i in block) / size / 0.01 for block in blocks])
    ideal = [k / frames * (1 + share - sum(p) / frames) for share in p]
    if max(ideal) > size:
        return None
    budgets = [math.floor(share) for share in ideal]
    for frame in ranked(range(frames), lambda f: ideal[f] - budgets[f])[: k - sum(budgets)]:
        budgets[frame] += 1
    if max(budgets) > size:
        return None
    return [i for block, b in zip(blocks, budgets, strict=True) for i in ranked(block, lambda i: -both[i])[:b]]


def dycoke(X, k, grid):
    frames, rows, columns = grid
    size = rows * columns
    before = {f: f - 2 if f % 4 == 2 else f - 1 for f in range(frames) if f % 4}
    whole = [f * size + i for f in range(0, frames, 4) for i in range(size)]
    if k < len(whole):
        return None
    share, more = divmod(k - len(whole), max(1, len(before)))
    picks = set(whole)
    for place, (frame, other) in enumerate(before.items()):
        alike = {frame * size + i: cosine(X[frame * size + i], X[other * size + i]) for i in range(size)}
        picks |= set(sorted(alike, key=alike.get)[: share + (place < more)])
    return picks


def prunesid(X, k, attention):
    """Groups, which of their tokens are distinct, and the two orders in which a group gives its tokens."""
    n = len(X)
    A = 1 / (1 + np.exp(-np.array(X)))
    A = A.T - A.T.mean(0)
    values, vectors = np.linalg.eigh(A.T @ A)
    top = vectors[:, np.argsort(-values)[: max(1, k // 4)]]
    group = np.abs(top).argmax(1).tolist()
    pairs = [cosine(X[i], X[j]) for i in range(n) for j in range(i)]
    threshold = sum(pairs) / len(pairs) * k / 32
    distinct = []
    for i in ranked(range(n), attention.__getitem__):
        if all(group[i] != group[j] or cosine(X[i], X[j]) <= threshold for j in distinct):
            distinct.append(i)
    return group, distinct


def centred_cdpruner(X, k, prompt):
    relevance = [sum(cosine(x, t) for t in prompt) / len(prompt) for x in X]
    low, high = min(relevance), max(relevance)
    r, Y = [(value - low) / (high - low) for value in relevance], centred(X)
    return greedy_map([[r[i] * cosine(x, y) * r[j] for j, y in enumerate(Y)] for i, x in enumerate(Y)], k)


def evs(X, k, grid):
    frames, rows, columns = grid
    size = rows * columns
    change = {i: 1 - cosine(X[i], X[i - size]) for i in range(size, frames * size)}
    return [*range(min(k, size)), *ranked(change, change.__getitem__)[: max(0, k - size)]]
