"""Rounding to few values, computed in float32 as NNabla does it."""

from __future__ import annotations

import math

from ..graph_writer import GraphWriter, Unsupported
from .registry import Call, export


@export("FixedPointQuantize")
def fixed_point_quantize(g: GraphWriter, f: Call, x: str) -> str:
    steps = g.round(g("Div", x, g.constant(f.delta)))
    return g.clip(g.mul(steps, f.delta), f._low, f._high)


@export("Pow2Quantize")
def pow2_quantize(g: GraphWriter, f: Call, x: str) -> str:
    exponent = g("Round", g("Div", g("Log", g("Abs", x)), g.constant(math.log(2)))) if g.opset >= 11 else None
    if exponent is None:
        raise Unsupported("halves are rounded to even numbers from opset 11 on")
    y = g("Pow", g.constant(2.0), exponent)
    if f.with_zero:
        y = g.clip(y, None, f._high)
        y = g("Where", g("Greater", y, g.constant(f._low * 0.75)), y, g.constant(0.0))
    else:
        y = g.clip(y, f._low, f._high)
    negative = g("Less", x, g.constant(0.0))
    if f.sign:
        return str(g("Where", negative, g("Neg", y), y))
    return str(g("Where", negative, g.constant(0.0 if f.with_zero else f._low), y))


@export("QuantizeLinear")
def quantize_linear(g: GraphWriter, f: Call, x: str, scale: str, zero_point: str) -> str:
    y = g("Div", x, scale)
    if f.round_mode == "HALF_AWAY_FROM_ZERO":
        y = g.round(y)
    elif g.opset >= 11:
        y = g("Round", y)
    else:
        raise Unsupported("halves are rounded to even numbers from opset 11 on")
    return g.clip(g("Add", y, zero_point), f._low, f._high)


@export("DequantizeLinear")
def dequantize_linear(g: GraphWriter, f: Call, x: str, scale: str, zero_point: str) -> str:
    return str(g("Mul", g("Sub", x, zero_point), scale))
