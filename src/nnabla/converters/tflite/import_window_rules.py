"""Convolutions, poolings, products of matrices and resizing of TFLite, in functions of NNabla."""

from __future__ import annotations

import math
from typing import Any

from ..obstacles import Unsupported
from ..reading.graph_reader import Value
from ..reading.pooling import largest, means
from ..reading.windows import Windows
from .flat_reader import FlatReader, Node, read

_AUTO = ("SAME_UPPER", "VALID")


def _windows(n: Node, x: Value, kernel: list[int], dilated: bool = True) -> Windows:
    padding = n.option("Padding")
    if padding not in (0, 1):
        raise Unsupported(f"padding number {padding} is not known")
    strides = [n.option("StrideH"), n.option("StrideW")]
    dilations = [n.option("DilationHFactor"), n.option("DilationWFactor")] if dilated else None
    return Windows.over(x, kernel, strides, dilations, auto=_AUTO[padding])


def _convolved(r: FlatReader, n: Node, x: Value, weight: Value, bias: Value | None, group: int) -> Value:
    """A convolution with channels first."""
    windows = _windows(n, x, list(weight.shape[2:]))
    pad = windows.before
    if not windows.symmetric:
        x, pad = windows.bordered(r, x, 0.0), [0, 0]
    elif not any(pad) and windows.whole(x):
        # Others have the border as an operator of its own.
        x, pad = r.without_border(x)
    y: Value = r("Convolution", x, weight, bias, base_axis=1, pad=pad, stride=windows.strides,
                 dilation=windows.dilations, group=group)  # fmt: skip
    return r.last(y)


