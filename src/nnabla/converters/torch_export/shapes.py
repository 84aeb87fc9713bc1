"""Operators that put tensors into another shape or order, cut, join, choose, make and reduce them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..obstacles import Unsupported
from ..reading.graph_reader import BOOL, FLOAT, FLOATS, INT64, GraphReader, Value
from .registry import axes_of, axis_of, read, value

KINDS = {
    torch.float32: FLOAT, torch.float64: 11, torch.float16: 10, torch.bfloat16: 16, torch.bool: BOOL,
    torch.int64: INT64, torch.int32: 6, torch.int16: 5, torch.int8: 3, torch.uint8: 2,
}  # fmt: skip


@read("view", "reshape", "_unsafe_view", "view_copy", "_reshape_copy")
def view(r: GraphReader, x: Value, shape: Sequence[int]) -> Any:
    known = math.prod([d for d in shape if d != -1])
    return r.reshape(x, [math.prod(x.shape) // max(known, 1) if d == -1 else d for d in shape])


@read("flatten")
def flatten(r: GraphReader, x: Value, start_dim: int = 0, end_dim: int = -1) -> Any:
    a, b = axis_of(start_dim, x.rank), axis_of(end_dim, x.rank)
    return r.reshape(x, [*x.shape[:a], math.prod(x.shape[a : b + 1]), *x.shape[b + 1 :]])


@read("squeeze", "squeeze_copy")
def squeeze(r: GraphReader, x: Value, dim: Any = None) -> Any:
    axes = [a for a in axes_of(dim, x.rank) if x.shape[a] == 1]
    return r.reshape(x, [d for a, d in enumerate(x.shape) if a not in axes])


@read("unsqueeze", "unsqueeze_copy")
def unsqueeze(r: GraphReader, x: Value, dim: int) -> Any:
    axis = axis_of(dim, x.rank + 1)
    return r.reshape(x, [*x.shape[:axis], 1, *x.shape[axis:]])


@read("permute", "permute_copy")
def permute(r: GraphReader, x: Value, dims: Sequence[int]) -> Any:
    return r.transpose(x, [axis_of(a, x.rank) for a in dims])


@read("transpose", "transpose_copy")
def transpose(r: GraphReader, x: Value, dim0: int, dim1: int) -> Any:
    order = list(range(x.rank))
    a, b = axis_of(dim0, x.rank), axis_of(dim1, x.rank)
    order[a], order[b] = order[b], order[a]
    return r.transpose(x, order)


@read("t", "t_copy")
def t(r: GraphReader, x: Value) -> Any:
    return r.transpose(x, list(range(x.rank))[::-1])


@read("expand", "expand_copy")
def expand(r: GraphReader, x: Value, size: Sequence[int], **kwargs: Any) -> Any:
    wide = (1,) * (len(size) - x.rank) + x.shape
    return r.expand(x, [w if d == -1 else d for w, d in zip(wide, size, strict=True)])


@read("cat")
def cat(r: GraphReader, tensors: Sequence[Value], dim: int = 0) -> Any:
    kept = [x for x in tensors if x.shape != (0,)]
    return kept[0] if len(kept) == 1 else r("Concatenate", *kept, axis=axis_of(dim, kept[0].rank))


@read("stack")
def stack(r: GraphReader, tensors: Sequence[Value], dim: int = 0) -> Any:
    return r("Stack", *tensors, axis=axis_of(dim, tensors[0].rank + 1))


@read("split", "split_with_sizes", "split_with_sizes_copy")
def split(r: GraphReader, x: Value, sizes: Any, dim: int = 0) -> Any:
    axis = axis_of(dim, x.rank)
    length = x.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, length - first) for first in range(0, length, sizes)]
    parts, first = [], 0
    for size in sizes:
        parts.append(r.cut(x, {axis: (first, first + size, 1)}))
        first += size
    return parts


@read("chunk")
def chunk(r: GraphReader, x: Value, chunks: int, dim: int = 0) -> Any:
    return split(r, x, -(-x.shape[axis_of(dim, x.rank)] // chunks), dim)


@read("unbind")
def unbind(r: GraphReader, x: Value, dim: int = 0) -> Any:
    return [select(r, x, dim, i) for i in range(x.shape[axis_of(dim, x.rank)])]


@read("slice", "slice_copy")
def slice_(r: GraphReader, x: Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    axis = axis_of(dim, x.rank)
    first, last, _ = slice(start, end).indices(x.shape[axis])
    return r.cut(x, {axis: (first, max(last, first), step)})


@read("select", "select_copy")
def select(r: GraphReader, x: Value, dim: int, index: int) -> Any:
    axis = axis_of(dim, x.rank)
    at = index + x.shape[axis] if index < 0 else index
    return r.reshape(r.cut(x, {axis: (at, at + 1, 1)}), [*x.shape[:axis], *x.shape[axis + 1 :]])


@read("flip")
def flip(r: GraphReader, x: Value, dims: Sequence[int]) -> Any:
    return r("Flip", x, axes=[axis_of(a, x.rank) for a in dims])


@read("repeat")
def repeat(r: GraphReader, x: Value, repeats: Sequence[int]) -> Any:
    wide = r.reshape(x, [*(1,) * (len(repeats) - x.rank), *x.shape])
    return wide if all(n == 1 for n in repeats) else r("Tile", wide, reps=list(repeats))


@read("constant_pad_nd")
def constant_pad_nd(r: GraphReader, x: Value, pad: Sequence[int], value: float = 0) -> Any:
    before, after = [0] * x.rank, [0] * x.rank
    cuts: dict[int, tuple[int, int | None, int]] = {}
    for i in range(len(pad) // 2):
        axis = x.rank - 1 - i
        b, e = pad[2 * i], pad[2 * i + 1]
        before[axis], after[axis] = max(b, 0), max(e, 0)
        cuts[axis] = (max(-b, 0), x.shape[axis] + min(e, 0), 1)
    return r.pad(r.cut(x, cuts), before, after, float(value))


@read("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflection_pad(r: GraphReader, x: Value, padding: Sequence[int]) -> Any:
    return r("Pad", x, pad_width=_in_order(padding), mode="reflect")


@read("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replication_pad(r: GraphReader, x: Value, padding: Sequence[int]) -> Any:
    return r("Pad", x, pad_width=_in_order(padding), mode="repeat")


def _in_order(padding: Sequence[int]) -> list[int]:
    """From the last axis first to the last axis last."""
    if min(padding) < 0:
        raise Unsupported("a negative pad has no counterpart here")
    pairs = [padding[i : i + 2] for i in range(0, len(padding), 2)]
    return [v for pair in pairs[::-1] for v in pair]


# ---- choosing ----------------------------------------------------------------------------------------------


@read("embedding")
def embedding(r: GraphReader, weight: Value, indices: Value, *args: Any, **kwargs: Any) -> Any:
    return r("Embed", indices, weight).typed(weight.dtype)


@read("index_select")
def index_select(r: GraphReader, x: Value, dim: int, index: Value) -> Any:
    axis = axis_of(dim, x.rank)
    return r("Gather", x, r.counted_from_start(index, x.shape[axis]), axis=axis)


@read("index")
def index(r: GraphReader, x: Value, indices: Sequence[Value | None]) -> Any:
    given = [a for a, i in enumerate(indices) if i is not None]
    if len(given) != 1:
        raise Unsupported("indices along several axes at once have no counterpart")
    places = indices[given[0]]
    assert places is not None
    if places.dtype == BOOL:
        raise Unsupported("the shape of the result is known only when the network has run")
    return index_select(r, x, given[0], places)


@read("topk")
def topk(r: GraphReader, x: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    axis = axis_of(dim, x.rank)
    order = [a for a in range(x.rank) if a != axis] + [axis]
    back = [order.index(a) for a in range(x.rank)]
    y, places = r("TopKData", r.transpose(x, order), outputs=2, k=k, base_axis=x.rank - 1, largest=largest,
                  with_index=True)  # fmt: skip
    return [r.transpose(y, back), r.transpose(places.typed(INT64), back)]


@read("argmax")
def argmax(r: GraphReader, x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    return _place(r, "Max", x, dim, keepdim)


@read("argmin")
def argmin(r: GraphReader, x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    return _place(r, "Min", x, dim, keepdim)


def _place(r: GraphReader, name: str, x: Value, dim: int | None, keepdim: bool) -> Value:
    if dim is None:
        x, dim = r.reshape(x, [math.prod(x.shape)]), 0
    y: Value = r(name, x, axes=[axis_of(dim, x.rank)], keep_dims=keepdim, only_index=True)
    return y.typed(INT64)


@read("tril")
def tril(r: GraphReader, x: Value, diagonal: int = 0) -> Any:
    return r("Trilu", x, k=diagonal, upper=False)


@read("triu")
def triu(r: GraphReader, x: Value, diagonal: int = 0) -> Any:
    return r("Trilu", x, k=diagonal, upper=True)


# ---- making ------------------------------------------------------------------------------------------------


@read("full")
def full(r: GraphReader, size: Sequence[int], fill: float, *, dtype: Any = None, **kwargs: Any) -> Any:
    if not r.budget.allows(math.prod(size)):
        raise Unsupported(f"a tensor of shape {tuple(size)} is too large")
    kind = KINDS.get(dtype, FLOAT)
    return r.constant(np.full(tuple(size), fill, np.float32 if kind in FLOATS else np.int64), kind)


@read("full_like")
def full_like(r: GraphReader, x: Value, fill: float, *, dtype: Any = None, **kwargs: Any) -> Any:
    return full(r, x.shape, fill, dtype=dtype).typed(x.dtype if dtype is None else KINDS.get(dtype, FLOAT))


@read("zeros")
def zeros(r: GraphReader, size: Sequence[int], *, dtype: Any = None, **kwargs: Any) -> Any:
    return full(r, size, 0, dtype=dtype)


@read("ones")
def ones(r: GraphReader, size: Sequence[int], *, dtype: Any = None, **kwargs: Any) -> Any:
    return full(r, size, 1, dtype=dtype)


@read("zeros_like")
def zeros_like(r: GraphReader, x: Value, *, dtype: Any = None, **kwargs: Any) -> Any:
    return full_like(r, x, 0, dtype=dtype)


@read("ones_like")
def ones_like(r: GraphReader, x: Value, *, dtype: Any = None, **kwargs: Any) -> Any:
    return full_like(r, x, 1, dtype=dtype)


@read("scalar_tensor")
def scalar_tensor(r: GraphReader, x: Any, **kwargs: Any) -> Any:
    return value(r, x)


@read("arange")
def arange(r: GraphReader, *args: float, dtype: Any = None, **kwargs: Any) -> Any:
    start, end, step = {1: (0, *args, 1), 2: (*args, 1), 3: args}[len(args)]
    array = np.arange(start, end, step)
    return r.constant(array, KINDS.get(dtype, INT64 if array.dtype.kind == "i" else FLOAT))


@read("_to_copy", "to")
def to_copy(r: GraphReader, x: Value, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
    kind = x.dtype if dtype is None else KINDS.get(dtype)
    if kind is None:
        raise Unsupported(f"tensors of type {dtype} have no counterpart")
    if kind == BOOL and x.dtype != BOOL:
        return r("NotEqualScalar", x, val=0.0).typed(BOOL)
    return r.truncated(x).typed(kind) if x.is_float and kind not in FLOATS else x.typed(kind)


# ---- reducing ----------------------------------------------------------------------------------------------


def _reduction(name: str, function: str) -> None:
    @read(name)
    def rule(r: GraphReader, x: Value, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
        return r.reduce(function, x, axes_of(dim, x.rank), keepdim)


for _name, _function in (("sum", "Sum"), ("mean", "Mean"), ("amax", "Max"), ("amin", "Min"), ("prod", "Prod")):
    _reduction(_name, _function)


@read("any")
def any_(r: GraphReader, x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    return r.reduce("Max", r("NotEqualScalar", x, val=0.0), axes_of(dim, x.rank), keepdim).typed(BOOL)


@read("all")
def all_(r: GraphReader, x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    return r.reduce("Min", r("NotEqualScalar", x, val=0.0), axes_of(dim, x.rank), keepdim).typed(BOOL)


@read("var")
def var(r: GraphReader, x: Value, dim: Any = None, *, correction: Any = 1, keepdim: bool = False) -> Any:
    axes = axes_of(dim, x.rank)
    count = math.prod([x.shape[a] for a in axes])
    rest = r.sub(x, r.reduce("Mean", x, axes))
    divisor = count - (1 if correction is None else correction)
    return r.mul(r.reduce("Sum", r.mul(rest, rest), axes, keepdim), 1 / divisor)


@read("cumsum")
def cumsum(r: GraphReader, x: Value, dim: int, **kwargs: Any) -> Any:
    return r("CumSum", x, axis=axis_of(dim, x.rank))
