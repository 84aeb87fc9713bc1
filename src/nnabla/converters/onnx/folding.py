"""What nodes compute whose inputs are all known: with NumPy, in the types of ONNX, so that shapes come out exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from ..obstacles import Unsupported
from ..reading.graph_reader import Budget, Value, common_shape
from .import_rules.registry import Node, axes_of, axis_of

Folded = Any
Fold = Callable[..., Folded]

FOLDS: dict[str, Fold] = {}

_NARROW = ("FLOAT8", "FLOAT4", "INT4", "INT2", "STRING", "COMPLEX", "UNDEFINED")


class _TooLarge(Exception):
    """It is left to a function of the network."""


def fold(op: Node, inputs: list[Value | None], budget: Budget) -> list[tuple[np.ndarray, int]] | None:
    """The outputs of a node with their types; ``None`` where it is left to a function of the network.

    Raises:
        Unsupported: its inputs do not fit.
    """
    rule = FOLDS.get(op.op_type)
    arrays = [None if x is None else x.array for x in inputs]
    if rule is None or any(x is not None and a is None for x, a in zip(inputs, arrays, strict=True)):
        return None
    try:
        with np.errstate(all="ignore"):
            found = rule(_Task(op, inputs, budget), *arrays)
    except _TooLarge:
        return None
    dtype = next((x.dtype for x in inputs if x is not None), TensorProto.FLOAT)
    results = found if isinstance(found, list) else [found]
    return [(np.asarray(a), _number(np.asarray(a).dtype, dtype)) for a in results]


def _number(dtype: np.dtype[Any], like: int) -> int:
    """The number in ONNX of a type of NumPy."""
    return int(helper.np_dtype_to_tensor_dtype(dtype)) if dtype != np.object_ else like


class _Task:
    """A node to fold, and what its results may take."""

    def __init__(self, op: Node, inputs: list[Value | None], budget: Budget) -> None:
        self.op, self.inputs, self._budget = op, inputs, budget

    def reserve(self, shape: tuple[int, ...]) -> None:
        """Count an array of this shape."""
        if any(d < 0 for d in shape):
            raise Unsupported(f"an array cannot have shape {shape}")
        if len(shape) > 64:
            raise Unsupported(f"an array cannot have {len(shape)} axes")
        if not self._budget.allows(math.prod(shape)):
            raise _TooLarge

    def reserve_common(self, *arrays: np.ndarray) -> None:
        """Count the array that these broadcast to."""
        self.reserve(common_shape(*[a.shape for a in arrays]))


def _fold(*names: str) -> Callable[[Fold], Fold]:
    def enter(rule: Fold) -> Fold:
        FOLDS.update(dict.fromkeys(names, rule))
        return rule

    return enter


# ---- element by element ------------------------------------------------------------------------------------

_OF_ONE: dict[str, Callable[[np.ndarray], Any]] = {
    "Abs": np.abs,
    "Neg": np.negative,
    "Ceil": np.ceil,
    "Floor": np.floor,
    "Round": np.rint,
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Sign": np.sign,
    "Sin": np.sin,
    "Cos": np.cos,
    "Tanh": np.tanh,
    "IsNaN": np.isnan,
    "Not": np.logical_not,
    "BitwiseNot": np.invert,
    "Reciprocal": np.reciprocal,
}
_OF_TWO: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "Equal": np.equal,
    "Less": np.less,
    "Greater": np.greater,
    "LessOrEqual": np.less_equal,
    "GreaterOrEqual": np.greater_equal,
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
}


@_fold(*_OF_ONE)
def _of_one(task: _Task, x: np.ndarray) -> Folded:
    task.reserve(x.shape)
    return np.asarray(_OF_ONE[task.op.op_type](x))


@_fold(*_OF_TWO)
def _of_two(task: _Task, a: np.ndarray, b: np.ndarray) -> Folded:
    if task.op.opset < 7 and task.op.attr("broadcast"):
        raise _TooLarge
    task.reserve_common(a, b)
    return np.asarray(_OF_TWO[task.op.op_type](a, b))


@_fold("Div")
def _div(task: _Task, a: np.ndarray, b: np.ndarray) -> Folded:
    if task.op.opset < 7 and task.op.attr("broadcast"):
        raise _TooLarge
    task.reserve_common(a, b)
    if a.dtype.kind in "iu":
        _nonzero(b)
        # Towards zero.
        return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)
    return np.divide(a, b)


@_fold("Mod")
def _mod(task: _Task, a: np.ndarray, b: np.ndarray) -> Folded:
    task.reserve_common(a, b)
    if a.dtype.kind in "iu":
        _nonzero(b)
    return np.fmod(a, b) if task.op.attr("fmod") else np.mod(a, b)


def _nonzero(divisor: np.ndarray) -> None:
    if (divisor == 0).any():
        raise Unsupported("an integer is divided by 0")


@_fold("Pow")
def _pow(task: _Task, a: np.ndarray, b: np.ndarray) -> Folded:
    if task.op.opset < 7 and task.op.attr("broadcast"):
        raise _TooLarge
    task.reserve_common(a, b)
    if a.dtype.kind in "iu" and (b.dtype.kind not in "iu" or (b < 0).any()):
        return np.power(a.astype(np.float64), b).astype(a.dtype)
    return np.power(a, b).astype(a.dtype)


@_fold("Min", "Max")
def _extremum(task: _Task, *xs: np.ndarray) -> Folded:
    task.reserve_common(*xs)
    choose = np.minimum if task.op.op_type == "Min" else np.maximum
    y = xs[0]
    for x in xs[1:]:
        y = choose(y, x)
    return y


@_fold("Where")
def _where(task: _Task, condition: np.ndarray, a: np.ndarray, b: np.ndarray) -> Folded:
    task.reserve_common(condition, a, b)
    return np.where(condition, a, b)


@_fold("Cast", "CastLike")
def _cast(task: _Task, x: np.ndarray, like: np.ndarray | None = None) -> Folded:
    to = task.op.attr("to") if like is None else task.inputs[1].dtype  # type: ignore[union-attr]
    if to not in TensorProto.DataType.values() or any(word in TensorProto.DataType.Name(to) for word in _NARROW):
        raise _TooLarge
    task.reserve(x.shape)
    return x.astype(helper.tensor_dtype_to_np_dtype(to))


# ---- shapes ------------------------------------------------------------------------------------------------


@_fold("Concat")
def _concat(task: _Task, *xs: np.ndarray) -> Folded:
    axis = axis_of(1 if task.op.attr("axis") is None else task.op.attr("axis"), xs[0].ndim)
    rests = {x.shape[:axis] + x.shape[axis + 1 :] for x in xs if x.ndim == xs[0].ndim}
    if len(rests) != 1 or any(x.ndim != xs[0].ndim for x in xs) or not xs[0].ndim:
        raise Unsupported(f"shapes {', '.join(str(x.shape) for x in xs[:9])} do not fit together")
    task.reserve((sum(x.size for x in xs),))
    return np.concatenate(xs, axis)


@_fold("Gather")
def _gather(task: _Task, x: np.ndarray, indices: np.ndarray) -> Folded:
    axis = axis_of(task.op.attr("axis"), x.ndim)
    if not x.ndim:
        raise Unsupported("there is nothing to choose from")
    task.reserve(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])
    length = x.shape[axis]
    if indices.size and not -length <= int(indices.min()) <= int(indices.max()) < length:
        raise Unsupported(f"an index is out of range for an axis of length {length}")
    return np.take(x, indices, axis)


@_fold("Expand")
def _expand(task: _Task, x: np.ndarray, shape: np.ndarray) -> Folded:
    lengths = tuple([int(d) for d in shape.ravel()])
    task.reserve(lengths)
    # As a view, several lengths of which would be one.
    return np.array(np.broadcast_to(x, common_shape(x.shape, lengths)))


@_fold("Tile")
def _tile(task: _Task, x: np.ndarray, repeats: np.ndarray, axis: np.ndarray | None = None) -> Folded:
    if task.op.opset < 6:
        raise _TooLarge
    counts = [int(n) for n in repeats.ravel()]
    if len(counts) != x.ndim or min(counts, default=0) < 0:
        raise Unsupported(f"repeats {counts[:64]} do not fit to {x.ndim} axes")
    task.reserve(tuple([n * d for n, d in zip(counts, x.shape, strict=True)]))
    return np.tile(x, counts)


@_fold("ConstantOfShape")
def _constant_of_shape(task: _Task, shape: np.ndarray) -> Folded:
    lengths = tuple([int(d) for d in shape.ravel()])
    task.reserve(lengths)
    fill = task.op.attr("value")
    if fill is None:
        return np.zeros(lengths, np.float32)
    if fill.size != 1:
        raise Unsupported("its value must have one element")
    return np.full(lengths, fill.ravel()[0], fill.dtype)


@_fold("Range")
def _range(task: _Task, start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> Folded:
    if not start.size == limit.size == delta.size == 1:
        raise Unsupported("start, limit and delta must have one element each")
    first, last, step = (v.ravel()[0].item() for v in (start, limit, delta))
    length = (last - first) / step if step else math.nan
    if not math.isfinite(length):
        raise Unsupported(f"there is no range from {first} to {last} by {step}")
    count = max(math.ceil(length), 0)
    task.reserve((count,))
    return (first + np.arange(count) * step).astype(start.dtype)


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum,
    "ReduceProd": np.prod,
    "ReduceMin": np.min,
    "ReduceMax": np.max,
}


@_fold(*_REDUCTIONS)
def _reduce(task: _Task, x: np.ndarray, axes: np.ndarray | None = None) -> Folded:
    given = task.op.attr("axes") if axes is None else [int(a) for a in axes.ravel()]
    if not given and task.op.attr("noop_with_empty_axes"):
        return x
    chosen = axes_of(given or range(x.ndim), x.ndim)
    task.reserve(x.shape)
    if task.op.op_type in ("ReduceMin", "ReduceMax") and not math.prod([x.shape[a] for a in chosen]):
        raise _TooLarge
    keep = bool(task.op.attr("keepdims"))
    return np.asarray(_REDUCTIONS[task.op.op_type](x, axis=tuple(chosen), keepdims=keep)).astype(x.dtype)


@_fold("NonZero")
def _positions(task: _Task, x: np.ndarray) -> Folded:
    task.reserve((*x.shape, max(x.ndim, 1)))
    return np.stack(np.nonzero(np.atleast_1d(x))).astype(np.int64)


@_fold("Trilu")
def _trilu(task: _Task, x: np.ndarray, k: np.ndarray | None = None) -> Folded:
    task.reserve(x.shape)
    if x.ndim < 2:
        raise Unsupported("it takes at least two axes")
    offset = 0 if k is None else min(max(int(k.ravel()[0]), -(2**31)), 2**31)
    return np.triu(x, offset) if task.op.attr("upper") else np.tril(x, offset)


@_fold("CumSum")
def _cumsum(task: _Task, x: np.ndarray, axis: np.ndarray) -> Folded:
    if task.op.attr("exclusive") or task.op.attr("reverse"):
        raise _TooLarge
    task.reserve(x.shape)
    return np.cumsum(x, axis_of(int(axis.ravel()[0]), x.ndim), dtype=x.dtype)


@_fold("DequantizeLinear")
def _dequantize(task: _Task, x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> Folded:
    if task.op.attr("block_size"):
        raise _TooLarge
    task.reserve(x.shape)
    if scale.size != 1:
        axis = axis_of(task.op.attr("axis"), x.ndim)
        shape = [1] * x.ndim
        shape[axis] = x.shape[axis]
        if scale.size != x.shape[axis] or (zero is not None and zero.size != scale.size):
            raise Unsupported(f"scale and zero point do not fit to {x.shape[axis]} elements of axis {axis}")
    else:
        shape = []
        if zero is not None and zero.size != 1:
            raise Unsupported("scale and zero point do not fit together")
    whole = x.astype(np.float32)
    if zero is not None:
        whole = whole - zero.astype(np.float32).reshape(shape)
    return (whole * scale.astype(np.float32).reshape(shape)).astype(scale.dtype)
