"""Operators that resize and sample images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from .registry import Node, axis_of, read


@read("Upsample")
def upsample(r: GraphReader, n: Node, x: Value, scales: Value | None = None) -> Value:
    given = n.attr("scales") if n.opset >= 7 else [1.0, 1.0, n.attr("height_scale"), n.attr("width_scale")]
    factors = [float(v) for v in (given if scales is None else r.known(scales, "the scales").ravel())]
    return _plain(r, n, x, factors)


def _plain(r: GraphReader, n: Node, x: Value, factors: list[float]) -> Value:
    """As up to opset 10."""
    if len(factors) != x.rank:
        raise Unsupported(f"{len(factors)} scales do not fit to {x.rank} axes")
    mode = {"bilinear": "linear"}.get(n.attr("mode"), n.attr("mode"))
    y: Value = r("ONNXResize", x, scales=factors, mode=mode, coordinate_transformation_mode="asymmetric",
                 nearest_mode="floor")  # fmt: skip
    return y


@read("Resize")
def resize(
    r: GraphReader,
    n: Node,
    x: Value,
    roi: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
) -> Value:
    if n.opset < 11:
        return _plain(r, n, x, [float(v) for v in r.known(roi, "the scales").ravel()])
    axes = n.attr("axes")
    along = list(range(x.rank)) if axes is None else [axis_of(a, x.rank) for a in axes]
    args: dict[str, Any] = {"mode": n.attr("mode"), "nearest_mode": n.attr("nearest_mode")}
    if sizes is not None and (sizes.array is None or sizes.array.size):
        args["sizes"] = _sizes(n, x, along, r.ints(sizes, "the sizes"))
        ratios = [m / d if d else 1.0 for m, d in zip(args["sizes"], x.shape, strict=True)]
        exact = True
    else:
        ratios = [1.0] * x.rank
        for a, v in zip(along, r.known(scales, "the scales").ravel(), strict=True):
            ratios[a] = float(v)
        args["scales"] = ratios
        exact = all(math.floor(f * d) == f * d for f, d in zip(ratios, x.shape, strict=True))
    if n.attr("antialias") and min(ratios) < 1 and args["mode"] != "nearest":
        raise Unsupported("antialias has no counterpart where it makes something smaller")
    how = n.attr("coordinate_transformation_mode")
    if how == "half_pixel_symmetric" and exact:
        how = "half_pixel"
    if how == "tf_half_pixel_for_nn" and (args["mode"], args["nearest_mode"]) == ("nearest", "floor"):
        # Half a pixel later, and rounded down.
        how, args["nearest_mode"] = "half_pixel", "round_prefer_ceil"
    if how not in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"):
        raise Unsupported(f"coordinate_transformation_mode {how!r} has no counterpart")
    if how == "tf_crop_and_resize":
        args["roi"] = _roi(x, along, r.known(roi, "roi").ravel())
    if "sizes" in args and args["sizes"][:2] == list(x.shape[:2]) and (args["mode"], how) in _BY_INTERPOLATE:
        spatial = args["sizes"][2:]
        if _plain_mode(args, how, spatial):
            # Without the batch among its sizes.
            found: Value = r("Interpolate", x, output_size=spatial, mode=args["mode"],
                             align_corners=how == "align_corners", half_pixel=how == "half_pixel")  # fmt: skip
            return found
    y: Value = r(
        "ONNXResize",
        x,
        coordinate_transformation_mode=how,
        cubic_coeff_a=n.attr("cubic_coeff_a"),
        exclude_outside=n.attr("exclude_outside"),
        extrapolation_value=n.attr("extrapolation_value"),
        **args,
    )
    return y


# What NNabla's function for images computes in the same way.
_BY_INTERPOLATE = (("linear", "half_pixel"), ("linear", "align_corners"), ("linear", "asymmetric"),
                   ("nearest", "asymmetric"))  # fmt: skip


def _plain_mode(args: dict[str, Any], how: str, spatial: list[int]) -> bool:
    """Whether it also has as many axes, and no result of one element, on which NNabla's releases differ."""
    if args["mode"] == "nearest" and args["nearest_mode"] != "floor":
        return False
    return len(spatial) in (1, 2, 3) and min(spatial, default=0) > 1


