"""Functions along axes in TFLite: extrema, norms, running sums, indices, normalizations, losses over classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..nnb.runtime_network import Unsupported
from .flat_graph import FlatGraph, Shape
from .rules import own

_REDUCE = {"Max": "REDUCE_MAX", "Min": "REDUCE_MIN", "Prod": "REDUCE_PROD", "ReduceSum": "SUM", "ReduceMean": "MEAN"}
_SMALLEST = float(np.finfo(np.float32).tiny)


@own("Max", "Min")
def extremum(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int | list[int]:
    axes, shape = sorted(f._axes), g.shape(x)
    values = g.sum(x, axes, bool(f.keep_dims), _REDUCE[f.type]) if axes else x
    if not (f.with_index or f.only_index):
        return values
    # Counted over the axes given, in their order, at the end and taken together.
    rest = [a for a in range(len(shape)) if a not in axes]
    flat = g.reshape(g.transpose(x, [*rest, *axes]), [*[shape[a] for a in rest], math.prod([shape[a] for a in axes])])
    code = "ARG_MAX" if f.type == "Max" else "ARG_MIN"
    given = [flat, g.constant(np.int32(len(rest)), np.int32)]
    places = g.op(code, given, [shape[a] for a in rest], f"Arg{f.type}Options", np.int32, OutputType=2)
    index = g.reshape(g.cast(places, np.float32), shapes[-1])
    return index if f.only_index else [values, index]


@own("Prod")
def prod(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.sum(x, sorted(f._axes), bool(f.keep_dims), "REDUCE_PROD") if f._axes else x


@own("ReduceSum", "ReduceMean")
def reduce_all(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return g.sum(x, range(g.rank(x)), False, _REDUCE[f.type]) if g.rank(x) else x


def _norm(g: FlatGraph, x: int, p: float, axes: Sequence[int], keep: bool) -> int:
    size = g.each("ABS", x, "AbsOptions")
    if not axes or p == 1:
        return g.sum(size, axes, keep) if axes else size
    if p == 2:
        return g.each("SQRT", g.sum(g.both("MUL", x, x), axes, keep))
    if math.isinf(p):
        return g.sum(size, axes, keep, "REDUCE_MAX")
    return g.scalar("POW", g.sum(g.scalar("POW", size, p), axes, keep), 1 / p)


@own("Norm")
def norm(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return _norm(g, x, f.p, sorted(f._axes), bool(f.keep_dims))


@own("NormNormalization")
def norm_normalization(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    size = _norm(g, x, f.p, sorted(f._axes), True)
    one, zero = g.constant(np.float32(1)), g.constant(np.float32(0))
    positive = g.compare("GREATER", size, 0.0)
    return g.both("MUL", x, g.where(positive, g.both("DIV", one, g.where(positive, size, one)), zero))


@own("CumSum")
def cumsum(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    axis = g.constant(np.int32(f._axis), np.int32)
    options = {"Exclusive": bool(f.exclusive), "Reverse": bool(f.reverse)}
    return g.op("CUMSUM", [x, axis], shapes[0], "CumsumOptions", **options)


@own("LogSoftmax")
def log_softmax(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    return _log_softmax(g, x, f._axis)


def _log_softmax(g: FlatGraph, x: int, axis: int) -> int:
    order = [a for a in range(g.rank(x)) if a != axis] + [axis]
    y = g.each("LOG_SOFTMAX", g.transpose(x, order), "LogSoftmaxOptions")
    return g.transpose(y, np.argsort(order).tolist())


@own("Sort", "TopKData")
def sort(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int | list[int]:
    shape = g.shape(x)
    if f.type == "Sort":
        order = [a for a in range(len(shape)) if a != f._axis] + [f._axis]
        back = np.argsort(order).tolist()
        values, places = _largest(g, g.transpose(x, order), shape[f._axis], bool(f.reverse))
        index = g.transpose(g.cast(places, np.float32), back)
        if f.only_index:
            return index
        values = g.transpose(values, back)
        return [values, index] if f.with_index else values
    if f.abs or not f.reduce:
        raise Unsupported("only the largest or smallest numbers themselves can be had")
    count, size = f._rows
    values, places = _largest(g, g.reshape(x, [count, size]), f.k, bool(f.largest))
    values = g.reshape(values, shapes[0])
    return [values, g.reshape(g.cast(places, np.float32), shapes[1])] if f.with_index else values


def _largest(g: FlatGraph, x: int, k: int, largest: bool) -> tuple[int, int]:
    """The largest or smallest numbers along the last axis, and where they stand."""
    source = x if largest else g.scalar("MUL", x, -1.0)
    shape = [*g.shape(x)[:-1], k]
    values, places = g.ops("TOPK_V2", [source, g.constant(np.int32(k), np.int32)], [shape, shape],
                           [np.float32, np.int32], "TopKV2Options")  # fmt: skip
    return (values if largest else g.scalar("MUL", values, -1.0)), places


# ---- indices -----------------------------------------------------------------------------------------------


def _index(g: FlatGraph, x: int) -> int:
    return g.cast(x, np.int32)


@own("Embed")
def embed(g: FlatGraph, f: Any, shapes: list[Shape], x: int, weight: int) -> int:
    return g.op("GATHER", [weight, _index(g, x)], shapes[0], "GatherOptions", Axis=0)


@own("Gather")
def gather(g: FlatGraph, f: Any, shapes: list[Shape], x: int, indices: int) -> int:
    options = {"Axis": int(f._axis), "BatchDims": int(f.batch_dims)}
    return g.op("GATHER", [x, _index(g, indices)], shapes[0], "GatherOptions", **options)


def _from_start(g: FlatGraph, x: int, lengths: Sequence[int]) -> int:
    """Places, of which negative ones count from the end; the last axis has one for each length."""
    row = g.constant(np.asarray(lengths, np.float32))
    return g.where(g.compare("LESS", x, 0.0), g.both("ADD", x, row), x)


@own("GatherNd")
def gather_nd(g: FlatGraph, f: Any, shapes: list[Shape], x: int, indices: int) -> int:
    # The axis that counts the axes of x is the first here and the last in TFLite.
    count = g.shape(indices)[0]
    places = g.transpose(indices, [*range(1, g.rank(indices)), 0])
    given = [x, _index(g, _from_start(g, places, g.shape(x)[:count]))]
    return g.op("GATHER_ND", given, shapes[0], "GatherNdOptions")


@own("OneHot")
def one_hot(g: FlatGraph, f: Any, shapes: list[Shape], x: int) -> int:
    lengths, shape = list(f.shape), g.shape(x)
    places = _from_start(g, x, lengths)
    y = None
    for i, length in enumerate(lengths):
        bounds = [[0] * len(shape), list(shape)]
        bounds[0][-1], bounds[1][-1] = i, i + 1
        wide = [*shape[:-1], *[length if j == i else 1 for j in range(len(lengths))]]
        column = _index(g, g.reshape(g.slice(places, *bounds), shape[:-1]))
        given = [column, g.constant(np.int32(length), np.int32), g.constant(np.float32(1)), g.constant(np.float32(0))]
        part = g.reshape(g.op("ONE_HOT", given, [*shape[:-1], length], "OneHotOptions", Axis=-1), wide)
        y = part if y is None else g.both("MUL", y, part)
    if y is None:
        raise Unsupported("it needs an axis")
    return y


# ---- normalizations ----------------------------------------------------------------------------------------


def _normalized(
    g: FlatGraph, f: Any, x: int, axes: Sequence[int], gamma: int | None, beta: int | None
) -> int | list[int]:
    mean = g.sum(x, axes, True, "MEAN") if axes else x
    rest = g.both("SUB", x, mean)
    square = g.both("MUL", rest, rest)
    variance = g.sum(square, axes, True, "MEAN") if axes else square
    y = g.both("DIV", rest, g.each("SQRT", g.scalar("ADD", variance, f.eps)))
    y = y if gamma is None else g.both("MUL", y, gamma)
    y = y if beta is None else g.both("ADD", y, beta)
    return [y, mean, variance] if f.n_outputs == 3 else y


def _others(rank: int, axes: Sequence[int]) -> list[int]:
    kept = {a % rank for a in axes}
    return [a for a in range(rank) if a not in kept]


@own("LayerNormalization", "InstanceNormalization", "TensorNormalization", "WeightStandardization")
def normalization(
    g: FlatGraph, f: Any, shapes: list[Shape], x: int, beta: int | None = None, gamma: int | None = None
) -> int | list[int]:
    kept = {
        "LayerNormalization": lambda: f.batch_axis,
        "InstanceNormalization": lambda: [*f.batch_axis, f.channel_axis],
        "TensorNormalization": lambda: f.axes,
        "WeightStandardization": lambda: [f.channel_axis],
    }[f.type]()
    return _normalized(g, f, x, _others(g.rank(x), kept), gamma, beta)


@own("GroupNormalization")
def group_normalization(
    g: FlatGraph, f: Any, shapes: list[Shape], x: int, beta: int | None = None, gamma: int | None = None
) -> int | list[int]:
    shape = g.shape(x)
    channel = f.channel_axis % len(shape)
    split = [*shape[:channel], f.num_groups, shape[channel] // f.num_groups, *shape[channel + 1 :]]
    kept = [a if a < channel else a + 1 for a in (b % len(shape) for b in f.batch_axis)] + [channel]
    found = _normalized(g, f, g.reshape(x, split), _others(len(split), kept), None, None)
    y, *others = found if isinstance(found, list) else [found]
    y = g.reshape(y, shape)
    y = y if gamma is None else g.both("MUL", y, gamma)
    y = y if beta is None else g.both("ADD", y, beta)
    return [y, *others] if others else y


# ---- losses ------------------------------------------------------------------------------------------------


def _classes(g: FlatGraph, f: Any, x: int, target: int) -> int:
    """Truth values in the shape of `x`: where the class of the label is. Negative labels have none."""
    shape = g.shape(x)
    wide = [1 if a == f._axis else d for a, d in enumerate(shape)]
    numbers = np.arange(shape[f._axis], dtype=np.float32).reshape(
        [-1 if a == f._axis else 1 for a in range(len(shape))]
    )
    labels = g.cast(_index(g, g.reshape(target, wide)), np.float32)
    return g.compare("EQUAL", labels, g.constant(numbers))


@own("SoftmaxCrossEntropy", "CategoricalCrossEntropy")
def cross_entropy(g: FlatGraph, f: Any, shapes: list[Shape], x: int, target: int) -> int:
    if f.type == "SoftmaxCrossEntropy":
        p = _log_softmax(g, x, f._axis)
    else:
        p = g.each("LOG", g.scalar("MAXIMUM", x, _SMALLEST))
    chosen = g.where(_classes(g, f, x, target), p, g.constant(np.float32(0)))
    return g.reshape(g.scalar("MUL", g.sum(chosen, [f._axis], True), -1.0), shapes[0])


@own("BinaryCrossEntropy")
def binary_cross_entropy(g: FlatGraph, f: Any, shapes: list[Shape], x: int, target: int) -> int:
    one = g.constant(np.float32(1))
    logs = [g.each("LOG", g.scalar("MAXIMUM", v, _SMALLEST)) for v in (x, g.both("SUB", one, x))]
    parts = [g.both("MUL", target, logs[0]), g.both("MUL", g.both("SUB", one, target), logs[1])]
    return g.scalar("MUL", g.both("ADD", *parts), -1.0)


@own("HuberLoss")
def huber_loss(g: FlatGraph, f: Any, shapes: list[Shape], a: int, b: int) -> int:
    size = g.each("ABS", g.both("SUB", a, b), "AbsOptions")
    line = g.scalar("MUL", g.scalar("ADD", g.scalar("MUL", size, 2.0), -f.delta), f.delta)
    return g.where(g.compare("LESS", size, float(f.delta)), g.both("MUL", size, size), line)


@own("EpsilonInsensitiveLoss")
def epsilon_insensitive_loss(g: FlatGraph, f: Any, shapes: list[Shape], a: int, b: int) -> int:
    return g.each("RELU", g.scalar("ADD", g.each("ABS", g.both("SUB", a, b), "AbsOptions"), -f.epsilon))


@own("BinaryError")
def binary_error(g: FlatGraph, f: Any, shapes: list[Shape], x: int, target: int) -> int:
    sides = [g.compare("GREATER_EQUAL", v, 0.5) for v in (x, target)]
    return g.cast(g.op("NOT_EQUAL", sides, shapes[0], "NotEqualOptions", np.bool_), np.float32)
