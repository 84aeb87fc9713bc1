"""Indexing of Variables and NdArrays: ``x[key]`` and ``x[key] = value``, by NumPy's rules.

Keys of integers, slices, ``None`` and ``...`` are carried out by `slice` and `reshape`; keys with index
arrays (lists, NumPy arrays, Variables, NdArrays) or masks (of booleans) by `gather_nd`; assignment by
`scatter_nd`. These are functions of the graph, so indexing has a gradient, works in all modes, and is saved
in model files.

The result of reading is a copy, unlike in NumPy. Assignment to an NdArray writes to its memory. Assignment to
a Variable builds the graph further: the Variable becomes the output of `scatter_nd`, also for functions that
were applied to it before, except for those that lead to the value that is assigned.

A mask is read when the key is used, and so are the entries of a key that mixes index arrays with slices;
index arrays alone may be Variables that are computed later.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch

from ._array_view import ArrayAlias
from ._nd_array import NdArray
from .context import current
from .dtypes import whole_numbers
from .errors import ShapeError
from .graph.call import invoke
from .graph.epoch import advance
from .graph.modes import modes
from .graph.operator import Shape
from .graph.variable import Buffers, Variable
from .operators.arrays import Broadcast, Reshape
from .operators.indexing import GatherNd, check_indices
from .operators.joining import Stack
from .operators.masking import BoolFill
from .operators.scattering import ScatterNd
from .operators.slicing import Cutter, Slice, cut

Array = Variable | NdArray
_ALL = slice(None)


# ---- keys ----------------------------------------------------------------------------------------------


def is_numpy_boolean_ndarray(idx: Any) -> bool:
    """Whether `idx` is a mask as a NumPy array."""
    return isinstance(idx, np.ndarray) and idx.dtype == np.bool_


def is_nnabla_boolean_ndarray(idx: Any) -> bool:
    """Whether `idx` is a mask as an NdArray."""
    return isinstance(idx, NdArray) and idx.dtype == np.bool_


def is_nnabla_boolean_variable(idx: Any) -> bool:
    """Whether `idx` is a mask as a Variable."""
    return isinstance(idx, Variable) and idx.data.dtype == np.bool_


def is_python_boolean_sequence(idx: Any) -> bool:
    """Whether `idx` is a mask as a list or tuple."""
    return isinstance(idx, (list, tuple)) and len(idx) > 0 and all(isinstance(i, bool) for i in idx)


def _entry(given: Any) -> Any:
    """An entry of a key: an integer, slice, None or Ellipsis; a NumPy array; or an NdArray or Variable of
    indices.

    Masks of any kind become NumPy arrays of booleans.
    """
    if given is None or given is Ellipsis or isinstance(given, (int, slice)):
        return given
    if is_nnabla_boolean_ndarray(given):
        return given.get_data("r")
    if is_nnabla_boolean_variable(given):
        return given.data.get_data("r")
    if isinstance(given, (Variable, NdArray)):
        return given
    if isinstance(given, np.integer):
        return int(given)
    if isinstance(given, list):
        given = np.asarray(given) if given else np.zeros(0, np.int64)
    if isinstance(given, np.ndarray) and given.dtype.kind in "biuf":
        if given.dtype.kind == "f" and not (np.abs(given) < 2.0**63).all():
            raise IndexError(f"an index must be a whole number of 64 bits, not {given[~(np.abs(given) < 2.0**63)][0]}")
        return given if given.dtype.kind in "bi" else given.astype(np.int64)
    raise TypeError(f"invalid index {given!r}")


def _axes_used(entry: Any) -> int:
    """How many axes of the array an entry refers to."""
    if entry is None or entry is Ellipsis:
        return 0
    return entry.ndim if is_numpy_boolean_ndarray(entry) else 1


def _entries(key: Any, shape: Shape) -> list[Any]:
    """The entries of `key`; ``...`` is spelled out, and slices at the end that take everything are left out.

    Raises:
        IndexError: too many indices, an integer out of range, or several ``...``.
        TypeError: an entry is nothing to index with.
    """
    entries = [_entry(given) for given in (key if isinstance(key, tuple) else (key,))]
    dots = [i for i, entry in enumerate(entries) if entry is Ellipsis]
    used = sum(map(_axes_used, entries))
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > len(shape):
        raise IndexError(f"too many indices for an array of shape {tuple(shape)}: {used}")
    if dots:
        entries[dots[0] : dots[0] + 1] = [_ALL] * (len(shape) - used)
    axis = 0
    for entry in entries:
        if isinstance(entry, int) and not -shape[axis] <= entry < shape[axis]:
            raise IndexError(f"index {entry} is out of bounds for axis {axis} with size {shape[axis]}")
        axis += _axes_used(entry)
    while entries and isinstance(entries[-1], slice) and entries[-1] == _ALL:
        entries.pop()
    return entries


def _is_basic(entries: list[Any]) -> bool:
    return all(entry is None or isinstance(entry, (int, slice)) for entry in entries)


def _bounds(entries: list[Any], shape: Shape) -> list[slice]:
    """For a basic key, a slice for each axis."""
    used = [entry for entry in entries if entry is not None]
    found = []
    for axis, length in enumerate(shape):
        entry = used[axis] if axis < len(used) else _ALL
        found.append(slice(entry % length, entry % length + 1) if isinstance(entry, int) else entry)
    return found


def _basic_shape(entries: list[Any], sliced: Shape) -> Shape:
    """Shape of the result of a basic key: the axes of integers are removed, new ones put in."""
    rest = iter(sliced)
    found = []
    for entry in entries:
        if entry is None:
            found.append(1)
        else:
            length = next(rest)
            if isinstance(entry, slice):
                found.append(length)
    return (*found, *rest)


def _positions(entries: list[Any], shape: Shape) -> np.ndarray:
    """For a key that NumPy can read, the positions that it selects: one index for each axis it mentions."""
    if not shape:
        # The one position in a scalar needs no index.
        return np.zeros((0, 1))
    count = max(1, sum(map(_axes_used, entries)))
    mentioned = shape[:count]
    numbers = np.arange(int(np.prod(mentioned, dtype=np.int64))).reshape(mentioned)
    selected = numbers[tuple(entries)]
    return np.stack(np.unravel_index(selected, mentioned)) if selected.size else np.zeros((count, *selected.shape))


def _indices(entries: list[Any], shape: Shape, imperative: bool) -> tuple[Array, Shape]:
    """The indices of a key for `gather_nd` and `scatter_nd`; and the shape of what is selected."""
    made_of = NdArray if imperative else Variable
    if any(isinstance(entry, (Variable, NdArray)) for entry in entries):
        arrays = [entry for entry in entries if entry is not None]
        if all(isinstance(entry, (Variable, NdArray, np.ndarray)) for entry in arrays):
            return _stacked(entries, shape, imperative)
        entries = [_values_now(entry) for entry in entries]
    arrays = [entry for entry in entries if isinstance(entry, np.ndarray)]
    if arrays and len(arrays) == len(entries) and all(a.ndim and a.dtype != np.bool_ for a in arrays):
        values = np.stack(_broadcast_together(arrays))
    else:
        values = _positions(entries, shape)
    selected = values.shape[1:] + shape[len(values) :]
    if values.ndim == 1:
        # The functions want a row of positions, even if it is a single one.
        values = values[:, np.newaxis]
    return made_of.from_numpy_array(values.astype(np.int64, copy=False)), selected


def _broadcast_together(arrays: list[np.ndarray]) -> list[np.ndarray]:
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = [a.shape for a in arrays]
        raise IndexError(f"index arrays of shapes {shapes} cannot be broadcast to each other") from None


def _values_now(entry: Any) -> Any:
    if isinstance(entry, Variable):
        raise NotImplementedError(
            "a Variable of indices cannot stand beside slices or integers in a key, because it may change; "
            "use a NumPy array, or F.transpose and F.gather_nd"
        )
    return whole_numbers(entry._realize()).cpu().numpy() if isinstance(entry, NdArray) else entry


def _stacked(entries: list[Any], shape: Shape, imperative: bool) -> tuple[Array, Shape]:
    """Index arrays, some of which a graph may compute, as one array; and the selected shape."""
    arrays = []
    for entry in entries:
        if is_numpy_boolean_ndarray(entry):
            arrays += [_in_mode(rows, imperative) for rows in entry.nonzero()]
        elif entry is not None:
            arrays.append(_in_mode(entry, imperative))
    try:
        common = np.broadcast_shapes(*[a.shape for a in arrays])
    except ValueError:
        shapes = [tuple(a.shape) for a in arrays]
        raise IndexError(f"index arrays of shapes {shapes} cannot be broadcast to each other") from None
    # A scalar counts as an array of one index; the shape that it selects says so.
    indices = invoke(Stack, (), [broadcast(a, common or (1,)) for a in arrays])
    first = next(i for i, entry in enumerate(entries) if entry is not None)
    new_after = sum(entry is None for entry in entries[first:])
    return indices, (1,) * first + common + (1,) * new_after + shape[len(arrays) :]


def _in_mode(array: Any, imperative: bool) -> Array:
    """An array as an NdArray, or as a Variable, on the same memory."""
    if isinstance(array, (Variable, NdArray)):
        if imperative:
            return array.data if isinstance(array, Variable) else array
        return Variable._on(Buffers(array)) if isinstance(array, NdArray) else array
    return (NdArray if imperative else Variable).from_numpy_array(array)


def _reshaped(x: Any, shape: Shape) -> Any:
    return x if x.shape == shape else invoke(Reshape, (shape,), (x,))


def broadcast(x: Any, shape: Shape) -> Any:
    """`x` repeated to `shape`, by NumPy's rule."""
    if x.ndim > len(shape):
        raise ShapeError(f"a value of shape {tuple(x.shape)} does not broadcast to the selected shape {tuple(shape)}")
    x = _reshaped(x, (1,) * (len(shape) - x.ndim) + tuple(x.shape))
    return x if x.shape == shape else invoke(Broadcast, (shape,), (x,))


