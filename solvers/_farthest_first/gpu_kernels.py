"""Farthest-first in Triton: a batch in one launch behind its matrices of distances, or in one launch a step.

The formula, for one item, with ``ranking`` as in :mod:`solvers._farthest_first.tensor_traversal`::

    pick = argmax(ranking)                                  # the lowest index among equals
    floor = infinity where ranking is, else 0               # who must be chosen stays ahead of the others
    score = -1 where ranking is, else infinity              # who must not be chosen stays behind
    k times:
        score = min(score, max(distances[pick], floor))
        score[pick] = -1
        pick = argmax(score)

Distances are squared Euclidean ones, accumulated in float32: of unit vectors from a Gram matrix under the angular
metrics (``|x|^2 + |y|^2 - 2 x.y``), by differences under the others and in few dimensions. No kernel waits for another
program of its own launch, so a launch needs no particular number of programs on the chip at once.
"""

import torch
import triton
import triton.language as tl

from solvers._farthest_first.tensor_traversal import SNAP

_FAR = tl.constexpr(torch.finfo(torch.float32).max)
_LAST = tl.constexpr(2**31 - 1)
_ROUNDING = tl.constexpr(SNAP * torch.finfo(torch.float32).eps)


@triton.jit
def _gram_to_distances(products, norms_x, norms_y):
    """Squared distances of x / |x| and y / |y| from x.y, |x|^2 and |y|^2; 0 where that is but rounding."""
    scale_x = tl.where(norms_x > 0, 1 / tl.sqrt(tl.where(norms_x > 0, norms_x, 1.0)), 0.0)
    scale_y = tl.where(norms_y > 0, 1 / tl.sqrt(tl.where(norms_y > 0, norms_y, 1.0)), 0.0)
    sums = norms_x * (scale_x * scale_x) + norms_y * (scale_y * scale_y)
    distances = sums - 2 * products * (scale_x * scale_y)
    return tl.where(distances < sums * _ROUNDING, 0.0, distances)


@triton.jit
def _extremes(extremes, distances, fixed, rows, columns, n, FARTHEST: tl.constexpr, MASKED: tl.constexpr):
    """Nearest or farthest usable point so far of each row, now with those columns."""
    usable = (rows[:, None] != columns[None, :]) & (columns < n)[None, :]
    if MASKED:
        usable &= (tl.load(fixed + columns, mask=columns < n, other=-1) >= 0)[None, :]
    if FARTHEST:
        return tl.maximum(extremes, tl.max(tl.where(usable, distances, 0.0), 1))
    return tl.minimum(extremes, tl.min(tl.where(usable, distances, _FAR), 1))


@triton.jit
def _store_ranking(ranking, extremes, fixed, rows, n, MASKED: tl.constexpr):
    """Write the ranking of those rows: finite, but infinity and -1 for those that must and must not be chosen."""
    extremes = tl.minimum(extremes, _FAR)
    if MASKED:
        state = tl.load(fixed + rows, mask=rows < n, other=-1)
        extremes = tl.where(state > 0, float("inf"), tl.where(state < 0, -1.0, extremes))
    tl.store(ranking + rows, extremes, mask=rows < n)


