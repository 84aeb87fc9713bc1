"""Arrays put into another shape or order, cut, joined and repeated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ....operators.slicing import Cut
from ...obstacles import Unsupported
from ..graph_writer import TO_END, GraphWriter, Shape, total
from .registry import Call, export


@export("Reshape")
def reshape(g: GraphWriter, f: Call, x: str) -> str:
    return g.reshape(x, f.shape_out)


@export("Transpose")
def transpose(g: GraphWriter, f: Call, x: str) -> str:
    return g.transpose(x, f._axes)


@export("Broadcast")
def broadcast(g: GraphWriter, f: Call, x: str) -> str:
    after = f.shape_out
    new = len(after) - g.rank(x)
    return g.expand(g.unsqueeze(x, range(new)), (1,) * new + g.shape(x), after)


@export("BroadcastTo")
def broadcast_to(g: GraphWriter, f: Call, x: str, y: str) -> str:
    before, after = f._aligned, f.shape_out
    if -1 in after:
        before = tuple([a if b == c else b for a, b, c in zip(after, before, f._x, strict=True)])
    return g.expand(g.reshape(y, before), before, after)


@export("Tile")
def tile(g: GraphWriter, f: Call, x: str) -> str:
    new = len(f._reps) - g.rank(x)
    return str(g("Tile", g.unsqueeze(x, range(new)), g.ints(f._reps)))


@export("Flip")
def flip(g: GraphWriter, f: Call, x: str) -> str:
    return _flipped(g, x, sorted(f._axes), f.shape_out)


def _flipped(g: GraphWriter, x: str, axes: Sequence[int], shape: Shape) -> str:
    """`x` of a shape with the order of some axes reversed."""
    if g.opset >= 10:
        return g.flip(x, axes)
    # Slices have no steps yet.
    for axis in axes:
        if shape[axis] < 0:
            raise Unsupported("slices have steps from opset 10 on, and the length of the batch is open")
        x = g("Gather", x, g.ints(range(shape[axis])[::-1]), axis=axis)
    return x


@export("Concatenate")
def concatenate(g: GraphWriter, f: Call, *x: str) -> str:
    rank = g.rank(x[0])
    parts = [g.squeeze(part, range(rank, g.rank(part))) for part in x]
    return str(g("Concat", *parts, axis=f._axis))


@export("Stack")
def stack(g: GraphWriter, f: Call, *x: str) -> str:
    return str(g("Concat", *[g.unsqueeze(part, [f._axis]) for part in x], axis=f._axis))


@export("Split")
def split(g: GraphWriter, f: Call, x: str) -> list[str]:
    count = len(f.outputs)
    if g.opset >= 13:
        parts = g("Split", x, g.ints([1] * count), outputs=count, axis=f._axis)
    else:
        parts = g("Split", x, outputs=count, axis=f._axis, split=[1] * count)
    return [g.squeeze(part, [f._axis]) for part in parts]


@export("Slice")
def slice_(g: GraphWriter, f: Call, x: str) -> str:
    cuts = []
    shape = g.shape(x)
    for c in f._cutter._partial:
        if g.opset < 10 and c.step != 1:
            if shape[c.axis] < 0:
                raise Unsupported("slices have steps from opset 10 on, and the length of the batch is open")
            x = _picked(g, x, c)
        elif c.reverse:
            # Taken in rising order and reversed.
            cuts.append((c.axis, c.first, c.end, c.step))
        else:
            # A slice to the end goes to the end whatever the size of the batch is.
            cuts.append((c.axis, c.first, TO_END if c.end >= c.length else c.end, c.step))
    axes, starts, ends, steps = ([cut[i] for cut in cuts] for i in range(4))
    y = g.slice(x, starts, ends, axes, steps)
    return _flipped(g, y, f._cutter._reversed, f.shape_out) if f._cutter._reversed else y


def _picked(g: GraphWriter, x: str, cut: Cut) -> str:
    """The elements of a slice with a step, in rising order."""
    return str(g("Gather", x, g.ints(range(cut.first, cut.end, cut.step)), axis=cut.axis))


@export("Pad")
def pad(g: GraphWriter, f: Call, x: str) -> str:
    shape, widths = g.shape(x), f.pad_width
    lead = len(shape) - len(widths) // 2
    before, after = [0] * lead + list(widths[::2]), [0] * lead + list(widths[1::2])
    if f.mode == "constant":
        return g.pad(x, before, after, value=f.constant_value)
    if f.mode == "repeat":
        return g.pad(x, before, after, mode="edge")
    if f._reindexing is None or f._reindexing.identity:
        return g.pad(x, before, after, mode="reflect")
    return _reindexed(g, f, x)


def _reindexed(g: GraphWriter, f: Call, x: str) -> str:
    for axis, index in f._reindexing._indices.items():
        x = g("Gather", x, g.ints(index.tolist()), axis=axis)
    return x


@export("Shift")
def shift(g: GraphWriter, f: Call, x: str) -> str:
    if any(g.shape(x)[axis] < 0 for axis in f._reindexing._indices):
        raise Unsupported("with an open batch size, nothing is shifted along the batch")
    return _reindexed(g, f, x)


@export("Unpooling")
def unpooling(g: GraphWriter, f: Call, x: str) -> str:
    shape, n = g.shape(x), len(f.kernel)
    first = len(shape) - n - f.channel_last
    spatial = shape[first : first + n]
    pairs = [v for d in spatial for v in (d, 1)]
    reps = [v for k in f.kernel for v in (1, k)]
    y = g.reshape(x, [*shape[:first], *pairs, *shape[first + n :]])
    y = g("Tile", y, g.ints([*[1] * first, *reps, *[1] * f.channel_last]))
    return g.reshape(y, f.shape_out)


@export("Shape")
def shape_of(g: GraphWriter, f: Call, x: str) -> str:
    lengths = g("Shape", x)
    rank = g.rank(x)
    whole = range(rank)[f.start : f.end or None]
    if len(whole) != rank:
        lengths = g.slice(lengths, [whole.start], [whole.stop], [0], [1])
    return g.cast(lengths, 1)


@export("Meshgrid")
def meshgrid(g: GraphWriter, f: Call, *x: str) -> list[str]:
    results = []
    count = len(x)
    for i, (vector, after) in enumerate(zip(x, f.shapes, strict=True)):
        place = i
        if not f.ij_indexing and count > 1 and i < 2:
            place = 1 - i
        before: Shape = tuple([g.shape(vector)[0] if a == place else 1 for a in range(count)])
        results.append(g.expand(g.reshape(vector, before), before, after))
    return results


@export("MatrixDiag")
def matrix_diag(g: GraphWriter, f: Call, x: str) -> str:
    n = g.shape(x)[-1]
    return str(g("Mul", g.unsqueeze(x, [g.rank(x)]), g.constant(np.eye(n))))


@export("MatrixDiagPart")
def matrix_diag_part(g: GraphWriter, f: Call, x: str) -> str:
    n = g.shape(x)[-1]
    return g.reduce("ReduceSum", g("Mul", x, g.constant(np.eye(n))), [g.rank(x) - 1], False)


@export("Trilu")
def trilu(g: GraphWriter, f: Call, x: str) -> str:
    if g.opset >= 14:
        return str(g("Trilu", x, g.constant(f.k, np.int64), upper=int(f.upper)))
    rows, columns = g.shape(x)[-2:]
    keep = np.triu(np.ones((rows, columns)), f.k) if f.upper else np.tril(np.ones((rows, columns)), f.k)
    return str(g("Where", g.constant(keep, np.bool_), x, g.constant(0.0)))


@export("EyeLike")
def eye_like(g: GraphWriter, f: Call, x: str) -> str:
    return str(g("EyeLike", x, k=f.k))


@export("Sink")
def sink(g: GraphWriter, f: Call, *x: str) -> str:
    # The inputs are what is wanted; all zeros, whatever their values.
    return g.constant(0.0)


def flat(g: GraphWriter, x: str, shape: Shape, axis: int) -> str:
    """An array as a matrix: axes up to `axis` taken together, and those from there on."""
    if len(shape) == 2 and axis == 1:
        return x
    return g.reshape(x, [total(shape[:axis]), math.prod(shape[axis:])])
