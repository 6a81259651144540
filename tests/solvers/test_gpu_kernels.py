"""The Triton kernels pick what the oracle picks; interpreted on a machine without a GPU, compiled on one with."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
gpu_launches = pytest.importorskip("solvers._farthest_first.gpu_launches")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
STARTS = ("isolated", "farthest_pair", "sweep", "random", "2")
PATHS = {"one program": gpu_launches.ONE_PROGRAM, "a launch a step": 0}


@pytest.fixture(params=PATHS)
def path(request, monkeypatch):
    monkeypatch.setattr(gpu_launches, "ONE_PROGRAM", PATHS[request.param])


@dataclass(frozen=True)
class Batch:
    """Points, what is fixed about them, and how many to pick of each item."""

    points: np.ndarray
    metric: str
    start: str
    k: int
    fixed: np.ndarray | None
    ks: np.ndarray | None

    def select(self, dtype=torch.float32):
        tensors = [None if array is None else torch.from_numpy(array).to(DEVICE) for array in (self.fixed, self.ks)]
        points = torch.from_numpy(self.points).to(DEVICE, dtype)
        return gpu_launches.select(points, self.k, self.metric, self.start, *tensors).cpu().numpy()

    def distances(self, item):
        """Squared Euclidean distances in float64, of directions under cosine."""
        X = self.points[item].astype(np.float64)
        if self.metric == "cosine":
            norms = np.linalg.norm(X, axis=1, keepdims=True)
            X = X / np.where(norms > 0, norms, 1.0)
        return ((X[:, None] - X[None]) ** 2).sum(-1)

    def state(self, item):
        return np.zeros(self.points.shape[1]) if self.fixed is None else self.fixed[item]

    def expected(self, item):
        """The oracle's picks, with -1 where there are or shall be no more."""
        D, state = self.distances(item), self.state(item)
        usable = [i for i in range(len(D)) if state[i] >= 0]
        wanted = min(self.k, len(usable), self.k if self.ks is None else self.ks[item])
        first = [place for place, i in enumerate(usable) if state[i] > 0] or first_picks(D, usable, self.start)
        picks = naive.farthest_first(D[np.ix_(usable, usable)], wanted, first[:wanted]) if wanted else []
        return [usable[place] for place in picks] + [-1] * (self.k - wanted)


def first_picks(D, usable, start):
    """Places in ``usable`` of the picks that a start makes; the first of equals."""
    places = range(len(usable))
    apart = lambda a, b: D[usable[a]][usable[b]]  # noqa: E731
    if len(usable) < 2:
        return list(places)
    if start == "isolated":
        return [max(places, key=lambda a: min(apart(a, b) for b in places if b != a))]
    if start == "farthest_pair":
        return [max(places, key=lambda a: max(apart(a, b) for b in places if b != a))]
    if start == "sweep":
        return [max(places[1:], key=lambda a: apart(0, a))]
    if start == "random":
        return [int(np.random.default_rng(0).integers(len(D))) % len(usable)]
    return [usable.index(int(start))] if int(start) in usable else [0]


