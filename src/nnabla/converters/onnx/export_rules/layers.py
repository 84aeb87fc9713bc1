"""Layers with weights, and products of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter, Shape, total
from .arrays import flat
from .registry import Call, export


@export("Affine")
def affine(g: GraphWriter, f: Call, x: str, weight: str, bias: str | None = None) -> str:
    shape, w = g.shape(x), g.shape(weight)
    axis = f.base_axis % len(shape) if f.base_axis < 0 else f.base_axis
    table = flat(g, weight, w, 1)
    if len(shape) == axis + 1 and len(w) == 2 and axis > 1 and g.runtime != "snpe":
        # The features are one axis: ONNX multiplies it whatever stands before.
        y = g("MatMul", x, table)
        return y if bias is None else str(g("Add", y, bias))
    row = None if bias is None else bias if len(w) == 2 else g.reshape(bias, [math.prod(w[1:])])
    y = flat(g, x, shape, axis)
    turned = g.turned(weight) if g.runtime == "snpe" else None
    if turned is not None:
        row = g.constant(np.zeros(math.prod(w[1:]))) if row is None else row
        return _rows(g, f, g("Gemm", y, turned, row, transB=1), axis)
    y = g("MatMul", y, table) if row is None else g("Gemm", y, table, row)
    return _rows(g, f, y, axis)


def _rows(g: GraphWriter, f: Call, y: str, axis: int) -> str:
    return y if len(f.shape_out) == 2 and axis == 1 else g.reshape(y, f.shape_out)


@export("BatchMatmul")
def batch_matmul(g: GraphWriter, f: Call, a: str, b: str) -> str:
    left, right = (
        g.transpose(x, [*range(g.rank(x) - 2), g.rank(x) - 1, g.rank(x) - 2]) if turned else x
        for x, turned in ((a, f.transpose_a), (b, f.transpose_b))
    )
    return str(g("MatMul", left, right))


@export("BatchDet")
def batch_det(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("Det", x))


class Images:
    """How an array of images is brought to ONNX, which has one axis of samples and the channels second, and back.

    Args:
        shape: of the array.
        axis: number of leading axes that tell samples apart.
        channel_last: whether the channels are the last axis.
    """

    def __init__(self, shape: Shape, axis: int, channel_last: bool) -> None:
        self.axis = axis
        self.channel_last = channel_last
        self.batch = shape[:axis]
        self.shape = shape

    def enter(self, g: GraphWriter, x: str) -> str:
        """The array as ``(samples, channels, ...)``."""
        if self.axis != 1:
            x = g.reshape(x, [total(self.batch), *self.shape[self.axis :]])
        return to_channel_first(g, x, len(self.shape) - self.axis + 1) if self.channel_last else x

    def leave(self, g: GraphWriter, y: str, shape: Shape) -> str:
        """What was computed, in the shape that the network has for it."""
        if self.channel_last:
            y = to_channel_last(g, y, len(shape) - self.axis + 1)
        return y if self.axis == 1 else g.reshape(y, shape)


def to_channel_first(g: GraphWriter, x: str, rank: int) -> str:
    """The last axis becomes the second."""
    return g.transpose(x, [0, rank - 1, *range(1, rank - 1)])


def to_channel_last(g: GraphWriter, x: str, rank: int) -> str:
    """The second axis becomes the last."""
    return g.transpose(x, [0, *range(2, rank), 1])


def _window(f: Call) -> dict[str, Any]:
    pad = [max(p, 0) for p in f.pad]
    return {"strides": list(f.stride), "dilations": list(f.dilation), "pads": [*pad, *pad]}


def _cropped(g: GraphWriter, f: Call, x: str) -> str:
    """Images without what a negative pad takes away; ONNX has none."""
    cuts = [(axis, -p) for axis, p in enumerate(f.pad, 2) if p < 0]
    axes, starts = [axis for axis, _ in cuts], [cut for _, cut in cuts]
    return g.slice(x, starts, [-cut for cut in starts], axes, [1] * len(axes))


def _refuse_negative(f: Call) -> None:
    if min(f.pad, default=0) < 0:
        raise Unsupported("a negative pad, which makes the result larger, is not allowed in ONNX")


def _axis(f: Call, rank: int) -> int:
    return int(f.base_axis % rank)


@export("Convolution")
def convolution(g: GraphWriter, f: Call, x: str, weight: str, bias: str | None = None) -> str:
    images = Images(g.shape(x), _axis(f, g.rank(x)), f.channel_last)
    kernel = to_channel_first(g, weight, g.rank(weight)) if f.channel_last else weight
    y = g("Conv", _cropped(g, f, images.enter(g, x)), kernel, bias, group=f.group, **_window(f))
    return images.leave(g, y, f.shape_out)


@export("DepthwiseConvolution")
def depthwise_convolution(g: GraphWriter, f: Call, x: str, weight: str, bias: str | None = None) -> str:
    images = Images(g.shape(x), _axis(f, g.rank(x)), False)
    kernel = g.unsqueeze(weight, [1])
    y = g("Conv", _cropped(g, f, images.enter(g, x)), kernel, bias, group=images.shape[images.axis], **_window(f))
    return images.leave(g, y, f.shape_out)


@export("Deconvolution")
def deconvolution(g: GraphWriter, f: Call, x: str, weight: str, bias: str | None = None) -> str:
    _refuse_negative(f)
    images = Images(g.shape(x), _axis(f, g.rank(x)), f.channel_last)
    kernel = to_channel_first(g, weight, g.rank(weight)) if f.channel_last else weight
    extra = list(f.output_padding) if any(f.output_padding) else None
    y = g("ConvTranspose", images.enter(g, x), kernel, bias, group=f.group, output_padding=extra, **_window(f))
    return images.leave(g, y, f.shape_out)


@export("DepthwiseDeconvolution")
def depthwise_deconvolution(g: GraphWriter, f: Call, x: str, weight: str, bias: str | None = None) -> str:
    _refuse_negative(f)
    images = Images(g.shape(x), _axis(f, g.rank(x)), False)
    group = images.shape[images.axis] // f.divisor
    y = g("ConvTranspose", images.enter(g, x), g.unsqueeze(weight, [1]), bias, group=group, **_window(f))
    return images.leave(g, y, f.shape_out)


@export("BinaryConnectAffine", "BinaryConnectConvolution", "BinaryWeightAffine", "BinaryWeightConvolution")
def binary_layer(g: GraphWriter, f: Call, x: str, weight: str, binary: str, *rest: str | None) -> str:
    # The signs follow from the weight in each run; what stands in binary_weight and alpha is overwritten by them.
    scaled = f.declaration.type_name.startswith("BinaryWeight")
    bias = rest[1 if scaled else 0] if len(rest) > scaled else None
    signs = g.sign(weight)
    if f.quantize_zero_to:
        zero = g.equal(weight, g.constant(0.0))
        signs = g("Add", signs, g.choose(zero, f.quantize_zero_to, 0.0))
    if scaled:
        signs = g("Mul", signs, g.reduce("ReduceMean", g("Abs", weight), f._inner, True))
    g.name_shape(signs, g.shape(weight))
    inner = Call(f._layer, [x, signs, bias], f.outputs, f.shapes)
    rule = affine if f.declaration.type_name.endswith("Affine") else convolution
    return rule(g, inner, x, signs, bias)


@export("Dropout")
def dropout(g: GraphWriter, f: Call, x: str) -> str:
    # What the runtime does with it is its own: without training, nothing.
    if g.opset < 12:
        return str(g("Dropout", x, ratio=f.p))
    return str(g("Dropout", x, g.constant(f.p)))


@export("FusedConvolution")
def fused_convolution(
    g: GraphWriter,
    f: Call,
    x: str,
    weight: str,
    bias: str | None = None,
    beta: str | None = None,
    gamma: str | None = None,
    mean: str | None = None,
    variance: str | None = None,
    z: str | None = None,
) -> str:
    images = Images(g.shape(x), _axis(f, g.rank(x)), f.channel_last)
    kernel = to_channel_first(g, weight, g.rank(weight)) if f.channel_last else weight
    count = g.rank(weight) - 2
    sides = [(p, p) for p in f.pad] if len(f.pad) == count else list(zip(f.pad[::2], f.pad[1::2], strict=True))
    y = images.enter(g, x)
    plain = f.pad_mode == "constant" and not f.constant_value and min(f.pad, default=0) >= 0
    border = [side[end] for end in (0, 1) for side in sides]
    if not plain:
        mode = {"constant": "constant", "reflect": "reflect", "repeat": "edge"}[f.pad_mode]
        y = g.pad(y, [0, 0, *border[:count]], [0, 0, *border[count:]], mode, f.constant_value)
        border = [0] * 2 * count
    y = g("Conv", y, kernel, bias, group=f.group, strides=list(f.stride), dilations=list(f.dilation), pads=border)
    if gamma is not None:
        y = _normalized_maps(g, f, y, count, g.shape(weight)[0], gamma, beta, mean, variance)
    y = images.leave(g, y, f.shape_out)
    return _activated(g, f, y if z is None else g("Add", y, z))


def _normalized_maps(g: GraphWriter, f: Call, y: str, count: int, maps: int, *given: str | None) -> str:
    """Images (samples, maps, ...) after batch normalization."""
    shape = [maps, *[1] * count]
    gamma, beta, mean, variance = [None if v is None else g.reshape(v, shape) for v in given]
    if f.batch_stat:
        axes = [0, *range(2, count + 2)]
        mean = g.reduce("ReduceMean", y, axes, True)
        rest = g("Sub", y, mean)
        variance = g.reduce("ReduceMean", g("Mul", rest, rest), axes, True)
    assert variance is not None
    y = g("Div", g("Sub", y, mean), g("Sqrt", g.add(variance, f.eps)))
    return str(g("Add", g("Mul", y, gamma), beta))


def _activated(g: GraphWriter, f: Call, y: str) -> str:
    name = f.nonlinearity
    if name == "identity":
        return y
    if name == "relu6":
        return g.clip(y, 0.0, 6.0)
    if name in ("leaky_relu", "elu"):
        return str(g({"leaky_relu": "LeakyRelu", "elu": "Elu"}[name], y, alpha=float(f.nonlinearity_args[0])))
    return str(g({"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}[name], y))
