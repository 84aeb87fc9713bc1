"""Arrays in another resolution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter
from .registry import Call, export


@export("Interpolate")
def interpolate(g: GraphWriter, f: Call, x: str) -> str:
    before, after = g.shape(x), f.shape_out
    count = len(f.output_size)
    first = len(before) - count - f.channel_last
    along = range(first, first + count)
    if any(before[a] < 0 for a in along):
        raise Unsupported("with an open batch size, the batch is not resized")
    if before == after:
        return x
    if 0 in after:
        if -1 in after:
            raise Unsupported("with an open batch size, the result must not be empty")
        return g.constant(np.zeros(after))
    if g.opset < 11:
        return _by_index(g, f, x, [axis for axis in along if before[axis] != after[axis]])
    mode = "nearest" if f.mode == "nearest" else "linear"
    how: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": "asymmetric"}
    if f.align_corners:
        how["coordinate_transformation_mode"] = "align_corners"
    elif f.half_pixel:
        how["coordinate_transformation_mode"] = "pytorch_half_pixel"
    if mode == "nearest":
        how["nearest_mode"] = "floor"
        if f.half_pixel_for_nn:
            # The element at floor((i + 1/2) n / m).
            how["coordinate_transformation_mode"] = "half_pixel"
            how["nearest_mode"] = "round_prefer_ceil"
    # Sizes, not scales: NNabla goes by the ratio of the lengths. Runtimes want spatial axes last.
    order = [*range(first), *([len(before) - 1] if f.channel_last else []), *along]
    y = g.transpose(x, order)
    lengths = [after[a] for a in order]
    outer = lengths[:-count]
    flat = [-1 if -1 in outer else math.prod(outer[:-1]), outer[-1] if outer and outer[-1] > 0 else 1]
    source = [before[a] for a in along]
    if len(outer) != 2 or -1 in outer:
        y = g.reshape(y, [*flat, *source])
    size = g("Concat", g.slice(g("Shape", y), [0], [2], [0], [1]), g.ints([after[a] for a in along]), axis=0)
    if -1 not in flat:
        size = g.ints([*flat, *[after[a] for a in along]])
    y = g("Resize", y, None, None, size, **how) if g.opset >= 13 else _resize_11(g, y, size, how)
    if len(outer) != 2 or -1 in outer:
        y = g.reshape(y, lengths)
    return g.transpose(y, sorted(range(len(order)), key=order.__getitem__))


def _by_index(g: GraphWriter, f: Call, x: str, axes: list[int]) -> str:
    """Axis by axis as sums of elements, as the function does it; sizes of the result are there from opset 11 on."""
    shape = g.shape(x)
    for axis in axes:
        _, indices, weights = f._taps(shape, axis)
        parts = [g("Gather", x, g.ints(index.astype(np.int64).tolist()), axis=axis) for index in indices]
        if weights is None:
            (x,) = parts
            continue
        wide = [-1 if a == axis else 1 for a in range(len(shape))]
        x = g("Add", *[g("Mul", y, g.constant(w.reshape(wide))) for y, w in zip(parts, weights, strict=True)])
    return x


def _resize_11(g: GraphWriter, y: str, size: str, how: dict[str, Any]) -> str:
    return str(g("Resize", y, g.constant([]), g.constant([]), size, **how))


@export("ONNXResize")
def onnx_resize(g: GraphWriter, f: Call, x: str) -> str:
    if g.opset < 11:
        raise Unsupported("coordinates are chosen from opset 11 on")
    if 0 in f.shape_out and -1 not in f.shape_out:
        return g.constant(np.zeros(f.shape_out))
    none = None if g.opset >= 13 else g.constant([])
    roi = g.constant(f.roi) if f.roi else none
    scales, sizes = (g.constant(f.scales), None) if f.scales else (none, g.ints(list(f.sizes)))
    how: dict[str, Any] = {
        "mode": f.mode,
        "coordinate_transformation_mode": f.coordinate_transformation_mode,
        "nearest_mode": f.nearest_mode,
        "cubic_coeff_a": f.cubic_coeff_a,
        "exclude_outside": f.exclude_outside,
        "extrapolation_value": f.extrapolation_value,
    }
    return str(g("Resize", x, roi, scales, sizes, **{k: v for k, v in how.items() if v is not None}))


@export("RoiAlign")
def roi_align(g: GraphWriter, f: Call, x: str, boxes: str) -> str:
    if g.opset < 16:
        raise Unsupported("boxes are moved by half a pixel from opset 16 on")
    height, width = f.spatial_scale
    rank = g.rank(x)
    source = g.transpose(x, [0, rank - 1, *range(1, rank - 1)]) if f.channel_last else x
    corners = g("Mul", g.slice(boxes, [1], [5], [1], [1]), g.constant([width, height, width, height]))
    index = g.index(g.squeeze(g.slice(boxes, [0], [1], [1], [1]), [1]))
    y = g(
        "RoiAlign",
        source,
        corners,
        index,
        output_height=f.output_size[0],
        output_width=f.output_size[1],
        sampling_ratio=max(f.sampling_ratio, 0),
        coordinate_transformation_mode="half_pixel",
        mode="avg",
    )
    return g.transpose(y, [0, 2, 3, 1]) if f.channel_last else str(y)
