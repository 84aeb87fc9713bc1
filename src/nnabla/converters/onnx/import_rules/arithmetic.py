"""Operators that calculate element by element."""

from __future__ import annotations

import math

from onnx import TensorProto, helper

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from ..tensors import type_name
from .registry import Node, axis_of, read

_OF_ONE = {
    "Exp": "Exp",
    "Log": "Log",
    "Abs": "Abs",
    "Ceil": "Ceil",
    "Floor": "Floor",
    "Sin": "Sin",
    "Cos": "Cos",
    "Tan": "Tan",
    "Asin": "ASin",
    "Acos": "ACos",
    "Atan": "ATan",
    "Sinh": "Sinh",
    "Cosh": "Cosh",
    "Asinh": "ASinh",
    "Acosh": "ACosh",
    "Atanh": "ATanh",
    "Erf": "Erf",
}
# For a number on the right, and on the left.
_NUMBER = {"Add": "AddScalar", "Mul": "MulScalar", "Pow": "PowScalar"}
_NUMBER_FIRST = {"Add": "AddScalar", "Mul": "MulScalar", "Sub": "RSubScalar", "Div": "RDivScalar", "Pow": "RPowScalar"}
_OF_TWO = {"Add": "Add2", "Sub": "Sub2", "Mul": "Mul2", "Div": "Div2", "Pow": "Pow2"}

# Bits of integers, and whether they have a sign.
_INTEGERS: dict[int, tuple[int, bool]] = {
    TensorProto.INT8: (8, True),
    TensorProto.INT16: (16, True),
    TensorProto.INT32: (32, True),
    TensorProto.INT64: (64, True),
    TensorProto.UINT8: (8, False),
    TensorProto.UINT16: (16, False),
    TensorProto.UINT32: (32, False),
    TensorProto.UINT64: (64, False),
}
_WIDE = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


