"""Arrays, tensors and ``solve`` pick what the float64 rule of the oracle picks, whatever was left to integers.

MMDP_RULE_INPUTS=20000 python -m pytest tests/solvers/test_float64_rule.py
"""

import os
from dataclasses import dataclass

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdp import InvalidProblemError, Problem, SolverContractError
from solvers import solve
from solvers._farthest_first import from_products, integer_products, integer_rows, intervals, isolated, selection
from solvers.greedy import Greedy
from tests import naive

torch = pytest.importorskip("torch")

INPUTS = int(os.environ.get("MMDP_RULE_INPUTS", "300"))
STARTS = ("isolated", "isolated", "auto", "farthest_pair", "sweep", "random", 1)


def normal(rng, *shape):
    return rng.standard_normal(shape)


def repeated(rng, n, d):
    m = rng.integers(1, n + 1)
    return normal(rng, m, d)[rng.integers(0, m, n)]


def one_ulp_off(rng, n, d):
    X = repeated(rng, n, d).astype(np.float32)
    for row in np.flatnonzero(rng.random(n) < 0.7):
        for _ in range(rng.integers(1, 4)):
            c = rng.integers(0, d)
            X[row, c] = np.nextafter(X[row, c], np.float32(9))
    return X


def with_zeros(rng, n, d):
    X = normal(rng, n, d)
    X[rng.random(n) < 0.3] = 0
    return X


def one_hot(rng, n, d):
    X = np.zeros((n, d))
    X[np.arange(n), rng.integers(0, d, n)] = rng.choice([1, 2, 3, 0.1], n)
    return X


def straddling(rng, n, d):
    """On a sphere around one row, to a few units of rounding of float32: near-ties in every step."""
    u = normal(rng, n, d)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    X = normal(rng, d) + u * (1 + 1e-7 * rng.integers(-3, 4, (n, 1)))
    X[0] -= u[0]
    return X


KINDS = {
    "random": normal,
    "clustered": lambda r, n, d: repeated(r, n, d) + 10.0 ** -r.uniform(0, 3) * normal(r, n, d),
    "copies": repeated,
    "tiles": lambda r, n, d: repeated(r, n, d) + 10.0 ** -r.uniform(3, 8) * normal(r, n, d),
    "one ulp off": one_ulp_off,
    "straddling": straddling,
    "zero vectors": with_zeros,
    "integers": lambda r, n, d: r.integers(-2, 3, (n, d)),
    "signs": lambda r, n, d: r.integers(0, 2, (n, d)) * 2 - 1,
    "one-hot": one_hot,
    "permutations": lambda r, n, d: r.permuted(np.tile(normal(r, d), (n, 1)), axis=1),
    "circulant": lambda r, n, d: np.stack([np.roll(np.arange(d) ** 0.5, i) for i in r.integers(0, d, n)]),
    "multiples": lambda r, n, d: repeated(r, n, d) * r.choice([1, 2, 3, 0.1, -1], n)[:, None],
    "offset": lambda r, n, d: 10.0 ** r.uniform(0, 3) * normal(r, d) + normal(r, n, d),
    "tight": lambda r, n, d: normal(r, d) + 10.0 ** -r.uniform(2, 6) * normal(r, n, d),
    "rows of many scales": lambda r, n, d: normal(r, n, d) * 10.0 ** r.uniform(-6, 6, (n, 1)),
    "huge": lambda r, n, d: normal(r, n, d) * 10.0 ** r.uniform(8, 30),
    "tiny": lambda r, n, d: normal(r, n, d) * 10.0 ** -r.uniform(8, 30),
}


