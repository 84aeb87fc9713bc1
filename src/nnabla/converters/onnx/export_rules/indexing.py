"""Elements chosen by indices, sorted, or put in their places."""

from __future__ import annotations

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
    places = g("Expand", g.reshape(g.index(indices), index), g.ints(target))
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
    return str(g("ScatterElements", x0, g.index(indices), x1, axis=axis, reduction="add"))


@export("OneHot")
def one_hot(g: GraphWriter, f: Call, x: str) -> str:
    lengths = f.shape
    rank = g.rank(x)
    parts = []
    for i, length in enumerate(lengths):
        column = x if len(lengths) == 1 else g.slice(x, [i], [i + 1], [rank - 1], [1])
        # Runtimes want one axis at least.
        indices = g.index(column) if rank == 1 else g.squeeze(g.index(column), [rank - 1])
        part = g.one_hot(indices, length)
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
    zeros = g.mul(g.cast(g("IsNaN", rows), 1), 0.0)
    return g.reshape(g("ScatterElements", zeros, places, values, axis=1), f.shape_out)