@triton.jit
def lower_products(
    points, matrix, n, d,
    TILE: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """One tile on or below the diagonal of the Gram matrices (b, n, n) of points (b, n, d), stored on both sides of it.

    DEPTH divides d. Every product is summed in the same order, so equal rows have equal products.
    """
    tile, item = tl.program_id(0), tl.program_id(1).to(tl.int64)
    points, matrix = points + item * n * d, matrix + item * n * n
    down = ((tl.sqrt(8.0 * tile + 1.0) - 1.0) / 2.0).to(tl.int32)  # tiles before row r of tiles: r (r + 1) / 2
    down -= (down * (down + 1) // 2 > tile).to(tl.int32)
    down += ((down + 1) * (down + 2) // 2 <= tile).to(tl.int32)
    across = tile - down * (down + 1) // 2
    rows, columns = down * TILE + tl.arange(0, TILE), across * TILE + tl.arange(0, TILE)
    depth = tl.arange(0, DEPTH)
    x = points + (rows % n)[:, None].to(tl.int64) * d + depth[None, :]
    y = points + (columns % n)[None, :].to(tl.int64) * d + depth[:, None]
    products = tl.zeros([TILE, TILE], tl.float32)
    for _ in range(0, d, DEPTH):
        products = tl.dot(tl.load(x), tl.load(y), products)
        x += DEPTH
        y += DEPTH
    inside = (rows < n)[:, None] & (columns < n)[None, :]
    tl.store(matrix + rows[:, None].to(tl.int64) * n + columns[None, :], products, mask=inside)
    if down != across:
        tl.store(matrix + columns[:, None].to(tl.int64) * n + rows[None, :], tl.trans(products), mask=tl.trans(inside))


@triton.jit
def rank_gram(
    matrix, norms, fixed, ranking, n,
    FARTHEST: tl.constexpr, MASKED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Turn a block of rows of Gram matrices (b, n, n) into distances, in place, and rank these rows."""
    item = tl.program_id(1).to(tl.int64)
    matrix, norms, fixed, ranking = matrix + item * n * n, norms + item * n, fixed + item * n, ranking + item * n
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    norms_x = tl.load(norms + rows, mask=rows < n, other=0.0)
    extremes = tl.full([ROWS], 0.0 if FARTHEST else _FAR, tl.float32)
    for start in range(0, n, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        norms_y = tl.load(norms + columns, mask=columns < n, other=0.0)
        cells = rows[:, None] * n + columns[None, :]
        inside = (rows < n)[:, None] & (columns < n)[None, :]
        products = tl.load(matrix + cells, mask=inside, other=0.0)
        distances = _gram_to_distances(products, norms_x[:, None], norms_y[None, :])
        tl.store(matrix + cells, distances, mask=inside)
        extremes = _extremes(extremes, distances, fixed, rows, columns, n, FARTHEST, MASKED)
    _store_ranking(ranking, extremes, fixed, rows, n, MASKED)


@triton.jit
def rank_points(
    points, matrix, fixed, ranking, n, d,
    FARTHEST: tl.constexpr, MASKED: tl.constexpr, KEEP: tl.constexpr,
    UNROLL: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Rank a block of points (b, d, n) by their differences from all others; KEEP the distances in the matrix."""
    item = tl.program_id(1).to(tl.int64)
    points, matrix = points + item * d * n, matrix + item * n * n
    fixed, ranking = fixed + item * n, ranking + item * n
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    extremes = tl.full([ROWS], 0.0 if FARTHEST else _FAR, tl.float32)
    for start in range(0, n, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        distances = tl.zeros([ROWS, COLUMNS], tl.float32)
        line = points
        for _ in range(0, d, UNROLL):
            part = tl.zeros([ROWS, COLUMNS], tl.float32)
            for _ in tl.static_range(UNROLL):
                x = tl.load(line + rows, mask=rows < n, other=0.0)
                y = tl.load(line + columns, mask=columns < n, other=0.0)
                part += (x[:, None] - y[None, :]) * (x[:, None] - y[None, :])
                line += n
            distances += part
        if KEEP:
            inside = (rows < n)[:, None] & (columns < n)[None, :]
            tl.store(matrix + rows[:, None] * n + columns[None, :], distances, mask=inside)
        extremes = _extremes(extremes, distances, fixed, rows, columns, n, FARTHEST, MASKED)
    _store_ranking(ranking, extremes, fixed, rows, n, MASKED)


@triton.jit
def _highest(scores, indices):
    """The highest score and the lowest index that has it: two integer reductions, one instruction a warp on Hopper.

    The bits of -1 and of what is not negative, read as an integer, are in the order of the numbers.
    """
    bits = scores.to(tl.int32, bitcast=True)
    top = tl.max(bits, 0)
    return top.to(tl.float32, bitcast=True), tl.min(tl.where(bits == top, indices, _LAST), 0)


@triton.jit
def _lowered(
    score, floor, source, pick, columns, n, d, MATRIX: tl.constexpr, MASKED: tl.constexpr, UNROLL: tl.constexpr
):
    """Scores after a pick: never above the distance to it, by a row of the matrix or differences from the point."""
    if MATRIX:
        distances = tl.load(source + pick * n + columns, mask=columns < n, other=0.0)
    else:
        distances = tl.zeros_like(score)
        line = source
        for _ in range(0, d, UNROLL):
            part = tl.zeros_like(score)
            for _ in tl.static_range(UNROLL):
                difference = tl.load(line + columns, mask=columns < n, other=0.0) - tl.load(line + pick)
                part += difference * difference
                line += n
            distances += part
    if MASKED:
        distances = tl.maximum(distances, floor)
    return tl.where(columns == pick, -1.0, tl.minimum(score, distances))


@triton.jit
def traverse(
    source, ranking, ks, picks, n, d, k,
    MATRIX: tl.constexpr, MASKED: tl.constexpr, COUNTED: tl.constexpr,
    UNROLL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """All steps of one item in one program, its scores in registers."""
    item = tl.program_id(0).to(tl.int64)
    source += item * n * (n if MATRIX else d)
    count = tl.load(ks + item) if COUNTED else k
    columns = tl.arange(0, BLOCK)
    score = tl.load(ranking + item * n + columns, mask=columns < n, other=-1.0)
    top, place = _highest(score, columns)
    floor = tl.where(score == float("inf"), score, 0.0)
    score = tl.where(score >= 0, float("inf"), -1.0)
    for step in range(k):
        pick = place.to(tl.int64)
        tl.store(picks + item * k + step, tl.where((top >= 0) & (step < count), pick, -1))
        score = _lowered(score, floor, source, pick, columns, n, d, MATRIX, MASKED, UNROLL)
        top, place = _highest(score, columns)


@triton.jit(do_not_specialize=["step"])
def traverse_step(
    source, scores, tops, places, ks, picks, step, n, d, k,
    MATRIX: tl.constexpr, MASKED: tl.constexpr, COUNTED: tl.constexpr,
    UNROLL: tl.constexpr, BLOCK: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    """One step of a block of points of one item: the launch before left the best of each block, as this one does."""
    block, item, blocks, batch = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.num_programs(0), tl.num_programs(1)
    source, scores = source + item * n * (n if MATRIX else d), scores + item * n
    before = ((step % 2) * batch + item) * blocks
    after = (((step + 1) % 2) * batch + item) * blocks
    slots = tl.arange(0, BLOCKS)
    top, winner = _highest(tl.load(tops + before + slots, mask=slots < blocks, other=-1.0), slots)
    pick = tl.load(places + before + winner)
    if block == 0:
        count = tl.load(ks + item) if COUNTED else k
        tl.store(picks + item * k + step, tl.where((top >= 0) & (step < count), pick, -1))
    columns = block * BLOCK + tl.arange(0, BLOCK)
    score = tl.load(scores + columns, mask=columns < n, other=-1.0)
    floor = tl.where(score == float("inf"), score, 0.0)
    if step == 0:
        score = tl.where(score >= 0, float("inf"), -1.0)
    score = _lowered(score, floor, source, pick, columns, n, d, MATRIX, MASKED, UNROLL)
    tl.store(scores + columns, score, mask=columns < n)
    best, place = _highest(score, columns)
    tl.store(tops + after + block, best)
    tl.store(places + after + block, place.to(tl.int64))
