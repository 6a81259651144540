"""Writing the proof of a bound into a file that ``mmdp.check_certificate`` checks.

The proof is found once more: the cells are refined at the one threshold that matters, and the graph of those that are
left at the end is searched from scratch, step by step on record. That costs less than the first search, which had to
find the incumbent, and the first search stays as it is.
"""

from __future__ import annotations

import json
import lzma
import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmdp import Clock, Problem, SolverContractError
from mmdp.arrays import Indices
from mmdp.check_certificate import FORMAT, METRICS
from mmdp.metrics import ANGULAR
from mmdp.metrics import METRICS as NAMED
from solvers._exact.bitsets import Words, full, pack
from solvers._exact.kd_tree import Tree, build, may_be_far
from solvers._exact.nogoods import BLOCK, new_nogoods
from solvers._exact.recorded_search import FOUND, LEMMAS, PAUSED, WRITTEN, new_recording, record
from solvers._exact.reduced_thresholds import least_reduced_above
from solvers._exact.relaxation import Relaxation
from solvers._exact.threshold_graph import core_in_order
from solvers._framework.compilation import njit
from solvers._framework.distance_forms import KINDS

_BLOCKS = 128  # of 64 nogoods each, for each size of clique
_MEMORY_BYTES = 2**27  # of all nogoods together
_ROOM = 2**20  # steps between two looks at the clock
_DEEP = 2000  # generations of boxes below two cells, so that pairs of points decide
_SUMMED_IN_ORDER = 7  # coordinates of a unit vector whose squares are summed one after the other
_MOST_BYTES = 10  # of a number of 64 bits
_PRESET = 1  # of xz: a higher one takes ten times as long for a file a fifth smaller


class RecordedProof(NamedTuple):
    """What goes into a file, the metric or "matrix" that it is about, and of how many cells and lemmas it consists."""

    content: bytes
    metric: str
    cells: int
    lemmas: int


class _Graph(NamedTuple):
    """Cells in the order of the search, each with its points, and which of them are joined."""

    order: Indices
    sizes: Indices
    adjacent: Words


def recorded_proof(
    problem: Problem, picks: Indices, bound: float, on_cells: bool, clock: Clock, most_bytes: float = math.inf
) -> RecordedProof | None:
    """Prove again that no k points are farther apart than ``bound``, and that the picks reach what they reach.

    Returns None if there is no time left, or the file would be larger than ``most_bytes``.

    Raises
    ------
    SolverContractError
        If there are k points farther apart.
    TooLargeError
        If the metric is one whose distances the checker takes from a matrix, and the matrix does not fit the memory.
    """
    stated = problem if _has_checkable_points(problem) else _on_matrix(problem)
    threshold = least_reduced_above(stated, bound)
    fixed = np.array(stated.include, dtype=np.int64)
    free = np.setdiff1d(stated.candidates, fixed)
    if len(fixed):
        free = free[stated.reduced_distances(fixed, free).min(axis=0) >= threshold]
    need = stated.k - len(fixed)
    graph = None
    if _nearest(stated, fixed) >= threshold:
        refines = on_cells and stated.points is not None and len(free) >= need and math.isfinite(threshold)
        graph = _cells(stated, free, need, threshold, clock) if refines else _matrix(stated, free, threshold)
        if graph is None:
            return None
    header = {
        "format": FORMAT,
        "n": stated.n,
        "k": stated.k,
        "metric": stated.geometry.name if stated.points is not None else "matrix",
        "bound": float(bound).hex(),
        "threshold": threshold.hex(),
        "picks": picks.tolist(),
        "include": fixed.tolist(),
        "exclude": list(stated.exclude),
        "free": len(free) if graph else 0,
        "cells": len(graph.sizes) if graph else 0,
    }
    packed, parts, lemmas = lzma.LZMACompressor(preset=_PRESET), list[Future[bytes]](), 0
    with ThreadPoolExecutor(1) as writer:  # compresses beside the search
        parts.append(writer.submit(packed.compress, json.dumps(header).encode() + b"\n"))
        if graph:
            places = np.concatenate((graph.order, graph.sizes))
            parts.append(writer.submit(_compressed, packed, places))
            for steps, known in _steps(graph.adjacent, need, repairs=stated.points is None or not on_cells):
                parts.append(writer.submit(_compressed, packed, steps.copy()))
                lemmas = known
                if clock.remaining <= 0 or sum(len(part.result()) for part in parts[:-1]) > most_bytes:
                    return None
    content = b"".join((*(part.result() for part in parts), packed.flush()))
    return RecordedProof(content, header["metric"], header["cells"], lemmas) if len(content) <= most_bytes else None


