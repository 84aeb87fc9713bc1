"""Rounding to few values, computed in float32 as NNabla does it, or by ONNX's own operators where these do the same."""

from __future__ import annotations

import math

import numpy as np

from ...obstacles import Unsupported
from ..graph_writer import INT8, UINT8, GraphWriter
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


@export("MinMaxQuantize")
def min_max_quantize(g: GraphWriter, f: Call, x: str, low: str, high: str, least: str, most: str) -> str:
    if f.x_min_max:
        if f.ema:
            raise Unsupported("the running minimum and maximum change in each run; use x_min_max=False")
        axes, shape = f._reduced, g.shape(low)
        low, high = (g.reshape(g.reduce(name, x, axes, True), shape) for name in ("ReduceMin", "ReduceMax"))
    narrow = g("Less", g("Sub", high, low), g.constant(f.eps))
    high = g("Where", narrow, g.add(low, f.eps), high)
    scale = g("Div", g("Sub", high, low), g("Sub", most, least))
    zero = g("Min", g("Max", g.round(g("Sub", least, g("Div", low, scale))), least), most)
    low, high = g("Mul", g("Sub", least, zero), scale), g("Mul", g("Sub", most, zero), scale)
    inside = g("Min", g("Max", x, low), high)
    return str(g("Add", g("Mul", g.round(g("Div", g("Sub", inside, low), scale)), scale), low))


@export("Prune")
def prune(g: GraphWriter, f: Call, x: str) -> str:
    count = math.prod(g.shape(x))
    if -1 in g.shape(x):
        raise Unsupported("with an open batch size, the rank of the threshold is not known")
    if f.rate >= 1 or not count:
        return g.mul(x, 0.0)
    size = g("Abs", x)
    place = int(np.float32(count - 1) * np.float32(f.rate))
    # The smallest of the largest, down to the threshold.
    largest, _ = g.top_k(g.reshape(size, [count]), count - place, 0, True)
    threshold = g.squeeze(g.slice(largest, [count - place - 1], [count - place], [0], [1]), [0])
    return str(g("Where", g("Less", size, threshold), g.constant(0.0), x))


@export("QuantizeLinear")
def quantize_linear(g: GraphWriter, f: Call, x: str, scale: str, zero_point: str) -> str:
    kind = INT8 if f.dtype == 1 else UINT8
    parameters = _integer_parameters(g, x, scale, zero_point, kind)
    if parameters is not None and f.round_mode == "HALF_TO_EVEN" and not f.narrow_range:
        return g.integers(g("QuantizeLinear", x, *parameters[:2], axis=parameters[2]), kind)
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
    whole = g.as_integers(x)
    if whole is not None:
        parameters = _integer_parameters(g, x, scale, zero_point, whole[1])
        if parameters is not None:
            return str(g("DequantizeLinear", whole[0], *parameters[:2], axis=parameters[2]))
    return str(g("Mul", g("Sub", x, zero_point), scale))


def _integer_parameters(
    g: GraphWriter, x: str, scale: str, zero_point: str, kind: int
) -> tuple[str, str, int | None] | None:
    """Scale, zero point as integers, and axis, as ONNX's own operators take them; ``None`` where they cannot.

    They take one number, or one for each place along an axis, and a zero point that is an integer.
    """
    zero = g.value_of(zero_point)
    if g.opset < 10 or zero is None or g.shape(scale) != zero.shape:
        return None
    low, high = (-128, 127) if kind == INT8 else (0, 255)
    if not np.all((zero == np.round(zero)) & (zero >= low) & (zero <= high)):
        return None
    axes = [axis for axis, length in enumerate(zero.shape) if length != 1]
    if len(axes) > 1 or (axes and g.opset < 13):
        return None
    shape = [zero.size] if axes else []
    whole = g.constant(zero.reshape(shape), np.int8 if kind == INT8 else np.uint8)
    known = g.value_of(scale)
    factor = g.reshape(scale, shape) if known is None else g.constant(known.reshape(shape))
    return factor, whole, axes[0] if axes else None