@read("CONV_2D")
def conv(r: FlatReader, n: Node, x: Value, weight: Value, bias: Value | None = None) -> Value:
    x, weight = r.first(x), r.first(weight)
    if not weight.shape[1] or x.shape[1] % weight.shape[1]:
        raise Unsupported(f"{x.shape[1]} channels do not fit to a weight for {weight.shape[1]}")
    return _convolved(r, n, x, weight, bias, x.shape[1] // weight.shape[1])


@read("DEPTHWISE_CONV_2D")
def depthwise(r: FlatReader, n: Node, x: Value, weight: Value, bias: Value | None = None) -> Value:
    if weight.rank != 4 or weight.shape[0] != 1:
        raise Unsupported(f"its weight has shape {weight.shape}")
    x = r.first(x)
    return _convolved(r, n, x, r.transpose(weight, [3, 0, 1, 2]), bias, x.shape[1])


@read("TRANSPOSE_CONV")
def transpose_conv(r: FlatReader, n: Node, shape: Value, weight: Value, x: Value, bias: Value | None = None) -> Value:
    wanted = r.ints(shape, "the shape of the result")
    if len(wanted) != 4 or weight.rank != 4:
        raise Unsupported("images have 4 axes")
    x = r.first(x)
    strides, size = [n.option("StrideH"), n.option("StrideW")], list(weight.shape[1:3])
    if min(strides) < 1:
        raise Unsupported("strides must be at least 1")
    y: Value = r("Deconvolution", x, r.transpose(weight, [3, 0, 1, 2]), base_axis=1, pad=[0, 0], stride=strides,
                 dilation=[1, 1], group=1)  # fmt: skip
    full = y.shape[2:]
    totals = [max(f - w, 0) if n.option("Padding") == 0 else 0 for f, w in zip(full, wanted[1:3], strict=True)]
    before = [t // 2 for t in totals]
    short = [max(b + w - f, 0) for b, w, f in zip(before, wanted[1:3], full, strict=True)]
    if any(s >= k + t for s, k, t in zip(short, size, strides, strict=True)):
        raise Unsupported(f"its result cannot have shape {wanted}")
    y = r.pad(y, [0] * 4, [0, 0, *short])
    y = r.cut(y, {a: (b, b + w, 1) for a, b, w in zip((2, 3), before, wanted[1:3], strict=True)})
    return r.last(y if bias is None else r.add(y, r.reshape(bias, [1, y.shape[1], 1, 1])))


@read("MAX_POOL_2D", "AVERAGE_POOL_2D")
def pool(r: FlatReader, n: Node, x: Value) -> Value:
    x = r.first(x)
    windows = _windows(n, x, [n.option("FilterHeight"), n.option("FilterWidth")], dilated=False)
    return r.last(largest(r, x, windows) if n.code == "MAX_POOL_2D" else means(r, x, windows, False))


@read("FULLY_CONNECTED")
def fully_connected(r: FlatReader, n: Node, x: Value, weight: Value, bias: Value | None = None) -> Value:
    if n.option("WeightsFormat"):
        raise Unsupported("shuffled weights are not read")
    if weight.rank != 2 or not weight.shape[1] or math.prod(x.shape) % weight.shape[1]:
        raise Unsupported(f"shapes {x.shape} and {weight.shape} do not fit together")
    keep = n.option("KeepNumDims")
    if keep and (not x.rank or x.shape[-1] != weight.shape[1]):
        raise Unsupported(f"shapes {x.shape} and {weight.shape} do not fit together")
    rows = r.reshape(x, [math.prod(x.shape) // weight.shape[1], weight.shape[1]])
    row = None if bias is None else r.reshape(bias, [weight.shape[0]])
    y: Value = r("Affine", rows, r.transpose(weight, [1, 0]), row, base_axis=1)
    return r.reshape(y, [*x.shape[:-1], weight.shape[0]]) if keep else y


@read("BATCH_MATMUL")
def batch_matmul(r: FlatReader, n: Node, a: Value, b: Value) -> Value:
    if min(a.rank, b.rank) < 2:
        raise Unsupported("it takes matrices")
    left, right = bool(n.option("AdjX")), bool(n.option("AdjY"))
    shape_a = a.shape
    if b.rank == 2 and not left and a.rank == 2:
        table = r.transpose(b, [1, 0]) if right else b
        y: Value = r("Affine", a, table, base_axis=1)
        return y
    if a.rank == b.rank == 2:
        a, b = r.reshape(a, [1, *a.shape]), r.reshape(b, [1, *b.shape])
    y = r("BatchMatmul", *r.same_rank(a, b), transpose_a=left, transpose_b=right)
    return r.reshape(y, y.shape[1:]) if len(shape_a) == 2 and y.rank == 3 and y.shape[0] == 1 else y


@read("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
def resize(r: FlatReader, n: Node, x: Value, size: Value) -> Value:
    target, x = r.ints(size, "the size"), r.first(x)
    if len(target) != 2 or min(target) < 1:
        raise Unsupported(f"the size {target[:4]} is not possible")
    corners, half = bool(n.option("AlignCorners")), bool(n.option("HalfPixelCenters"))
    mode = "linear" if n.code == "RESIZE_BILINEAR" else "nearest"
    whole: dict[str, Any] = {"sizes": [*x.shape[:2], *target], "mode": mode}
    if mode == "nearest" and corners:
        if half:
            raise Unsupported("half_pixel_centers with align_corners has no counterpart")
        y: Value = r("ONNXResize", x, coordinate_transformation_mode="align_corners",
                     nearest_mode="round_prefer_ceil", **whole)  # fmt: skip
    elif mode == "nearest":
        y = r("Interpolate", x, output_size=target, mode=mode, align_corners=False, half_pixel=half,
              half_pixel_for_nn=half)  # fmt: skip
    elif half and not corners and min(target) == 1:
        # On one element, releases of NNabla differ.
        y = r("ONNXResize", x, coordinate_transformation_mode="half_pixel", **whole)
    else:
        y = r("Interpolate", x, output_size=target, mode=mode, align_corners=corners, half_pixel=half and not corners)
    return r.last(y)


@read("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
def blocks(r: FlatReader, n: Node, x: Value) -> Value:
    size = n.option("BlockSize")
    if x.rank != 4 or size < 1:
        raise Unsupported(f"blocks of {size} do not fit to {x.rank} axes")
    b, h, w, c = x.shape
    if n.code == "SPACE_TO_DEPTH":
        if h % size or w % size:
            raise Unsupported(f"blocks of {size} do not fit to shape {x.shape}")
        parts = r.reshape(x, [b, h // size, size, w // size, size, c])
        return r.reshape(r.transpose(parts, [0, 1, 3, 2, 4, 5]), [b, h // size, w // size, size * size * c])
    if c % (size * size):
        raise Unsupported(f"blocks of {size} do not fit to shape {x.shape}")
    parts = r.reshape(x, [b, h, w, size, size, c // size // size])
    return r.reshape(r.transpose(parts, [0, 1, 3, 2, 4, 5]), [b, h * size, w * size, c // size // size])
