"""What a user hands over is read as it is, mended where only rounding is wrong, or refused where it is wrong."""

from types import SimpleNamespace

import numba
import numpy as np
import psutil
import pytest

from mmdp import InvalidProblemError, Problem, TooLargeError
from mmdp.arrays import all_finite, compiled_dtype, to_numpy, value_range
from mmdp.validation import checked_picks

ULP = np.finfo(np.float64).eps


def line(n=6):
    """Distances of points on a line, at 0, 1, 3, 6, 10, ..."""
    x = np.cumsum(np.arange(n, dtype=float))
    return np.abs(np.subtract.outer(x, x))


def test_a_matrix_off_symmetry_by_rounding_keeps_its_distances():
    D = line()
    D[1, 4] *= 1 + ULP
    read = Problem(2, distances=D).distances
    assert np.array_equal(read, read.T)
    np.testing.assert_allclose(read, line(), rtol=1e-15)
    assert read[1, 4] > 0


def test_a_diagonal_and_entries_that_only_rounding_made_other_than_zero_become_zero():
    D = line()
    D[2, 2], D[0, 1], D[1, 0] = 20 * ULP, -20 * ULP, -20 * ULP
    read = Problem(2, distances=D).distances
    assert read[2, 2] == 0
    assert read[0, 1] == read[1, 0] == 0
    np.testing.assert_array_equal(read[2:, :2], line()[2:, :2])
    assert D[2, 2] == 20 * ULP  # the array of the user is left alone


@pytest.mark.parametrize("place", [(0, 0), (2, 2), (5, 5)])
def test_the_diagonal_alone_is_mended_too(place):
    D = line()
    D[place] = 5 * ULP
    np.testing.assert_array_equal(Problem(2, distances=D).distances, line())


@pytest.mark.parametrize("steps", [40, -40])
def test_the_tolerance_grows_with_the_largest_distance(steps):
    D = 1000 * line()
    largest = D.max()
    D[0, 0] = abs(steps) * ULP * largest
    np.testing.assert_array_equal(Problem(2, distances=D).distances, 1000 * line())
    D[0, 0], D[0, 5] = 0.0, largest + steps * ULP * largest
    Problem(2, distances=D)
    D[0, 5] = largest + 4 * steps * ULP * largest
    with pytest.raises(InvalidProblemError, match=r"not symmetric: \[0, 5\] is"):
        Problem(2, distances=D)


def test_beyond_rounding_each_thing_is_refused_by_its_place():
    for place, value, message in (
        ((3, 3), 100 * ULP * 15, r"distances\[3, 3\].*distance 0 from itself"),
        ((3, 3), -1e-9, r"distances\[3, 3\]"),
        ((2, 4), -1e-9, r"distances\[2, 4\] is -1e-09; distances are never negative"),
    ):
        D = line()
        D[place] = D[place[::-1]] = value
        with pytest.raises(InvalidProblemError, match=message):
            Problem(2, distances=D)


def test_a_matrix_near_the_largest_float_is_mended_too():
    D = 1.7e308 * (1 - np.eye(3))
    D[0, 1] *= 1 - 1e-15
    mended = Problem(2, distances=D).distances
    assert np.isfinite(mended).all()
    assert (mended == mended.T).all()


def test_a_matrix_that_is_not_copied_needs_no_room(monkeypatch):
    D = 1 - np.eye(3)
    problem, as_single = Problem(2, distances=D), Problem(2, distances=D.astype(np.float32))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0))
    assert problem.matrix() is problem.reduced_matrix() is D
    with pytest.raises(TooLargeError, match="GiB are free"):
        as_single.matrix()


def test_a_matrix_in_order_is_not_copied():
    D = line()
    assert np.shares_memory(Problem(2, distances=D).distances, D)


def test_longer_floats_become_float64():
    assert Problem(2, points=np.ones((3, 2), np.longdouble)).points.dtype == np.float64


def test_a_float32_matrix_may_be_off_by_its_own_rounding_only():
    D = line().astype(np.float32)
    D[0, 4] *= 1 + 20 * np.finfo(np.float32).eps
    read = Problem(2, distances=D).distances
    assert np.array_equal(read, read.T)
    with pytest.raises(InvalidProblemError, match=r"\[0, 4\] is 10"):
        Problem(2, distances=D.astype(np.float64))


def test_whole_numbers_have_no_rounding():
    D = line().astype(np.int64)
    D[4, 0] += 1
    with pytest.raises(InvalidProblemError, match=r"\[0, 4\] is 10 and \[4, 0\] is 11"):
        Problem(2, distances=D)


@pytest.mark.parametrize("place", [(0, 1), (5, 70), (63, 64), (64, 63), (100, 120), (120, 100), (128, 129), (129, 0)])
def test_every_part_of_a_matrix_is_compared_with_its_mirror_image(place):
    D = np.ones((130, 130)) - np.eye(130)
    D[place] = 5.0
    i, j = sorted(place)
    with pytest.raises(InvalidProblemError, match=rf"\[{i}, {j}\] is {D[i, j]:g} and \[{j}, {i}\] is {D[j, i]:g}"):
        Problem(2, distances=D)