def _sizes(n: Node, x: Value, along: list[int], wanted: list[int]) -> list[int]:
    policy = n.attr("keep_aspect_ratio_policy") or "stretch"
    if len(wanted) != len(along):
        raise Unsupported(f"{len(wanted)} sizes do not fit to {len(along)} axes")
    if policy not in ("stretch", "not_larger", "not_smaller"):
        raise Unsupported(f"keep_aspect_ratio_policy {policy!r} is not known")
    lengths = list(x.shape)
    if policy == "stretch":
        for a, v in zip(along, wanted, strict=True):
            lengths[a] = v
        return lengths
    ratios = [v / x.shape[a] for a, v in zip(along, wanted, strict=True)]
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    for a in along:
        lengths[a] = math.floor(ratio * x.shape[a] + 0.5)
    return lengths


def _roi(x: Value, along: list[int], corners: np.ndarray) -> list[float]:
    if corners.size != 2 * len(along):
        raise Unsupported(f"roi of {corners.size} numbers does not fit to {len(along)} axes")
    full = [0.0] * x.rank + [1.0] * x.rank
    for i, a in enumerate(along):
        full[a], full[x.rank + a] = float(corners[i]), float(corners[len(along) + i])
    return full


@read("GridSample")
def grid_sample(r: GraphReader, n: Node, x: Value, grid: Value) -> Value:
    mode = {"bilinear": "linear", "linear": "linear", "nearest": "nearest"}.get(n.attr("mode"))
    border = {"zeros": "zero", "border": "repeat", "reflection": "reflect"}.get(n.attr("padding_mode"))
    if mode is None or border is None:
        raise Unsupported(f"mode {n.attr('mode')!r} with padding_mode {n.attr('padding_mode')!r} has no counterpart")
    y: Value = r("WarpByGrid", x, grid, mode=mode, padding_mode=border, align_corners=bool(n.attr("align_corners")))
    return y


@read("AffineGrid")
def affine_grid(r: GraphReader, n: Node, theta: Value, size: Value) -> Value:
    lengths = r.ints(size, "the size")
    y: Value = r("AffineGrid", theta, size=lengths[2:], align_corners=bool(n.attr("align_corners")))
    return y


@read("RoiAlign")
def roi_align(r: GraphReader, n: Node, x: Value, rois: Value, batch: Value) -> Value:
    if n.attr("mode") != "avg":
        raise Unsupported(f"mode {n.attr('mode')!r} has no counterpart")
    scale = n.attr("spatial_scale")
    if n.opset >= 16 and n.attr("coordinate_transformation_mode") == "half_pixel":
        corners = rois
    else:
        raise Unsupported("coordinates without half_pixel, whose boxes have at least one pixel, have no counterpart")
    boxes = r("Concatenate", r.reshape(batch, [batch.shape[0], 1]), corners, axis=1)
    y: Value = r("RoiAlign", x, boxes.typed(x.dtype), output_size=[n.attr("output_height"), n.attr("output_width")],
                 spatial_scale=[scale, scale], sampling_ratio=n.attr("sampling_ratio"))  # fmt: skip
    return y.typed(x.dtype)


@read("CenterCropPad")
def center_crop_pad(r: GraphReader, n: Node, x: Value, shape: Value) -> Value:
    wanted, axes = r.ints(shape, "the shape"), n.attr("axes")
    along = list(range(x.rank)) if axes is None else [axis_of(a, x.rank) for a in axes]
    before, after = [0] * x.rank, [0] * x.rank
    cuts: dict[int, tuple[int, int | None, int]] = {}
    for a, length in zip(along, wanted, strict=True):
        more = length - x.shape[a]
        if more > 0:
            before[a] = more // 2
            after[a] = more - more // 2
        elif more < 0:
            first = -more // 2
            cuts[a] = (first, first + length, 1)
    return r.pad(r.cut(x, cuts), before, after)
