"""Sums, products, powers, and functions of one variable."""

from __future__ import annotations

import math

import numpy as np

from ..graph_writer import GraphWriter
from .registry import Call, export

OF_TWO = {
    "Add2": "Add",
    "BcAdd2": "Add",
    "Sub2": "Sub",
    "Mul2": "Mul",
    "Div2": "Div",
    "Pow2": "Pow",
}
EXTREMES = {"Maximum2": "Max", "Minimum2": "Min"}
OF_ONE = {
    "Abs": "Abs",
    "Exp": "Exp",
    "Log": "Log",
    "Identity": "Identity",
    "Unlink": "Identity",
    "ClipGradByNorm": "Identity",
    "TopKGrad": "Identity",
    "Ceil": "Ceil",
    "Floor": "Floor",
    "Sin": "Sin",
    "Cos": "Cos",
    "Tan": "Tan",
    "Sinh": "Sinh",
    "Cosh": "Cosh",
    "ASin": "Asin",
    "ACos": "Acos",
    "ATan": "Atan",
    "ASinh": "Asinh",
    "ACosh": "Acosh",
    "ATanh": "Atanh",
    "Erf": "Erf",
}
WITH_NUMBER = {"AddScalar": "Add", "MulScalar": "Mul"}
EXTREME_WITH_NUMBER = {"MaximumScalar": "Max", "MinimumScalar": "Min"}
NUMBER_FIRST = {"RSubScalar": "Sub", "RDivScalar": "Div", "RPowScalar": "Pow"}


@export(*OF_TWO)
def of_two(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    return str(g(OF_TWO[f.declaration.type_name], x0, x1))


@export(*EXTREMES)
def extreme_of_two(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    return g.extreme(EXTREMES[f.declaration.type_name], x0, x1)


@export(*OF_ONE)
def of_one(g: GraphWriter, f: Call, x: str) -> str:
    return str(g(OF_ONE[f.declaration.type_name], x))


@export(*WITH_NUMBER)
def with_number(g: GraphWriter, f: Call, x: str) -> str:
    return str(g(WITH_NUMBER[f.declaration.type_name], x, g.constant(f.val)))


@export(*EXTREME_WITH_NUMBER)
def extreme_with_number(g: GraphWriter, f: Call, x: str) -> str:
    return g.extreme(EXTREME_WITH_NUMBER[f.declaration.type_name], x, f.val)


@export(*NUMBER_FIRST)
def number_first(g: GraphWriter, f: Call, x: str) -> str:
    return str(g(NUMBER_FIRST[f.declaration.type_name], g.constant(f.val), x))


@export("PowScalar")
def pow_scalar(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Sqrt", x) if f.val == 0.5 else g("Pow", x, g.constant(f.val)))


@export("AddN")
def add_n(g: GraphWriter, f: Call, *x: str) -> str:
    return str(g("Sum", *x))


@export("MulN")
def mul_n(g: GraphWriter, f: Call, *x: str) -> str:
    y = x[0]
    for factor in x[1:]:
        y = g("Mul", y, factor)
    return y


@export("ClipGradByValue")
def clip_grad_by_value(g: GraphWriter, f: Call, x: str, low: str, high: str) -> str:
    return x


@export("Sign")
def sign(g: GraphWriter, f: Call, x: str) -> str:
    if f.alpha == 0:
        return g.sign(x)
    zero = g.constant(0.0)
    if g.opset < 9:
        above = g.choose(g("Greater", x, zero), 1.0 - f.alpha, 0.0)
        below = g.choose(g("Less", x, zero), 1.0 + f.alpha, 0.0)
        return g.add(g("Sub", above, below), f.alpha)
    rest = g.choose(g("Greater", x, zero), 1.0, f.alpha)
    return str(g("Where", g("Less", x, zero), g.constant(-1.0), rest))


@export("Round")
def round_(g: GraphWriter, f: Call, x: str) -> str:
    return g.round(x)


@export("Mod2")
def mod2(g: GraphWriter, f: Call, x0: str, x1: str) -> str:
    # For floats the sign of the dividend, whatever the argument fmod says.
    if g.opset >= 10:
        return str(g("Mod", x0, x1, fmod=1))
    quotient = g("Div", x0, x1)
    whole = g("Mul", g.sign(quotient), g("Floor", g("Abs", quotient)))
    return str(g("Sub", x0, g("Mul", whole, x1)))


@export("ATan2")
def atan2(g: GraphWriter, f: Call, y: str, x: str) -> str:
    # ONNX has no such function: the angle of |y| and |x|, put into the quadrant by the signs. 1/x tells -0 from 0.
    zero = g.constant(0.0)
    below, left = (g("Less", g("Where", g.equal(v, zero), g("Div", g.constant(1.0), v), v), zero) for v in (y, x))
    height, width = g("Abs", y), g("Abs", x)
    both = g("And", g.equal(height, width), g("Not", g.equal(height, zero)))
    ratio = g("Where", both, g.constant(1.0), g("Div", height, width))
    none = g("And", g.equal(height, zero), g.equal(width, zero))
    angle = g("Atan", g("Where", none, zero, ratio))
    angle = g("Where", left, g("Sub", g.constant(np.float32(math.pi)), angle), angle)
    return str(g("Where", below, g("Neg", angle), angle))


@export("Constant")
def constant(g: GraphWriter, f: Call) -> str:
    return g.constant(np.full(f.shape, f.val, np.float32))


@export("Arange", "Linspace")
def range_(g: GraphWriter, f: Call) -> str:
    return g.constant(f.forward().cpu().numpy())
