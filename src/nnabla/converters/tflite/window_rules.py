"""Convolutions and poolings in TFLite: channels come last, and a pad is an operator of its own before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..nnb.runtime_network import Step, Unsupported
from .flat_graph import FlatGraph, Shape
from .rules import own, rule

_LOWEST = float(np.finfo(np.float32).min)
_VALID = 1


class _Images:
    """Images as TFLite has them, ``(samples, height, width, channels)``, and back."""

    def __init__(self, g: FlatGraph, s: Step, axis: int, x: int) -> None:
        self.g = g
        self.lead = g.shape(x)[:axis]
        self.axes = len(g.shape(x)) - axis - 1
        if self.axes > 2:
            raise Unsupported("there are windows over one and two axes only")

    def enter(self, x: int) -> int:
        """Axes that are missing are added in front, with one element."""
        shape = self.g.shape(x)[len(self.lead) :]
        flat = self.g.reshape(x, [math.prod(self.lead), shape[0], *[1] * (2 - self.axes), *shape[1:]])
        return self.g.transpose(flat, [0, 2, 3, 1])

    def leave(self, y: int, shape: Shape) -> int:
        """The result in the shape that the network has for it."""
        return self.g.reshape(self.g.transpose(y, [0, 3, 1, 2]), shape)

    def two(self, values: Sequence[int], missing: int) -> list[int]:
        """Two numbers, one for each axis."""
        return [missing] * (2 - self.axes) + list(values)

    def padded(self, x: int, low: Sequence[int], high: Sequence[int], value: float = 0.0) -> int:
        """A border around images, which may also take away."""
        shape = list(self.g.shape(x))
        cut = [max(-h, 0) for h in high]
        if any(cut):
            x = self.g.slice(x, [0] * 4, [shape[0], shape[1] - cut[0], shape[2] - cut[1], shape[3]])
        pairs = [(a, max(b, 0)) for a, b in zip(low, high, strict=True)]
        return self.g.pad(x, [(0, 0), *pairs, (0, 0)], value)


def _convolved(
    g: FlatGraph, s: Step, shape: Shape, x: int, weight: int, factors: int | None, bias: int | None, depthwise: bool
) -> int:
    a = s.arguments
    images = _Images(g, s, a["base_axis"], x)
    kernel = g.shape(weight)[1 if depthwise else 2 :]
    maps, channels = g.shape(weight)[0], g.shape(x)[a["base_axis"]]
    pad, stride, dilation = images.two(a["pad"], 0), images.two(a["stride"], 1), images.two(a["dilation"], 1)
    entered = images.padded(images.enter(x), pad, pad)
    size = images.two(kernel, 1)
    out = [images.g.shape(entered)[0], *images.two(shape[a["base_axis"] + 1 :], 1), maps]
    common = {"Padding": _VALID, "StrideH": stride[0], "StrideW": stride[1]}
    common |= {"DilationHFactor": dilation[0], "DilationWFactor": dilation[1]}
    values = g.value(weight)
    if values is None:
        raise Unsupported("the weight must be a parameter, not computed")
    row = None if bias is None else g.value(bias)
    names = [g.tensors[weight].name, "" if bias is None else g.tensors[bias].name]
    offset = g.constant(np.zeros(maps) if row is None else row.ravel(), name=names[1])
    group = channels if depthwise else a["group"]
    if depthwise or (group == channels and group > 1):
        table = values.reshape(maps, *size).transpose(1, 2, 0)[None]
        given = [entered, g.constant(table, name=names[0]), offset]
        y = g.op("DEPTHWISE_CONV_2D", given, out, "DepthwiseConv2DOptions", **common, DepthMultiplier=maps // channels)
    else:
        parts, inner = [], channels // group
        table = values.reshape(group, maps // group, inner, *size).transpose(0, 1, 3, 4, 2)
        offsets = g.value(offset)
        assert offsets is not None
        for i in range(group):
            b, h, w, _ = g.shape(entered)
            part = entered if group == 1 else g.slice(entered, [0, 0, 0, i * inner], [b, h, w, (i + 1) * inner])
            given = [
                part,
                g.constant(table[i], name=names[0]),
                g.constant(offsets.reshape(group, -1)[i], name=names[1]),
            ]
            parts.append(g.op("CONV_2D", given, [*out[:3], maps // group], "Conv2DOptions", **common))
        y = parts[0] if group == 1 else g.concat(parts, 3)
    if factors is not None:
        y = g.both("MUL", y, g.reshape(factors, [maps]))
    if bias is not None and row is None:
        y = g.both("ADD", y, g.reshape(bias, [maps]))
    return images.leave(y, shape)


@rule("Convolution")
def convolution(g: FlatGraph, s: Step, shapes: list[Shape], x: int, weight: int, bias: int | None = None) -> int:
    return _convolved(g, s, shapes[0], x, weight, None, bias, False)


@rule("DepthwiseConvolution")
def depthwise(g: FlatGraph, s: Step, shapes: list[Shape], x: int, weight: int, bias: int | None = None) -> int:
    return _convolved(g, s, shapes[0], x, weight, None, bias, True)


@rule("BinaryConnectConvolution")
def binary_connect_convolution(
    g: FlatGraph, s: Step, shapes: list[Shape], x: int, weight: int, signs: int, bias: int | None = None
) -> int:
    return _convolved(g, s, shapes[0], x, signs, None, bias, False)


@rule("BinaryWeightConvolution")
def binary_weight_convolution(
    g: FlatGraph, s: Step, shapes: list[Shape], x: int, weight: int, signs: int, alpha: int, bias: int | None = None
) -> int:
    values, factors, row = g.value(signs), g.value(alpha), None if bias is None else g.value(bias)
    if values is None or factors is None or (bias is not None and row is None):
        return _convolved(g, s, shapes[0], x, signs, alpha, bias, False)
    scaled = g.constant(values * factors.reshape(-1, *[1] * (values.ndim - 1)))
    return _convolved(g, s, shapes[0], x, scaled, None, bias, False)


@rule("Deconvolution")
def deconvolution(g: FlatGraph, s: Step, shapes: list[Shape], x: int, weight: int, bias: int | None = None) -> int:
    a, shape = s.arguments, shapes[0]
    images = _Images(g, s, a["base_axis"], x)
    values = g.value(weight)
    if values is None:
        raise Unsupported("the weight must be a parameter, not computed")
    pad, stride, dilation = images.two(a["pad"], 0), images.two(a["stride"], 1), images.two(a["dilation"], 1)
    group, channels, maps = a["group"], values.shape[0], values.shape[1]
    size = images.two(values.shape[2:], 1)
    # Holes in the kernel, which the operator has not.
    wide = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    table = np.zeros((channels, maps, *wide), np.float32)
    table[:, :, :: dilation[0], :: dilation[1]] = values.reshape(channels, maps, *size)
    entered = images.enter(x)
    b, h, w, _ = g.shape(entered)
    full = [st * (d - 1) + k for st, d, k in zip(stride, (h, w), wide, strict=True)]
    parts, inner = [], channels // group
    for i in range(group):
        part = entered if group == 1 else g.slice(entered, [0, 0, 0, i * inner], [b, h, w, (i + 1) * inner])
        kernel = g.constant(table[i * inner : (i + 1) * inner].transpose(1, 2, 3, 0), name=g.tensors[weight].name)
        out = [b, *full, maps]
        options = {"Padding": _VALID, "StrideH": stride[0], "StrideW": stride[1]}
        given = [g.integers(out), kernel, part]
        parts.append(g.op("TRANSPOSE_CONV", given, out, "TransposeConvOptions", **options))
    y = parts[0] if group == 1 else g.concat(parts, 3)
    wanted = images.two(shape[a["base_axis"] + 1 :], 1)
    # What output_padding adds beyond the last window is 0.
    short = [max(p + n - f, 0) for p, n, f in zip(pad, wanted, full, strict=True)]
    y = g.pad(y, [(0, 0), (0, short[0]), (0, short[1]), (0, 0)])
    y = g.slice(y, [0, *pad, 0], [b, pad[0] + wanted[0], pad[1] + wanted[1], maps * group])
    if bias is not None:
        y = g.both("ADD", y, g.reshape(bias, [maps * group]))
    return images.leave(y, shape)


@rule("MaxPooling", "AveragePooling", "SumPooling")
def pooling(g: FlatGraph, s: Step, shapes: list[Shape], x: int) -> int:
    a, n = s.arguments, len(s.arguments["kernel"])
    shape, lead = g.shape(x), g.rank(x) - n
    if lead == 0:
        x, lead = g.reshape(x, [1, *shape]), 1
        shape = g.shape(x)
    images = _Images(g, s, lead - 1, x)
    kernel, stride, pad = images.two(a["kernel"], 1), images.two(a["stride"], 1), images.two(a["pad"], 0)
    wanted, inside = images.two(shapes[0][-n:], 1), images.two(shape[lead:], 1)
    ends = [st * (o - 1) + k - d - p for st, o, k, d, p in zip(stride, wanted, kernel, inside, pad, strict=True)]
    largest = s.type == "MaxPooling"
    entered = images.padded(images.enter(x), pad, ends, _LOWEST if largest else 0.0)
    code = "MAX_POOL_2D" if largest else "AVERAGE_POOL_2D"
    options = {"Padding": _VALID, "StrideH": stride[0], "StrideW": stride[1]}
    options |= {"FilterHeight": kernel[0], "FilterWidth": kernel[1]}
    b, _, _, c = g.shape(entered)
    y = g.op(code, [entered], [b, *wanted, c], "Pool2DOptions", **options)
    if not largest:
        factor = _factors(a, kernel, stride, pad, wanted, inside, s.type)
        y = y if np.all(factor == 1) else g.both("MUL", y, g.constant(factor[:, :, None]))
    return images.leave(y, shapes[0])


def _factors(
    a: dict[str, object],
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    wanted: Sequence[int],
    inside: Sequence[int],
    type: str,
) -> np.ndarray:
    """What the mean over whole windows is multiplied by."""
    whole = float(math.prod(kernel))
    if type == "SumPooling":
        return np.full(tuple(wanted), whole)
    counts = []
    for k, st, p, o, d in zip(kernel, stride, pad, wanted, inside, strict=True):
        first = st * np.arange(o)
        low, high = (0, d + 2 * p) if a.get("including_pad", True) else (p, p + d)
        counts.append(np.minimum(first + k, high) - np.maximum(first, low))
    return whole / np.maximum(np.outer(*counts), 1)


@own("Interpolate")
def interpolate(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    shape, target, count = g.shape(x), shapes[0], len(f.output_size)
    first = len(shape) - count - bool(f.channel_last)
    axes = [axis for axis in range(first, first + count) if target[axis] != shape[axis]]
    linear = f.mode == "linear"
    # RESIZE_NEAREST_NEIGHBOR takes other elements at corners, and with halves of pixels only those of NNabla's old way.
    same = linear or not (f.align_corners or (f.half_pixel and not f.half_pixel_for_nn))
    if axes and count == 2 and same and min(f.output_size) > 1:
        return _resized(g, f, x, shape, target)
    for axis in axes:
        taps = f._taps(g.shape(x), axis)
        parts = [g.gather(x, np.asarray(row, np.int64).tolist(), axis) for row in taps.indices]
        if taps.weights is None:
            (x,) = parts
            continue
        wide = [-1 if a == axis else 1 for a in range(len(shape))]
        weighted = [g.both("MUL", p, g.constant(np.reshape(w, wide))) for p, w in zip(parts, taps.weights, strict=True)]
        x = g.both("ADD", *weighted)
    return x


def _resized(g: FlatGraph, f: Any, x: int, shape: Shape, target: Shape) -> int:
    rank = len(shape)
    if f.channel_last:
        entered = g.reshape(x, [math.prod(shape[: rank - 3]), *shape[rank - 3 :]])
    else:
        channels = shape[rank - 3] if rank > 2 else 1
        entered = g.reshape(x, [math.prod(shape[: max(rank - 3, 0)]), channels, *shape[rank - 2 :]])
        entered = g.transpose(entered, [0, 2, 3, 1])
    size = list(f.output_size)
    linear = f.mode == "linear"
    options = {"AlignCorners": bool(f.align_corners), "HalfPixelCenters": bool(f.half_pixel)}
    if not linear:
        options = {"AlignCorners": False, "HalfPixelCenters": bool(f.half_pixel_for_nn)}
    b, _, _, c = g.shape(entered)
    code = "RESIZE_BILINEAR" if linear else "RESIZE_NEAREST_NEIGHBOR"
    name = "ResizeBilinearOptions" if linear else "ResizeNearestNeighborOptions"
    y = g.op(code, [entered, g.integers(size)], [b, *size, c], name, **options)
    return g.reshape(y if f.channel_last else g.transpose(y, [0, 3, 1, 2]), target)