# ---- reading and writing -------------------------------------------------------------------------------


def getitem(self: Any, key: Any) -> Any:
    """A copy of the part that `key` selects.

    Raises:
        IndexError: too many indices, or one that is out of range.
        TypeError: an entry of the key is nothing to index with.
    """
    shape = tuple(self.shape)
    entries = _entries(key, shape)
    if _is_basic(entries):
        bounds = _bounds(entries, shape)
        part = invoke(Slice, ([b.start for b in bounds], [b.stop for b in bounds], [b.step for b in bounds]), (self,))
        return _reshaped(part, _basic_shape(entries, part.shape))
    indices, selected = _indices(entries, shape, isinstance(self, NdArray))
    return _reshaped(invoke(GatherNd, (), (self, indices)), selected)


def set_array_item(self: NdArray, key: Any, value: Any) -> None:
    """Write `value`, broadcast, to the part that `key` selects.

    Raises:
        IndexError: too many indices, or one that is out of range.
        ShapeError: `value` does not broadcast to the selected shape.
        TypeError: an entry of the key is nothing to index with.
    """
    shape = tuple(self.shape)
    entries = _entries(key, shape)
    dtype, device = current.context.dtype, current.context.device
    given = _as_array(value)._as(dtype, device)
    if _is_basic(entries):
        cutter = Cutter([cut(i, n, b) for i, (n, b) in enumerate(zip(shape, _bounds(entries, shape), strict=True))])
        part = _expanded(given, _basic_shape(entries, cutter.shape)).reshape(cutter.shape)
        cutter.write(self._own(dtype, device), part)
        return
    indices, selected = _indices(entries, shape, True)
    assert isinstance(indices, NdArray)
    positions = indices._as(torch.int64, device)
    check_indices(positions, shape, "setting items")
    part = _expanded(given, selected).reshape(positions.shape[1:] + shape[len(positions) :])
    self._own(dtype, device).index_put_(positions.unbind(0), part)


