"""Quantized operators. The network computes with the integers in float32, which is exact up to 2^24."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from ..tensors import type_name
from .layers import convolved, multiplied
from .registry import Node, axis_of, read

_RANGES: dict[int, tuple[int, int]] = {
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT8: (0, 255),
    TensorProto.INT16: (-32768, 32767),
    TensorProto.UINT16: (0, 65535),
    TensorProto.INT4: (-8, 7),
    TensorProto.UINT4: (0, 15),
}
for _name, _bounds in (("INT2", (-2, 1)), ("UINT2", (0, 3))):
    # Later releases of onnx have them.
    if hasattr(TensorProto, _name):
        _RANGES[getattr(TensorProto, _name)] = _bounds
# Numbers of types in NumPy, as F.quantize_linear has them.
_OF_FUNCTION: dict[int, int] = {TensorProto.INT8: 1, TensorProto.UINT8: 2}


def _along(r: GraphReader, n: Node, x: Value, parameter: Value) -> Value:
    """A scale or zero point with as many axes as `x`: one number, one for each place along an axis, or for blocks."""
    block = n.attr("block_size") or 0
    if not parameter.rank or parameter.shape == (1,):
        return r.reshape(parameter, [1] * x.rank)
    axis = axis_of(1 if n.attr("axis") is None else n.attr("axis"), x.rank)
    if not block:
        if parameter.shape != (x.shape[axis],):
            raise Unsupported(f"scale and zero point of shape {parameter.shape} do not fit to axis {axis} of {x.shape}")
        return r.reshape(parameter, [-1 if a < 0 else d if a == axis else 1 for a, d in enumerate(x.shape)])
    if parameter.rank != x.rank or not 0 < parameter.shape[axis] * block < x.shape[axis] + block:
        raise Unsupported(f"blocks of {block} and a scale of shape {parameter.shape} do not fit to {x.shape}")
    head, tail, count = parameter.shape[:axis], parameter.shape[axis + 1 :], parameter.shape[axis]
    wide = r.expand(r.reshape(parameter, [*head, count, 1, *tail]), [*head, count, block, *tail])
    return r.cut(r.reshape(wide, [*head, count * block, *tail]), {axis: (0, x.shape[axis], 1)})


def quantized(r: GraphReader, x: Value, zero: Value | None, dtype: int) -> Value:
    """`x`, in units of the scale, as integers of a type."""
    if dtype not in _RANGES:
        raise Unsupported(f"numbers are not rounded to type {type_name(dtype)}")
    y = r.round_to_even(x)
    low, high = _RANGES[dtype]
    return r.clip(y if zero is None else r.add(y, zero), low, high).typed(dtype)


@read("QuantizeLinear")
def quantize_linear(r: GraphReader, n: Node, x: Value, scale: Value, zero: Value | None = None) -> Value:
    dtype = n.attr("output_dtype") or (TensorProto.UINT8 if zero is None else zero.dtype)
    wide = _along(r, n, x, scale)
    if dtype not in _OF_FUNCTION or not x.rank:
        shift = None if zero is None else _along(r, n, x, zero)
        return quantized(r, r.div(x, wide), shift, dtype)
    shift = r.constant(np.zeros(wide.shape, np.float32)) if zero is None else _along(r, n, x, zero)
    y: Value = r("QuantizeLinear", x, wide, shift, round_mode="HALF_TO_EVEN", dtype=_OF_FUNCTION[dtype])
    return y.typed(dtype)


@read("DequantizeLinear")
def dequantize_linear(r: GraphReader, n: Node, x: Value, scale: Value, zero: Value | None = None) -> Value:
    wide = _along(r, n, x, scale)
    if zero is None:
        y = r.mul(x, wide)
    elif x.rank:
        y = r("DequantizeLinear", x, wide, _along(r, n, x, zero))
    else:
        y = r.mul(r.sub(x, r.reshape(zero, ())), wide)
    return y.typed(n.attr("output_dtype") or scale.dtype)


def _centered(r: GraphReader, x: Value, zero: Value | None, shape: list[int] | None = None) -> Value:
    """`x` without its zero point, of shape `shape`."""
    if zero is None:
        return x
    shift = zero if shape is None else r.reshape(zero, shape)
    if x.array is not None and shift.array is not None:
        return r.constant(x.array.astype(np.int64) - shift.array.astype(np.int64), TensorProto.INT32, x.edge.name)
    return r.sub(x, shift)


def _by_channel(zero: Value | None, rank: int) -> list[int] | None:
    """Shape of a zero point or scale of the weights of a convolution, of which each output has its own."""
    return None if zero is None or zero.shape in ((), (1,)) else [zero.shape[0], *[1] * (rank - 1)]


@read("ConvInteger")
def conv_integer(
    r: GraphReader, n: Node, x: Value, w: Value, x_zero: Value | None = None, w_zero: Value | None = None
) -> Value:
    y = convolved(r, n, _centered(r, x, x_zero), _centered(r, w, w_zero, _by_channel(w_zero, w.rank)))
    return y.typed(TensorProto.INT32)


@read("MatMulInteger")
def matmul_integer(
    r: GraphReader, n: Node, a: Value, b: Value, a_zero: Value | None = None, b_zero: Value | None = None
) -> Value:
    shape = None if a_zero is None or a_zero.rank != 1 or a_zero.shape == (1,) else [a_zero.shape[0], 1]
    y = multiplied(r, _centered(r, a, a_zero, shape), _centered(r, b, b_zero))
    return y.typed(TensorProto.INT32)


@read("QLinearConv")
def qlinear_conv(
    r: GraphReader,
    n: Node,
    x: Value,
    x_scale: Value,
    x_zero: Value,
    w: Value,
    w_scale: Value,
    w_zero: Value,
    y_scale: Value,
    y_zero: Value,
    bias: Value | None = None,
) -> Value:
    y = convolved(r, n, _centered(r, x, x_zero), _centered(r, w, w_zero, _by_channel(w_zero, w.rank)), bias)
    scale = r.div(r.mul(x_scale, w_scale), y_scale)
    if scale.rank and scale.shape != (1,):
        scale = r.reshape(scale, [1, scale.shape[0], *[1] * (y.rank - 2)])
    return quantized(r, r.mul(y, scale), y_zero, y_zero.dtype)


@read("QLinearMatMul")
def qlinear_matmul(
    r: GraphReader,
    n: Node,
    a: Value,
    a_scale: Value,
    a_zero: Value,
    b: Value,
    b_scale: Value,
    b_zero: Value,
    y_scale: Value,
    y_zero: Value,
) -> Value:
    if any(v.rank > 1 or (v.rank == 1 and v.shape != (1,)) for v in (a_scale, a_zero, b_scale, b_zero)):
        raise Unsupported("a scale for each row or column has no counterpart")
    y = multiplied(r, _centered(r, a, a_zero), _centered(r, b, b_zero))
    return quantized(r, r.mul(y, r.div(r.mul(a_scale, b_scale), y_scale)), y_zero, y_zero.dtype)
