"""Operators that compare, and that choose by truth values."""

from __future__ import annotations

from onnx import TensorProto

from ...reading.graph_reader import GraphReader, Value, common_shape
from .arithmetic import aligned
from .registry import Node, read

_OF_TWO = {
    "Equal": "Equal",
    "Less": "Less",
    "Greater": "Greater",
    "LessOrEqual": "LessEqual",
    "GreaterOrEqual": "GreaterEqual",
    "And": "LogicalAnd",
    "Or": "LogicalOr",
    "Xor": "LogicalXor",
}


def truth(y: Value) -> Value:
    """A result that holds truth values."""
    return y.typed(TensorProto.BOOL)


@read(*_OF_TWO)
def compare(r: GraphReader, n: Node, a: Value, b: Value) -> Value:
    if n.opset < 7 and n.attr("broadcast"):
        b = aligned(r, n, a, b)
    number = r.single(b)
    if number is not None and b.rank <= a.rank and n.op_type not in ("And", "Or", "Xor"):
        return truth(r(f"{_OF_TWO[n.op_type]}Scalar", a, val=number))
    return truth(r.two(_OF_TWO[n.op_type], a, b))


@read("Not")
def not_(r: GraphReader, n: Node, x: Value) -> Value:
    return truth(r("LogicalNot", x))


@read("IsNaN")
def is_nan(r: GraphReader, n: Node, x: Value) -> Value:
    return truth(r("IsNaN", x))


@read("IsInf")
def is_inf(r: GraphReader, n: Node, x: Value) -> Value:
    positive, negative = n.attr("detect_positive"), n.attr("detect_negative")
    if positive and negative:
        return truth(r("IsInf", x))
    if not positive and not negative:
        return truth(r("LogicalAndScalar", x, val=False))
    return truth(r("LogicalAnd", r("IsInf", x), r("GreaterScalar" if positive else "LessScalar", x, val=0.0)))


@read("Where")
def where(r: GraphReader, n: Node, condition: Value, a: Value, b: Value) -> Value:
    shape = common_shape(condition.shape, a.shape, b.shape)
    y: Value = r("Where", *[r.expand(x, shape) for x in (condition, a, b)])
    return y.typed(a.dtype)
