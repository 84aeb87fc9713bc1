"""Layers: products of matrices, convolutions, poolings, normalizations, recurrent layers, and what resizes images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..obstacles import Unsupported
from ..reading.graph_reader import GraphReader, Value
from ..reading.pooling import largest, means
from ..reading.windows import Windows
from .registry import read


@read("mm", "bmm", "matmul")
def matmul(r: GraphReader, a: Value, b: Value) -> Any:
    left = r.reshape(a, [1, *a.shape]) if a.rank == 1 else a
    right = r.reshape(b, [*b.shape, 1]) if b.rank == 1 else b
    if right.rank == 2:
        y = r("Affine", left, right, base_axis=left.rank - 1)
    else:
        y = r("BatchMatmul", *r.same_rank(left, right))
    shape = [*y.shape[:-2], *([] if a.rank == 1 else [y.shape[-2]]), *([] if b.rank == 1 else [y.shape[-1]])]
    return r.reshape(y, shape)


@read("addmm")
def addmm(r: GraphReader, c: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Any:
    if alpha == beta == 1 and c.shape == (b.shape[1],):
        return r("Affine", a, b, c, base_axis=1)
    return r.add(r.mul(r("Affine", a, b, base_axis=1), alpha), r.mul(c, beta))


@read("baddbmm")
def baddbmm(r: GraphReader, c: Value, a: Value, b: Value, *, beta: float = 1, alpha: float = 1) -> Any:
    return r.add(r.mul(r("BatchMatmul", a, b), alpha), r.mul(c, beta))


@read("linear")
def linear(r: GraphReader, x: Value, weight: Value, bias: Value | None = None) -> Any:
    return r("Affine", x, r.transpose(weight, [1, 0]), bias, base_axis=x.rank - 1)


def _each(values: Sequence[int] | int, count: int) -> list[int]:
    given = [values] if isinstance(values, int) else list(values)
    return given * count if len(given) == 1 else given


@read("convolution")
def convolution(
    r: GraphReader,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    count = weight.rank - 2
    batched = x if x.rank == weight.rank else r.reshape(x, [1, *x.shape])
    args: dict[str, Any] = {"base_axis": 1, "pad": _each(padding, count), "stride": _each(stride, count),
            "dilation": _each(dilation, count), "group": groups}  # fmt: skip
    if transposed:
        y = r("Deconvolution", batched, weight, bias, output_padding=_each(output_padding, count), **args)
    else:
        y = r("Convolution", batched, weight, bias, **args)
    return y if batched is x else r.reshape(y, y.shape[1:])


# ---- poolings ----------------------------------------------------------------------------------------------


def _windows(x: Value, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> tuple[Value, Windows]:
    """Windows over `x`, which has an axis of samples in any case."""
    count = 1 if isinstance(kernel, int) else len(kernel)
    sizes, pad = _each(kernel, count), _each(padding, count)
    strides = _each(stride, count) if stride else sizes
    return x, Windows.over(x, sizes, strides, _each(dilation, count), [*pad, *pad], ceil_mode=ceil_mode)


def _max_pool(
    r: GraphReader,
    x: Value,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Value:
    return largest(r, *_windows(x, kernel, stride, padding, dilation, ceil_mode))


@read("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(r: GraphReader, *args: Any, **kwargs: Any) -> Any:
    return _max_pool(r, *args, **kwargs)


@read("max_pool2d_with_indices", "max_pool3d_with_indices")
def max_pool_with_indices(r: GraphReader, *args: Any, **kwargs: Any) -> Any:
    # The places are not read.
    return [_max_pool(r, *args, **kwargs)]


@read("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    r: GraphReader,
    x: Value,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Any = None,
) -> Any:
    return means(r, *_windows(x, kernel, stride, padding, 1, ceil_mode), count_include_pad, divisor_override)


# ---- normalizations ----------------------------------------------------------------------------------------


@read("_native_batch_norm_legit_no_training")
def batch_norm(
    r: GraphReader,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    momentum: float,
    eps: float,
) -> Any:
    wide = [1, x.shape[1], *[1] * (x.rank - 2)]
    one, zero = r.constant(np.ones(wide, np.float32)), r.constant(np.zeros(wide, np.float32))
    given = [zero if bias is None else r.reshape(bias, wide), one if weight is None else r.reshape(weight, wide)]
    given += [r.reshape(r.frozen(v), wide) for v in (mean, variance)]
    return [r("BatchNormalization", x, *given, axes=[1], decay_rate=1 - momentum, eps=eps, batch_stat=False)]


@read("native_layer_norm")
def native_layer_norm(
    r: GraphReader, x: Value, shape: Sequence[int], weight: Value | None, bias: Value | None, eps: float
) -> Any:
    axis = x.rank - len(shape)
    wide = [*[1] * axis, *x.shape[axis:]]
    beta, gamma = (None if v is None else r.reshape(v, wide) for v in (bias, weight))
    y = r("LayerNormalization", x, beta, gamma, batch_axis=list(range(axis)), eps=eps, no_bias=beta is None,
          no_scale=gamma is None)  # fmt: skip
    return [y]


@read("native_group_norm")
def native_group_norm(
    r: GraphReader,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    samples: int,
    channels: int,
    size: int,
    groups: int,
    eps: float,
) -> Any:
    wide = [1, x.shape[1], *[1] * (x.rank - 2)]
    beta, gamma = (None if v is None else r.reshape(v, wide) for v in (bias, weight))
    y = r("GroupNormalization", x, beta, gamma, num_groups=groups, channel_axis=1, batch_axis=[0], eps=eps,
          no_bias=beta is None, no_scale=gamma is None)  # fmt: skip
    return [y]


@read("layer_norm")
def layer_norm(
    r: GraphReader,
    x: Value,
    shape: Sequence[int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    *args: Any,
) -> Any:
    return native_layer_norm(r, x, shape, weight, bias, eps)[0]


@read("group_norm")
def group_norm(
    r: GraphReader,
    x: Value,
    groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    *args: Any,
) -> Any:
    return native_group_norm(r, x, weight, bias, 0, 0, 0, groups, eps)[0]


# ---- sizes -------------------------------------------------------------------------------------------------


@read("upsample_nearest2d", "upsample_nearest1d")
def upsample_nearest(r: GraphReader, x: Value, size: Any = None, *scales: Any) -> Any:
    return _resized(r, x, size, scales, "nearest", "asymmetric")


@read("upsample_bilinear2d", "upsample_linear1d")
def upsample_linear(r: GraphReader, x: Value, size: Any, align_corners: bool, *scales: Any) -> Any:
    return _resized(r, x, size, scales, "linear", "align_corners" if align_corners else "half_pixel")


@read("upsample_bicubic2d")
def upsample_cubic(r: GraphReader, x: Value, size: Any, align_corners: bool, *scales: Any) -> Any:
    return _resized(r, x, size, scales, "cubic", "align_corners" if align_corners else "half_pixel")


def _resized(r: GraphReader, x: Value, size: Any, scales: Sequence[Any], mode: str, how: str) -> Value:
    given = scales[0] if scales and isinstance(scales[0], (list, tuple)) else scales
    spatial = list(size) if size else [math.floor(d * s) for d, s in zip(x.shape[2:], given, strict=True)]
    if mode != "cubic" and len(spatial) > 1 and min(spatial) > 1:
        # Without the batch among its sizes.
        found: Value = r("Interpolate", x, output_size=spatial, mode=mode, align_corners=how == "align_corners",
                         half_pixel=how == "half_pixel")  # fmt: skip
        return found
    y: Value = r("ONNXResize", x, sizes=[*x.shape[:2], *spatial], mode=mode, coordinate_transformation_mode=how,
                 nearest_mode="floor")  # fmt: skip
    return y


@read("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool1d")
def adaptive_avg_pool(r: GraphReader, x: Value, size: Any) -> Any:
    axes = range(x.rank - len(size), x.rank)
    if any(x.shape[a] % n for a, n in zip(axes, size, strict=True)):
        raise Unsupported(f"{x.shape} is not divided evenly into {tuple(size)}")
    kernel = [x.shape[a] // n for a, n in zip(axes, size, strict=True)]
    return r("AveragePooling", x, kernel=kernel, stride=kernel, ignore_border=True, pad=[0] * len(kernel))


@read("lstm")
def lstm(
    r: GraphReader,
    x: Value,
    states: Sequence[Value],
    weights: Sequence[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    return _recurrent(
        r, "LSTM", x, states, weights, has_biases, num_layers, bidirectional, batch_first, train and dropout
    )


@read("gru")
def gru(
    r: GraphReader,
    x: Value,
    state: Value,
    weights: Sequence[Value],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    return _recurrent(
        r, "GRU", x, [state], weights, has_biases, num_layers, bidirectional, batch_first, train and dropout
    )


def _recurrent(
    r: GraphReader,
    kind: str,
    x: Value,
    states: Sequence[Value],
    weights: Sequence[Value],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
    drops: Any,
) -> list[Value]:
    """Gates stand in the same order here and there."""
    if drops:
        raise Unsupported("the program is one that is trained; export it in eval()")
    if x.rank != 3:
        raise Unsupported("it needs an axis of samples")
    directions, hidden, gates = (2 if bidirectional else 1), states[0].shape[-1], 4 if kind == "LSTM" else 3
    each = 4 if has_biases else 2
    joined, biases = [], []
    for i in range(num_layers * directions):
        w, u, *b = weights[each * i : each * i + each]
        joined.append(r.reshape(r.join([w, u], 1), [1, gates, hidden, w.shape[1] + hidden]))
        if b:
            biases.append(_biases(r, kind, b[0], b[1], hidden))
    layers = [r.join(joined[i : i + directions], 0) for i in range(0, len(joined), directions)]
    others = [r.reshape(w, [1, *w.shape]) for w in layers[1:]]
    bias = r.reshape(r.join(biases, 0), [num_layers, directions, 4, hidden]) if biases else None
    y = r.transpose(x, [1, 0, 2]) if batch_first else x
    given = [r.reshape(s, [num_layers, directions, *s.shape[1:]]) for s in states]
    y, *last = r(kind, y, *given, layers[0], r.join(others, 0) if others else None, bias, outputs=1 + len(states),
                 num_layers=num_layers, bidirectional=bidirectional, training=False)  # fmt: skip
    y = r.transpose(y, [1, 0, 2]) if batch_first else y
    return [y, *[r.reshape(s, [num_layers * directions, *s.shape[2:]]) for s in last]]


def _biases(r: GraphReader, kind: str, of_x: Value, of_h: Value, hidden: int) -> Value:
    """(1, 4, H): of the gates; of a GRU the last one is that of the state alone."""
    a, b = (np.asarray(r.known(v, "a bias")).reshape(1, -1, hidden) for v in (of_x, of_h))
    both = a + b if kind == "LSTM" else np.concatenate([a[:, :2] + b[:, :2], a[:, 2:], b[:, 2:]], 1)
    return r.constant(both, of_x.dtype, of_x.edge.name, of_x.edge.learned)
