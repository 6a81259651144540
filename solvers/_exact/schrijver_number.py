"""A bound on the cliques of a graph by semidefinite programming, for dense graphs that colours say little about.

The readable formula: let M be symmetric, 1 on its diagonal, and at least 1 for every pair of adjacent vertices. For the
indicator x of a clique of c vertices, ``c^2 <= x' M x <= lambda_max(M) * c``, so no clique has more vertices than the
largest eigenvalue of M. The smallest such eigenvalue is Schrijver's number (IEEE Transactions on Information Theory
25(4), 1979), which is at most that of Lovasz and is found here by the boundary point method (Povh, Rendl, Wiegele,
Computing 78, 2006). Any M bounds the cliques, so the method may be stopped at any step.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.linalg import LinAlgError, eigh, eigvalsh

from mmdp.arrays import Matrix
from solvers._exact.threshold_graph import Adjacency

_STEP = 0.25  # of the penalty, times the number of vertices: half and twice as much need more steps
_CHECKED = 10  # steps between two looks at the eigenvalue, which takes a third of a step
_SETTLED = 60  # steps after which the estimates are near enough to give up by them
_MOST_STEPS = 400
_FLAT, _FAR = 0.003, 1.04  # spread of the last estimates, and ratio to what is asked, at which it gives up
_ROUNDING = 1e-7  # relative; far above the error of the eigenvalue
_SECONDS = 5e-10  # of the first step, for each cube of a vertex: about what one core needs


class SchrijverNumber:
    """Decides, if it can, that a graph has no clique of ``need`` vertices.

    Parameters
    ----------
    adjacent : (n, n) bool array
        Symmetric, False on the diagonal.
    need : int

    Attributes
    ----------
    bound : float
        No clique has more vertices.
    """

    def __init__(self, adjacent: Adjacency, need: int) -> None:
        n = len(adjacent)
        self.bound = float(n)
        self._adjacent, self._need = adjacent, need
        self._penalty = n / _STEP
        self._primal, self._slack = np.zeros((2, n, n))  # the first of them times the penalty
        self._steps, self._step_seconds = 0, _SECONDS * n**3
        self._estimates: list[float] = []

    @property
    def least_seconds(self) -> float:
        """About how long it takes to tell anything."""
        return (_SETTLED - self._steps) * self._step_seconds

    def run(self, seconds: float) -> bool | None:
        """Go on for that long: True if there is no such clique, False if this bound cannot tell, None if time is up."""
        end = time.perf_counter() + seconds
        while not self._refutes:
            if self._is_hopeless:
                return False
            started = time.perf_counter()
            if started + self._step_seconds > end:
                return None
            try:
                self._step()
            except LinAlgError:  # of LAPACK, which may fail to converge
                return False
            self._step_seconds = time.perf_counter() - started
        return True

    @property
    def _refutes(self) -> bool:
        return self.bound < self._need * (1 - _ROUNDING)

    @property
    def _is_hopeless(self) -> bool:
        if self._steps < _SETTLED:
            return self._need <= min(1, len(self._adjacent))
        last = self._estimates[-3:]
        least = min(last)
        is_flat = max(last) - least < _FLAT * least
        return least > self._need * (1.0 if is_flat else _FAR) or self._steps >= _MOST_STEPS

    def _step(self) -> None:
        """Choose M for the present primal matrix and slack, then both anew from what M lacks of being feasible."""
        n = len(self._adjacent)
        wanted = self._primal + self._slack + 1.0
        value = (float(np.trace(wanted)) - self._penalty) / n
        M = 1.0 - np.where(self._adjacent, np.minimum(wanted, 0.0), wanted)
        np.fill_diagonal(M, 1.0)
        lacking = -M - self._primal
        lacking[np.diag_indices(n)] += value
        self._slack, self._primal = _positive_and_negative_part(lacking)
        self._steps += 1
        if self._steps % _CHECKED == 0:
            self._estimates.append(value)
            self.bound = min(self.bound, float(eigvalsh(M, check_finite=False, driver="ev")[-1]))


def _positive_and_negative_part(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Split a symmetric matrix into the difference of two semidefinite ones."""
    values, vectors = eigh(matrix, check_finite=False, driver="evd")
    first = int(np.searchsorted(values, 0.0, side="right"))
    if 2 * first > len(values):
        positive = (vectors[:, first:] * values[first:]) @ vectors[:, first:].T
        return positive, positive - matrix
    negative = (vectors[:, :first] * -values[:first]) @ vectors[:, :first].T
    return matrix + negative, negative
