"""Elements chosen by index or condition: gather, where, one_hot."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .._nd_array import NdArray
from ..dtypes import NO_INTEGER, spelled
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Int, Sizes
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from ..graph.variable import Variable
from .axes import normalized
from .constants import Array
from .slicing import selected


def as_indices(indices: Any, beside: Variable | NdArray) -> Variable | NdArray:
    """`indices` as an input of a function: a Variable or NdArray as it is, a list or NumPy array as one."""
    if isinstance(indices, (Variable, NdArray)):
        return indices
    values = np.asarray(indices)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"indices must be a Variable, an NdArray, or numbers, not {indices!r}")
    return NdArray.from_numpy_array(values) if isinstance(beside, NdArray) else Variable.from_numpy_array(values)


@operator("Gather", "gather", 1157)
class Gather(Operator):
    r"""Elements along an axis, in the order of indices; for ``axis=1``, ``y[i, j, k] = x[i, Indices[j], k]``.

    Inputs:
        x: shape ``(D_0, ..., D_{N-1})``.
        Indices: integers in ``[0, D_axis)``, of any shape; the first `batch_dims` axes are as in `x`.
    Args:
        axis: the axis of `x` that indices count along; a negative value counts from the end. Default: 0.
        batch_dims: number of leading axes that `x` and `Indices` share, so that each has indices of its own;
            at most `axis`. Default: 0.
    Returns:
        Shape ``x.shape[:axis] + Indices.shape[batch_dims:] + x.shape[axis + 1:]``.
    Raises:
        ArgumentError: an index is out of range, or an argument is.
        ShapeError: the batch axes differ.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> F.gather(x, nn.NdArray.from_numpy_array([2, 0])).data
        array([[5., 6.],
               [1., 2.]], dtype=float32)
    """

    axis = Int(None, "The axis of x that indices count along; default 0.")
    batch_dims = Int(None, "Number of leading axes that x and Indices share; default 0.")
    indices = ("Indices",)
    constants = ("Indices",)

    def output_shape(self, x: Shape, Indices: Shape) -> Shape:
        self.axis = self.axis or 0
        self.batch_dims = shared = self.batch_dims or 0
        axis = normalized(self.axis, len(x), "gather")
        if not x[axis] and 0 not in Indices:
            raise ShapeError(f"gather: x must have elements along axis {axis} to choose from")
        if not 0 <= shared <= min(axis, len(Indices)):
            raise ArgumentError(f"gather: batch_dims must be in [0, {min(axis, len(Indices))}], not {shared}")
        if x[:shared] != Indices[:shared]:
            raise ShapeError(f"gather: the first {shared} axes of Indices must be those of x, {x[:shared]}")
        self._axis, self._length = axis, x[axis]
        self._y = (*x[:axis], *Indices[shared:], *x[axis + 1 :])
        self._x = x
        self._flat = len(Indices) == 1
        self._batched = None
        if shared:
            # All as four axes: batch, before the axis, along the axis, after it.
            batch, before = math.prod(x[:shared]), math.prod(x[shared:axis])
            count, after = math.prod(Indices[shared:]), math.prod(x[axis + 1 :])
            self._batched = (
                (batch, before, x[axis], after),
                (batch, 1, count, 1),
                (batch, before, count, after),
            )
        return self._y

    def forward(self, x: Tensor, Indices: Tensor) -> Tensor:
        try:
            if self._batched is not None:
                source, index, target = self._batched
                return x.reshape(source).gather(2, Indices.reshape(index).expand(target)).view(self._y)
            if self._flat:
                return selected(x, self._axis, Indices)
            return selected(x, self._axis, Indices.reshape(-1)).view(self._y)
        except (IndexError, RuntimeError) as error:
            if "out of" not in str(error):
                raise
            wrong = first_outside(Indices, self._length)
            raise ArgumentError(f"gather: Indices must be in [0, {self._length}), not {wrong}") from None

    def grad(self, dy: Tensor, Indices: Tensor) -> tuple[Tensor, None]:
        if self._batched is not None:
            source, index, target = self._batched
            dx = dy.new_zeros(source).scatter_add(2, Indices.reshape(index).expand(target), dy.reshape(target))
            return dx.view(self._x), None
        if not self._flat:
            Indices = Indices.reshape(-1)
            dy = dy.reshape((*self._x[: self._axis], -1, *self._x[self._axis + 1 :]))
        return dy.new_zeros(self._x).index_add_(self._axis, Indices, dy), None


def first_outside(indices: Tensor, length: int) -> str:
    """The first of `indices` that is not in ``[0, length)``, for error messages."""
    return spelled(int(indices[(indices < 0) | (indices >= length)][0]))


def indexed_shape(data: Shape, indices: Shape, function: str) -> Shape:
    """Shape of what `indices` choose of `data`: the first axis of `indices` holds one index for each leading
    axis.

    Raises:
        ShapeError: `indices` has less than two axes, or more indices than `data` has axes.
    """
    if len(indices) < 2:
        raise ShapeError(f"{function}: indices must have two axes at least, not shape {indices}")
    if indices[0] > len(data):
        raise ShapeError(f"{function}: indices has {indices[0]} indices for each element, data has {len(data)} axes")
    return indices[1:] + data[indices[0] :]


def check_indices(indices: Tensor, lengths: Shape, function: str) -> bool:
    """Raise ArgumentError unless each row of `indices` lies in ``[-length, length)`` of its axis.

    Returns:
        Whether there are negative ones.
    """
    negative = False
    if not indices.numel():
        return negative
    for axis, (row, length) in enumerate(zip(indices.unbind(0), lengths, strict=False)):
        least, greatest = row.aminmax()
        if not -length <= int(least) <= int(greatest) < length:
            wrong = int(least) if least < -length else int(greatest)
            found = f"not {spelled(wrong)}"
            raise ArgumentError(f"{function}: indices of axis {axis} must be in [{-length}, {length}), {found}")
        negative = negative or int(least) < 0
    return negative


class Rows(NamedTuple):
    """An array seen as rows, each of which one column of indices chooses; what `gather_nd` and `scatter_nd` work on.

    Attributes:
        lengths: of the leading axes, which the indices count along.
        size: of a row.
    """

    lengths: Shape
    size: int

    @staticmethod
    def of(data: Shape, indices: Shape) -> Rows:
        return Rows(data[: indices[0]], math.prod(data[indices[0] :]))

    @property
    def shape(self) -> Shape:
        return math.prod(self.lengths), self.size

    def numbers(self, indices: Tensor, function: str) -> Tensor:
        """The number of the row for each column of indices.

        Raises:
            ArgumentError: an index is out of range.
        """
        negative = check_indices(indices, self.lengths, function)
        count = math.prod(indices.shape[1:])
        if not self.lengths:
            return indices.new_zeros(count)
        first, *others = indices.reshape(len(self.lengths), count).unbind(0)
        total = _from_front(first, self.lengths[0]) if negative else first
        for row, length in zip(others, self.lengths[1:], strict=True):
            total = torch.add(_from_front(row, length) if negative else row, total, alpha=length)
        return total

    # For rows of one element, kernels for elements are two to three times as fast.

    def chosen(self, array: Tensor, numbers: Tensor) -> Tensor:
        """The rows of these numbers, one after the other."""
        if self.size == 1:
            return array.reshape(-1).gather(0, numbers)
        return array.reshape(self.shape).index_select(0, numbers)

    def add(self, array: Tensor, numbers: Tensor, values: Tensor) -> Tensor:
        """Add `values`, one row after the other, to the rows of these numbers of a contiguous array, and return it."""
        if self.size == 1:
            array.view(-1).scatter_add_(0, numbers, values.reshape(-1))
        else:
            array.view(self.shape).index_add_(0, numbers, values.reshape(len(numbers), self.size))
        return array


def _from_front(row: Tensor, length: int) -> Tensor:
    """Indices of which negative ones count from the end."""
    return row.remainder(max(length, 1))


@operator("GatherNd", "gather_nd", 1158)
class GatherNd(Operator):
    """Elements, or whole slices, at positions given by one index for each leading axis.

    That is ``y[j] = data[indices[0, j], ..., indices[M - 1, j]]``, where ``j`` stands for as many indices
    as wanted.

    Inputs:
        data: shape ``(X_0, ..., X_{N-1})``.
        indices: shape ``(M, Y_0, ..., Y_{K-1})`` with ``M <= N``; ``indices[m]`` counts along axis ``m`` of
            `data`, from the end where it is negative. A list or NumPy array will do, too.
    Returns:
        Shape ``(Y_0, ..., Y_{K-1}, X_M, ..., X_{N-1})``.
    Raises:
        ArgumentError: an index is out of range.
        ShapeError: `indices` has less than two axes, or ``M > N``.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 4.0]])
        >>> F.gather_nd(x, [[0, 1], [1, 0]]).data
        array([2., 3.], dtype=float32)
    """

    indices = ("indices",)
    constants = ("indices",)
    # Of the rows chosen.
    keeps = grad_is_differentiable = True
    held = ("indices",)

    def output_shape(self, x: Shape, indices: Shape) -> Shape:
        self._x = x
        self._y = indexed_shape(x, indices, "gather_nd")
        self._rows = Rows.of(x, indices)
        return self._y

    def forward(self, x: Tensor, indices: Tensor) -> Tensor:
        self.kept = numbers = self._rows.numbers(indices, "gather_nd")
        return self._rows.chosen(x, numbers).view(self._y)

    def grad(self, dy: Tensor) -> tuple[Tensor, None]:
        return self._rows.add(dy.new_zeros(self._x), self.kept, dy), None


@public
def gather_nd(data: Array, indices: Any) -> Any:
    return invoke(GatherNd, (), (data, as_indices(indices, data)))


gather_nd.__doc__ = GatherNd.__doc__


@operator("Where", "where", 1108)
class Where(Operator):
    """Elements of one array where a condition holds, of another where it does not: ``y[i] = x_true[i]`` or
    ``y[i] = x_false[i]``.

    Inputs:
        condition: any shape that the shape of `x_true` begins with; everything but 0 (NaN, too) counts as
            true.
        x_true: shape ``condition.shape + (...)``.
        x_false: shape of `x_true`.
    Returns:
        Shape of `x_true`.
    Raises:
        ShapeError: shapes differ.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a = nn.NdArray.from_numpy_array([1.0, -2.0])
        >>> F.where(nn.NdArray.from_numpy_array([1, 0]), a, F.mul_scalar(a, 10)).data
        array([  1., -20.], dtype=float32)
    """

    constants = ("condition",)

    def output_shape(self, condition: Shape, x_true: Shape, x_false: Shape) -> Shape:
        if x_true != x_false:
            raise ShapeError(f"where: x_false must have the shape of x_true, {x_true}")
        if x_true[: len(condition)] != condition:
            raise ShapeError(f"where: the shape of x_true must begin with that of condition, {condition}")
        self._aligned = condition + (1,) * (len(x_true) - len(condition)) if condition != x_true else None
        return x_true

    def _mask(self, condition: Tensor) -> Tensor:
        mask = condition != 0
        return mask if self._aligned is None else mask.view(self._aligned)

    def forward(self, condition: Tensor, x_true: Tensor, x_false: Tensor) -> Tensor:
        return torch.where(self._mask(condition), x_true, x_false)

    def grad(self, need: tuple[bool, ...], dy: Tensor, condition: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        mask = self._mask(condition)
        zero = dy.new_zeros(())
        return (
            None,
            torch.where(mask, dy, zero) if need[1] else None,
            torch.where(mask, zero, dy) if need[2] else None,
        )


@operator("OneHot", "one_hot", 1142)
class OneHot(Operator):
    """Classes as vectors with a single 1, or tuples of indices as arrays with a single 1.

    For classes, :math:`y_{m, c} = 1` where :math:`x_m = c`, else 0.

    Inputs:
        x: integers, shape ``(M_1, ..., M_K, N)``: one index for each entry of `shape`. A negative index
            counts from the end; where an index is out of range, there is no 1.
    Args:
        shape: ``N`` lengths; ``(C,)`` for ``C`` classes.
    Returns:
        Shape ``(M_1, ..., M_K) + shape``.
    Raises:
        ShapeError: the last axis of `x` is not as long as `shape`.
        ArgumentError: an index is NaN or infinite (when it runs).
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.one_hot(nn.NdArray.from_numpy_array([[2], [0]]), (3,)).data
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """

    outputs = ("output",)
    differentiable = False
    shape = Sizes(
        doc="Lengths that the indices count along.",
        check=(lambda s: all(d > 0 for d in s), "positive lengths"),
    )
    indices = ("x",)

    def output_shape(self, x: Shape) -> Shape:
        shape = self.shape
        if not x or x[-1] != len(shape):
            raise ShapeError(
                f"one_hot: the last axis of x must have length {len(shape)}, an index for each entry of shape"
            )
        self._rows = math.prod(x[:-1])
        self._strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        self._size = math.prod(shape)
        self._y = x[:-1] + shape
        return self._y

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros(self._rows, self._size, dtype=self.compute_dtype, device=x.device)
        if len(self.shape) == 1:
            rows, (length,) = x.reshape(self._rows, 1), self.shape
            if x.is_cpu and x.numel():
                least, greatest = rows.aminmax()
                if least.item() >= 0 and greatest.item() < length:
                    return y.scatter_(1, rows, 1.0).view(self._y)
            self._refuse_no_integers(rows)
            inside = (rows >= -length) & (rows < length)
            return y.scatter_(1, rows.remainder(length), inside.to(y.dtype)).view(self._y)
        rows = x.reshape(self._rows, len(self.shape))
        self._refuse_no_integers(rows)
        lengths = x.new_tensor(self.shape)
        inside = ((rows >= -lengths) & (rows < lengths)).all(1, keepdim=True)
        place = (rows.remainder(lengths) * x.new_tensor(self._strides)).sum(1, keepdim=True)
        return y.scatter_(1, place, inside.to(y.dtype)).view(self._y)

    @staticmethod
    def _refuse_no_integers(indices: Tensor) -> None:
        if bool((indices == NO_INTEGER).any()):
            raise ArgumentError(f"one_hot: x must hold integers, not {spelled(NO_INTEGER)}")