@dataclass(frozen=True)
class Input:
    """A batch of points, as float32 or float64, or as numbers of bfloat16 or float16, and how to pick of it."""

    kind: str
    points: np.ndarray
    dtype: str
    metric: str
    start: str | int
    k: int
    masks: dict[str, np.ndarray]

    def tensor(self):
        return torch.from_numpy(self.points).to(getattr(torch, self.dtype))

    def expected(self, item):
        X = self.points[item]
        k, state = self.k, np.zeros(len(X))
        if "include" in self.masks:
            state[self.masks["include"][item]] = 1
            state[self.masks["exclude"][item]] = -1
            state[self.masks["lengths"][item] :] = -1
            k = min(k, self.masks["ks"][item])
        start = "isolated" if self.start == "auto" else self.start
        picks = naive.greedy(naive.float64_rule(X, self.metric), k, start, state)
        return picks + [-1] * (self.k - len(picks))


@st.composite
def inputs(draw, kinds=tuple(KINDS)):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(kinds))
    b, n = draw(st.sampled_from((1, 1, 2))), draw(st.integers(2, 70))
    d = draw(st.one_of(st.integers(1, 12), st.integers(9, 70), st.integers(200, 600)))
    k = draw(st.one_of(st.integers(1, max(1, n // 4)), st.integers(1, n)))
    dtype = draw(st.sampled_from(("float32", "float32", "float64", "bfloat16", "float16")))
    if dtype == "float16" and kind in ("huge", "tiny", "rows of many scales", "offset"):
        dtype = "float32"
    X = np.stack([np.broadcast_to(KINDS[kind](rng, n, d), (n, d)) for _ in range(b)])
    points = torch.from_numpy(X.astype(np.float64)).to(getattr(torch, dtype))
    points = points.numpy() if dtype in ("float32", "float64") else points.float().numpy()
    masks = {}
    if draw(st.integers(0, 3)) == 0:
        masks = {
            "lengths": rng.integers(0, n + 1, b),
            "ks": rng.integers(0, k + 1, b),
            "include": rng.random((b, n)) < draw(st.sampled_from((0.0, 0.05))),
            "exclude": rng.random((b, n)) < 0.2,
        }
    start = draw(st.sampled_from(STARTS))
    return Input(kind, points, dtype, draw(st.sampled_from(("cosine", "euclidean"))), start, k, masks)


@settings(max_examples=INPUTS, deadline=None)
@given(given_input=inputs())
def test_the_rules_picks(given_input):
    X, k, metric = given_input.points, given_input.k, given_input.metric
    expected = [given_input.expected(item) for item in range(len(X))]
    solver = Greedy(given_input.start)
    masks = {name: torch.from_numpy(mask) for name, mask in given_input.masks.items()}
    assert solver.select(given_input.tensor(), k, metric, **masks).tolist() == expected
    if masks:
        return
    assert solver.select(X, k, metric).tolist() == expected
    if 1 < k < X.shape[1] and (metric == "euclidean" or X.any(axis=-1).all()):
        assert [solve(item, k, metric=metric, start=given_input.start).indices.tolist() for item in X] == expected


@settings(max_examples=max(60, INPUTS // 10), deadline=None)
@given(given_input=inputs(), threads=st.integers(1, 3))
def test_no_product_is_farther_from_the_rule_than_its_bound(given_input, threads):
    X = np.ascontiguousarray(given_input.points[0])
    rows = from_products._rows(X, given_input.metric == "cosine")
    if rows is None:
        return
    rule = naive.in_lanes(np.square((V := X * rows.scale[:, None])[:, None] - V)) / 2
    above = np.triu_indices(len(X), 1)

    def check(matrix, least, error):
        assert (abs(matrix[above].astype(np.float64) - rule[above]) <= error).all()
        whole = np.full_like(matrix, np.inf)
        whole[above] = matrix[above]
        assert (least == np.minimum(whole, whole.T).min(axis=1)).all()

    matrix, least = integer_products.half_distances(rows, threads)
    check(matrix, least, rows.error)
    check(matrix, integer_products.refine(rows, matrix, threads), rows.fine_error)


@pytest.mark.parametrize("kind", ["tiles", "copies", "one ulp off", "clustered"])
@pytest.mark.parametrize("angular", [True, False])
def test_a_bound_a_thousand_times_too_small_is_an_error(kind, angular):
    X = KINDS[kind](np.random.default_rng(0), 200, 600).astype(np.float32)
    assert len(from_products.pick(X, 60, "isolated", [], angular).picks) == 60
    with pytest.raises(SolverContractError, match="products of integers are off by more than"):
        from_products.pick(X, 150, "isolated", [], angular, slack=1e-3)


def isolated_point(X, angular, threads=1):
    rows = from_products._rows(X, angular)
    return None if rows is None else isolated.most_isolated(rows, rows.error, threads)[0]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["random", "clustered", "copies", "tiles", "multiples", "unit", "twins"])
def test_the_most_isolated_of_many(kind, threads, monkeypatch):
    comparison = isolated._Comparison
    monkeypatch.setattr(isolated, "_Comparison", lambda rows, threads: comparison(rows, threads, worth_threads=0))
    rng = np.random.default_rng(0)
    for n, d in ((600, 9), (700, 40), (1500, 33)):
        x = KINDS.get(kind, normal)(rng, n, d).astype(np.float32)
        if kind == "unit":
            x /= np.linalg.norm(x, axis=1, keepdims=True)
        if kind == "twins":
            x[n // 2 :] = x[: n - n // 2] + 0.1 * x[n // 2 :]
        found = isolated_point(x, False, threads)
        expected = naive.greedy(naive.float64_rule(x, "euclidean"), 1, "isolated")
        assert [found] == expected or (found == -1 and kind == "copies")


@settings(max_examples=max(40, INPUTS // 10), deadline=None)
@given(given_input=inputs())
def test_the_most_isolated_point_without_all_pairs(given_input):
    X = np.ascontiguousarray(given_input.points[0])
    X = X if len(X) > 20 else np.repeat(X, 11, axis=0)
    found = isolated_point(X, given_input.metric == "cosine")
    if found is not None and found >= 0:
        assert [found] == naive.greedy(naive.float64_rule(X, given_input.metric), 1, "isolated")


def test_few_of_many_points_begin_without_all_pairs(monkeypatch):
    X = np.random.default_rng(0).standard_normal((700, 40))
    used = []
    search = isolated.most_isolated
    monkeypatch.setattr(isolated, "most_isolated", lambda *arguments: used.append(1) or search(*arguments))
    assert solve(X, 3).indices.tolist() == solve(X, 3, accelerated=False).indices.tolist()
    assert used


@pytest.mark.parametrize("copies", [1, 2])
def test_the_most_isolated_point_needs_no_matrix(copies, monkeypatch):
    """If each point has a copy, all tie, and the plain traversal goes on."""
    monkeypatch.setattr(from_products, "MOST_POINTS", 100)
    monkeypatch.setattr(from_products, "half_distances", lambda *arguments: pytest.fail("a matrix of too many points"))
    X = np.repeat(np.random.default_rng(0).standard_normal((700 // copies, 40)), copies, axis=0)
    assert len(from_products.pick(X, 3, "isolated", [], angular=False).picks) == 2 - copies
    assert Greedy().select(X, 3, "euclidean").tolist() == Greedy(accelerated=False).select(X, 3, "euclidean").tolist()


def test_distances_that_tie_by_the_mass_are_left_to_the_plain_traversal():
    X = np.eye(300) * np.random.default_rng(0).uniform(1, 2, 300)[:, None]  # unit vectors with norms 1 and almost 1
    outcome = from_products.pick(X, 250, "isolated", [], angular=True)
    assert len(outcome.picks) < 250
    assert Greedy().select(X, 250).tolist() == naive.greedy(naive.float64_rule(X, "cosine"), 250, "isolated")


def test_ordinary_points_need_few_distances_in_float64():
    X = np.random.default_rng(0).standard_normal((400, 300)).astype(np.float32)
    outcome = from_products.pick(X, 40, "isolated", [], angular=True)
    assert len(outcome.picks) == 40
    assert outcome.recomputed < 200


@pytest.mark.parametrize("threads", [1, 2])
def test_items_of_a_batch_are_picked_from_as_if_alone(threads):
    X = np.random.default_rng(0).standard_normal((7, 60, 90)).astype(np.float32)
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        together = Greedy().select(X, 12)
    finally:
        numba.set_num_threads(before)
    assert together.tolist() == [Greedy().select(item, 12).tolist() for item in X]


def test_items_of_bfloat16_are_not_copied_as_float32(monkeypatch):
    X = torch.randn(4, 60, 90, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = [Greedy().select(item.float(), 12).tolist() for item in X]
    sizes, widened = [], from_products.widened
    monkeypatch.setattr(from_products, "widened", lambda bits: sizes.append(bits.size) or widened(bits))
    monkeypatch.setattr(selection, "widened", lambda bits: pytest.fail("a copy is not needed"))
    assert Greedy().select(X, 12).tolist() == expected
    assert max(sizes) <= from_products._SAMPLE * 2 * 90  # the middle of some rows


def test_whole_numbers_of_16_bits_are_not_taken_for_bfloat16():
    X = np.random.default_rng(0).integers(0, 2**16, (60, 40)).astype(np.uint16)
    expected = Greedy().select(X.astype(np.float64), 12).tolist()
    assert Greedy().select(X, 12).tolist() == expected
    assert Greedy().select(torch.from_numpy(X), 12).tolist() == expected


@pytest.mark.parametrize("threads", [1, 2, 3, 50])
def test_threads_multiply_the_same_rows(threads, monkeypatch):
    monkeypatch.setattr(integer_products, "_WORTH_A_THREAD", 0)
    x = np.random.default_rng(0).standard_normal((400, 1100)).astype(np.float32)
    rows = from_products._rows(x, True)
    matrix, least = integer_products.half_distances(rows)
    other, least_of_other = integer_products.half_distances(rows, threads)
    assert (np.triu(matrix, 1) == np.triu(other, 1)).all()
    assert (least == least_of_other).all()
    outcome = from_products.pick(x, 60, "isolated", [], angular=True, threads=threads)
    assert outcome.picks == Greedy(accelerated=False).select(x, 60).tolist()


@pytest.mark.parametrize("start", ["isolated", "farthest_pair", 0])
@pytest.mark.parametrize("distances", [0, 30, 300])
def test_where_16_bits_leave_much_open_finer_products_go_on(start, distances, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 600)).astype(np.float32)[rng.integers(0, 20, 400)]
    x += 1e-4 * rng.standard_normal(x.shape).astype(np.float32)
    refined, finer = [], from_products.refine
    monkeypatch.setattr(from_products, "refine", lambda *arguments: refined.append(1) or finer(*arguments))
    monkeypatch.setattr(from_products, "_WORTH_FINER", 400 * 400 // distances if distances else 10**9)
    outcome = from_products.pick(x, 150, start, [], angular=False)
    assert outcome.picks == Greedy(start, accelerated=False).select(x, 150, "euclidean").tolist()
    assert refined


@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 300), (33, 256), (40, 1700)])
def test_rows_are_the_integers_that_are_nearest_and_products_are_exact(n, d):
    x = np.random.default_rng(n).standard_normal((n, d))
    rows = integer_rows.integer_rows(x, np.ones(n), np.zeros(d))
    units = x / rows.unit[:, None]
    np.testing.assert_array_equal(rows.high[:n, :d], np.floor(units + 0.5))
    np.testing.assert_array_equal(rows.low()[:n, :d], np.floor((units - rows.high[:n, :d]) * rows.fineness + 0.5))
    assert not rows.high[n:].any()
    assert not rows.high[:, d:].any()
    whole = rows.high[:n].astype(np.int64)
    products = whole @ whole.T
    assert abs(products).max() < 2**31
    expected = (rows.squares[:, None] + rows.squares) / 2 - products * np.outer(rows.unit, rows.unit)
    found = integer_products.rows_of_half_distances(rows, np.arange(n))
    np.testing.assert_allclose(found, expected, atol=1e-6 * rows.squares.max())


@pytest.mark.parametrize("d", [1, 33, 700, 1025, 4096, 10_000])
def test_no_finer_product_leaves_its_bits_whatever_the_rest(d):
    rows = integer_rows.integer_rows(np.ones((2, d)), np.ones(2), np.zeros(d))
    most_that_is_left = np.floor(rows.fineness / 2 + 0.5)
    assert 2 * integer_rows._LONGEST * np.sqrt(rows.high.shape[1]) * most_that_is_left < 2**31


@pytest.mark.parametrize("largest", [1.0, 1e-9, 1e12])
def test_no_coordinate_and_no_product_leaves_its_bits(largest):
    """The longest rows that there can be: one coordinate, two, or all alike."""
    for row in (np.eye(1, 64), np.eye(1, 64) + np.eye(1, 64, 1), np.ones((1, 64)), np.ones((1, 5000))):
        x = largest * np.concatenate([row, -row, row[:, ::-1]])
        rows = integer_rows.integer_rows(x, np.ones(3), np.zeros(x.shape[1]))
        assert (np.sign(rows.high[:3, : x.shape[1]]) == np.sign(x)).all()
        found = integer_products.rows_of_half_distances(rows, np.array([0]))[0]
        expected = ((x - x[0]) ** 2).sum(1) / 2
        assert (abs(found - expected)[1:] <= rows.error).all()
        high, low = (part[:3].astype(object) for part in (rows.high, rows.low()))
        assert abs(high @ low.T + low @ high.T).max() < 2**31


def test_what_is_not_finite_is_refused_with_its_place():
    X = np.random.default_rng(0).standard_normal((2, 30, 20)).astype(np.float32)
    X[1, 7, 3] = np.nan
    for points in (X, torch.from_numpy(X)):
        with pytest.raises(InvalidProblemError, match="row 7 of item 1, column 3"):
            Greedy().select(points, 5)
    outside = torch.zeros(2, 30, dtype=torch.bool)
    outside[1, 7] = True
    assert 7 not in Greedy().select(torch.from_numpy(X), 5, exclude=outside)[1]


def test_an_empty_interval_cannot_be():
    """Every point that is known exactly stays within what its product allows."""
    X = KINDS["tiles"](np.random.default_rng(3), 150, 64).astype(np.float32)
    rows = from_products._rows(X, True)
    pairs = from_products._pairs(rows, integer_products.half_distances(rows)[0], rows.error)
    nearest, picks, work = intervals.unknown(150), np.zeros(100, np.int64), np.array([10**9, 0, 0])
    assert intervals.extend(pairs, nearest, picks, 0, 1, 100, work) == 100
    left = np.setdiff1d(np.arange(150), picks)
    assert (nearest.low[left] <= nearest.high[left]).all()


def test_a_problems_picks_begin_and_limit_the_selection():
    X = np.random.default_rng(4).standard_normal((80, 30))
    D = naive.float64_rule(X, "euclidean")
    state = np.zeros(80)
    state[[5, 60]], state[[1, 2, 70]] = 1, -1
    found = solve(Problem(20, points=X, include=(5, 60), exclude=(1, 2, 70))).indices.tolist()
    assert found == naive.greedy(D, 20, "isolated", state)


@pytest.mark.parametrize("n", [2, 3, 6, 8, 9, 40])
def test_the_isolated_point_of_few_is_that_of_the_rule(n):
    x = np.random.default_rng(n).normal(size=(n, 20))
    apart = ((x[:, None] - x[None]) ** 2).sum(-1) + np.diag(np.full(n, np.inf))
    assert isolated_point(x, angular=False) == int(apart.min(1).argmax())
