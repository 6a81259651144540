"""``Greedy.select`` on tensors: one operator for ``torch.compile``, ragged batches, and the picks of the CPU."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdp import InvalidOptionError, InvalidProblemError, Problem
from solvers.greedy import Greedy

torch = pytest.importorskip("torch")
tensor_traversal = pytest.importorskip("solvers._farthest_first.tensor_traversal")

STARTS = ("isolated", "farthest_pair", "sweep", "random", 1)


def compiled_picks(backend):
    """Picks of a compiled function that uses them, beside those of the same function run as it stands."""

    def keep(features, lengths):
        picks = Greedy().select(features * 2, 4, lengths=lengths)
        return torch.gather(features, 1, picks[..., None].expand(-1, -1, features.shape[-1])), picks

    features, lengths = torch.randn(3, 30, 20, generator=torch.Generator().manual_seed(0)), torch.tensor([30, 9, 4])
    return torch.compile(keep, fullgraph=True, backend=backend)(features, lengths), keep(features, lengths)


@pytest.mark.parametrize(
    "backend",
    [
        "aot_eager",
        pytest.param(
            "inductor", marks=[pytest.mark.slow, pytest.mark.skipif(not shutil.which("g++"), reason="no compiler")]
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of what torch runs to compile
def test_compiles_into_one_graph(backend):
    (kept, picks), (kept_eagerly, picks_eagerly) = compiled_picks(backend)
    assert picks.tolist() == picks_eagerly.tolist()
    assert torch.equal(kept, kept_eagerly)


def test_the_operator_keeps_its_promises_to_torch():
    from solvers._farthest_first.tensors import farthest_first

    fixed = torch.randint(-1, 2, (2, 9), dtype=torch.int8)
    for points in (torch.randn(2, 9, 3), torch.randn(2, 9, 40, dtype=torch.bfloat16)):
        torch.library.opcheck(farthest_first, (points, 4, "cosine", "isolated", None, None))
        torch.library.opcheck(farthest_first, (points, 4, "euclidean", "sweep", fixed, torch.tensor([4, 2])))


def test_a_batch_of_more_items_than_a_launch_takes():
    from solvers._farthest_first.tensors import in_parts

    points = torch.randn(70_000, 5, 2, generator=torch.Generator().manual_seed(0))
    ks = torch.arange(70_000) % 3
    picks = in_parts(tensor_traversal.select, points, 2, "euclidean", "isolated", None, ks)
    for item in (0, 1, 65_534, 65_535, 65_536, 69_999):
        alone = Greedy().select(points[item], 2, "euclidean").tolist()
        assert picks[item].tolist() == [*alone[: ks[item]], -1, -1][:2]


@pytest.mark.slow
@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(2, 30),
    d=st.sampled_from((2, 20)),
    start=st.sampled_from(("auto", "isolated", "farthest_pair", "sweep", "random", 1)),
    metric=st.sampled_from(("euclidean", "cosine", "manhattan", "chebyshev")),
)
def test_tensors_and_arrays_are_picked_from_alike(seed, n, d, start, metric):
    X = np.random.default_rng(seed).normal(size=(2, n, d)).astype(np.float32)
    solver, k = Greedy(start=start), 1 + seed % n
    assert solver.select(torch.from_numpy(X), k, metric).tolist() == solver.select(X, k, metric).tolist()


@pytest.mark.slow
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), n=st.integers(6, 25))
def test_an_item_of_a_ragged_batch_is_picked_from_as_if_alone(seed, n):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(3, n, 20))
    lengths, ks = rng.integers(6, n + 1, 3), rng.integers(2, 5, 3)
    include, exclude = np.zeros((3, n), bool), np.zeros((3, n), bool)
    include[:, rng.integers(0, 3)] = exclude[:, rng.integers(3, 6)] = True
    picks = Greedy("isolated").select(
        torch.from_numpy(X), 4, **{name: torch.from_numpy(value) for name, value in
        {"lengths": lengths, "ks": ks, "include": include, "exclude": exclude}.items()},
    ).numpy()  # fmt: skip
    for item in range(3):
        alone = X[item, : lengths[item]]
        masks = {"include": np.flatnonzero(include[item]).tolist(), "exclude": np.flatnonzero(exclude[item]).tolist()}
        k = int(ks[item])
        expected = Greedy("isolated").solve(Problem(k, points=alone, metric="cosine", **masks)).indices
        assert picks[item].tolist() == [*expected, *[-1] * (4 - k)]


def test_items_without_enough_points_end_in_minus_one():
    points = torch.eye(5)[None].repeat(2, 1, 1)
    picks = Greedy().select(points, 4, lengths=torch.tensor([0, 3]))
    assert picks.tolist() == [[-1, -1, -1, -1], [0, 1, 2, -1]]


def test_a_batch_whose_matrices_do_not_fit_together_goes_in_parts(monkeypatch):
    from solvers._farthest_first.tensors import in_parts

    def select():
        return in_parts(tensor_traversal.select, points, 3, "cosine", "isolated", fixed, torch.tensor([3, 1, 2, 3, 3]))

    points, fixed = torch.randn(5, 12, 20), torch.randint(-1, 2, (5, 12), dtype=torch.int8)
    whole = select()
    monkeypatch.setattr(tensor_traversal, "MATRIX_BYTES", 2 * 4 * 12**2)
    assert torch.equal(whole, select())


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 30), d=st.sampled_from((2, 20)), start=st.sampled_from(STARTS))
def test_torch_operations_pick_what_compiled_code_picks(seed, n, d, start):
    """Those that run on other devices, here on the CPU."""
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, n, d)))
    k = 1 + seed % n
    for metric in ("euclidean", "cosine", "manhattan"):
        picks = tensor_traversal.select(x, k, metric, str(start), None, None)
        assert picks.tolist() == Greedy(start).select(x, k, metric).tolist()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int32"])
def test_any_dtype_any_layout_int64_out(dtype):
    points = (torch.randn(20, 7, generator=torch.Generator().manual_seed(1)) * 8).to(getattr(torch, dtype)).mT
    picks = Greedy().select(points, 5, "euclidean")
    assert picks.dtype == torch.int64
    assert picks.tolist() == Greedy().select(points.double().numpy(), 5, "euclidean").tolist()


def test_wrong_calls_say_what_to_do():
    with pytest.raises(InvalidOptionError, match="for tensors"):
        Greedy().select(np.eye(3), 2, lengths=[2])
    with pytest.raises(InvalidOptionError, match="numpy array"):
        Greedy().select(torch.eye(3), 2, lambda x, y: abs(x - y).max())
    with pytest.raises(InvalidOptionError, match="start = 3"):
        Greedy(start=3).select(torch.eye(3), 2)
    with pytest.raises(InvalidProblemError, match="k = 4"):
        Greedy().select(torch.eye(3), 4)


POINTS = torch.zeros(2, 5, 3) + torch.arange(5.0)[:, None]
BAD_MASKS = {
    "lengths": torch.tensor([5, 5, 5]),
    "ks": torch.tensor([1.0, 2.0]),
    "include": torch.zeros(2, 4, dtype=torch.bool),
    "exclude": torch.zeros(2, 5),
}


@pytest.mark.parametrize("name", BAD_MASKS)
def test_masks_of_another_shape_or_dtype_are_named(name):
    with pytest.raises(InvalidOptionError, match=rf"{name} is torch\.\w+ of shape .*; give "):
        Greedy().select(POINTS, 2, "euclidean", **{name: BAD_MASKS[name]})


def test_nan_is_refused_but_in_points_that_are_left_out():
    points = POINTS.clone()
    points[1, 4] = torch.nan
    with pytest.raises(InvalidProblemError, match="NaN or infinity"):
        Greedy().select(points, 2, "euclidean")
    kept = Greedy("sweep").select(points, 2, "euclidean", lengths=torch.tensor([5, 4]))
    assert kept.tolist() == [[4, 0], [3, 0]]