def set_variable_item(self: Variable, key: Any, value: Any) -> None:
    """Make this variable the result of writing `value`, broadcast, to the part of it that `key` selects.

    Raises:
        IndexError: too many indices, or one that is out of range.
        ShapeError: `value` does not broadcast to the selected shape.
        TypeError: an entry of the key is nothing to index with.
    """
    shape = tuple(self.shape)
    entries = _entries(key, shape)
    indices, selected = _indices(entries, shape, False)
    given = value if isinstance(value, Variable) else _in_mode(_as_array(value), False)
    part = _reshaped(broadcast(given, selected), indices.shape[1:] + shape[indices.shape[0] :])
    before = _before(self)
    _read_before(self, before, [v for v in (part, indices) if isinstance(v, Variable)])
    written = invoke(ScatterNd, (shape,), (part, indices, before), outputs=(self.data,))
    _exchange(self, before, written)


def _as_array(value: Any) -> NdArray:
    if isinstance(value, Variable):
        return value.data
    return value if isinstance(value, NdArray) else NdArray.from_numpy_array(np.asarray(value))


def _expanded(value: torch.Tensor, shape: Shape) -> torch.Tensor:
    try:
        return value.expand(shape)
    except RuntimeError:
        raise ShapeError(
            f"a value of shape {tuple(value.shape)} does not broadcast to the selected shape {tuple(shape)}"
        ) from None


def _before(x: Variable) -> Variable:
    """A variable that stands for what `x` has been so far."""
    parent = x._parent
    data = x.data
    if parent is None:
        # Users set it before each forward.
        return Variable._on(Buffers(ArrayAlias(data)))
    array = NdArray._new(data._shape, data._tensor)
    array._fill, array._dtype = data._fill, data._dtype
    before = Variable._on(Buffers(array), parent)
    before._need_grad, before._inherited_need_grad = x._need_grad, x._inherited_need_grad
    before._recompute = x._recompute
    before.rank = x.rank
    return before


