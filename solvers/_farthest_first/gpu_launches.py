"""Launches :mod:`solvers._farthest_first.gpu_kernels`: which kernels, over what, how many programs of what size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import triton

from mmdp.metrics import ANGULAR
from solvers._farthest_first.gpu_kernels import lower_products, rank_gram, rank_points, traverse, traverse_step
from solvers._farthest_first.tensor_traversal import distance_row, embed, matrix_fits, simple_ranking
from solvers._framework.first_pick import RANKED

METRICS = ("euclidean", "sqeuclidean", *ANGULAR)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
ONE_PROGRAM = 2**14  # points whose scores one program keeps in registers
ONE_PROGRAM_COORDINATES = 2**18  # coordinates that one program reads in about the time that Python takes to launch
CAPTURED = 2**13, 2**16  # the same two limits in a CUDA graph, where many programs' launches cost next to nothing
PROGRAMS = 128  # enough to keep a large chip busy in each step
TILE, DEPTH = 128, 64  # of products below the diagonal
TILES = 256  # from so many on, two rounds of programs, half of all products is sooner done than a library's whole


def select(
    points: torch.Tensor, k: int, metric: str, start: str, fixed: torch.Tensor | None, ks: torch.Tensor | None
) -> torch.Tensor:
    """Indices (b, k) of points (b, n, d) of one of DTYPES, under one of METRICS."""
    if points.numel() == 0:
        return points.new_full((len(points), k), -1, dtype=torch.int64)
    fixed, ks = (None if tensor is None else tensor.contiguous() for tensor in (fixed, ks))
    matrix = matrix_fits(points) and (metric in ANGULAR or start in RANKED)
    with torch.cuda.device_of(points):
        if matrix and metric in ANGULAR:
            source, ranking = _from_gram(points, start, fixed)
        else:
            source, ranking = _from_points(points, metric, start, fixed, keep=matrix)
        return _traverse(source, ranking, k, ks, matrix, masked=fixed is not None)


def gram(points: torch.Tensor) -> torch.Tensor:
    """Products (b, n, n) of all pairs of rows, summed in float32 and, for float32, not rounded to tf32 before."""
    if points.is_cuda and points.dtype != torch.float32:
        return lower_gram(points) if _many_tiles(points) else torch.bmm(points, points.mT, out_dtype=torch.float32)
    with _ieee_products():
        return torch.bmm(points.float(), points.float().mT)


def lower_gram(points: torch.Tensor) -> torch.Tensor:
    """Products (b, n, n) of all pairs of rows (b, n, d), each pair once; DEPTH divides d."""
    b, n, d = points.shape
    matrix = points.new_empty(b, n, n, dtype=torch.float32)
    lower_products[(_tiles(n), b)](points.contiguous(), matrix, n, d, TILE=TILE, DEPTH=DEPTH, num_warps=8, num_stages=4)
    return matrix


def _many_tiles(points: torch.Tensor) -> bool:
    b, n, d = points.shape
    return d % DEPTH == 0 and b * _tiles(n) >= TILES


def _tiles(n: int) -> int:
    """Tiles on and below the diagonal."""
    across = -(-n // TILE)
    return across * (across + 1) // 2


@contextmanager
def _ieee_products() -> Iterator[None]:
    matmul = torch.backends.cuda.matmul
    before, matmul.fp32_precision = matmul.fp32_precision, "ieee"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def _from_gram(points: torch.Tensor, start: str, fixed: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    b, n, _ = points.shape
    matrix = gram(points)
    norms = matrix.diagonal(dim1=1, dim2=2).clone()
    ranking = torch.empty_like(norms)
    rank_gram[(triton.cdiv(n, 4), b)](
        matrix, norms, ranking if fixed is None else fixed, ranking, n,
        FARTHEST=start == "farthest_pair", MASKED=fixed is not None, ROWS=4, COLUMNS=256,
    )  # fmt: skip
    if start in RANKED:
        return matrix, ranking
    batch = torch.arange(b, device=points.device)
    return matrix, simple_ranking(lambda pick: matrix[batch, pick], _or_free(fixed, ranking), start, matrix.dtype)


def _from_points(
    points: torch.Tensor, metric: str, start: str, fixed: torch.Tensor | None, keep: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    x = embed(points, metric).float()
    b, n, d = x.shape
    coordinates = torch.nn.functional.pad(x, (0, -d % _unroll(d))).mT.contiguous()
    if start not in RANKED:
        batch = torch.arange(b, device=x.device)
        row = lambda pick: distance_row("sqeuclidean", x, x[batch, pick][:, None])  # noqa: E731
        return coordinates, simple_ranking(row, _or_free(fixed, points), start, x.dtype)
    ranking = x.new_empty(b, n)
    matrix = x.new_empty(b, n, n) if keep else ranking
    rank_points[(triton.cdiv(n, 32), b)](
        coordinates, matrix, ranking if fixed is None else fixed, ranking, n, coordinates.shape[1],
        FARTHEST=start == "farthest_pair", MASKED=fixed is not None, KEEP=keep,
        UNROLL=_unroll(d), ROWS=32, COLUMNS=64,
    )  # fmt: skip
    return matrix if keep else coordinates, ranking


def _traverse(
    source: torch.Tensor, ranking: torch.Tensor, k: int, ks: torch.Tensor | None, matrix: bool, masked: bool
) -> torch.Tensor:
    b, n = ranking.shape
    d = source.shape[1]
    ranking = ranking.contiguous()
    picks = torch.empty(b, k, dtype=torch.int64, device=ranking.device)
    constants = {
        "MATRIX": matrix, "MASKED": masked, "COUNTED": ks is not None, "UNROLL": 1 if matrix else _unroll(d)
    }  # fmt: skip
    if n <= ONE_PROGRAM and (matrix or _soon_read(n, d)):
        block = max(128, triton.next_power_of_2(n))
        traverse[(b,)](
            source, ranking, picks if ks is None else ks, picks, n, d, k,
            BLOCK=block, num_warps=min(32, max(4, block // 128)), **constants,
        )  # fmt: skip
        return picks
    block = max(128, min(1024, triton.next_power_of_2(b * n // PROGRAMS)), triton.next_power_of_2(n) // 2048)
    blocks = triton.cdiv(n, block)
    tops = torch.full((2, b, blocks), -1.0, device=ranking.device)
    places = torch.zeros(2, b, blocks, dtype=torch.int64, device=ranking.device)
    tops[0, :, 0], places[0, :, 0] = ranking.amax(1), ranking.argmax(1)
    for step in range(k):
        traverse_step[(blocks, b)](
            source, ranking, tops, places, picks if ks is None else ks, picks, step, n, d, k,
            BLOCK=block, BLOCKS=triton.next_power_of_2(blocks), **constants,
        )  # fmt: skip
    return picks


def _soon_read(n: int, d: int) -> bool:
    """Whether one program goes through n points of d coordinates sooner than many programs are launched."""
    if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
        return n <= CAPTURED[0] and n * d <= CAPTURED[1]
    return n * d <= ONE_PROGRAM_COORDINATES


def _unroll(d: int) -> int:
    return min(d, 4)


def _or_free(fixed: torch.Tensor | None, points: torch.Tensor) -> torch.Tensor:
    return points.new_zeros(points.shape[:2], dtype=torch.int8) if fixed is None else fixed
