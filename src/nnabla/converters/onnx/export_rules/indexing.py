"""Elements chosen by indices, sorted, or put in their places."""

from __future__ import annotations

import numpy as np

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter
from .registry import Call, export


@export("Embed")
def embed(g: GraphWriter, f: Call, x: str, w: str) -> str:
    return str(g("Gather", w, g.index(x), axis=0))


@export("Gather")
def gather(g: GraphWriter, f: Call, x: str, indices: str) -> str:
    if not f.batch_dims:
        return str(g("Gather", x, g.index(indices), axis=f._axis))
    if -1 in g.shape(x) or -1 in g.shape(indices):
        raise Unsupported("batch_dims is not written with an open batch size")
    source, index, target = f._batched
    places = g.expand(g.reshape(g.index(indices), index), index, target)
    return g.reshape(g("GatherElements", g.reshape(x, source), places, axis=2), f.shape_out)


@export("GatherNd")
def gather_nd(g: GraphWriter, f: Call, x: str, indices: str) -> str:
    # The axis that counts the axes of x is the first here and the last in ONNX.
    rank = g.rank(indices)
    return str(g("GatherND", x, g.transpose(g.index(indices), [*range(1, rank), 0])))


@export("ScatterNd")
def scatter_nd(g: GraphWriter, f: Call, data: str, indices: str, out: str | None = None) -> str:
    rank = g.rank(indices)
    places = g.transpose(g.index(indices), [*range(1, rank), 0])
    if out is None:
        if -1 in f.shape_out:
            raise Unsupported("with an open batch size, the shape of the result is not known")
        out = str(g("ConstantOfShape", g.ints(list(f.shape_out))))
    return str(g("ScatterND", out, places, data, reduction="add" if f.add else None))


@export("ScatterAdd")
def scatter_add(g: GraphWriter, f: Call, x0: str, indices: str, x1: str) -> str:
    axis = f.axis % g.rank(x0)
    if g.shape(indices) != g.shape(x1):
        if -1 in g.shape(indices):
            raise Unsupported("with an open batch size, x1 must have the shape of indices")
        n = g.rank(x1)
        x1 = g.slice(x1, [0] * n, g.shape(indices), range(n), [1] * n)
    if g.opset < 16:
        return _added(g, x0, indices, x1, axis)
    return str(g("ScatterElements", x0, g.index(indices), x1, axis=axis, reduction="add"))


def _added(g: GraphWriter, x0: str, indices: str, x1: str, axis: int) -> str:
    """`x0` and what falls on each place along an axis; scattered values are added up from opset 16 on."""
    shape, given = g.shape(x0), g.shape(indices)
    if -1 in shape or -1 in given:
        raise Unsupported("with an open batch size, scattered values are added up from opset 16 on")
    rank = len(shape)
    # Place by place along a new axis in front of the one that counts the values.
    places = g.constant(np.arange(shape[axis]).reshape([-1 if a == axis else 1 for a in range(rank + 1)]))
    hit = g.equal(g.unsqueeze(g.cast(g.index(indices), 1), [axis]), places)
    chosen = g("Where", hit, g.unsqueeze(x1, [axis]), g.constant(0.0))
    sums = g.reduce("ReduceSum", chosen, [axis + 1], False)
    after = [0 if a == axis else n - m for a, (n, m) in enumerate(zip(shape, given, strict=True))]
    return str(g("Add", x0, g.pad(sums, [0] * rank, after)))


@export("OneHot")
def one_hot(g: GraphWriter, f: Call, x: str) -> str:
    lengths = f.shape
    rank = g.rank(x)
    parts = []
    for i, length in enumerate(lengths):
        column = x if len(lengths) == 1 else g.slice(x, [i], [i + 1], [rank - 1], [1])
        # Runtimes want one axis at least.
        indices = g.index(column) if rank == 1 else g.squeeze(g.index(column), [rank - 1])
        part = g.one_hot(indices, length, max(rank - 1, 1))
        parts.append(g.squeeze(part, [0]) if rank == 1 else part)
    # Of several indices, the product of what each alone would give.
    y = parts[0]
    for i, part in enumerate(parts[1:], 1):
        y = g("Mul", g.unsqueeze(y, [rank - 1 + i]), g.unsqueeze(part, range(rank - 1, rank - 1 + i)))
    return y


@export("Sort")
def sort(g: GraphWriter, f: Call, x: str) -> list[str] | str:
    length = g.shape(x)[f._axis]
    if length < 0:
        raise Unsupported("with an open batch size, nothing is sorted along the batch")
    values, places = g.top_k(x, length, f._axis, f.reverse)
    if f.only_index:
        return g.cast(places, 1)
    return [values, g.cast(places, 1)] if f.with_index else values


@export("TopKData")
def top_k_data(g: GraphWriter, f: Call, x: str) -> list[str] | str:
    shape = g.shape(x)
    axis = f.base_axis % len(shape)
    if -1 in shape[axis:]:
        raise Unsupported("with an open batch size, base_axis must be 1 or more")
    count, size = f._rows
    rows = g.reshape(x, [-1 if -1 in shape else count, size])
    if not f.abs and f.reduce:
        values, places = g.top_k(rows, f.k, 1, f.largest)
    else:
        _, places = g.top_k(g("Abs", rows) if f.abs else rows, f.k, 1, f.largest)
        values = g("GatherElements", rows, places, axis=1)
    if f.reduce:
        y = g.reshape(values, f.shape_out)
        return [y, g.reshape(g.cast(places, 1), f.shape_out)] if f.with_index else y
    zeros = g.mul(g.cast(g.is_nan(rows), 1), 0.0)
    return g.reshape(g("ScatterElements", zeros, places, values, axis=1), f.shape_out)


@export("NonZero")
def non_zero(g: GraphWriter, f: Call, x: str) -> str:
    places = g("NonZero", x)
    if not g.rank(x):
        # Runtimes count a single number as an axis.
        places = g.slice(places, [0], [0], [0], [1])
    return g.cast(places, 1)


@export("BoolGather")
def bool_gather(g: GraphWriter, f: Call, x: str, mask: str) -> str:
    shape, count = g.shape(x), g.rank(mask)
    if -1 in shape[count:]:
        raise Unsupported("with an open batch size, the batch must be an axis of the mask")
    rows = g.reshape(x, [-1, *shape[count:]])
    return str(g("Compress", rows, g.reshape(g.truth(mask), [-1]), axis=0))


@export("Unique")
def unique(g: GraphWriter, f: Call, x: str) -> list[str]:
    found = g("Unique", x, outputs=4, axis=f._axis, sorted=int(f.sorted))
    wanted = (f.with_index, f.with_inverse, f.with_counts)
    return [found[0], *[g.cast(y, 1) for y, on in zip(found[1:], wanted, strict=True) if on]]


@export("ONNXNonMaxSuppression")
def non_max_suppression(g: GraphWriter, f: Call, boxes: str, scores: str) -> str:
    limits = [g.ints([f.max_output_boxes_per_class]), g.constant([f.iou_threshold]), g.constant([f.score_threshold])]
    return g.cast(g("NonMaxSuppression", boxes, scores, *limits, center_point_box=f.center_point_box), 1)


@export("SearchSorted")
def search_sorted(g: GraphWriter, f: Call, sequence: str, values: str) -> str:
    # As many elements are before a value as are less than it, or not greater.
    rank = g.rank(values)
    a, v = g.unsqueeze(sequence, [rank - 1]), g.unsqueeze(values, [rank])
    before = g.at_least(v, a) if f.right else g("Less", a, v)
    return g.reduce("ReduceSum", g.number(before), [rank], False)
