"""Values written to places given by indices, or to all of an array: scatter_nd, scatter_add, assign."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, Ints
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from .axes import normalized
from .constants import Array
from .creation import lengths
from .indexing import Rows, as_indices, first_outside, indexed_shape


@operator("ScatterNd", "scatter_nd", 1160)
class ScatterNd(Operator):
    """Elements, or whole slices, written to positions given by one index for each leading axis.

    That is ``y[indices[0, j], ..., indices[M - 1, j]] = data[j]``, the inverse of `gather_nd`.

    Inputs:
        data: shape ``(Y_0, ..., Y_{K-1}, X_M, ..., X_{N-1})``.
        indices: shape ``(M, Y_0, ..., Y_{K-1})`` with ``M <= N``; ``indices[m]`` counts along axis ``m`` of
            the result, from the end where it is negative. A list or NumPy array will do, too.
        out: shape ``(X_0, ..., X_{N-1})``, what to write into; zeros where it is not given. The result is on its
            memory. It has its own where, as NNabla refuses, the gradient of the function that made `out` needs the
            values, that function is a reshape, or another one takes `out` already.
    Args:
        shape: shape of the result, where `out` is not given.
        add: add to what is there. Default: replace it; of several values for one place, any one may win.
    Returns:
        Shape `shape`, or that of `out`.
    Raises:
        TypeError: both `shape` and `out` are given, or none.
        ArgumentError: an index is out of range.
        ShapeError: shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> data = nn.NdArray.from_numpy_array([9.0, 8.0])
        >>> F.scatter_nd(data, [[0, 1], [1, 2]], shape=(2, 3)).data
        array([[0., 9., 0.],
               [0., 0., 8.]], dtype=float32)
    """

    shape = Ints(None, "Shape of the result.", check=lengths)
    add = Bool(False, "Add to what is there.")
    indices = ("indices",)
    constants = ("indices",)
    grad_aliases = True
    keeps = grad_is_differentiable = True
    held = ("indices",)
    written = "out"

    def output_shape(self, data: Shape, indices: Shape, out: Shape | None = None) -> Shape:
        if out is not None:
            self.shape = out
        elif self.shape is None:
            raise ArgumentError("scatter_nd: shape must be given where out is not")
        if data != indexed_shape(self.shape, indices, "scatter_nd"):
            wanted = indexed_shape(self.shape, indices, "scatter_nd")
            raise ShapeError(f"scatter_nd: data must have shape {wanted}, as indices and the result say, not {data}")
        self._rows = Rows.of(self.shape, indices)
        self._data = data
        return self.shape

    def forward(self, data: Tensor, indices: Tensor, out: Tensor | None = None) -> Tensor:
        y = data.new_zeros(self.shape) if out is None else out.clone(memory_format=torch.contiguous_format)
        return self.write(data, indices, y)

    def write(self, data: Tensor, indices: Tensor, out: Tensor) -> Tensor:
        y = out.contiguous()
        self.kept = numbers = self._rows.numbers(indices, "scatter_nd")
        if self.add:
            return self._rows.add(y, numbers, data)
        y.view(self._rows.shape).index_copy_(0, numbers, data.reshape(len(numbers), self._rows.size))
        return y

    def grad(self, need: tuple[bool, ...], dy: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        numbers = self.kept
        ddata = dout = None
        if need[0]:
            ddata = self._rows.chosen(dy, numbers).view(self._data)
        if need[2]:
            dout = dy if self.add else dy.reshape(self._rows.shape).index_fill(0, numbers, 0).view(dy.shape)
        return ddata, None, dout


@public
def scatter_nd(data: Array, indices: Any, shape: Any = None, out: Any = None, add: bool = False) -> Any:
    if (shape is None) == (out is None):
        raise TypeError("scatter_nd: either shape or out must be given, and not both")
    return invoke(ScatterNd, (shape, add), (data, as_indices(indices, data), out))


scatter_nd.__doc__ = ScatterNd.__doc__


@operator("ScatterAdd", "scatter_add", 1161)
class ScatterAdd(Operator):
    """Values added to elements whose index along one axis is given.

    For axis 0 of a matrix, the result starts as ``y = x0``, and then ``y[indices[i, j], j] += x1[i, j]``
    for all ``i`` and ``j``.

    Inputs:
        x0: what to add to; any shape with at least one axis.
        indices: integers in ``[0, x0.shape[axis])``, as many axes as `x0`; no longer than `x1`, and on the
            other axes no longer than `x0`.
        x1: the values, as many axes as `x0`; what `indices` does not cover is left out.
    Args:
        axis: the axis of `x0` that indices count along; a negative value counts from the end. Default: 0.
    Returns:
        Shape of `x0`.
    Raises:
        ArgumentError: an index is out of range, or `axis` is.
        ShapeError: shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x0, x1 = nn.NdArray.from_numpy_array([0.0, 0.0]), nn.NdArray.from_numpy_array([1.0, 2.0, 4.0])
        >>> F.scatter_add(x0, nn.NdArray.from_numpy_array([1, 0, 1]), x1).data
        array([2., 5.], dtype=float32)
    """

    axis = Int(None, "The axis that indices count along; default 0.")
    indices = ("indices",)
    constants = ("indices",)
    grad_aliases = True

    def output_shape(self, x0: Shape, indices: Shape, x1: Shape) -> Shape:
        self.axis = self.axis or 0
        self._axis = axis = normalized(self.axis, len(x0), "scatter_add")
        for name, shape in (("indices", indices), ("x1", x1)):
            if len(shape) != len(x0):
                raise ShapeError(f"scatter_add: {name} must have the {len(x0)} axes of x0, not {len(shape)}")
        for i, n in enumerate(indices):
            if n > x1[i] or (i != axis and n > x0[i]):
                raise ShapeError(f"scatter_add: axis {i} of indices must not be longer than that of x1 and x0")
        self._length = x0[axis]
        self._beyond = [n for i in reversed(range(len(x1))) for n in (0, x1[i] - indices[i])]
        return x0

    def forward(self, x0: Tensor, indices: Tensor, x1: Tensor) -> Tensor:
        try:
            return x0.scatter_add(self._axis, indices, x1)
        except RuntimeError as error:
            if "out of bounds" not in str(error):
                raise
            wrong = first_outside(indices, self._length)
            raise ArgumentError(f"scatter_add: indices must be in [0, {self._length}), not {wrong}") from None

    def grad(self, need: tuple[bool, ...], dy: Tensor, indices: Tensor) -> tuple[Tensor, None, Tensor | None]:
        dx1 = None
        if need[2]:
            dx1 = dy.gather(self._axis, indices)
            if any(self._beyond):
                dx1 = torch.constant_pad_nd(dx1, self._beyond)
        return dy, None, dx1


@public
def scatter_add(x0: Array, indices: Any, x1: Array, axis: int | None = None) -> Any:
    return invoke(ScatterAdd, (axis,), (x0, as_indices(indices, x0), x1))


scatter_add.__doc__ = ScatterAdd.__doc__


@operator("Assign", "assign", 1156)
class Assign(Operator):
    """Write the values of one array to another when the graph runs, ``dst = src``.

    Inputs:
        dst: what to write to, any shape; a Variable that no function made, such as a parameter.
        src: the values, shape of `dst`.
    Returns:
        Shape of `dst`: the values written. `dst` receives the gradient of the result, `src` none.
    Raises:
        ShapeError: shapes differ.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> count = nn.Variable.from_numpy_array([1.0])
        >>> F.assign(count, F.add_scalar(count, 1)).forward()
        >>> count.d
        array([2.], dtype=float32)
    """

    updated = ("dst",)
    constants = ("src",)
    grad_aliases = True

    def output_shape(self, dst: Shape, src: Shape) -> Shape:
        if dst != src:
            raise ShapeError(f"assign: src must have the shape of dst, {dst}, not {src}")
        return dst

    def forward(self, dst: Tensor, src: Tensor) -> Tensor:
        dst.copy_(src)
        return src.clone()

    def recompute(self, dst: Tensor, src: Tensor) -> Tensor:
        return src.clone()

    def grad(self, dy: Tensor) -> tuple[Tensor, None]:
        return dy, None
