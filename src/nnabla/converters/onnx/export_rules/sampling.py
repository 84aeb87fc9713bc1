"""Images and volumes sampled at other places."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter, Shape
from .registry import Call, export

_BORDERS = {"zero": "zeros", "repeat": "border", "reflect": "reflection"}
"""ONNX's words for what is outside, by NNabla's."""


@export("AffineGrid")
def affine_grid(g: GraphWriter, f: Call, theta: str) -> str:
    # The points are known; only the maps are not.
    points = f._points(torch.empty(0)).numpy()
    turned = g.transpose(theta, [0, 2, 1])
    return g.reshape(g("MatMul", g.constant(points), turned), f.shape_out)


@export("WarpByGrid")
def warp_by_grid(g: GraphWriter, f: Call, x: str, grid: str) -> str:
    shape, rank = g.shape(x), g.rank(x)
    if f.channel_last:
        x = g.transpose(x, [0, rank - 1, *range(1, rank - 1)])
        shape = (shape[0], shape[-1], *shape[1:-1])
    y = _sampled(g, x, shape, grid, g.shape(grid), f.mode, f.padding_mode, f.align_corners)
    return g.transpose(y, [0, *range(2, rank), 1]) if f.channel_last else y


@export("WarpByFlow")
def warp_by_flow(g: GraphWriter, f: Call, x: str, flow: str) -> str:
    height, width = f._size
    if height < 0 or width < 0:
        raise Unsupported("with an open batch size, height and width must be known")
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    moved = g("Add", g.transpose(flow, [0, 2, 3, 1]), g.constant(pixels))
    grid = g.add(g("Div", moved, g.constant([f._width, f._height])), -1.0)
    batch, _, *size = g.shape(flow)
    return _sampled(g, x, g.shape(x), grid, (batch, *size, 2), "linear", "repeat", True)


def _sampled(
    g: GraphWriter, x: str, shape: Shape, grid: str, points: Shape, mode: str, border: str, align_corners: bool
) -> str:
    """`x` of a shape, channels first, at the places of a grid of the shape `points`.

    Images are sampled by an operator from opset 16 on, volumes from 20 on. Before that it is composed.
    """
    if g.opset >= (16 if len(shape) == 4 else 20):
        how = mode if mode == "nearest" else "linear" if g.opset >= 20 else "bilinear"
        return str(g("GridSample", x, grid, mode=how, padding_mode=_BORDERS[border], align_corners=int(align_corners)))
    if min(shape[2:]) < 0 or min(points[1:]) < 0:
        raise Unsupported("with an open batch size, the operator GridSample is there from opset 20 on")
    count = math.prod(points[1:-1])
    # For each axis, which elements there are around a place, and their weights: (batch, 1, points).
    around = []
    for axis, length in enumerate(shape[2:]):
        column = len(points) - 2 - axis  # the first coordinate is that of the last axis
        at = g.slice(grid, [column - 1], [column], [len(points) - 1], [1])
        at = g.reshape(at, [points[0], 1, count])
        around.append(_elements(g, _place(g, at, length, border, align_corners), length, mode))
    source = g.reshape(x, [*shape[:2], math.prod(shape[2:])])
    total = ""
    for corner in itertools.product(*around):
        place = corner[0][0]
        for (index, _), length in zip(corner[1:], shape[3:], strict=True):
            place = g("Add", g("Mul", place, g.ints(length)), index)
        place = g.expand(place, (points[0], 1, count), (*shape[:2], count))
        part = g("GatherElements", source, place, axis=2)
        for _, weight in corner:
            part = g("Mul", part, weight)
        total = g("Add", total, part) if total else part
    return g.reshape(total, [*shape[:2], *points[1:-1]])


def _place(g: GraphWriter, at: str, length: int, border: str, align_corners: bool) -> str:
    """Coordinates from -1 to 1 as places among `length` elements."""
    if align_corners:
        at = g.mul(g.add(at, 1.0), (length - 1) / 2)
    else:
        at = g.mul(g.add(g.mul(g.add(at, 1.0), length), -1.0), 0.5)
    if border == "reflect":
        first, period = (0.0, max(length - 1, 1)) if align_corners else (-0.5, length)
        distance, whole = g("Abs", g.add(at, -first)), g.constant(period)
        rest = g("Mod", distance, whole, fmod=1)
        turns = g("Mod", g("Floor", g("Div", distance, whole)), g.constant(2.0), fmod=1)
        back = g.equal(turns, g.constant(1.0))
        at = g.add(g("Where", back, g("Sub", whole, rest), rest), first)
    # Where it is NaN, there is no element.
    at = g("Where", g.is_nan(at), g.constant(-2.0), at)
    return g.clip(at, -2.0, length + 1.0) if border == "zero" else g.clip(at, 0.0, length - 1.0)


def _elements(g: GraphWriter, at: str, length: int, mode: str) -> list[tuple[str, str]]:
    """The elements around places along an axis, as indices, and the weight of each."""
    if mode == "nearest":
        # Between two elements, the one farther from the first.
        distance = g("Abs", at)
        whole = g("Floor", distance)
        nearest = g("Add", whole, g("Floor", g.mul(g("Sub", distance, whole), 2.0)))
        found = [(g("Mul", g.sign(at), nearest), g.constant(1.0))]
    else:
        whole = g("Floor", at)
        second = g("Sub", at, whole)
        found = [(whole, g("Sub", g.constant(1.0), second)), (g.add(whole, 1.0), second)]
    result = []
    for place, weight in found:
        inside = g.clip(place, 0.0, length - 1.0)
        result.append((g.index(inside), g("Mul", weight, g.number(g.equal(place, inside)))))
    return result
