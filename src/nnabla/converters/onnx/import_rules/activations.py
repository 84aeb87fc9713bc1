"""Activation functions."""

from __future__ import annotations

import math

import numpy as np

from ...reading.graph_reader import GraphReader, Value, common_shape
from .registry import Node, axis_of, read

_OF_ONE = {
    "Relu": "ReLU",
    "Sigmoid": "Sigmoid",
    "Tanh": "Tanh",
    "Softsign": "SoftSign",
    "Softplus": "SoftPlus",
    "Mish": "Mish",
}


@read(*_OF_ONE)
def of_one(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r(_OF_ONE[n.op_type], x)
    return y


@read("LeakyRelu")
def leaky_relu(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r("LeakyReLU", x, alpha=n.attr("alpha"))
    return y


@read("Elu")
def elu(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r("ELU", x, alpha=n.attr("alpha"))
    return y


@read("Selu")
def selu(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r("SELU", x, alpha=n.attr("alpha"), scale=n.attr("gamma"))
    return y


@read("Celu")
def celu(r: GraphReader, n: Node, x: Value) -> Value:
    alpha = n.attr("alpha")
    return r.mul(r("ELU", r.mul(x, 1 / alpha), alpha=1.0), alpha)


@read("ThresholdedRelu")
def thresholded_relu(r: GraphReader, n: Node, x: Value) -> Value:
    above = r("GreaterScalar", x, val=n.attr("alpha"))
    y: Value = r("Where", above, x, r.expand(r.constant(np.float32(0)), x.shape))
    return y


@read("HardSigmoid")
def hard_sigmoid(r: GraphReader, n: Node, x: Value) -> Value:
    alpha, beta = n.attr("alpha"), n.attr("beta")
    if np.float32(alpha) == np.float32(0.2) and beta == 0.5:
        y: Value = r("HardSigmoid", x)
        return y
    return r.clip(r.add(r.mul(x, alpha), beta), 0.0, 1.0)


@read("HardSwish")
def hard_swish(r: GraphReader, n: Node, x: Value) -> Value:
    return r.mul(x, r.clip(r.add(r.mul(x, 1 / 6), 0.5), 0.0, 1.0))


@read("Swish")
def swish(r: GraphReader, n: Node, x: Value) -> Value:
    alpha = n.attr("alpha")
    y: Value = r("Swish", x) if alpha == 1 else r.mul(x, r("Sigmoid", r.mul(x, alpha)))
    return y


@read("Gelu")
def gelu(r: GraphReader, n: Node, x: Value) -> Value:
    if n.attr("approximate") == "tanh":
        y: Value = r("GELU", x)
        return y
    return r.mul(r.mul(x, 0.5), r.add(r("Erf", r.mul(x, math.sqrt(0.5))), 1.0))


@read("PRelu")
def prelu(r: GraphReader, n: Node, x: Value, slope: Value) -> Value:
    # Up to opset 6 the slope is one for each channel.
    along = [1] * max(x.rank - 2, 0) if n.opset < 7 and slope.shape not in ((), (1,)) else []
    slope = r.reshape(slope, [*slope.shape, *along])
    wide = (1,) * (x.rank - slope.rank) + slope.shape
    axes = [i for i, d in enumerate(wide) if d != 1]
    if len(axes) <= 1 and common_shape(wide, x.shape) == x.shape and x.rank > 1:
        axis = axes[0] if axes else 1
        y: Value = r("PReLU", x, r.reshape(slope, [wide[axis]]), base_axis=axis)
        return y
    return r.sub(r("ReLU", x), r.mul(r("ReLU", r.mul(x, -1.0)), slope))


@read("Shrink")
def shrink(r: GraphReader, n: Node, x: Value) -> Value:
    bias, limit = n.attr("bias"), n.attr("lambd")
    zeros = r.expand(r.constant(np.float32(0)), x.shape)
    low = r("Where", r("LessScalar", x, val=-limit), r.add(x, bias), zeros)
    y: Value = r("Where", r("GreaterScalar", x, val=limit), r.add(x, -bias), low)
    return y.typed(x.dtype)


@read("Softmax", "LogSoftmax", "Hardmax")
def softmax(r: GraphReader, n: Node, x: Value) -> Value:
    axis = axis_of(n.attr("axis"), x.rank)
    if n.opset >= 13 or axis == x.rank - 1:
        return _along(r, n.op_type, x, axis)
    # Up to opset 12 the axes from the one given on are taken together.
    rows, columns = math.prod(x.shape[:axis]), math.prod(x.shape[axis:])
    return r.reshape(_along(r, n.op_type, r.reshape(x, [rows, columns]), 1), x.shape)


def _along(r: GraphReader, op: str, x: Value, axis: int) -> Value:
    if op != "Hardmax":
        y: Value = r(op, x, axis=axis)
        return y
    place = r("Max", x, axes=[axis], keep_dims=True, only_index=True)
    return r.two("Equal", place, r.count(x.shape[axis], x.rank, axis)).typed(x.dtype)


@read("Dropout")
def dropout(
    r: GraphReader, n: Node, x: Value, ratio: Value | None = None, training: Value | None = None
) -> list[Value]:
    # Without the input that says that it is trained, as up to opset 11, models are only run.
    trains = training is not None and bool(r.known(training, "training_mode").any())
    p = 0.5 if ratio is None else float(r.known(ratio, "ratio").ravel()[0])
    if trains and p:
        n.refuse_outputs(1)
        y: Value = r("Dropout", x, p=p)
        return [y]
    kept = r.expand(r.constant(np.float32(1), 9), x.shape)
    return [x, kept]
