"""Products of rows of 16-bit integers, many pairs at once, exact in 32 bits.

The readable formula::

    def add_dots(x, rows, i, y, columns, j, begin, stop, sums):
        for r in range(ROWS):
            for c in range(COLUMNS):
                sums[r, j + c] += (x[rows[i + r], begin:stop] * y[columns[j + c], begin:stop]).sum()

Processors multiply 16-bit numbers and add up neighbouring products in one instruction, on twice as many numbers as they
do in float32, and whole numbers have no rounding. Each of ROWS x COLUMNS sums is one vector register; at the end the
vectors of four columns are added up across, together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import config
from numba.core.errors import TypingError
from numba.extending import intrinsic


def _has_wide_vectors() -> bool:
    """Whether there are 32 registers of 512 bits; others have 16 of 256 or less."""
    try:
        features: str = getattr(config, "CPU_FEATURES", None) or binding.get_host_cpu_features().flatten()
    except RuntimeError:  # a processor that LLVM cannot ask
        return False
    return "+avx512bw" in features.split(",")


_HAS_WIDE_VECTORS = _has_wide_vectors()

ROWS, COLUMNS = 6 if _HAS_WIDE_VECTORS else 2, 4
STEP = 32 if _HAS_WIDE_VECTORS else 16  # coordinates that a vector holds

_HALF, _WORD, _INDEX = ir.IntType(16), ir.IntType(32), ir.IntType(64)


def _declare(
    typing: Any, x: Any, rows: Any, i: Any, y: Any, columns: Any, j: Any, begin: Any, stop: Any, sums: Any
) -> Any:
    """Add products of coordinates ``begin`` to ``stop``, some multiple of STEP apart; all arrays are C-contiguous."""
    for array, dtype in ((x, types.int16), (rows, types.intp), (y, types.int16), (columns, types.intp)):
        if array.dtype != dtype or array.layout != "C":
            raise TypingError(f"{dtype}, contiguous in memory, is multiplied, not {array}")
    if sums.dtype != types.int32 or sums.layout != "C":
        raise TypingError(f"sums are int32, contiguous in memory, not {sums}")
    number = types.intp
    return types.void(x, rows, number, y, columns, number, number, number, sums), _build


add_dots: Any = intrinsic(_declare)


def _build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    x, rows, i, y, columns, j, begin, stop, sums = (
        argument if kind == types.intp else context.make_array(kind)(context, builder, argument)
        for kind, argument in zip(signature.args, arguments, strict=True)
    )
    above = [_row(builder, x, _entry(builder, rows, i, r)) for r in range(ROWS)]
    beside = [_row(builder, y, _entry(builder, columns, j, c)) for c in range(COLUMNS)]
    targets = [builder.gep(_row(builder, sums, _INDEX(r)), [j]) for r in range(ROWS)]
    kind = ir.VectorType(_WORD, STEP // 2)
    pairs = [(r, c) for r in range(ROWS) for c in range(COLUMNS)]

    before, loop, after = builder.block, *(builder.append_basic_block(name) for name in ("coordinates", "sums"))
    builder.branch(loop)
    builder.position_at_end(loop)
    place, totals = builder.phi(_INDEX), {pair: builder.phi(kind) for pair in pairs}
    left = [_load(builder, address, place) for address in above]
    right = [_load(builder, address, place) for address in beside]
    added = {(r, c): builder.add(totals[r, c], _products(builder, left[r], right[c])) for r, c in pairs}
    following = builder.add(place, _INDEX(STEP))
    for block, at, sums_so_far in (
        (before, begin, dict.fromkeys(pairs, ir.Constant(kind, None))),
        (loop, following, added),
    ):
        place.add_incoming(at, block)
        for pair in pairs:
            totals[pair].add_incoming(sums_so_far[pair], block)
    builder.cbranch(builder.icmp_signed("<", following, stop), loop, after)

    builder.position_at_end(after)
    for r, address in enumerate(targets):
        target = builder.bitcast(address, ir.VectorType(_WORD, COLUMNS).as_pointer())
        four = _across(builder, *(added[r, c] for c in range(COLUMNS)))
        builder.store(builder.add(builder.load(target, align=4), four), target, align=4)
    return context.get_dummy_value()


def _entry(builder: Any, array: Any, first: Any, further: int) -> Any:
    return builder.load(builder.gep(array.data, [builder.add(first, _INDEX(further))]))


def _row(builder: Any, array: Any, place: Any) -> Any:
    """Where a row of an array begins."""
    return builder.gep(array.data, [builder.mul(place, builder.extract_value(array.shape, 1))])


def _load(builder: Any, address: Any, place: Any) -> Any:
    """Return STEP coordinates of a row, as numbers of 32 bits: the compiler sees that 16 suffice."""
    vector = builder.bitcast(builder.gep(address, [place]), ir.VectorType(_HALF, STEP).as_pointer())
    return builder.sext(builder.load(vector, align=2), ir.VectorType(_WORD, STEP))


def _products(builder: Any, left: Any, right: Any) -> Any:
    """Products of coordinates, each even one's added to the next one's."""
    product = builder.mul(left, right)
    return builder.add(*(_shuffled(builder, product, product, range(odd, STEP, 2)) for odd in (0, 1)))


def _across(builder: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the sums of four vectors as a vector of four.

    Lanes are first added within each four, where a processor moves them most cheaply, then the fours to each other.
    """
    lanes = a.type.count
    fours = range(0, lanes, 4)
    in_turn = [f + at for f in fours for at in (0, lanes, 1, lanes + 1)]
    ab, cd = (_folded(builder, one, two, in_turn) for one, two in ((a, b), (c, d)))
    sums = _folded(builder, ab, cd, [f + at for f in fours for at in (0, 1, lanes, lanes + 1)])
    while sums.type.count > COLUMNS:
        half = sums.type.count // 2
        sums = _folded(builder, sums, sums, range(half), half)
    return sums


def _folded(builder: Any, one: Any, two: Any, lanes: Sequence[int], distance: int = 2) -> Any:
    """Add lanes of two vectors to those at a distance behind them."""
    behind = [lane + distance for lane in lanes]
    return builder.add(_shuffled(builder, one, two, lanes), _shuffled(builder, one, two, behind))


def _shuffled(builder: Any, one: Any, two: Any, lanes: Sequence[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_WORD, len(lanes)), [_WORD(lane) for lane in lanes])
    return builder.shuffle_vector(one, two, mask)