@read(*_OF_ONE)
def of_one(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r(_OF_ONE[n.op_type], x)
    return y


@read("Identity")
def identity(r: GraphReader, n: Node, x: Value) -> Value:
    return x


@read("Neg")
def neg(r: GraphReader, n: Node, x: Value) -> Value:
    return r.mul(x, -1.0)


@read("Sqrt")
def sqrt(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r("PowScalar", x, val=0.5)
    return y


@read("Reciprocal")
def reciprocal(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r("RDivScalar", x, val=1.0)
    return y


@read("Sign")
def sign(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r("Sign", x, alpha=0.0)
    return y


@read("Round")
def round_(r: GraphReader, n: Node, x: Value) -> Value:
    return r.round_to_even(x)


@read("Add", "Sub", "Mul", "Div", "Pow")
def arithmetic(r: GraphReader, n: Node, a: Value, b: Value) -> Value:
    if n.opset < 7 and n.attr("broadcast"):
        b = aligned(r, n, a, b)
    y = _arithmetic(r, n.op_type, a, b).typed(a.dtype)
    # Integers are divided without remainder, and powers of them cut off.
    cut = n.op_type == "Div" or (n.op_type == "Pow" and b.is_float)
    return r.truncated(y) if cut and not a.is_float else y


def aligned(r: GraphReader, n: Node, a: Value, b: Value) -> Value:
    """Up to opset 6, the second input is put at an axis of the first."""
    given = n.attr("axis")
    axis = axis_of(a.rank - b.rank if given is None else given, a.rank)
    return r.reshape(b, b.shape + (1,) * (a.rank - axis - b.rank))


def _arithmetic(r: GraphReader, op: str, a: Value, b: Value) -> Value:
    right, left = r.single(b), r.single(a)
    if right is not None and b.rank <= a.rank:
        if op == "Sub":
            return r.add(a, -right)
        if op == "Div" and _has_exact_inverse(right):
            return r.mul(a, 1 / right)
        if op in _NUMBER:
            return r(_NUMBER[op], a, val=right)
    elif left is not None and a.rank <= b.rank and op in _NUMBER_FIRST:
        return r(_NUMBER_FIRST[op], b, val=left)
    return r.two(_OF_TWO[op], a, b)


def _has_exact_inverse(number: float) -> bool:
    """Whether to divide is the same as to multiply by the inverse: for powers of two."""
    return math.isfinite(number) and abs(math.frexp(number)[0]) == 0.5 and 1e-30 < abs(number) < 1e30


@read("Mod")
def mod(r: GraphReader, n: Node, a: Value, b: Value) -> Value:
    if n.attr("fmod"):
        # The sign of the dividend.
        return r.sub(a, r.mul(r.truncated(r.div(a, b)), b))
    if a.is_float:
        raise Unsupported("numbers with a fraction have fmod=1")
    return r.sub(a, r.mul(r("Floor", r.div(a, b)), b))


@read("BitShift")
def bit_shift(r: GraphReader, n: Node, a: Value, b: Value) -> Value:
    if _INTEGERS.get(a.dtype, (64, False))[0] > 16:
        raise Unsupported(f"float32 does not hold all numbers of type {type_name(a.dtype)}")
    if b.array is not None and b.array.size and not 0 <= int(b.array.min()) <= int(b.array.max()) < 64:
        raise Unsupported("bits are shifted by a number that is not from 0 to 63")
    factor = r("RPowScalar", b, val=2.0)
    if n.attr("direction") == "RIGHT":
        y: Value = r("Floor", r.div(a, factor))
        return y.typed(a.dtype)
    return _wrapped(r, r.mul(a, factor).typed(a.dtype), a.dtype)


def _wrapped(r: GraphReader, x: Value, dtype: int) -> Value:
    """Integers as those of a type that has fewer of them."""
    bits, signed = _INTEGERS[dtype]
    period, low = float(2**bits), float(2 ** (bits - 1)) if signed else 0.0
    moved = r("AddScalar", x, val=low) if low else x
    y = r.sub(moved, r.mul(r("Floor", r.mul(moved, 1 / period)), period))
    return (r.add(y, -low) if low else y).typed(dtype)


@read("Max", "Min")
def extremum(r: GraphReader, n: Node, *xs: Value) -> Value:
    name = "Maximum" if n.op_type == "Max" else "Minimum"
    y = xs[0]
    for x in xs[1:]:
        number = r.single(x)
        if number is not None and x.rank <= y.rank:
            y = r(f"{name}Scalar", y, val=number)
        else:
            y = r.two(f"{name}2", y, x)
    return y


@read("Sum", "Mean")
def total(r: GraphReader, n: Node, *xs: Value) -> Value:
    y = xs[0]
    for x in xs[1:]:
        y = r.add(y, x)
    return r.mul(y, 1 / len(xs)) if n.op_type == "Mean" and len(xs) > 1 else y


@read("Cast", "CastLike")
def cast(r: GraphReader, n: Node, x: Value, like: Value | None = None) -> Value:
    to = n.attr("to") if like is None else like.dtype
    if isinstance(to, str):
        # Up to opset 5 by name.
        to = dict(TensorProto.DataType.items()).get(to, TensorProto.UNDEFINED)
    if x.array is not None and (to in _WIDE or to in _INTEGERS or to == TensorProto.BOOL):
        # Here only what is to be like a tensor that is not known.
        return r.constant(x.array.astype(helper.tensor_dtype_to_np_dtype(to)), to, x.edge.name)
    if to == TensorProto.BOOL:
        return x if x.dtype == to else r("NotEqualScalar", x, val=0.0).typed(to)
    if to in _WIDE:
        return x.typed(to)
    if to not in _INTEGERS:
        raise Unsupported(f"numbers are not rounded to type {type_name(to)}")
    if x.is_float:
        return r.truncated(x).typed(to)
    bits, signed = _INTEGERS[to]
    from_bits, from_signed = _INTEGERS.get(x.dtype, (4, x.dtype == TensorProto.INT4))
    fits = bits >= from_bits if signed == from_signed else signed and bits > from_bits
    return x.typed(to) if fits or bits > 16 else _wrapped(r, x, to)


@read("BitCast")
def bit_cast(r: GraphReader, n: Node, x: Value) -> Value:
    if n.attr("to") != x.dtype:
        raise Unsupported("float32 does not hold the bits of other types")
    return x


@read("Clip")
def clip(r: GraphReader, n: Node, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    if n.opset < 11:
        return r.clip(x, n.attr("min"), n.attr("max"))
    for bound, name in ((low, "Maximum"), (high, "Minimum")):
        if bound is not None:
            number = r.single(bound)
            x = r.two(f"{name}2", x, bound) if number is None else r(f"{name}Scalar", x, val=number)
    return x
