"""Operators that put the elements along axes together."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto, helper

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from .registry import Node, axes_of, read

_PLAIN = {"ReduceSum": "Sum", "ReduceMean": "Mean", "ReduceMax": "Max", "ReduceMin": "Min", "ReduceProd": "Prod"}
# Of no elements.
_EMPTY = {
    "ReduceSum": 0.0,
    "ReduceProd": 1.0,
    "ReduceMax": -math.inf,
    "ReduceMin": math.inf,
    "ReduceL1": 0.0,
    "ReduceL2": 0.0,
    "ReduceSumSquare": 0.0,
    "ReduceLogSum": -math.inf,
    "ReduceLogSumExp": -math.inf,
    "ReduceMean": math.nan,
}


@read(*_EMPTY)
def reduce(r: GraphReader, n: Node, x: Value, axes: Value | None = None) -> Value:
    given = n.attr("axes") if axes is None else r.ints(axes, "axes")
    chosen = axes_of(given if given else range(x.rank), x.rank)
    if not given and n.attr("noop_with_empty_axes"):
        chosen = []
    keep = bool(n.attr("keepdims"))
    if not math.prod([x.shape[a] for a in chosen]):
        shape = [1 if a in chosen else d for a, d in enumerate(x.shape) if keep or a not in chosen]
        if not r.budget.allows(math.prod(shape)):
            raise Unsupported("its result is too large")
        return r.constant(np.full(shape, _of_none(n.op_type, x), np.float32), x.dtype)
    return _reduced(r, n.op_type, x, chosen, keep).typed(x.dtype)


def _of_none(op: str, x: Value) -> float:
    """What the operator gives for no elements; the ends of the type of `x` instead of infinity."""
    number = _EMPTY[op]
    if x.is_float or not math.isinf(number):
        return number
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(x.dtype))
    if kind == np.bool_:
        return float(number > 0)
    return float(np.iinfo(kind).max if number > 0 else np.iinfo(kind).min)


def _reduced(r: GraphReader, op: str, x: Value, axes: list[int], keep: bool) -> Value:
    if op in _PLAIN:
        y = r.reduce(_PLAIN[op], x, axes, keep)
        # Integers are divided without remainder.
        return r.truncated(y) if op == "ReduceMean" and not x.is_float and x.dtype != TensorProto.BOOL else y
    if op == "ReduceL1":
        return r.reduce("Sum", r("Abs", x), axes, keep)
    if op == "ReduceL2":
        return r("PowScalar", r.reduce("Sum", r.mul(x, x), axes, keep), val=0.5)
    if op == "ReduceSumSquare":
        return r.reduce("Sum", r.mul(x, x), axes, keep)
    if op == "ReduceLogSum":
        return r("Log", r.reduce("Sum", x, axes, keep))
    # The largest one is taken out, so that nothing overflows; an infinite one would leave no number.
    bound = float(np.finfo(np.float32).max)
    most = r.clip(r.reduce("Max", x, axes), -bound, bound)
    y = r("Log", r.reduce("Sum", r("Exp", r.sub(x, most)), axes, keep))
    if not keep and axes:
        most = r.reshape(most, y.shape)
    return r.add(y, most)
