"""Sums over the coordinates of two points, in vectors of eight, with an order that no compiler changes.

Rows of uint16 are the bits of bfloat16, the upper half of float32.

A sum that may run in any order is as fast, but the compiler settles its order each time that it compiles a caller, and
two callers may see the same two points at distances that differ in the last bit.

The readable formula::

    def in_lanes(term, x, y):
        lanes = np.zeros((4, 8))
        while 32 coordinates are left:
            lanes += term(the next 32 of x and y)
        while 8 are left:
            lanes[0] += term(the next 8)
        a = ((lanes[0] + lanes[1]) + lanes[2]) + lanes[3]
        return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7])) + sum(term(the rest))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

_LANES, _VECTORS = 8, 4
_DOUBLE, _WORD = ir.DoubleType(), ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, _LANES)


def _square(builder: Any, delta: Any) -> Any:
    return builder.fmul(delta, delta)


def _absolute(builder: Any, delta: Any) -> Any:
    name = "llvm.fabs.v8f64" if isinstance(delta.type, ir.VectorType) else "llvm.fabs.f64"
    kind = ir.FunctionType(delta.type, [delta.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [delta])


def _sum_of(term: Callable[[Any, Any], Any]) -> Any:
    """Make the function of (x, i, y, j) that sums a term of x[i] - y[j]; C-contiguous x and y, sums in float64."""

    def declare(typing: Any, x: Any, i: Any, y: Any, j: Any) -> Any:
        _check_layout(x, y)
        return types.float64(x, types.intp, y, types.intp), _loop(term, scaled=False)

    return intrinsic(declare)


def _sum_of_scaled(term: Callable[[Any, Any], Any]) -> Any:
    """Make the function of (x, i, a, y, j, b) that sums a term of a x[i] - b y[j], each product rounded by itself."""

    def declare(typing: Any, x: Any, i: Any, a: Any, y: Any, j: Any, b: Any) -> Any:
        _check_layout(x, y)
        row = (types.intp, types.float64)
        return types.float64(x, *row, y, *row), _loop(term, scaled=True)

    return intrinsic(declare)


def _check_layout(x: Any, y: Any) -> None:
    if x.layout != "C" or y.layout != "C":
        raise TypingError("sums run over rows that are contiguous in memory")


def _loop(term: Callable[[Any, Any], Any], scaled: bool) -> Callable[..., Any]:
    """Build the loop over the coordinates; an argument that scales a row follows its index."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = (0, 3) if scaled else (0, 2)
        rows = [_row(context, builder, signature, arguments, place) for place in places]
        scales = [[_scale(builder, arguments[place + 2], lanes) for lanes in (1, _LANES)] for place in places if scaled]
        count = rows[0][2]

        def terms(c: Any, lanes: int) -> Any:
            one, two = (_load(builder, dtype, builder.gep(start, [c]), lanes) for start, dtype, _ in rows)
            if scaled:
                one, two = (builder.fmul(x, s[lanes > 1]) for x, s in zip((one, two), scales, strict=True))
            return term(builder, builder.fsub(one, two))

        def add(total: Any, value: Any) -> None:
            builder.store(builder.fadd(builder.load(total), value), total)

        sums = [cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, None)) for _ in range(_VECTORS)]
        rest = cgutils.alloca_once_value(builder, ir.Constant(_DOUBLE, 0.0))
        stop, begin = ir.Constant(_WORD, 0), ir.Constant(_WORD, 0)
        for width in (_LANES * _VECTORS, _LANES, 1):
            step = ir.Constant(_WORD, width)
            begin, stop = stop, builder.mul(builder.udiv(count, step), step)
            with cgutils.for_range_slice(builder, begin, stop, step, intp=_WORD) as (c, _):
                if width == 1:
                    add(rest, terms(c, 1))
                for v in range(width // _LANES):
                    add(sums[v], terms(builder.add(c, ir.Constant(_WORD, _LANES * v)), _LANES))
        total = builder.load(sums[0])
        for one in sums[1:]:
            total = builder.fadd(total, builder.load(one))
        return builder.fadd(_across(builder, total), builder.load(rest))

    return build


def _scale(builder: Any, value: Any, lanes: int) -> Any:
    """Return a number, or a vector of so many copies of it."""
    if lanes == 1:
        return value
    zero = ir.Constant(ir.IntType(32), 0)
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, zero)
    return builder.shuffle_vector(
        first, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
    )


def _row(context: Any, builder: Any, signature: Any, arguments: Any, place: int) -> tuple[Any, Any, Any]:
    """Address, dtype and length of a row: of the array that is the argument at a place, by the index that follows."""
    kind = signature.args[place]
    array = context.make_array(kind)(context, builder, arguments[place])
    length = builder.extract_value(array.shape, 1)
    return builder.gep(array.data, [builder.mul(arguments[place + 1], length)]), kind.dtype, length


def _load(builder: Any, dtype: Any, address: Any, lanes: int) -> Any:
    """Coordinates from an address on, as float64: one, or a vector of them."""
    width = address.type.pointee if lanes == 1 else ir.VectorType(address.type.pointee, lanes)
    loaded = builder.load(builder.bitcast(address, width.as_pointer()), align=dtype.bitwidth // 8)
    return _to_float64(builder, dtype, loaded)


def _to_float64(builder: Any, dtype: Any, loaded: Any) -> Any:
    """Convert a number, or a vector of them."""
    target = _like(loaded.type, _DOUBLE)
    if dtype == types.float64:
        return loaded
    if dtype == types.uint16:
        whole = _like(loaded.type, ir.IntType(32))
        sixteen = ir.Constant(whole, [16] * whole.count if isinstance(whole, ir.VectorType) else 16)
        shifted = builder.shl(builder.zext(loaded, whole), sixteen)
        loaded = builder.bitcast(shifted, _like(loaded.type, ir.FloatType()))
    elif dtype != types.float32:
        return builder.uitofp(loaded, target)
    return builder.fpext(loaded, target)


def _like(kind: Any, of: Any) -> Any:
    """Return a type, or the vector of it that is as long as another."""
    return ir.VectorType(of, kind.count) if isinstance(kind, ir.VectorType) else of


def _as_float64(typing: Any, value: Any) -> Any:
    """Return a coordinate as float64."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _to_float64(builder, value, arguments[0])

    return types.float64(value), build


def _across(builder: Any, vector: Any) -> Any:
    """Add the lanes of a vector: halves, quarters, and single lanes."""
    values = [builder.extract_element(vector, ir.Constant(ir.IntType(32), lane)) for lane in range(_LANES)]
    while len(values) > 1:
        half = len(values) // 2
        values = [builder.fadd(one, other) for one, other in zip(values[:half], values[half:], strict=True)]
    return values[0]


sum_of_squares: Any = _sum_of(_square)
sum_of_absolutes: Any = _sum_of(_absolute)
sum_of_scaled_squares: Any = _sum_of_scaled(_square)
as_float64: Any = intrinsic(_as_float64)
