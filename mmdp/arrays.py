"""Arrays of either library, numpy or torch, and what is asked of them everywhere."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.exceptions import InvalidProblemError

Array = Any  # a numpy array or a torch tensor, on any device
Vector = NDArray[np.float64]  # (n,)
Matrix = NDArray[np.float64]  # (n, m)
Points = NDArray[Any]  # (n, d), of float32, float64 or, for sets, uint8
Indices = NDArray[np.int64]  # (n,)

LARGEST_COORDINATE = 1e150  # its square, summed over 10^7 dimensions, is still a float64, and so is that of 1 / it
LARGEST_WHOLE = 2**53  # up to which float64 holds every whole number
WIDE_BYTES = 8  # of numbers that may go beyond
_SINGLE_BYTES = 4  # of the narrowest floats that numpy computes with
_CACHED_ENTRIES = 2**18  # of a block that is read twice
_WORTH_THREADS = 64  # blocks from which on threads divide them


def namespace(array: Array) -> Any:
    """Return the library an array belongs to: the module ``numpy`` or the module ``torch``."""
    return sys.modules[type(array).__module__.partition(".")[0]]


def is_tensor(array: object) -> bool:
    """Whether ``array`` is a torch tensor, asked without importing torch."""
    return "torch" in sys.modules and isinstance(array, sys.modules["torch"].Tensor)


def count_rows(points: Any) -> int:
    """How many points there are, in an array, a sparse matrix, a frame or a sequence."""
    return int(points.shape[0]) if hasattr(points, "shape") else len(points)


def missing_values(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values of a column are none: None, NaN, NaT, or the NA of pandas."""
    if values.dtype.kind == "O":
        return np.array([_is_missing(value) for value in values], dtype=bool)
    if values.dtype.kind in "fcmM":
        return np.asarray(values != values)  # as NaN and NaT do from themselves
    return np.zeros(len(values), dtype=bool)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ == "NAType":
        return True
    differs = value != value
    return isinstance(differs, (bool, np.bool_)) and bool(differs)


def describe_rows(rows: Array) -> str:
    """Name the first few rows of a list for an error message: ``row 3``, ``rows 3, 8, 9 and 20 more``."""
    shown = ", ".join(str(int(row)) for row in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


def to_numpy(x: Array) -> Any:
    """A numpy array of the same values; narrower floats widen to float32, which holds them exactly."""
    if is_tensor(x):
        x = x.detach()
        if x.dtype == namespace(x).bfloat16:
            return widened(bits_of(x))
        x = x.float() if x.is_floating_point() and x.dtype.itemsize < _SINGLE_BYTES else x
        return x.cpu().numpy()
    return x.astype(np.float32) if x.dtype == np.float16 else x


def bits_of(x: Array) -> NDArray[np.uint16]:
    """Return the bits of a tensor of bfloat16, which numpy does not have; on the CPU without a copy."""
    bits: NDArray[np.uint16] = x.detach().view(namespace(x).int16).cpu().numpy().view(np.uint16)
    return bits


def widened(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the numbers of bfloat16 that have these bits: the upper half of a float32."""
    whole = bits.astype(np.uint32)
    whole <<= np.uint32(16)
    return whole.view(np.float32)


def compiled_dtype(x: Any) -> Any:
    """Return float32, float64 and uint8 as they are, every other dtype as float64."""
    return x if x.dtype in (np.float32, np.float64, np.uint8) else x.astype(np.float64)


def value_range(x: Array) -> tuple[float, float]:
    """Smallest and largest entry, NaN if there is one; by blocks that stay in cache for the second look."""
    x = x.detach() if is_tensor(x) else x
    step = len(x) if is_tensor(x) else max(1, _CACHED_ENTRIES // x.shape[1])
    blocks = (x[i : i + step] for i in range(0, len(x), step))
    ends = [(float(block.min()), float(block.max())) for block in blocks]
    return float(np.min(ends)), float(np.max(ends))


def all_finite(x: Array) -> bool:
    """Whether no entry is NaN or infinite, by sums, which are neither where no entry is and they do not overflow."""
    x = x.detach() if is_tensor(x) else x
    step = len(x) if is_tensor(x) else max(1, _CACHED_ENTRIES // x.shape[1])
    starts, threads = range(0, len(x), step), 1
    if "numba" in sys.modules and len(starts) >= _WORTH_THREADS:  # what compiles knows how many threads are allowed
        threads = sys.modules["numba"].get_num_threads()

    def in_turn(first: int) -> bool:
        with np.errstate(over="ignore", invalid="ignore"):
            return all(_is_finite(x[i : i + step]) for i in starts[first::threads])

    if threads == 1:
        return in_turn(0)
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(in_turn, first) for first in range(1, threads)]
        return in_turn(0) and all(other.result() for other in others)


def _is_finite(block: Array) -> bool:
    return bool(np.isfinite(float(block.sum()))) or bool(namespace(block).isfinite(block).all())


def check_reach(name: str, largest: float) -> None:
    """Refuse coordinates so large that squared distances overflow."""
    if largest > LARGEST_COORDINATE:
        raise InvalidProblemError(
            f"{name} reach {largest:.3g}: squared distances would overflow; divide them all by a common factor"
        )


def check_whole(name: str, x: Array) -> None:
    """Refuse whole numbers that float64 would round."""
    is_whole = not x.is_floating_point() if is_tensor(x) else x.dtype.kind in "iu"
    if not is_whole or x.dtype.itemsize < WIDE_BYTES:
        return
    largest = max(abs(int(x.max())), abs(int(x.min())))
    if largest > LARGEST_WHOLE:
        raise InvalidProblemError(
            f"{name} reach {largest}: float64 rounds whole numbers beyond 2**53; subtract a common offset first, such "
            "as x - x.min(axis=0)"
        )