@st.composite
def batches(draw, exact=True):
    """Ragged, masked, odd-sized; exact ones have distances that float32 holds, so that every tie is one."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    b, n = draw(st.integers(1, 3)), draw(st.one_of(st.integers(1, 40), st.integers(1, 300)))
    metric = draw(st.sampled_from(("euclidean", "cosine")))
    d = draw(st.sampled_from((4, 16, 64))) if metric == "cosine" else draw(st.integers(1, 20))
    if not exact:
        centres = rng.normal(size=(draw(st.integers(1, n)), d))
        points = centres[rng.integers(0, len(centres), (b, n))] + 0.1 * rng.normal(size=(b, n, d))
    elif metric == "cosine":  # the norm of a vector of +1 and -1 in 4^m dimensions is 2^m
        points = rng.choice((-1.0, 1.0), (b, n, d)) * 2.0 ** rng.integers(-3, 4, (b, n, 1))
    else:
        points = rng.integers(-3, 4, (b, n, d))
    fixed = ks = None
    k = draw(st.integers(1, min(n, 10)))
    if draw(st.booleans()):
        lengths = rng.integers(0, n + 1, b)
        fixed = rng.choice((-1, 0, 1), (b, n), p=draw(st.sampled_from(((0, 1, 0), (0.3, 0.7, 0), (0.2, 0.7, 0.1)))))
        fixed = np.where(np.arange(n) >= lengths[:, None], -1, fixed).astype(np.int8)
    if draw(st.booleans()):
        ks = rng.integers(0, k + 1, b)
    return Batch(points.astype(np.float32), metric, draw(st.sampled_from(STARTS)), k, fixed, ks)


@pytest.mark.slow
@pytest.mark.usefixtures("path")
@settings(max_examples=160)
@given(batch=batches())
def test_the_oracles_indices(batch):
    picks = batch.select()
    assert [row.tolist() for row in picks] == [batch.expected(item) for item in range(len(picks))]


def worst_regret(D, picks, state):
    """How far a pick is from the farthest point there was, the worst of all picks after the first."""
    nearest, regret = np.where(state < 0, -1.0, np.inf), 0.0
    for previous, pick in itertools.pairwise(picks):
        nearest = np.minimum(nearest, D[previous])
        nearest[previous] = -1.0
        if state[pick] <= 0:
            regret = max(regret, nearest.max() - nearest[pick])
    return regret


@pytest.mark.slow
@pytest.mark.usefixtures("path")
@settings(max_examples=25)
@given(batch=batches(exact=False), dtype=st.sampled_from(("float32", "float16", "bfloat16")))
def test_no_pick_is_worse_than_the_farthest_by_more_than_rounding(batch, dtype):
    dtype = getattr(torch, dtype)
    points = torch.from_numpy(batch.points).to(dtype).float().numpy()  # the oracle sees what the kernels see
    batch = Batch(points, batch.metric, batch.start, batch.k, batch.fixed, batch.ks)
    for item, row in enumerate(batch.select(dtype)):
        D, picks = batch.distances(item), row[row >= 0]
        assert len(set(picks)) == len(picks) == sum(i >= 0 for i in batch.expected(item))
        assert worst_regret(D, picks, batch.state(item)) <= 64 * np.finfo(np.float32).eps * max(1.0, D.max())


def one(points, k, metric="cosine", start="isolated", fixed=None, ks=None):
    return Batch(np.asarray(points, dtype=np.float32)[None], metric, start, k, fixed, ks)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("d", [1, 17])
def test_equal_points_are_picked_in_order_and_once(metric, d):
    assert one(np.ones((7, d)), 7, metric).select().tolist() == [list(range(7))]


@pytest.mark.usefixtures("path")
def test_zero_vectors_stand_nearer_than_right_angles():
    X = np.zeros((4, 20))
    X[1, 0] = X[2, 1] = 5.0  # rows 0 and 3 have no direction
    assert one(X, 4, start="1").select().tolist() == [[1, 2, 0, 3]]


def test_a_batch_of_no_items():
    empty = torch.empty(0, 5, 3, device=DEVICE)
    assert gpu_launches.select(empty, 2, "cosine", "isolated", None, None).shape == (0, 2)


def test_float32_products_are_not_rounded_to_tf32():
    before = torch.backends.cuda.matmul.fp32_precision
    x = torch.randn(1, 20, 300, device=DEVICE)
    torch.testing.assert_close(gpu_launches.gram(x), (x.double() @ x.double().mT).float(), rtol=1e-5, atol=1e-4)
    assert torch.backends.cuda.matmul.fp32_precision == before


@pytest.mark.parametrize(("b", "n", "d"), [(2, 5, 64), (1, 128, 128), (1, 300, 64)])
def test_products_below_the_diagonal_fill_both_sides(b, n, d):
    """CUDA's matrix units add up alike wherever a tile lies; the interpreter's BLAS does where sums are exact."""
    x = torch.randn(b, n, d, device=DEVICE).bfloat16()
    x = x if x.is_cuda else x.mul(4).round().float()
    x[:, -1] = x[:, 0]
    matrix = gpu_launches.lower_gram(x)
    torch.testing.assert_close(matrix, (x.double() @ x.double().mT).float(), rtol=1e-5, atol=1e-4)
    assert torch.equal(matrix, matrix.mT)
    assert torch.equal(matrix[:, 0], matrix[:, -1])


def test_autocast_narrows_nothing():
    from solvers._farthest_first.tensors import in_parts

    points = torch.randn(2, 60, 40, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    arguments = gpu_launches.select, points, 20, "cosine", "isolated", None, None
    expected = in_parts(*arguments)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        assert torch.equal(in_parts(*arguments), expected)


def test_masks_and_counts_of_any_layout():
    fixed = torch.zeros(9, 2, dtype=torch.int8, device=DEVICE)
    fixed[:4] = -1
    ks = torch.tensor([3, 7, 1, 7], device=DEVICE)
    X = torch.arange(9.0, device=DEVICE)[None, :, None].repeat(2, 1, 1)
    picks = gpu_launches.select(X, 3, "euclidean", "5", fixed.mT, ks[::2])
    assert picks.tolist() == [[5, 8, 4], [5, -1, -1]]
