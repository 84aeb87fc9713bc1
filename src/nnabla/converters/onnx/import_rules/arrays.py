"""Operators that put arrays into another shape or order, cut, join and repeat them."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value, common_shape
from .registry import Node, axes_of, axis_of, read


@read("Constant")
def constant(r: GraphReader, n: Node) -> Value:
    for name, dtype, number in (
        ("value_float", np.float32, TensorProto.FLOAT),
        ("value_floats", np.float32, TensorProto.FLOAT),
        ("value_int", np.int64, TensorProto.INT64),
        ("value_ints", np.int64, TensorProto.INT64),
    ):
        if n.has(name):
            return r.constant(np.asarray(n.attr(name), dtype), number)
    if not n.has("value"):
        raise Unsupported("its value is no array of numbers")
    return r.constant(n.attr("value"), n.tensor_type("value"))


@read("ConstantOfShape")
def constant_of_shape(r: GraphReader, n: Node, shape: Value) -> Value:
    # Small ones are worked out.
    lengths = r.ints(shape, "the shape")
    fill = n.attr("value")
    dtype = TensorProto.FLOAT if fill is None else n.tensor_type("value")
    y: Value = r("Constant", val=0.0 if fill is None else float(fill.ravel()[0]), shape=lengths)
    return y.typed(dtype)


@read("Shape")
def shape(r: GraphReader, n: Node, x: Value) -> Value:
    _sized(x)
    part = x.shape[slice(n.attr("start") or 0, n.attr("end"))]
    return r.constant(np.array(part, np.int64), TensorProto.INT64)


@read("Size")
def size(r: GraphReader, n: Node, x: Value) -> Value:
    _sized(x)
    return r.constant(np.int64(math.prod(x.shape)), TensorProto.INT64)


def _sized(x: Value) -> None:
    if x.edge.open_size:
        raise Unsupported("the shape of its input is known only when the network has run")


@read("Range")
def range_(r: GraphReader, n: Node, start: Value, limit: Value, delta: Value) -> Value:
    for x in (start, limit, delta):
        r.known(x, "the range")
    raise Unsupported("its result is too large")


@read("Reshape")
def reshape(r: GraphReader, n: Node, x: Value, shape: Value | None = None) -> Value:
    lengths = list(n.attr("shape") or []) if n.opset < 5 else r.ints(shape, "the shape")
    if not n.attr("allowzero"):
        if any(d == 0 and i >= x.rank for i, d in enumerate(lengths)):
            raise Unsupported("a length that it is to keep is not there")
        lengths = [x.shape[i] if d == 0 else d for i, d in enumerate(lengths)]
    if lengths.count(-1) > 1 or any(d < -1 for d in lengths):
        raise Unsupported(f"no array has shape {tuple(lengths[:64])}")
    rest = math.prod([d for d in lengths if d != -1])
    if -1 in lengths and rest:
        lengths = [math.prod(x.shape) // rest if d == -1 else d for d in lengths]
    if -1 in lengths or math.prod(lengths) != math.prod(x.shape) or len(lengths) > 64:
        raise Unsupported(f"shape {x.shape} has not as many elements as {tuple(lengths[:64])}")
    return r.reshape(x, lengths)


@read("Flatten")
def flatten(r: GraphReader, n: Node, x: Value) -> Value:
    axis = n.attr("axis")
    if not -x.rank <= axis <= x.rank:
        raise Unsupported(f"axis {axis} is out of range for {x.rank} axes")
    axis = axis + x.rank if axis < 0 else axis
    return r.reshape(x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


def _axes(r: GraphReader, n: Node, since: int, axes: Value | None) -> list[int] | None:
    """Axes that are an attribute before an operator set, and an input from then on."""
    if n.opset < since:
        given: list[int] | None = n.attr("axes")
        return given
    return None if axes is None else r.ints(axes, "axes")


@read("Squeeze")
def squeeze(r: GraphReader, n: Node, x: Value, axes: Value | None = None) -> Value:
    given = _axes(r, n, 13, axes)
    chosen = [i for i, d in enumerate(x.shape) if d == 1] if given is None else axes_of(given, x.rank)
    if any(x.shape[a] != 1 for a in chosen):
        raise Unsupported(f"axes {chosen} of shape {x.shape} are not of length 1")
    return r.reshape(x, [d for i, d in enumerate(x.shape) if i not in chosen])


@read("Unsqueeze")
def unsqueeze(r: GraphReader, n: Node, x: Value, axes: Value | None = None) -> Value:
    given = _axes(r, n, 13, axes)
    if given is None or x.rank + len(given) > 64:
        raise Unsupported("it needs axes, up to 64 in all")
    rank = x.rank + len(given)
    places = set(axes_of(given, rank))
    rest = iter(x.shape)
    return r.reshape(x, [1 if i in places else next(rest) for i in range(rank)])


@read("Transpose")
def transpose(r: GraphReader, n: Node, x: Value) -> Value:
    order = n.attr("perm") or list(range(x.rank))[::-1]
    if sorted(order) != list(range(x.rank)):
        raise Unsupported(f"perm {order[:64]} is no order of {x.rank} axes")
    return r.transpose(x, order)


@read("Concat")
def concat(r: GraphReader, n: Node, *xs: Value) -> Value:
    given = n.attr("axis")
    axis = axis_of(1 if given is None else given, xs[0].rank)
    if any(x.rank != xs[0].rank for x in xs):
        raise Unsupported("its inputs have different numbers of axes")
    y: Value = xs[0] if len(xs) == 1 else r("Concatenate", *xs, axis=axis)
    return y


@read("Split")
def split(r: GraphReader, n: Node, x: Value, lengths: Value | None = None) -> list[Value]:
    axis = axis_of(n.attr("axis") or 0, x.rank)
    given = n.attr("split") if n.opset < 13 else None
    if lengths is not None:
        given = r.ints(lengths, "the lengths")
    count = len(n.outputs)
    if given is None:
        each = -(-x.shape[axis] // count)
        given = [max(min(each, x.shape[axis] - i * each), 0) for i in range(count)]
    if len(given) != count or sum(given) != x.shape[axis] or min(given) < 0:
        raise Unsupported(f"lengths {given[:64]} do not divide {x.shape[axis]} into {count} parts")
    parts, first = [], 0
    for length in given:
        parts.append(r.cut(x, {axis: (first, first + length, 1)}))
        first += length
    return parts


@read("Slice")
def slice_(
    r: GraphReader,
    n: Node,
    x: Value,
    starts: Value | None = None,
    ends: Value | None = None,
    axes: Value | None = None,
    steps: Value | None = None,
) -> Value:
    if n.opset < 10:
        first, last, along, by = n.attr("starts"), n.attr("ends"), n.attr("axes"), None
    else:
        first, last = r.ints(starts, "starts"), r.ints(ends, "ends")
        along = None if axes is None else r.ints(axes, "axes")
        by = None if steps is None else r.ints(steps, "steps")
    along = list(range(len(first))) if along is None else along
    by = [1] * len(first) if by is None else by
    if not len(first) == len(last) == len(along) == len(by):
        raise Unsupported("starts, ends, axes and steps must have as many entries each")
    axes_of(along, x.rank)
    cuts = {}
    for a, begin, end, step in zip(along, first, last, by, strict=True):
        cuts[axis_of(a, x.rank)] = _bounds(x.shape[axis_of(a, x.rank)], begin, end, step)
    return r.cut(x, cuts)


def _bounds(length: int, begin: int, end: int, step: int) -> tuple[int, int | None, int]:
    """Bounds as ONNX counts them, cut off at both ends."""
    if not step:
        raise Unsupported("a step must not be 0")
    step = max(min(step, 2**31), -(2**31))
    begin, end = (v + length if v < 0 else v for v in (begin, end))
    if step > 0:
        begin, end = (min(max(v, 0), length) for v in (begin, end))
        return begin, max(end, begin), step
    begin, stop = min(max(begin, 0), length - 1), min(max(end, -1), length - 1)
    if begin < 0 or stop >= begin:
        return 0, 0, 1
    # Beyond the first element; -1 would be the last one.
    return begin, -length - 1 if stop < 0 else stop, step


@read("Expand")
def expand(r: GraphReader, n: Node, x: Value, shape: Value) -> Value:
    lengths = r.ints(shape, "the shape")
    if len(lengths) > 64 or any(d < 0 for d in lengths):
        raise Unsupported(f"no array has shape {tuple(lengths[:64])}")
    return r.expand(x, common_shape(x.shape, tuple(lengths)))


@read("Tile")
def tile(r: GraphReader, n: Node, x: Value, repeats: Value, axis: Value | None = None) -> Value:
    counts = r.ints(repeats, "the repeats")
    if axis is not None:
        # Up to opset 5, along one axis.
        place, times = axis_of(r.ints(axis, "the axis")[0], x.rank), counts[0]
        counts = [times if a == place else 1 for a in range(x.rank)]
    if len(counts) != x.rank or min(counts, default=1) < 0:
        raise Unsupported(f"repeats {counts[:64]} do not fit to {x.rank} axes")
    if all(c == 1 for c in counts):
        return x
    if 0 in counts:
        return r.constant(np.zeros([c * d for c, d in zip(counts, x.shape, strict=True)]), x.dtype)
    y: Value = r("Tile", x, reps=counts)
    return y


@read("Pad")
def pad(
    r: GraphReader, n: Node, x: Value, pads: Value | None = None, value: Value | None = None, axes: Value | None = None
) -> Value:
    mode = n.attr("mode")
    if n.opset < 11:
        widths, fill = n.attr("paddings" if n.opset < 2 else "pads"), n.attr("value")
    else:
        widths = r.ints(pads, "the pads")
        fill = 0.0 if value is None else _fill(r, value)
    along = list(range(x.rank)) if axes is None else [axis_of(a, x.rank) for a in r.ints(axes, "axes")]
    if len(widths) != 2 * len(along) or len(set(along)) != len(along):
        raise Unsupported(f"{len(widths)} pads do not fit to {len(along)} axes")
    before, after = [0] * x.rank, [0] * x.rank
    for i, axis in enumerate(along):
        before[axis], after[axis] = widths[i], widths[len(along) + i]
    if any(d + b + e < 0 for d, b, e in zip(x.shape, before, after, strict=True)):
        raise Unsupported("it cuts off more than there is")
    # Negative widths cut off.
    cuts: dict[int, tuple[int, int | None, int]] = {}
    for axis, (b, e) in enumerate(zip(before, after, strict=True)):
        if b < 0 or e < 0:
            cuts[axis] = (max(-b, 0), x.shape[axis] + min(e, 0), 1)
    x = r.cut(x, cuts)
    before, after = [max(b, 0) for b in before], [max(e, 0) for e in after]
    if mode == "wrap":
        for axis in range(x.rank):
            if before[axis] or after[axis]:
                if not r.budget.allows(before[axis] + x.shape[axis] + after[axis]) or not x.shape[axis]:
                    raise Unsupported("its result is too large, or there is nothing to repeat")
                places = np.arange(-before[axis], x.shape[axis] + after[axis]) % x.shape[axis]
                x = r("Gather", x, r.constant(places, TensorProto.INT64), axis=axis)
        return x
    known = {"constant": "constant", "reflect": "reflect", "edge": "repeat"}
    if mode not in known:
        raise Unsupported(f"mode {mode!r} has no counterpart")
    if not any(before) and not any(after):
        return x
    if mode != "constant" and not r.budget.allows(sum(x.shape) + sum(before) + sum(after)):
        raise Unsupported("its result is too large")
    flat = [v for pair in zip(before, after, strict=True) for v in pair]
    while mode != "constant" and flat[:2] == [0, 0]:
        flat = flat[2:]
    y: Value = r("Pad", x, pad_width=flat, mode=known[mode], constant_value=fill)
    return y


def _fill(r: GraphReader, value: Value) -> float:
    found = r.known(value, "the value")
    return float(found.ravel()[0]) if found.size else 0.0


@read("Trilu")
def trilu(r: GraphReader, n: Node, x: Value, k: Value | None = None) -> Value:
    upper, offset = bool(n.attr("upper")), 0 if k is None else r.ints(k, "k")[0]
    if x.rank < 2:
        raise Unsupported("it takes at least two axes")
    rows, columns = x.shape[-2:]
    offset = max(min(offset, columns + 1), -rows - 1)
    y: Value = r("Trilu", x, k=offset, upper=upper)
    return y


@read("EyeLike")
def eye_like(r: GraphReader, n: Node, x: Value) -> Value:
    dtype = n.attr("dtype")
    y: Value = r("EyeLike", x, k=n.attr("k"))
    return y.typed(x.dtype if dtype is None else dtype)


@read("DepthToSpace")
def depth_to_space(r: GraphReader, n: Node, x: Value) -> Value:
    b = _block(n, x)
    samples, channels, h, w = x.shape
    rest = channels // b**2
    if rest * b**2 != channels:
        raise Unsupported(f"{channels} channels are not divided by the square of {b}")
    if n.attr("mode") == "CRD":
        y = r.transpose(r.reshape(x, [samples, rest, b, b, h, w]), [0, 1, 4, 2, 5, 3])
    else:
        y = r.transpose(r.reshape(x, [samples, b, b, rest, h, w]), [0, 3, 4, 1, 5, 2])
    return r.reshape(y, [samples, rest, h * b, w * b])


@read("SpaceToDepth")
def space_to_depth(r: GraphReader, n: Node, x: Value) -> Value:
    b = _block(n, x)
    samples, channels, h, w = x.shape
    if h % b or w % b:
        raise Unsupported(f"{h} rows and {w} columns are not divided by {b}")
    order = [0, 1, 3, 5, 2, 4] if n.attr("mode") == "CRD" else [0, 3, 5, 1, 2, 4]
    y = r.transpose(r.reshape(x, [samples, channels, h // b, b, w // b, b]), order)
    return r.reshape(y, [samples, channels * b**2, h // b, w // b])


def _block(n: Node, x: Value) -> int:
    b = int(n.attr("blocksize"))
    if b < 1 or x.rank != 4:
        raise Unsupported(f"blocksize {b} and {x.rank} axes do not fit")
    return b


@read("ReverseSequence")
def reverse_sequence(r: GraphReader, n: Node, x: Value, lengths: Value) -> Value:
    batch, time = axis_of(n.attr("batch_axis"), x.rank), axis_of(n.attr("time_axis"), x.rank)
    if batch == time or lengths.shape != (x.shape[batch],):
        raise Unsupported("batch_axis, time_axis and the lengths do not fit together")
    order = [batch, time, *[a for a in range(x.rank) if a not in (batch, time)]]
    steps = r.count(x.shape[time], 2, 1)
    ends = r.reshape(lengths, [x.shape[batch], 1])
    inside = r.broadcast(r.two("Less", steps, ends), steps, r.sub(r.add(ends, -1.0), steps))
    places = r("Where", inside[0], inside[2], inside[1])
    y = r("Gather", r.transpose(x, order), places, axis=1, batch_dims=1)
    return r.transpose(y.typed(x.dtype), sorted(range(x.rank), key=order.__getitem__))
