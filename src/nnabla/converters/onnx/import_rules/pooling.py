"""Poolings."""

from __future__ import annotations

import math

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from ...reading.pooling import largest, means, sums
from .registry import Node, read, windows_of


@read("MaxPool")
def max_pool(r: GraphReader, n: Node, x: Value) -> Value:
    n.refuse_outputs(1)
    return largest(r, x, windows_of(n, x, n.attr("kernel_shape")))


@read("AveragePool")
def average_pool(r: GraphReader, n: Node, x: Value) -> Value:
    return means(r, x, windows_of(n, x, n.attr("kernel_shape")), bool(n.attr("count_include_pad")))


@read("LpPool")
def lp_pool(r: GraphReader, n: Node, x: Value) -> Value:
    p = float(n.attr("p"))
    if not p:
        raise Unsupported("p must not be 0")
    w = windows_of(n, x, n.attr("kernel_shape"))
    return r("PowScalar", sums(r, _power(r, x, p), w), val=1 / p)


def _power(r: GraphReader, x: Value, p: float) -> Value:
    size = r("Abs", x)
    y: Value = size if p == 1 else r("PowScalar", size, val=p)
    return y


@read("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(r: GraphReader, n: Node, x: Value) -> Value:
    axes = list(range(2, x.rank))
    if not axes:
        raise Unsupported(f"it takes at least 3 axes, not {x.rank}")
    if n.op_type == "GlobalAveragePool":
        y: Value = r("GlobalAveragePooling", x) if x.rank == 4 else r.reduce("Mean", x, axes)
        return y
    if n.op_type == "GlobalMaxPool":
        return r.reduce("Max", x, axes)
    p = float(n.attr("p"))
    return r("PowScalar", r.reduce("Sum", _power(r, x, p), axes), val=1 / p)


@read("LRN")
def lrn(r: GraphReader, n: Node, x: Value) -> Value:
    size = n.attr("size")
    if x.rank < 2 or size < 1:
        raise Unsupported(f"size {size} and {x.rank} axes do not fit")
    squares = r.mul(x, x)
    before = [0] * x.rank
    after = [0] * x.rank
    before[1], after[1] = (size - 1) // 2, size - 1 - (size - 1) // 2
    padded = r.pad(squares, before, after)
    flat = r.reshape(padded, [x.shape[0], 1, padded.shape[1], math.prod(x.shape[2:])])
    sums = r("SumPooling", flat, kernel=[size, 1], stride=[1, 1], ignore_border=True, pad=[0, 0])
    base = r.add(r.mul(r.reshape(sums, x.shape), n.attr("alpha") / size), n.attr("bias"))
    return r.div(x, r("PowScalar", base, val=n.attr("beta")))