def _read_before(x: Variable, before: Variable, given: list[Variable]) -> None:
    """Let the functions that lead to `given`, the values to write, read `before`: else `x` would lead to itself."""
    seen = set()
    todo = [v._parent for v in given]
    while todo:
        function = todo.pop()
        # No function that reads x has a lower rank than x.
        if function is None or function in seen or function.rank < x.rank:
            continue
        seen.add(function)
        if any([v is x for v in function._inputs]):
            function._inputs = tuple([before if v is x else v for v in function._inputs])
            before._consumers.append(weakref.ref(function))
            x._consumers = [ref for ref in x._consumers if ref() is not function]
        todo += [v._parent for v in function._inputs]


def _exchange(x: Variable, before: Variable, written: Variable) -> None:
    """Let `before` take the place of `x` in the graph, and `x` the place of `written`."""
    parent = x._parent
    if parent is None:
        # The clear options must not free what the user set.
        x._persistent = True
    else:
        parent._outputs = tuple([before._buffers if b is x._buffers else b for b in parent._outputs])
        parent._output_refs = [weakref.ref(before) if r() is x else r for r in parent._output_refs]
    function = written._parent
    assert function is not None
    function._outputs = (x._buffers,)
    function._output_refs = [weakref.ref(x)]
    x._parent = function
    x._inherited_need_grad = written._inherited_need_grad
    x.rank = written.rank
    advance()


# ---- under NNabla's names -----------------------------------------------------------------------------

# There, a key is a list of entries.


def basic_getitem(self: Any, key: Any) -> Any:
    """`getitem`; of a key of integers, slices, ``None`` and ``...``."""
    return getitem(self, tuple(key))


def advanced_getitem(self: Any, key: Any) -> Any:
    """`getitem`; of a key with index arrays or masks."""
    return getitem(self, tuple(key))


def basic_setitem(self: Any, key: Any, value: Any) -> None:
    """``self[key] = value``, with a key of integers, slices, ``None`` and ``...``."""
    self[tuple(key)] = value


def advanced_setitem(self: Any, key: Any, value: Any) -> None:
    """``self[key] = value``, with index arrays or masks in the key."""
    self[tuple(key)] = value


def basic_getsetitem_prepare(self: Any, key: Any) -> tuple[list[Any], list[slice], Any, Any, Any]:
    """What a key of integers, slices, ``None`` and ``...`` means.

    Returns:
        Its entries, one for each axis and each ``None``; and the slice of each axis, with start, stop and step of all.
    """
    shape = tuple(self.shape)
    entries = _entries(tuple(key), shape)
    entries += [_ALL] * (len(shape) - sum(map(_axes_used, entries)))
    used = [entry for entry in entries if entry is not None]
    slices = [b if e is b else slice(b.start, b.stop, 1) for e, b in zip(used, _bounds(entries, shape), strict=True)]
    bounds = [[getattr(s, name) for s in slices] for name in ("start", "stop", "step")]
    return entries, slices, tuple(bounds[0]), tuple(bounds[1]), tuple(bounds[2])


def basic_getsetitem_result_shape(self: Any, key: Any, array: Any) -> Shape:
    """Shape of the result where `array` is what the slices of such a key have left of `self`."""
    return _basic_shape(_entries(tuple(key), tuple(self.shape)), array.shape)


# ---- masks ---------------------------------------------------------------------------------------------


def fill_chosen(self: Variable, mask: Array, value: float) -> Array:
    """`functions.bool_fill` of this variable: `value` where `mask` is not 0. Use what it returns.

    Where that is computed at once, the variable's array gets the same values. In a static graph the variable keeps
    its own, whereas in NNabla 1.x it shares the memory of the result.

    Args:
        mask: a Variable, or an NdArray to compute at once; its shape broadcasts to that of the variable.
        value: the number.

    Returns:
        A new variable, or an NdArray if `mask` is one.

    Raises:
        ShapeError: `mask` does not broadcast to the shape of the variable.
    """
    filled = invoke(BoolFill, (value,), (self, mask))
    if isinstance(filled, NdArray):
        self.data.copy_from(filled)
    elif modes.auto_forward:
        self.data.copy_from(filled.data)
    return filled


for _class, _set in ((NdArray, set_array_item), (Variable, set_variable_item)):
    for _name, _function in (("__getitem__", getitem), ("__setitem__", _set)):
        setattr(_class, _name, _function)
for _name in ("bool_fill_", "masked_fill_"):
    setattr(Variable, _name, fill_chosen)
