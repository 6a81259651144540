"""Products of all pairs of rows in float32, each pair once, with a bound on their error.

The readable formula: ``matrix[i, j] = sum of x[i, c] * x[j, c]`` for i <= j, added up over blocks of CHUNK coordinates.
BLAS calls it ``ssyrk`` and does half the work of ``x @ x.T``. In blocks the sum loses fewer digits: whatever the order
within a block, no sum of m + 1 terms is off by more than m u times the sum of their sizes (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, section 4.2), and by Cauchy-Schwarz the sizes sum to |x| |y| at most.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from queue import Empty, SimpleQueue
from threading import Lock

import numpy as np
import scipy.linalg.cython_blas
from numpy.typing import NDArray

from solvers._framework.compilation import njit

Floats = NDArray[np.float32]

CHUNK = 256  # coordinates of a block: of 64 the product takes a third longer, of all at once its error grows tenfold
UNIT = 2.0**-24  # the roundoff of float32
_WORTH_A_THREAD = 2**27  # products of two numbers
_SUMS_BYTES = 2**26  # of what threads sum up each by itself, besides the matrix
_Product = Callable[..., None]
_lock = Lock()
_before: list[int] = []  # threads of BLAS outside, once for each batch that is under way


def half_product(x: Floats, threads: int = 1) -> Floats:
    """Return an (n, n) matrix whose entries on and above the diagonal are products of rows; the rest is not set.

    Threads take one block of coordinates after another and add up their own sums: one that the system holds up keeps
    none of the others waiting, as the threads of BLAS do. These work where the sums of each would take too much memory.
    """
    product = _ssyrk()
    if product is None:
        return np.asarray(x @ x.T)
    n, d = x.shape
    blocks = SimpleQueue[int]()
    for start in range(0, d, CHUNK):
        blocks.put(start)
    threads = min(threads, blocks.qsize(), 1 + _SUMS_BYTES // (4 * n * n))
    if threads < 2 or n * n * d < _WORTH_A_THREAD or _thread_counts() is None:
        return _sum_of_blocks(product, x, blocks)[0]
    with one_thread(), ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(_sum_of_blocks, product, x, blocks) for _ in range(threads - 1)]
        matrix, taken = _sum_of_blocks(product, x, blocks)
        for other in others:
            part, blocks_of_other = other.result()
            if taken and blocks_of_other:
                _add(matrix, part)
            elif blocks_of_other:
                matrix, taken = part, blocks_of_other
    return matrix


def _sum_of_blocks(product: _Product, x: Floats, blocks: SimpleQueue[int]) -> tuple[Floats, int]:
    """Return the sum over those blocks of coordinates that no other thread takes first, and how many these are."""
    n, d = x.shape
    matrix, taken = np.empty((n, n), np.float32), 0
    rows, stride, one = ctypes.c_int(n), ctypes.c_int(d), ctypes.c_float(1.0)
    while True:
        try:
            start = blocks.get_nowait()
        except Empty:
            return matrix, taken
        depth, keep = ctypes.c_int(min(CHUNK, d - start)), ctypes.c_float(float(taken > 0))
        product(  # column by column, as BLAS reads, the rows are columns and what is above the diagonal is below
            b"L", b"T", rows, depth, one, x.ctypes.data + 4 * start, stride, keep, matrix.ctypes.data, rows
        )
        taken += 1


@njit(cache=True, nogil=True)
def _add(matrix: Floats, other: Floats) -> None:
    for i in range(len(matrix)):
        for j in range(i, len(matrix)):
            matrix[i, j] += other[i, j]


def relative_error(d: int) -> float:
    """Bound on the error of a product of two rows of d coordinates, as a share of |x| |y|."""
    chunk = CHUNK if _ssyrk() is not None else d
    return 1.01 * (chunk + d / chunk) * UNIT


@cache
def _ssyrk() -> _Product | None:
    """BLAS's routine behind SciPy, called without a copy of its input; None if it is missing or of another type."""
    capsule = getattr(scipy.linalg.cython_blas, "__pyx_capi__", {}).get("ssyrk")
    if capsule is None:
        return None
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.argtypes, name.restype = [ctypes.py_object], ctypes.c_char_p
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    signature: bytes = name(capsule)
    if signature.count(b"int *") != 4 or signature.count(b",") != 9:
        return None
    whole, number, array = ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_float), ctypes.c_void_p
    kinds = (ctypes.c_char_p, ctypes.c_char_p, whole, whole, number, array, whole, number, array, whole)
    return ctypes.CFUNCTYPE(None, *kinds)(pointer(capsule, signature))


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it BLAS leaves the other cores to the other items of a batch, where it can be told.

    The number of threads is the process's, so of several batches at once the first sets it and the last puts it back.
    """
    functions = _thread_counts()
    if functions is None:
        yield
        return
    get, put = functions
    with _lock:
        _before.append(_before[0] if _before else get())
        put(1)
    try:
        yield
    finally:
        with _lock:
            threads = _before.pop()
            if not _before:
                put(threads)


@cache
def _thread_counts() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    library = ctypes.CDLL(scipy.linalg.cython_blas.__file__)  # a name is looked up in what it was linked with, too
    for prefix in ("scipy_openblas", "openblas"):
        get, put = (getattr(library, f"{prefix}_{verb}_num_threads", None) for verb in ("get", "set"))
        if get is not None and put is not None:
            return get, put
    return None
