"""Operators that choose elements or write to places that indices say, and that order them."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from .registry import Node, axis_of, read

INT64 = TensorProto.INT64


@read("Gather")
def gather(r: GraphReader, n: Node, x: Value, indices: Value) -> Value:
    axis = axis_of(n.attr("axis"), x.rank)
    if not x.rank:
        raise Unsupported("there is nothing to choose from")
    y: Value = r("Gather", x, r.counted_from_start(indices, x.shape[axis]), axis=axis)
    return y


def _coordinates_first(r: GraphReader, indices: Value) -> Value:
    """Indices with the coordinates along the first axis instead of the last."""
    if not indices.rank:
        raise Unsupported("its indices must have an axis of coordinates")
    front = r.transpose(indices, [indices.rank - 1, *range(indices.rank - 1)])
    return front if front.rank > 1 else r.reshape(front, [*front.shape, 1])


def _placed(r: GraphReader, indices: Value, axis: int, shape: tuple[int, ...]) -> Value:
    """For indices along one axis, the coordinates of the elements, as the first axis."""
    rank = indices.rank
    grids = []
    for a in range(rank):
        if a == axis:
            grids.append(r.counted_from_start(indices, shape[a]))
            continue
        grids.append(r.expand(r.count(indices.shape[a], rank, a), indices.shape))
    y: Value = r("Stack", *grids, axis=0)
    return y


@read("GatherElements")
def gather_elements(r: GraphReader, n: Node, x: Value, indices: Value) -> Value:
    axis = axis_of(n.attr("axis"), x.rank)
    if indices.rank != x.rank:
        raise Unsupported(f"indices of {indices.rank} axes do not fit to {x.rank}")
    y: Value = r("GatherNd", x, _placed(r, indices, axis, x.shape))
    return y


@read("GatherND")
def gather_nd(r: GraphReader, n: Node, x: Value, indices: Value) -> Value:
    batch = n.attr("batch_dims") or 0
    places = _coordinates_first(r, indices)
    lost = places.rank != indices.rank
    if batch:
        if not 0 < batch < min(x.rank, indices.rank) or x.shape[:batch] != indices.shape[:batch]:
            raise Unsupported(f"batch_dims {batch} does not fit to shapes {x.shape} and {indices.shape}")
        wanted = (1, *indices.shape[:-1])
        lines = []
        for a in range(batch):
            lines.append(r.expand(r.count(x.shape[a], len(wanted), a + 1), wanted))
        places = r("Concatenate", *lines, places, axis=0)
    y: Value = r("GatherNd", x, places)
    return r.reshape(y, y.shape[1:]) if lost else y


def _scatter(r: GraphReader, x: Value, places: Value, updates: Value, reduction: str) -> Value:
    """`x` with values written to places, which are given by coordinates along the first axis."""
    if reduction not in ("none", "add"):
        raise Unsupported(f"reduction {reduction!r} has no counterpart")
    if 0 in updates.shape:
        return x
    # Not with x as what to write to: that would change it for its other readers.
    if reduction == "add":
        return r.add(x, r("ScatterNd", updates, places, shape=list(x.shape), add=True)).typed(x.dtype)
    ones = r.expand(r.constant(np.float32(1)), updates.shape)
    written = r("ScatterNd", ones, places, shape=list(x.shape), add=False)
    values = r("ScatterNd", updates, places, shape=list(x.shape), add=False)
    y: Value = r("Where", written, values, x)
    return y.typed(x.dtype)


@read("ScatterND")
def scatter_nd(r: GraphReader, n: Node, x: Value, indices: Value, updates: Value) -> Value:
    places = _coordinates_first(r, indices)
    if places.rank != indices.rank:
        updates = r.reshape(updates, [1, *updates.shape])
    return _scatter(r, x, places, updates, n.attr("reduction") or "none")


@read("ScatterElements", "Scatter")
def scatter_elements(r: GraphReader, n: Node, x: Value, indices: Value, updates: Value) -> Value:
    axis = axis_of(n.attr("axis"), x.rank)
    if indices.rank != x.rank or indices.shape != updates.shape:
        raise Unsupported(f"indices {indices.shape} and updates {updates.shape} do not fit to shape {x.shape}")
    return _scatter(r, x, _placed(r, indices, axis, x.shape), updates, n.attr("reduction") or "none")


@read("TensorScatter")
def tensor_scatter(r: GraphReader, n: Node, past: Value, update: Value, starts: Value | None = None) -> Value:
    axis = axis_of(n.attr("axis"), past.rank)
    if axis == 0 or update.rank != past.rank:
        raise Unsupported("its axis must not be the batch's, and both arrays must have as many axes")
    places = r.count(update.shape[axis], past.rank, axis)
    if starts is not None:
        places = r.add(r.reshape(starts, [past.shape[0]] + [1] * (past.rank - 1)), places)
    if n.attr("mode") == "circular":
        length = float(past.shape[axis])
        places = r.sub(places, r.mul(r("Floor", r.mul(places, 1 / length)), length))
    placed = _placed(r, r.expand(places.typed(INT64), update.shape), axis, past.shape)
    return _scatter(r, past, placed, update, "none")


@read("OneHot")
def one_hot(r: GraphReader, n: Node, indices: Value, depth: Value, values: Value) -> Value:
    length = r.ints(depth, "the depth")[0]
    pair = r.known(values, "the values").ravel()
    if pair.size != 2 or length < 1:
        raise Unsupported("its values must be two, and its depth positive")
    off, on = (float(v) for v in pair)
    y = r("OneHot", r.reshape(indices, [*indices.shape, 1]), shape=[length])
    if (off, on) != (0.0, 1.0):
        y = r.add(r.mul(y, on - off), off)
    axis = axis_of(n.attr("axis"), y.rank)
    order = [*range(y.rank - 1)]
    order.insert(axis, y.rank - 1)
    return r.transpose(y.typed(values.dtype), order)


@read("TopK")
def top_k(r: GraphReader, n: Node, x: Value, k: Value | None = None) -> list[Value]:
    count = n.attr("k") if n.opset < 10 else r.ints(k, "k")[0]
    axis = axis_of(n.attr("axis"), x.rank)
    if not 0 < count <= x.shape[axis]:
        raise Unsupported(f"k is {count}, but the axis has length {x.shape[axis]}")
    largest = True if n.opset < 11 else bool(n.attr("largest"))
    order = [a for a in range(x.rank) if a != axis] + [axis]
    back = sorted(range(x.rank), key=order.__getitem__)
    y, places = r("TopKData", r.transpose(x, order), outputs=2, k=count, base_axis=x.rank - 1, largest=largest,
                  with_index=True)  # fmt: skip
    return [r.transpose(y, back), r.transpose(places.typed(INT64), back)]


@read("ArgMax", "ArgMin")
def arg_max(r: GraphReader, n: Node, x: Value) -> Value:
    axis = axis_of(n.attr("axis"), x.rank)
    name = "Max" if n.op_type == "ArgMax" else "Min"
    last = bool(n.attr("select_last_index"))
    source = r("Flip", x, axes=[axis]) if last else x
    y: Value = r(name, source, axes=[axis], keep_dims=bool(n.attr("keepdims")), only_index=True)
    if last:
        y = r("RSubScalar", y, val=float(x.shape[axis] - 1))
    return y.typed(INT64)


@read("NonZero")
def non_zero(r: GraphReader, n: Node, x: Value) -> Value:
    y: Value = r("NonZero", x)
    y.edge.open_size = True
    return y.typed(INT64)


@read("NonMaxSuppression")
def non_max_suppression(
    r: GraphReader,
    n: Node,
    boxes: Value,
    scores: Value,
    most: Value | None = None,
    iou: Value | None = None,
    score: Value | None = None,
) -> Value:
    if score is None:
        # NNabla's least score is 0 where none is given; scores may be less.
        least = float(np.finfo(np.float32).min)
    else:
        least = float(r.known(score, "score_threshold").ravel()[0])
    y: Value = r(
        "ONNXNonMaxSuppression",
        boxes,
        scores,
        center_point_box=n.attr("center_point_box"),
        max_output_boxes_per_class=0 if most is None else r.ints(most, "max_output_boxes_per_class")[0],
        iou_threshold=0.0 if iou is None else float(r.known(iou, "iou_threshold").ravel()[0]),
        score_threshold=least,
    )
    y.edge.open_size = True
    return y.typed(INT64)


@read("MaxUnpool")
def max_unpool(r: GraphReader, n: Node, x: Value, places: Value, output_shape: Value | None = None) -> Value:
    kernel = n.attr("kernel_shape")
    spatial = len(kernel)
    strides = n.attr("strides") or [1] * spatial
    pads = n.attr("pads") or [0] * 2 * spatial
    inferred = [(d - 1) * s + k - a - b for d, s, k, a, b in
                zip(x.shape[2:], strides, kernel, pads[:spatial], pads[spatial:], strict=True)]  # fmt: skip
    inner = [*x.shape[:2], *inferred]
    target = inner if output_shape is None else r.ints(output_shape, "output_shape")
    flat = r.reshape(places, [1, math.prod(x.shape)])
    y = r("ScatterNd", r.reshape(x, [math.prod(x.shape)]), flat, shape=[math.prod(inner)], add=False)
    y = r.reshape(y.typed(x.dtype), inner)
    return r.pad(y, [0] * x.rank, [b - a for a, b in zip(inner, target, strict=True)])


@read("Col2Im")
def col2im(r: GraphReader, n: Node, x: Value, image: Value, block: Value) -> Value:
    size, kernel = r.ints(image, "image_shape"), r.ints(block, "block_shape")
    spatial = len(size)
    strides, dilations = n.attr("strides") or [1] * spatial, n.attr("dilations") or [1] * spatial
    pads = n.attr("pads") or [0] * 2 * spatial
    steps = [(d + a + b - e * (k - 1) - 1) // s + 1 for d, a, b, e, k, s in
             zip(size, pads[:spatial], pads[spatial:], dilations, kernel, strides, strict=True)]  # fmt: skip
    samples, rows, columns = x.shape
    channels = rows // math.prod(kernel)
    padded = [d + a + b for d, a, b in zip(size, pads[:spatial], pads[spatial:], strict=True)]
    if math.prod(steps) != columns or not r.budget.allows(rows * columns):
        raise Unsupported(f"shape {x.shape} does not fit to an image of {size} and blocks of {kernel}")
    places: np.ndarray = np.zeros([1] * (2 * spatial), np.int64)
    for i in range(spatial):
        shape = [1] * (2 * spatial)
        shape[i] = kernel[i]
        line = dilations[i] * np.arange(kernel[i]).reshape(shape)
        shape = [1] * (2 * spatial)
        shape[spatial + i] = steps[i]
        line = line + strides[i] * np.arange(steps[i]).reshape(shape)
        places = places * padded[i] + line
    flat = np.broadcast_to(places, [*kernel, *steps]).reshape(1, -1)
    front = r.transpose(r.reshape(x, [samples * channels, flat.size]), [1, 0])
    y = r("ScatterNd", front, r.constant(flat, INT64), shape=[math.prod(padded), samples * channels], add=True)
    y = r.reshape(r.transpose(y, [1, 0]), [samples, channels, *padded])
    cuts = {i + 2: (pads[i], pads[i] + size[i], 1) for i in range(spatial)}
    return r.cut(y, {a: (int(b), int(e), s) for a, (b, e, s) in cuts.items()})


@read("CumSum", "CumProd")
def cumulate(r: GraphReader, n: Node, x: Value, axis: Value) -> Value:
    along = axis_of(r.ints(axis, "the axis")[0], x.rank)
    y: Value = r(n.op_type, x, axis=along, exclusive=bool(n.attr("exclusive")), reverse=bool(n.attr("reverse")))
    return y


@read("Compress")
def compress(r: GraphReader, n: Node, x: Value, condition: Value) -> Value:
    axis = n.attr("axis")
    if axis is None:
        x, axis = r.reshape(x, [math.prod(x.shape)]), 0
    axis = axis_of(axis, x.rank)
    chosen = np.flatnonzero(r.known(condition, "the condition"))
    if chosen.size and chosen[-1] >= x.shape[axis]:
        raise Unsupported(f"its condition has more entries than the axis, of length {x.shape[axis]}")
    y: Value = r("Gather", x, r.constant(chosen, INT64), axis=axis)
    return y
