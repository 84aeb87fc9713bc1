"""Comparisons and logic in TFLite: 0 and 1 in the network, truth values in the model; and sine, floor and the like."""

from __future__ import annotations

from typing import Any

import numpy as np

from .flat_graph import FlatGraph, Shape
from .rules import own

COMPARE = {
    "Equal": "EQUAL",
    "NotEqual": "NOT_EQUAL",
    "Greater": "GREATER",
    "GreaterEqual": "GREATER_EQUAL",
    "Less": "LESS",
    "LessEqual": "LESS_EQUAL",
}
COMBINE = {"LogicalAnd": "LOGICAL_AND", "LogicalOr": "LOGICAL_OR", "LogicalXor": "NOT_EQUAL"}
_OPTIONS = {"LOGICAL_AND": "LogicalAndOptions", "LOGICAL_OR": "LogicalOrOptions", "NOT_EQUAL": "NotEqualOptions"}
_EACH = {"Floor": "FLOOR", "Ceil": "CEIL", "Sin": "SIN", "Cos": "COS"}
_OPTIONS_OF_EACH = {"COS": "CosOptions"}


def _number(g: FlatGraph, truth: int) -> int:
    return g.cast(truth, np.float32)


@own(*COMPARE)
def compare(g: FlatGraph, f: Any, shapes: list[Shape], a: int, b: int) -> int:
    return _number(g, g.compare(COMPARE[f.type], a, b))


@own(*[f"{name}Scalar" for name in COMPARE])
def compare_with_number(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return _number(g, g.compare(COMPARE[f.type.removesuffix("Scalar")], x, float(f.val)))


def _combined(g: FlatGraph, code: str, a: int, b: int) -> int:
    shape = np.broadcast_shapes(g.shape(a), g.shape(b))
    return _number(g, g.op(code, [a, b], shape, _OPTIONS[code], np.bool_))


@own(*COMBINE)
def combine(g: FlatGraph, f: Any, shapes: list[Shape], a: int, b: int) -> int:
    return _combined(g, COMBINE[f.type], g.cast(a, np.bool_), g.cast(b, np.bool_))


@own(*[f"{name}Scalar" for name in COMBINE])
def combine_with_truth(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    code = COMBINE[f.type.removesuffix("Scalar")]
    return _combined(g, code, g.cast(x, np.bool_), g.constant(np.bool_(f.val), np.bool_))


@own("LogicalNot")
def logical_not(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return _number(g, g.op("LOGICAL_NOT", [g.cast(x, np.bool_)], shapes[0], "LogicalNotOptions", np.bool_))


def _nan(g: FlatGraph, x: int) -> int:
    return g.compare("NOT_EQUAL", x, x)


def _infinite(g: FlatGraph, x: int) -> int:
    return g.compare("EQUAL", g.each("ABS", x, "AbsOptions"), float("inf"))


@own("IsNaN")
def is_nan(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return _number(g, _nan(g, x))


@own("IsInf")
def is_inf(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return _number(g, _infinite(g, x))


@own("ResetNaN")
def reset_nan(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.where(_nan(g, x), g.constant(np.float32(f.val)), x)


@own("ResetInf")
def reset_inf(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.where(_infinite(g, x), g.constant(np.float32(f.val)), x)


@own("Where")
def where(g: FlatGraph, f: Any, shapes: list[Shape], condition: int, a: int, b: int) -> int:
    missing = g.rank(a) - g.rank(condition)
    mask = g.reshape(condition, [*g.shape(condition), *[1] * missing])
    return g.where(g.cast(mask, np.bool_), a, b)


@own("BoolFill")
def bool_fill(g: FlatGraph, f: Any, shapes: list[Shape], data: int, mask: int) -> int:
    return g.where(g.cast(mask, np.bool_), g.constant(np.float32(f.value)), data)


@own("Trilu")
def trilu(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    ones = np.ones(g.shape(x)[-2:], np.bool_)
    keep = np.triu(ones, f.k) if f.upper else np.tril(ones, f.k)
    return g.where(g.constant(keep, np.bool_), x, g.constant(np.float32(0)))


# ---- arithmetic --------------------------------------------------------------------------------------------


@own(*_EACH)
def on_each(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.each(_EACH[f.type], x, _OPTIONS_OF_EACH.get(_EACH[f.type], ""))


@own("Tan")
def tan(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.both("DIV", g.each("SIN", x), g.each("COS", x, "CosOptions"))


@own("Sinc")
def sinc(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    one = g.constant(np.float32(1))
    zero = g.compare("EQUAL", x, 0.0)
    return g.where(zero, one, g.both("DIV", g.each("SIN", x), g.where(zero, one, x)))


@own("ATan2")
def atan2(g: FlatGraph, f: Any, shapes: list[Shape], y: int, x: int) -> int:
    # The operator takes two arrays of one shape only; a product keeps the sign of a zero.
    wide = [v if g.shape(v) == shapes[0] else g.both("MUL", v, g.constant(np.ones(shapes[0]))) for v in (y, x)]
    return g.op("ATAN2", wide, shapes[0], "ATan2Options")


@own("GELU")
def gelu(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.each("GELU", x, "GeluOptions", Approximate=True)


@own("Mod2")
def mod2(g: FlatGraph, f: Any, shapes: list[Shape], a: int, b: int) -> int:
    # With the sign of the dividend; FLOOR_MOD has that of the divisor.
    sizes = [g.each("ABS", v, "AbsOptions") for v in (a, b)]
    shape = np.broadcast_shapes(g.shape(a), g.shape(b))
    rest = g.op("FLOOR_MOD", sizes, shape, "FloorModOptions")
    return g.where(g.compare("LESS", a, 0.0), g.scalar("MUL", rest, -1.0), rest)


@own("Arange", "Linspace")
def range_(g: FlatGraph, f: Any, shapes: list[Shape]) -> int:
    return g.constant(f.operator.forward().cpu().numpy())


@own("EyeLike")
def eye_like(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.constant(np.eye(g.shape(x)[0], g.shape(x)[1], f.k))


@own("Shape")
def shape_of(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.constant(np.asarray(g.shape(x)[f.start : f.end or None], np.float32))
