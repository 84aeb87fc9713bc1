"""Operators of TFLite without windows, in functions of NNabla."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..obstacles import Unsupported
from ..reading.graph_reader import BOOL, FLOAT, GraphReader, Value
from .flat_reader import TYPE_NUMBERS, FlatReader, Node, read

_EACH = {
    "LOGISTIC": "Sigmoid",
    "TANH": "Tanh",
    "RELU": "ReLU",
    "RELU6": "ReLU6",
    "ABS": "Abs",
    "EXP": "Exp",
    "LOG": "Log",
    "FLOOR": "Floor",
    "CEIL": "Ceil",
    "SIN": "Sin",
    "COS": "Cos",
    "ELU": "ELU",
}
_BOTH = {"ADD": "Add2", "SUB": "Sub2", "MUL": "Mul2", "POW": "Pow2", "MINIMUM": "Minimum2", "MAXIMUM": "Maximum2",
         "ATAN2": "ATan2"}  # fmt: skip
_COMPARE = {
    "EQUAL": "Equal",
    "NOT_EQUAL": "NotEqual",
    "GREATER": "Greater",
    "GREATER_EQUAL": "GreaterEqual",
    "LESS": "Less",
    "LESS_EQUAL": "LessEqual",
}
_LOGIC = {"LOGICAL_AND": "LogicalAnd", "LOGICAL_OR": "LogicalOr"}
_REDUCE = {"SUM": "Sum", "MEAN": "Mean", "REDUCE_MAX": "Max", "REDUCE_MIN": "Min", "REDUCE_PROD": "Prod"}


@read(*_EACH)
def on_each(r: FlatReader, n: Node, x: Value) -> Value:
    return r.each(lambda v: r(_EACH[n.code], v), x)


@read(*_BOTH)
def on_both(r: FlatReader, n: Node, a: Value, b: Value) -> Value:
    return r.pair(_BOTH[n.code], a, b)


@read("DIV")
def div(r: FlatReader, n: Node, a: Value, b: Value) -> Value:
    y = r.pair("Div2", a, b)
    return y if a.is_float else r.truncated(y)


@read("FLOOR_DIV")
def floor_div(r: FlatReader, n: Node, a: Value, b: Value) -> Value:
    y: Value = r("Floor", r.div(a, b))
    return y


@read("FLOOR_MOD")
def floor_mod(r: FlatReader, n: Node, a: Value, b: Value) -> Value:
    return r.sub(a, r.mul(r("Floor", r.div(a, b)), b))


@read("SQUARED_DIFFERENCE")
def squared_difference(r: FlatReader, n: Node, a: Value, b: Value) -> Value:
    d = r.pair("Sub2", a, b)
    return r.pair("Mul2", d, d)


@read("ADD_N")
def add_n(r: FlatReader, n: Node, *xs: Value) -> Value:
    y: Value = r("AddN", *xs) if len(xs) > 1 else xs[0]
    return y


@read("NEG", "SQUARE", "SQRT", "RSQRT", "RELU_N1_TO_1", "HARD_SWISH", "SIGN", "ROUND", "LEAKY_RELU", "GELU")
def arithmetic(r: FlatReader, n: Node, x: Value) -> Value:
    def change(v: Value) -> Value:
        if n.code == "NEG":
            return r.mul(v, -1.0)
        if n.code == "SQUARE":
            return r.mul(v, v)
        if n.code == "RELU_N1_TO_1":
            return r.clip(v, -1.0, 1.0)
        if n.code == "HARD_SWISH":
            return r.mul(v, r.clip(r.add(r.mul(v, 1 / 6), 0.5), 0.0, 1.0))
        if n.code == "ROUND":
            return r.round_to_even(v)
        if n.code == "GELU" and not n.option("Approximate"):
            return r.mul(r.mul(v, 0.5), r.add(r("Erf", r.mul(v, math.sqrt(0.5))), 1.0))
        name, args = {
            "SQRT": ("PowScalar", {"val": 0.5}),
            "RSQRT": ("PowScalar", {"val": -0.5}),
            "SIGN": ("Sign", {"alpha": 0.0}),
            "GELU": ("GELU", {}),
            "LEAKY_RELU": ("LeakyReLU", {"alpha": n.option("Alpha")} if n.code == "LEAKY_RELU" else {}),
        }[n.code]
        y: Value = r(name, v, **args)
        return y

    return r.each(change, x)


@read("PRELU")
def prelu(r: FlatReader, n: Node, x: Value, slope: Value) -> Value:
    low = r.each(lambda v: r("MinimumScalar", v, val=0.0), x)
    return r.pair("Add2", r.each(lambda v: r("ReLU", v), x), r.pair("Mul2", low, slope))


@read("QUANTIZE", "DEQUANTIZE")
def scale(r: FlatReader, n: Node, x: Value) -> Value:
    # The network computes with the numbers themselves.
    return x.typed(FLOAT)


@read("SOFTMAX", "LOG_SOFTMAX")
def softmax(r: FlatReader, n: Node, x: Value) -> Value:
    if not x.rank:
        raise Unsupported("it needs an axis")
    if n.code == "LOG_SOFTMAX":
        y: Value = r("LogSoftmax", x, axis=x.rank - 1)

    else:
        beta = n.option("Beta")
        y = r("Softmax", x if beta == 1 else r.mul(x, beta), axis=x.rank - 1)
    return y


# ---- truth values ------------------------------------------------------------------------------------------


@read(*_COMPARE)
def compare(r: FlatReader, n: Node, a: Value, b: Value) -> Value:
    return r.pair(_COMPARE[n.code], a, b).typed(BOOL)


@read(*_LOGIC)
def logic(r: FlatReader, n: Node, a: Value, b: Value) -> Value:
    return r.pair(_LOGIC[n.code], a, b)


@read("LOGICAL_NOT")
def logical_not(r: FlatReader, n: Node, x: Value) -> Value:
    return r.each(lambda v: r("LogicalNot", v), x)


@read("SELECT", "SELECT_V2")
def select(r: FlatReader, n: Node, truth: Value, a: Value, b: Value) -> Value:
    if n.code == "SELECT" and truth.rank == 1 and a.rank > 1:
        truth = r.reshape(truth, [*truth.shape, *[1] * (a.rank - 1)])
    y: Value = r("Where", *r.broadcast(truth, a, b))
    return y.typed(a.dtype)


@read("CAST")
def cast(r: FlatReader, n: Node, x: Value) -> Value:
    target = TYPE_NUMBERS.get(n.results[0].dtype.name)
    if target is None:
        raise Unsupported("its result is of a type that is not read")
    if target == BOOL:
        return r.each(lambda v: r("NotEqualScalar", v, val=0.0), x).typed(BOOL)
    if x.is_float and target not in (1, 10, 11):
        return r.each(r.truncated, x).typed(target)
    return x.typed(target)


# ---- shapes ------------------------------------------------------------------------------------------------


def _shape(r: GraphReader, n: Node, shape: Value | None) -> list[int]:
    if shape is not None:
        return r.ints(shape, "the shape")
    return list(n.option("NewShape"))


@read("RESHAPE")
def reshape(r: FlatReader, n: Node, x: Value, shape: Value | None = None) -> Value:
    target = _shape(r, n, shape)
    known = math.prod([d for d in target if d >= 0])
    if sum([d < 0 for d in target]) == 1 and known:
        target = [math.prod(x.shape) // known if d < 0 else d for d in target]
    if math.prod(target) != math.prod(x.shape) or min(target, default=0) < 0:
        raise Unsupported(f"{x.shape} cannot have shape {target[:9]}")
    return r.reshape(x, target)


@read("SQUEEZE")
def squeeze(r: FlatReader, n: Node, x: Value) -> Value:
    axes = n.axes(n.option("SqueezeDims"), x.rank) or [a for a, d in enumerate(x.shape) if d == 1]
    return r.reshape(x, [d for a, d in enumerate(x.shape) if a not in axes])


@read("EXPAND_DIMS")
def expand_dims(r: FlatReader, n: Node, x: Value, axis: Value) -> Value:
    shape = list(x.shape)
    shape.insert(n.axis(r.ints(axis, "the axis")[0], x.rank + 1), 1)
    return r.reshape(x, shape)


@read("SHAPE")
def shape_of(r: FlatReader, n: Node, x: Value) -> Value:
    return r.constant(np.asarray(x.shape, np.int64), 7)


@read("TRANSPOSE")
def transpose(r: FlatReader, n: Node, x: Value, axes: Value) -> Value:
    return r.transpose(x, r.ints(axes, "the order"))


@read("BROADCAST_TO")
def broadcast_to(r: FlatReader, n: Node, x: Value, shape: Value) -> Value:
    return r.expand(x, r.ints(shape, "the shape"))


@read("TILE")
def tile(r: FlatReader, n: Node, x: Value, times: Value) -> Value:
    y: Value = r("Tile", x, reps=r.ints(times, "the numbers of copies"))
    return y


@read("CONCATENATION")
def concatenation(r: FlatReader, n: Node, *xs: Value) -> Value:
    return r.join(xs, n.axis(n.option("Axis"), xs[0].rank))


@read("PACK")
def pack(r: FlatReader, n: Node, *xs: Value) -> Value:
    axis = n.axis(n.option("Axis"), xs[0].rank + 1)
    shape = [*xs[0].shape[:axis], 1, *xs[0].shape[axis:]]
    return r.join([r.reshape(x, shape) for x in xs], axis)


@read("UNPACK")
def unpack(r: FlatReader, n: Node, x: Value) -> list[Value]:
    axis = n.axis(n.option("Axis"), x.rank)
    if x.shape[axis] != len(n.results):
        raise Unsupported(f"it has {len(n.results)} results of {x.shape[axis]} elements")
    rest = [d for a, d in enumerate(x.shape) if a != axis]
    return [r.reshape(r.cut(x, {axis: (i, i + 1, 1)}), rest) for i in range(x.shape[axis])]


def _parted(r: FlatReader, n: Node, x: Value, axis: int, sizes: Sequence[int]) -> list[Value]:
    if len(sizes) != len(n.results) or min(sizes, default=0) < 0 or sum(sizes) != x.shape[axis]:
        raise Unsupported(f"parts of {list(sizes)[:9]} do not fit to an axis of {x.shape[axis]}")
    ends = np.cumsum(sizes).tolist()
    return [r.cut(x, {axis: (end - size, end, 1)}) for size, end in zip(sizes, ends, strict=True)]


@read("SPLIT")
def split(r: FlatReader, n: Node, axis: Value, x: Value) -> list[Value]:
    place, count = n.axis(r.ints(axis, "the axis")[0], x.rank), len(n.results)
    if not count or x.shape[place] % count:
        raise Unsupported(f"an axis of {x.shape[place]} has no {count} equal parts")
    return _parted(r, n, x, place, [x.shape[place] // count] * count)


@read("SPLIT_V")
def split_v(r: FlatReader, n: Node, x: Value, sizes: Value, axis: Value) -> list[Value]:
    place, lengths = n.axis(r.ints(axis, "the axis")[0], x.rank), r.ints(sizes, "the sizes")
    if lengths.count(-1) == 1:
        lengths[lengths.index(-1)] = x.shape[place] - sum(lengths) - 1
    return _parted(r, n, x, place, lengths)


@read("SLICE")
def slice_(r: FlatReader, n: Node, x: Value, begin: Value, size: Value) -> Value:
    cuts: dict[int, tuple[int, int | None, int]] = {}
    starts, lengths = r.ints(begin, "where it begins"), r.ints(size, "the size")
    for a, (first, length, d) in enumerate(zip(starts, lengths, x.shape, strict=True)):
        end = d if length == -1 else first + length
        if not 0 <= first <= end <= d:
            raise Unsupported(f"elements {first} to {end} are not within an axis of {d}")
        cuts[a] = (first, end, 1)
    return r.cut(x, cuts)


@read("STRIDED_SLICE")
def strided_slice(r: FlatReader, n: Node, x: Value, begin: Value, end: Value, strides: Value) -> Value:
    if n.option("EllipsisMask") or n.option("NewAxisMask") or n.option("Offset"):
        raise Unsupported("ellipsis, new axes and offsets are not read")
    cuts: dict[int, tuple[int, int | None, int]] = {}
    rows = [r.ints(v, "the bounds") for v in (begin, end, strides)]
    gone = []
    for a, (first, stop, step) in enumerate(zip(*rows, strict=True)):
        if a >= x.rank or not step:
            raise Unsupported("its bounds do not fit")
        if n.option("ShrinkAxisMask") >> a & 1:
            first = n.axis(first, x.shape[a])
            cuts[a] = (first, first + 1, 1)
            gone.append(a)
            continue
        part = slice(None if n.option("BeginMask") >> a & 1 else first, None if n.option("EndMask") >> a & 1 else stop,
                     step)  # fmt: skip
        begins, ends, steps = part.indices(x.shape[a])
        cuts[a] = (begins, None if ends < 0 else ends, steps)
    y = r.cut(x, cuts)
    return r.reshape(y, [d for a, d in enumerate(y.shape) if a not in gone]) if gone else y


@read("REVERSE_V2")
def reverse(r: FlatReader, n: Node, x: Value, axes: Value) -> Value:
    y: Value = r("Flip", x, axes=n.axes(r.ints(axes, "the axes"), x.rank))
    return y


@read("PAD", "PADV2")
def pad(r: FlatReader, n: Node, x: Value, widths: Value, value: Value | None = None) -> Value:
    table = _widths(r, x, widths)
    number = 0.0 if value is None else float(r.known(value, "the value").ravel()[0])
    return r.pad(x, [a for a, _ in table], [b for _, b in table], number)


def _widths(r: FlatReader, x: Value, widths: Value) -> list[list[int]]:
    table = r.known(widths, "the widths")
    if table.shape != (x.rank, 2) or (table < 0).any():
        raise Unsupported(f"widths of shape {table.shape} do not fit to {x.rank} axes")
    return [[int(v) for v in row] for row in table]


@read("MIRROR_PAD")
def mirror_pad(r: FlatReader, n: Node, x: Value, widths: Value) -> Value:
    mode = n.option("Mode")
    for axis, (before, after) in enumerate(_widths(r, x, widths)):
        if not before + after:
            continue
        if max(before, after) > x.shape[axis] - (mode == 0) or not r.budget.allows(x.shape[axis] + before + after):
            raise Unsupported(f"a border of {before} and {after} does not fit to an axis of {x.shape[axis]}")
        places = np.pad(np.arange(x.shape[axis]), (before, after), mode="symmetric" if mode else "reflect")
        x = r("Gather", x, r.constant(places, 7), axis=axis)
    return x


# ---- along axes --------------------------------------------------------------------------------------------


@read(*_REDUCE)
def reduce(r: FlatReader, n: Node, x: Value, axes: Value) -> Value:
    return r.reduce(_REDUCE[n.code], x, n.axes(r.ints(axes, "the axes"), x.rank), bool(n.option("KeepDims")))


@read("ARG_MAX", "ARG_MIN")
def arg_max(r: FlatReader, n: Node, x: Value, axis: Value) -> Value:
    place = n.axis(r.ints(axis, "the axis")[0], x.rank)
    y: Value = r("Max" if n.code == "ARG_MAX" else "Min", x, axes=[place], keep_dims=False, only_index=True)
    return y.typed(7)


@read("CUMSUM")
def cumsum(r: FlatReader, n: Node, x: Value, axis: Value) -> Value:
    place = n.axis(r.ints(axis, "the axis")[0], x.rank)
    y: Value = r("CumSum", x, axis=place, exclusive=bool(n.option("Exclusive")), reverse=bool(n.option("Reverse")))
    return y


@read("GATHER")
def gather(r: FlatReader, n: Node, x: Value, indices: Value) -> Value:
    axis, count = n.axis(n.option("Axis"), x.rank), n.option("BatchDims")
    y: Value = r("Gather", x, indices, axis=axis, batch_dims=count)
    return y.typed(x.dtype)


@read("GATHER_ND")
def gather_nd(r: FlatReader, n: Node, x: Value, indices: Value) -> Value:
    if indices.rank < 2:
        raise Unsupported("its indices must have two axes at least")
    places = r.transpose(indices, [indices.rank - 1, *range(indices.rank - 1)])
    y: Value = r("GatherNd", x, places)
    return y.typed(x.dtype)


@read("ONE_HOT")
def one_hot(r: FlatReader, n: Node, indices: Value, depth: Value, on: Value, off: Value) -> Value:
    length = r.ints(depth, "the depth")[0]
    values = [float(r.known(v, "the values").ravel()[0]) for v in (off, on)]
    if length < 1:
        raise Unsupported(f"its depth is {length}")
    y: Value = r("OneHot", r.reshape(indices, [*indices.shape, 1]), shape=[length])
    if values != [0.0, 1.0]:
        y = r.add(r.mul(y, values[1] - values[0]), values[0])
    axis = n.option("Axis")
    order = [*range(y.rank - 1)]
    order.insert(n.axis(axis, y.rank), y.rank - 1)
    return r.transpose(y.typed(on.dtype), order)


@read("TOPK_V2")
def top_k(r: FlatReader, n: Node, x: Value, k: Value) -> list[Value]:
    count = r.ints(k, "k")[0]
    if not x.rank or not 0 < count <= x.shape[-1]:
        raise Unsupported(f"k is {count}, and shape {x.shape}")
    y, places = r("TopKData", x, outputs=2, k=count, base_axis=x.rank - 1, largest=True, with_index=True)
    return [y, places.typed(6)]


def activated(r: FlatReader, x: Value, number: int) -> Value:
    """`x` with the activation that is part of an operator.

    Raises:
        Unsupported: there is none of this number.
    """
    if number == 0:
        return x
    if number == 2:
        return r.each(lambda v: r.clip(v, -1.0, 1.0), x)
    names = {1: "ReLU", 3: "ReLU6", 4: "Tanh"}
    if number not in names:
        raise Unsupported(f"activation number {number} is not read")
    return r.each(lambda v: r(names[number], v), x)
