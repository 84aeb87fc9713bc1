"""Sums, means, extrema, norms and running sums along axes."""

from __future__ import annotations

import math

import numpy as np

from ...obstacles import Unsupported
from ..graph_writer import GraphWriter
from .registry import Call, export

REDUCE = {"Sum": "ReduceSum", "Mean": "ReduceMean", "Prod": "ReduceProd"}


@export(*REDUCE)
def reduce(g: GraphWriter, f: Call, x: str) -> str:
    return g.reduce(REDUCE[f.declaration.type_name], x, f._axes, f.keep_dims)


@export("ReduceSum", "ReduceMean")
def reduce_all(g: GraphWriter, f: Call, x: str) -> str:
    return g.reduce(f.declaration.type_name, x, range(g.rank(x)), False)


@export("Max", "Min")
def extremum(g: GraphWriter, f: Call, x: str) -> str | list[str]:
    name = f.declaration.type_name
    values = g.reduce(f"Reduce{name}", x, f._axes, f.keep_dims)
    if not (f.with_index or f.only_index):
        return values
    axes, shape = sorted(f._axes), g.shape(x)
    if len(axes) == 1:
        places = g(f"Arg{name}", x, axis=axes[0], keepdims=int(f.keep_dims))
    else:
        # Counted over the axes given, in their order, at the end and taken together.
        rest = [a for a in range(len(shape)) if a not in axes]
        flat = g.transpose(x, [*rest, *axes])
        reduced = [shape[a] for a in axes]
        if any(d < 0 for d in reduced):
            raise Unsupported("with an open batch size, an index over the batch and other axes is not known")
        flat = g.reshape(flat, [*[shape[a] for a in rest], math.prod(reduced)])
        places = g(f"Arg{name}", flat, axis=len(rest), keepdims=0)
        if f.keep_dims:
            places = g.unsqueeze(places, axes)
    index = g.cast(places, 1)
    return index if f.only_index else [values, index]


@export("Norm")
def norm(g: GraphWriter, f: Call, x: str) -> str:
    return norm_of(g, x, f.p, f._axes, f.keep_dims)


def norm_of(g: GraphWriter, x: str, p: float, axes: tuple[int, ...], keep_dims: bool) -> str:
    """The norm of order `p` along axes."""
    if not axes:
        return str(g("Abs", x))
    if p == 1:
        return g.reduce("ReduceL1", x, axes, keep_dims)
    if p == 2:
        return g.reduce("ReduceL2", x, axes, keep_dims)
    size = g("Abs", x)
    if math.isinf(p):
        return g.reduce("ReduceMax", size, axes, keep_dims)
    powers = g.reduce("ReduceSum", g("Pow", size, g.constant(p)), axes, keep_dims)
    return str(g("Pow", powers, g.constant(1 / p)))


# The operator set that has a running sum or product, and what changes neither.
_CUMULATE = {"CumSum": (11, "ReduceSum", 0.0), "CumProd": (26, "ReduceProd", 1.0)}
# Longest axis of a running sum or product that is written as one for each element.
_LONGEST = 1024


@export("CumSum", "CumProd")
def cumulate(g: GraphWriter, f: Call, x: str) -> str:
    name, axis, rank = f.declaration.type_name, f._axis, g.rank(x)
    first, reduction, neutral = _CUMULATE[name]
    if g.opset >= first:
        return str(g(name, x, g.constant(axis, np.int64), exclusive=int(f.exclusive), reverse=int(f.reverse)))
    length = g.shape(x)[axis]
    if length == 0:
        return x
    if not 0 < length <= _LONGEST:
        raise Unsupported(f"over an axis longer than {_LONGEST}, or open, {name} is there from opset {first} on")
    counted = np.tril(np.ones((length, length), np.bool_), -1 if f.exclusive else 0)
    counted = counted[::-1, ::-1] if f.reverse else counted
    each = [length if a in (axis, axis + 1) else 1 for a in range(rank + 1)]
    terms = g("Where", g.constant(counted.reshape(each), np.bool_), g.unsqueeze(x, [axis]), g.constant(neutral))
    return g.reduce(reduction, terms, [axis + 1], False)