def test_the_largest_difference_is_named():
    D = np.ones((130, 130)) - np.eye(130)
    D[3, 5], D[70, 90], D[100, 110] = 2.0, 9.0, 4.0
    with pytest.raises(InvalidProblemError, match=r"\[70, 90\] is 9"):
        Problem(2, distances=D)


@pytest.mark.parametrize("columns", [1, 3])
def test_the_range_of_values_is_that_of_all_blocks(columns, monkeypatch):
    monkeypatch.setattr("mmdp.arrays._CACHED_ENTRIES", 6)
    x = np.arange(30.0).reshape(-1, columns)
    for order in (x, -x, np.roll(x, 7, axis=0)):
        assert value_range(order) == (order.min(), order.max())
    x[-1, -1] = np.nan
    assert np.isnan(value_range(x)).all()


def test_coordinates_at_the_edge_of_what_can_be_squared():
    X = np.array([[0.0], [1.0], [0.5]])
    for scale in (1e150, -1e150, 1e-150):
        assert Problem(2, points=scale * X).objective([0, 1])[0] == pytest.approx(abs(scale))
    for scale, word in ((1.1e150, "overflow"), (-1.1e150, "overflow"), (0.9e-150, "vanish")):
        with pytest.raises(InvalidProblemError, match=word):
            Problem(2, points=scale * X)
    assert Problem(2, points=np.zeros((3, 1))).objective([0, 1])[0] == 0
    assert Problem(2, points=(X * 1e-30).astype(np.float32)).objective([0, 1])[0] == pytest.approx(1e-30)


def test_the_first_bad_number_is_named_by_row_and_column():
    X = np.zeros((9, 4))
    X[7, 3] = X[5, 2] = X[5, 3] = np.inf
    with pytest.raises(InvalidProblemError, match=r"rows 5, 7, first at \[5, 2\]"):
        Problem(2, points=X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_the_types_that_kernels_read_stay_as_they_are(dtype):
    x = np.ones((2, 2), dtype)
    assert compiled_dtype(x) is x
    assert to_numpy(x) is x


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float16, np.bool_])
def test_other_types_become_float64(dtype):
    assert compiled_dtype(np.ones((2, 2), dtype)).dtype == np.float64


def test_half_precision_widens_without_a_change():
    x = np.array([[0.1], [6e-8]], np.float16)
    assert to_numpy(x).dtype == np.float32
    assert (to_numpy(x) == x).all()


def test_half_precision_of_torch_widens_too():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.tensor([[0.1], [3.0]], dtype=dtype, requires_grad=True)
        assert to_numpy(x).dtype == np.float32
        assert to_numpy(x).tolist() == x.tolist()
    assert to_numpy(torch.tensor([[0.1]], dtype=torch.float64)).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_finite_numbers_may_add_up_to_more_than_their_type_holds(dtype):
    x = np.full((600, 600), np.finfo(dtype).max, dtype)
    assert all_finite(x)
    for wrong in (np.nan, np.inf, -np.inf):
        for row in (0, 599):
            x[row, 3] = wrong
            assert not all_finite(x)
            x[row, 3] = 1


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
@pytest.mark.parametrize("row", [0, 5000, 9999])
def test_threads_that_share_the_rows_find_what_one_finds(row):
    x = np.full((10_000, 2000), 3e38, np.float32)  # 77 blocks
    before = numba.get_num_threads()
    numba.set_num_threads(2)
    try:
        assert all_finite(x)
        x[row, 7] = np.nan
        assert not all_finite(x)
    finally:
        numba.set_num_threads(before)


def test_infinities_that_cancel_are_found():
    x = np.zeros((600, 600))
    x[3, 4], x[3, 5] = np.inf, -np.inf
    assert not all_finite(x)


def test_every_number_of_bfloat16_widens_to_itself():
    torch = pytest.importorskip("torch")
    every = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.bfloat16).reshape(256, 256)
    for x in (every, every.T, every[:, ::3], every[:0]):
        assert to_numpy(x).view(np.uint32).tolist() == x.float().contiguous().numpy().view(np.uint32).tolist()


def test_the_limits_of_k_and_of_the_fixed_picks_are_allowed():
    assert checked_picks(2, 2, (), ()) == ((), ())
    assert checked_picks(5, 3, (4, 0, 2), (1, 3)) == ((4, 0, 2), (1, 3))
    for k, include, exclude, message in (
        (1, (), (), "k = 1 is out of range"),
        (6, (), (), "at most n = 5"),
        (2, (0, 1, 2), (), "include fixes 3 points, more than k = 2"),
        (3, (), (0, 1, 2), "exclude leaves 2 of 5 points, fewer than k = 3"),
        (2, (5,), (), r"include names \[5\], outside 0 ... 4"),
        (2, (), (-1,), r"exclude names \[-1\], outside"),
        (2, (3, 1, 3), (), r"include names an index twice: \[3\]"),
        (2, (1, 3), (3, 1), "rows 1, 3: both in include and in exclude"),
        (2, (0.5,), (), "include is a sequence of whole numbers"),
    ):
        with pytest.raises(InvalidProblemError, match=message):
            checked_picks(5, k, include, exclude)
