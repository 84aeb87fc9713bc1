"""Maxima, means and sums of windows."""

from __future__ import annotations

import math
from typing import Any

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter, Shape
from .layers import to_channel_first, to_channel_last
from .registry import Call, export


def _images(g: GraphWriter, f: Call, x: str) -> tuple[str, Shape]:
    """`x` as ``(samples, channels, ...)``, and the lengths of its spatial axes."""
    shape, n = g.shape(x), len(f.kernel)
    end = len(shape) - f.channel_last
    outer, spatial = shape[: end - n], shape[end - n : end]
    if any(d < 0 for d in spatial):
        raise Unsupported("with an open batch size, windows must not lie along the batch")
    if f.channel_last:
        y = x if len(outer) == 1 else g.reshape(x, [_total(outer), *shape[end - n :]])
        return to_channel_first(g, y, n + 2), spatial
    if len(outer) == 2:
        return x, spatial
    channels = outer[-1] if outer and outer[-1] > 0 else 1
    samples = _total(outer) if not outer or outer[-1] < 0 else _total(outer[:-1])
    return g.reshape(x, [samples, channels, *spatial]), spatial


def _total(shape: Shape) -> int:
    return -1 if any(d < 0 for d in shape) else math.prod(shape)


def _back(g: GraphWriter, f: Call, y: str) -> str:
    n = len(f.kernel)
    if f.channel_last:
        y = to_channel_last(g, y, n + 2)
    return y if len(f.shape_out) == n + 2 else g.reshape(y, f.shape_out)


def _ends(f: Call, spatial: Shape) -> list[int]:
    """What is added after each axis, so that ONNX counts as many windows as NNabla."""
    counts = f._counts
    sizes = zip(spatial, counts, f.kernel, f.stride, f.pad, strict=True)
    return [max((c - 1) * s + k - d - p, 0) for d, c, k, s, p in sizes]


def _window(f: Call, before: list[int], after: list[int]) -> dict[str, Any]:
    return {"kernel_shape": list(f.kernel), "strides": list(f.stride), "pads": [*before, *after]}


def _fits(f: Call, before: list[int], after: list[int]) -> bool:
    """Whether each window has an element that is not of the border, as runtimes want it."""
    return all(max(b, a) < k for b, a, k in zip(before, after, f.kernel, strict=True))


@export("MaxPooling")
def max_pooling(g: GraphWriter, f: Call, x: str) -> str:
    images, spatial = _images(g, f, x)
    before, after = list(f.pad), _ends(f, spatial)
    if not _fits(f, before, after):
        raise Unsupported("a pad as large as the window is not allowed in ONNX")
    return _back(g, f, g("MaxPool", images, **_window(f, before, after)))


@export("AveragePooling")
def average_pooling(g: GraphWriter, f: Call, x: str) -> str:
    return _averages(g, f, x, f.including_pad)


@export("SumPooling")
def sum_pooling(g: GraphWriter, f: Call, x: str) -> str:
    images, spatial = _images(g, f, x)
    ends = _ends(f, spatial)
    images = _bordered(g, images, list(f.pad), ends)
    zero = [0] * len(spatial)
    y = g("AveragePool", images, **_window(f, zero, zero))
    return _back(g, f, g.mul(y, math.prod(f.kernel)))


def _bordered(g: GraphWriter, images: str, before: list[int], after: list[int]) -> str:
    return g.pad(images, [0, 0, *before], [0, 0, *after])


def _averages(g: GraphWriter, f: Call, x: str, including_pad: bool) -> str:
    images, spatial = _images(g, f, x)
    pad, ends = list(f.pad), _ends(f, spatial)
    zero = [0] * len(spatial)
    if including_pad and g.runtime == "tensorrt" and all(e <= p for e, p in zip(ends, pad, strict=True)):
        # Every window ends within the border, all of which counts.
        if not _fits(f, pad, ends):
            raise Unsupported("a pad as large as the window is not allowed in ONNX")
        return _back(g, f, g("AveragePool", images, count_include_pad=1, **_window(f, pad, ends)))
    if including_pad:
        # The border that `pad` asks for counts, what the last windows reach beyond it does not.
        if any(pad):
            images = _bordered(g, images, pad, pad)
        beyond = [max(e - p, 0) for e, p in zip(ends, pad, strict=True)]
        before, after = zero, beyond
    else:
        before, after = pad, ends
    if not _fits(f, before, after):
        raise Unsupported("a pad as large as the window is not allowed in ONNX")
    y = g("AveragePool", images, count_include_pad=0, **_window(f, before, after))
    return _back(g, f, y)


@export("GlobalAveragePooling")
def global_average_pooling(g: GraphWriter, f: Call, x: str) -> str:
    rank = g.rank(x)
    if rank == 4:
        return str(g("GlobalAveragePool", x))
    return g.reshape(g.reduce("ReduceMean", x, range(2, rank), True), f.shape_out)
