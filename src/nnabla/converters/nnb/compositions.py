"""Functions that the C runtime does not have, composed of those that it has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .rules import Call, broadcast, rule
from .runtime_network import RuntimeNetwork, Unsupported

if TYPE_CHECKING:
    from ...operators.interpolation import Taps


def _settled(axes: Sequence[int] | None, rank: int) -> list[int]:
    return list(range(rank)) if axes is None else [int(a) % rank for a in axes]


@rule("Unlink", "ClipGradByValue", "ClipGradByNorm")
def unchanged(g: RuntimeNetwork, f: Call, x: str, *others: str) -> None:
    # Only gradients are changed.
    g.call("Identity", [x], f.outputs)


@rule("BcAdd2")
def bc_add2(g: RuntimeNetwork, f: Call, a: str, b: str) -> None:
    g.call("Add2", [a, b], f.outputs, inplace=False)


@rule("AddN", "MulN")
def of_many(g: RuntimeNetwork, f: Call, *inputs: str) -> None:
    shape, total = g.shapes[f.outputs[0]], inputs[0]
    if len(inputs) == 1:
        g.call("Identity", inputs, f.outputs)
        return
    for x in inputs[1:-1]:
        total = g.apply(f.type.replace("N", "2"), total, x, shape=shape, inplace=False)
    g.call(f.type.replace("N", "2"), [total, inputs[-1]], f.outputs, inplace=False)


@rule("Mean")
def mean(g: RuntimeNetwork, f: Call, x: str) -> None:
    shape = g.shapes[x]
    axes = _settled(f.axes, len(shape))
    if not axes:
        g.call("Identity", [x], f.outputs)
        return
    total = g.apply("Sum", x, shape=g.shapes[f.outputs[0]], axes=axes, keep_dims=bool(f.keep_dims))
    count = math.prod([shape[a] for a in axes])
    g.call("MulScalar", [total], f.outputs, val=1.0 / count, inplace=False)


@rule("Max", "Min")
def extremum(g: RuntimeNetwork, f: Call, x: str) -> None:
    """By a pooling whose window is all that is put together."""
    shape = g.shapes[x]
    axes = _settled(f.axes, len(shape))
    order = [*[a for a in range(len(shape)) if a not in axes], *sorted(axes)]
    y = x if order == sorted(order) else g.transpose(x, order)
    count = math.prod([shape[a] for a in axes])
    y = g.reshape(y, (g.size(x) // count, 1, 1, count))
    if f.type == "Min":
        y = g.scalar("MulScalar", y, -1.0)
    top = _largest(g, y)
    results = []
    if not f.only_index:
        results.append(g.scalar("MulScalar", top, -1.0) if f.type == "Min" else top)
    if f.only_index or f.with_index:
        results.append(_first_of(g, y, top))
    for result, output in zip(results, f.outputs, strict=True):
        g.call("Reshape", [result], [output], shape=list(g.shapes[output]), inplace=False)


def _largest(g: RuntimeNetwork, x: str) -> str:
    """The largest number of each row of an array of shape (rows, 1, 1, columns), as (rows, 1, 1, 1)."""
    rows, _, _, columns = g.shapes[x]
    window = {"kernel": [1, columns], "stride": [1, columns], "ignore_border": True, "pad": [0, 0]}
    return g.apply("MaxPooling", x, shape=(rows, 1, 1, 1), **window, channel_last=False)


def _first_of(g: RuntimeNetwork, x: str, top: str) -> str:
    """The column in which the largest number `top` of each row of `x` is for the first time."""
    columns = g.shapes[x][-1]
    # 0 below the largest number, 1 where it is; the difference of two infinities is NaN, which Sign takes as 0.
    here = g.scalar("AddScalar", g.apply("Sign", g.apply("Sub2", x, top, inplace=False), alpha=0.0), 1.0)
    from_end = g.constant(np.arange(columns, 0, -1).reshape(1, 1, 1, columns), word="from_end")
    return g.scalar("RSubScalar", _largest(g, g.apply("Mul2", here, from_end, inplace=False)), columns)


@rule("GlobalAveragePooling")
def global_average_pooling(g: RuntimeNetwork, f: Call, x: str) -> None:
    shape = g.shapes[x]
    if len(shape) != 4:
        if len(shape) > 2:
            total = g.apply("Sum", x, shape=shape[:2], axes=list(range(2, len(shape))), keep_dims=False)
            x = g.scalar("MulScalar", total, 1.0 / math.prod(shape[2:]))
        g.call("Reshape", [x], f.outputs, shape=list(g.shapes[f.outputs[0]]), inplace=False)
        return
    size = list(shape[2:])
    arguments = {"kernel": size, "stride": size, "ignore_border": True, "pad": [0, 0]}
    g.call("AveragePooling", [x], f.outputs, **arguments, channel_last=False, including_pad=True)


@rule("ReLU6")
def relu6(g: RuntimeNetwork, f: Call, x: str) -> None:
    g.call("MinimumScalar", [g.apply("ReLU", x, inplace=False)], f.outputs, val=6.0)


@rule("HardSigmoid")
def hard_sigmoid(g: RuntimeNetwork, f: Call, x: str) -> None:
    line = g.scalar("AddScalar", g.scalar("MulScalar", x, 0.2), 0.5)
    g.call("MinimumScalar", [g.scalar("MaximumScalar", line, 0.0)], f.outputs, val=1.0)


@rule("HardTanh")
def hard_tanh(g: RuntimeNetwork, f: Call, x: str) -> None:
    g.call("MinimumScalar", [g.scalar("MaximumScalar", x, -1.0)], f.outputs, val=1.0)


@rule("TanhShrink")
def tanh_shrink(g: RuntimeNetwork, f: Call, x: str) -> None:
    g.call("Sub2", [x, g.apply("Tanh", x)], f.outputs, inplace=False)


@rule("SoftSign")
def soft_sign(g: RuntimeNetwork, f: Call, x: str) -> None:
    g.call("Div2", [x, g.scalar("AddScalar", g.apply("Abs", x), 1.0)], f.outputs, inplace=False)


@rule("SoftPlus")
def soft_plus(g: RuntimeNetwork, f: Call, x: str) -> None:
    scaled = x if f.beta == 1 else g.scalar("MulScalar", x, f.beta)
    y = _soft_plus(g, scaled)
    if f.beta == 1:
        g.call("Identity", [y], f.outputs)
    else:
        g.call("MulScalar", [y], f.outputs, val=1.0 / f.beta, inplace=False)


def _soft_plus(g: RuntimeNetwork, x: str) -> str:
    """max(x, 0) + log(1 + exp(-|x|)), in which nothing overflows."""
    small = g.apply("Exp", g.scalar("MulScalar", g.apply("Abs", x), -1.0))
    tail = g.apply("Log", g.scalar("AddScalar", small, 1.0))
    return g.apply("Add2", g.scalar("MaximumScalar", x, 0.0), tail, inplace=False)


@rule("LogSigmoid")
def log_sigmoid(g: RuntimeNetwork, f: Call, x: str) -> None:
    y = _soft_plus(g, g.scalar("MulScalar", x, -1.0))
    g.call("MulScalar", [y], f.outputs, val=-1.0, inplace=False)


@rule("Mish")
def mish(g: RuntimeNetwork, f: Call, x: str) -> None:
    g.call("Mul2", [x, g.apply("Tanh", _soft_plus(g, x))], f.outputs, inplace=False)


@rule("Sinh", "Cosh")
def hyperbolic(g: RuntimeNetwork, f: Call, x: str) -> None:
    up, down = g.apply("Exp", x), g.apply("Exp", g.scalar("MulScalar", x, -1.0))
    both = g.apply("Sub2" if f.type == "Sinh" else "Add2", up, down, inplace=False)
    g.call("MulScalar", [both], f.outputs, val=0.5, inplace=False)


@rule("SquaredError")
def squared_error(g: RuntimeNetwork, f: Call, a: str, b: str) -> None:
    d = g.apply("Sub2", a, b, shape=g.shapes[f.outputs[0]], inplace=False)
    g.call("Mul2", [d, d], f.outputs, inplace=False)


@rule("AbsoluteError")
def absolute_error(g: RuntimeNetwork, f: Call, a: str, b: str) -> None:
    g.call("Abs", [g.apply("Sub2", a, b, shape=g.shapes[f.outputs[0]], inplace=False)], f.outputs)


@rule("Broadcast")
def broadcast_(g: RuntimeNetwork, f: Call, x: str) -> None:
    g.call("Identity", [broadcast(g, x, g.shapes[f.outputs[0]])], f.outputs)


@rule("Tile")
def tile(g: RuntimeNetwork, f: Call, x: str) -> None:
    target = g.shapes[f.outputs[0]]
    if len(g.shapes[x]) < len(target):
        x = g.reshape(x, [1] * (len(target) - len(g.shapes[x])) + list(g.shapes[x]))
    for axis, (have, want) in enumerate(zip(g.shapes[x], target, strict=True)):
        if have != want:
            longer = list(g.shapes[x])
            longer[axis] = want
            x = g.apply("Concatenate", *[x] * (want // have), shape=tuple(longer), axis=axis)
    g.call("Identity", [x], f.outputs)


@rule("Constant")
def constant(g: RuntimeNetwork, f: Call) -> None:
    g.call("Identity", [g.constant(np.full(g.shapes[f.outputs[0]], f.val))], f.outputs)


@rule("FusedBatchNormalization")
def fused_batch_normalization(
    g: RuntimeNetwork, f: Call, x: str, beta: str, gamma: str, mean: str, variance: str, z: str | None = None
) -> None:
    axes = _settled(f.axes, len(g.shapes[x]))
    if len(axes) != 1 or len(f.outputs) > 1:
        raise Unsupported("the runtime normalizes over the channels of one axis, and gives no mean and variance")
    arguments = {"axes": axes, "decay_rate": f.decay_rate, "eps": f.eps, "batch_stat": bool(f.batch_stat)}
    y = g.apply("BatchNormalization", x, beta, gamma, mean, variance, **arguments, no_scale=False, no_bias=False)
    if z is not None:
        y = g.apply("Add2", y, z, inplace=False)
    if f.nonlinearity not in ("relu", ""):
        raise Unsupported(f"there is no nonlinearity {f.nonlinearity!r}")
    g.call("ReLU" if f.nonlinearity else "Identity", [y], f.outputs, **({"inplace": False} if f.nonlinearity else {}))


@rule("Interpolate")
def interpolate(g: RuntimeNetwork, f: Call, x: str) -> None:
    shape, target = g.shapes[x], g.shapes[f.outputs[0]]
    axes = [axis for axis in range(len(shape)) if target[axis] != shape[axis]]
    whole = all(target[axis] % shape[axis] == 0 for axis in axes)
    moved = f.half_pixel and not f.half_pixel_for_nn
    if f.mode == "nearest" and whole and not (f.align_corners or moved or f.channel_last):
        kernel = [t // s for s, t in zip(shape, target, strict=True)][len(shape) - len(f.output_size) :]
        g.call("Unpooling", [x], f.outputs, kernel=kernel, channel_last=False)
        return
    for axis in axes:
        x = _resampled(g, x, axis, target[axis], f._taps(g.shapes[x], axis))
    g.call("Identity", [x], f.outputs)


def _resampled(g: RuntimeNetwork, x: str, axis: int, size: int, taps: Taps) -> str:
    """An axis as sums of its elements, by a layer whose weight says how much of each."""
    shape = g.shapes[x]
    others = [a for a in range(len(shape)) if a != axis]
    weight = np.zeros((size, shape[axis]))
    for row, factors in zip(taps.indices, [1.0] if taps.weights is None else taps.weights, strict=True):
        np.add.at(weight, (np.arange(size), np.asarray(row, np.int64)), factors)
    last = x if axis == len(shape) - 1 else g.transpose(x, [*others, axis])
    lead = g.shapes[last][:-1]
    kernel = g.constant(weight, (shape[axis], size), "weight")
    y = g.apply("Affine", last, kernel, shape=(*lead, size), base_axis=len(lead))
    return y if last == x else g.transpose(y, [*range(axis), len(lead), *range(axis, len(lead))])