def _compressed(packed: lzma.LZMACompressor, numbers: NDArray[Any]) -> bytes:
    return packed.compress(_encoded(numbers))


def _has_checkable_points(problem: Problem) -> bool:
    """Whether the checker computes the same distances from the points, to the last bit."""
    metric = problem.geometry.name
    if problem.points is None or metric not in METRICS or problem.geometry != NAMED[metric]:
        return False
    return metric not in ANGULAR or problem.vectors.shape[1] <= _SUMMED_IN_ORDER


def _on_matrix(problem: Problem) -> Problem:
    D = problem.matrix()
    D = np.minimum(D, D.T)
    return Problem(problem.k, distances=D, include=problem.include, exclude=problem.exclude)


def _nearest(problem: Problem, points: Indices) -> float:
    reduced = problem.reduced_distances(points, points)
    return float(reduced[np.triu_indices(len(points), 1)].min(initial=math.inf))


def _cells(problem: Problem, free: Indices, need: int, threshold: float, clock: Clock) -> _Graph | None:
    """Refine cells until their graph has no clique; None if the time is up first."""
    kind, tree = KINDS[problem.geometry.form], build(problem.vectors[free].astype(np.float64))
    relaxation = Relaxation(kind, tree, free, need, threshold)
    if not relaxation.solve(lambda: clock.remaining <= 0):
        return None
    if relaxation.points is not None:
        raise SolverContractError(f"exact: points {relaxation.points.tolist()} are farther apart than the proven bound")
    cells = relaxation.partition()
    order = np.concatenate([tree.points[tree.first[node] : tree.last[node]] for node in cells])
    return _Graph(free[order], (tree.last - tree.first)[cells], _exact_graph(kind, tree, cells, threshold))


@njit(cache=True, nogil=True)
def _exact_graph(kind: int, tree: Tree, cells: NDArray[np.int64], t: float) -> Words:
    """Join the cells that hold points at least t apart."""
    m = len(cells)
    adjacent = np.zeros((m, (m + 63) // 64), np.uint64)
    for i in range(m):
        for j in range(i):
            if may_be_far(kind, tree, cells[i], cells[j], t, _DEEP):
                adjacent[i, j >> 6] |= np.uint64(1) << np.uint64(j & 63)
                adjacent[j, i >> 6] |= np.uint64(1) << np.uint64(i & 63)
    return adjacent


def _matrix(problem: Problem, free: Indices, threshold: float) -> _Graph:
    """Every point is a cell."""
    adjacent = problem.reduced_distances(free, free) >= threshold
    np.fill_diagonal(adjacent, False)
    order = core_in_order(adjacent, np.arange(len(free)), 0)
    return _Graph(free[order], np.ones(len(free), dtype=np.int64), pack(adjacent[np.ix_(order, order)]))


def _steps(adjacent: Words, need: int, repairs: bool) -> Iterator[tuple[NDArray[np.int32], int]]:
    """Yield the steps of the proof in parts, and how many lemmas there are so far."""
    width = max(1, adjacent.shape[1])
    blocks = max(1, min(_BLOCKS, _MEMORY_BYTES // (8 * BLOCK * (need + 1) * width)))
    nogoods = new_nogoods(need, blocks, adjacent.shape[1])
    recording = new_recording(adjacent, full(len(adjacent)), need, nogoods, repairs, _ROOM)
    outcome = PAUSED
    while outcome == PAUSED:
        outcome = record(recording, nogoods, need)
        if outcome == FOUND:
            raise SolverContractError("exact: there are k points farther apart than the proven bound")
        yield recording.steps[: recording.counter[WRITTEN]], int(recording.counter[LEMMAS])


def _encoded(numbers: NDArray[Any]) -> bytes:
    """Numbers of seven bits a byte, the lowest first; the eighth bit says that more follow."""
    content = np.empty(_MOST_BYTES * len(numbers), np.uint8)
    return content[: _encode(numbers.astype(np.uint64), content)].tobytes()


@njit(cache=True, nogil=True)
def _encode(numbers: NDArray[np.uint64], content: NDArray[np.uint8]) -> int:
    size = 0
    for number in numbers:
        rest = number
        while rest > 127:
            content[size] = rest & 127 | 128
            rest >>= np.uint64(7)
            size += 1
        content[size] = rest
        size += 1
    return size
