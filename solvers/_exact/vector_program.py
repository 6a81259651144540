"""An umbrella with a short handle: a semidefinite program in overlapping parts, solved approximately.

The readable formula: each part w has a vector v_wa for each of its cells a, a combination of the columns of a basis,
and a part h_w of the handle. Minimise ``sum_w |h_w|^2``, subject to ``sum_w h_w . v_wa = 1`` and ``sum_w |v_wa|^2 <=
1`` for every cell, and ``sum_w v_wa . v_wb <= 0`` for far cells a and b. Douglas-Rachford splitting (Eckstein and
Bertsekas, Mathematical Programming 55, 1992) finds the products of each part, a symmetric matrix with the handle in its
first row. It goes back and forth between matrices of products, which have no negative eigenvalues, and matrices whose
sums over the parts keep the limits. The vectors of any step prove something, so it may stop at any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices, Vector
from solvers._exact.umbrella import Floats, Umbrella
from solvers._framework.compilation import njit

_RELAXED = np.float32(1.6)  # over-relaxation, of at most 2
_STEP = 0.005  # of the splitting: a longer one shortens the handle faster, and keeps limits later
_MARGIN = np.float32(0.0005)  # by which products of far cells are to be below 0


class VectorProgram:
    """Goes on step by step; which cells are far may change in between.

    Parameters
    ----------
    parts : sequence of (m,) int64 arrays
        The cells of each part, ascending; every cell is in one.
    bases : sequence of (m, b) float32 arrays
        With orthonormal columns.
    far : (c, c) bool array
        Symmetric.
    size : int
        About how many points are to be excluded.
    """

    def __init__(self, parts: Sequence[Indices], bases: Sequence[Floats], far: NDArray[np.bool_], size: int) -> None:
        self._parts, self._bases = parts, bases
        self._step = _STEP * (len(far) / size) ** 2
        self._shared = np.zeros(far.shape, dtype=np.int32)
        for part in parts:
            self._shared[np.ix_(part, part)] += 1
        self.set_far(far)
        self._states = [self._uniform(part, size / len(parts)) for part in parts]
        self._kept = [state.copy() for state in self._states]
        self._mappings = [np.zeros((1 + basis.shape[1], 1), dtype=np.float32) for basis in bases]

    def _uniform(self, part: Indices, length: float) -> Floats:
        row = np.concatenate(([length], 1 / np.diagonal(self._shared)[part])).astype(np.float32)
        uniform: Floats = np.outer(row, row / row[0])
        return uniform

    def set_far(self, far: NDArray[np.bool_]) -> None:
        """Replace what is far; the vectors stay."""
        self._limits = np.where(far, -_MARGIN, np.float32(np.inf))
        np.fill_diagonal(self._limits, 1.0)

    @property
    def most(self) -> float:
        """About how many points the vectors will prove to be the most, once they keep the limits."""
        return float(sum(kept[0, 0] for kept in self._kept))

    def umbrella(self) -> Umbrella:
        """The vectors of the last step."""
        found = [_vectors(basis, mapping) for basis, mapping in zip(self._bases, self._mappings, strict=True)]
        return Umbrella(len(self._limits), self._parts, [rows[1:] for rows in found], [rows[0] for rows in found])

    def step(self, pool: Executor) -> None:
        """Choose the vectors nearest to what was asked for, then what to ask for next."""
        sums, along = np.zeros_like(self._limits), np.zeros(len(self._limits), dtype=np.float32)
        self._mappings = list(pool.map(_advance, self._bases, self._states, self._kept))
        for part, state in zip(self._parts, self._states, strict=True):
            _add(part, state, sums, along)
        _share_excess(sums, self._limits, self._shared)
        missed = (along - 1.0) / np.diagonal(self._shared)
        list(pool.map(partial(_ask, sums, missed, np.float32(self._step)), self._parts, self._states, self._kept))

    def shorten_steps(self, factor: float) -> None:
        """Weigh limits more against the handle from now on, and keep what is known of both."""
        self._step *= factor
        for state, kept in zip(self._states, self._kept, strict=True):
            state[:] = kept + np.float32(factor) * (state - kept)


def _advance(basis: Floats, state: Floats, kept: Floats) -> Floats:
    """Move the state of a part towards the products nearest to what was asked for, and return their mapping."""
    mapping = _nearest(basis, 2 * kept - state)
    vectors = _vectors(basis, mapping)
    state += _RELAXED * (vectors @ vectors.T - kept)
    return mapping


def _vectors(basis: Floats, mapping: Floats) -> Floats:
    """The handle, and the vectors of the cells, in rows."""
    return np.concatenate((mapping[:1], basis @ mapping[1:]))


def _nearest(basis: Floats, wanted: Floats) -> Floats:
    """The mapping whose products are nearest to those wanted."""
    size = 1 + basis.shape[1]
    inner = np.empty((size, size), dtype=np.float32)
    inner[0, 0] = wanted[0, 0]
    inner[0, 1:] = inner[1:, 0] = wanted[0, 1:] @ basis
    inner[1:, 1:] = basis.T @ (wanted[1:, 1:] @ basis)
    values, axes = np.linalg.eigh(inner)  # SciPy's, whose threads wait for work, would hold up NumPy's products
    first = int(np.searchsorted(values, 0.0, side="right"))
    return np.asarray(axes[:, first:] * np.sqrt(values[first:]), dtype=np.float32)


@njit(cache=True, nogil=True)
def _add(part: Indices, products: Floats, sums: Floats, along: Floats) -> None:
    """Add the products of a part to the upper triangle of the sums, and those with the handle."""
    for a in range(len(part)):
        along[part[a]] += products[0, 1 + a]
        of_row = sums[part[a]]
        for b in range(a, len(part)):
            of_row[part[b]] += products[1 + a, 1 + b]


@njit(cache=True, nogil=True)
def _share_excess(sums: Floats, limits: Floats, shared: NDArray[np.int32]) -> None:
    """Replace each sum by what it exceeds its limit by, for each of the parts."""
    for a in range(len(sums)):
        for b in range(a, len(sums)):
            sums[a, b] = max(sums[a, b] - limits[a, b], np.float32(0.0)) / np.float32(max(shared[a, b], 1))


@njit(cache=True, nogil=True)
def _ask(excess: Floats, missed: Vector, step: np.float32, part: Indices, state: Floats, kept: Floats) -> None:
    """Take from the state of a part its share of every excess, and shorten its handle."""
    kept[0, 0] = state[0, 0] - step
    for a in range(len(part)):
        kept[0, 1 + a] = kept[1 + a, 0] = state[0, 1 + a] - missed[part[a]]
        of_row = excess[part[a]]
        for b in range(a, len(part)):
            kept[1 + a, 1 + b] = kept[1 + b, 1 + a] = state[1 + a, 1 + b] - of_row[part[b]]
