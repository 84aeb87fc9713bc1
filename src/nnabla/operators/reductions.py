"""Reductions over axes, and running sums and products along one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Ints, Single
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from .axes import Axes, normalized_all
from .constants import Array, WithConstant
from .losses import differentiated


def listed(axis: Axes) -> Sequence[int] | None:
    """The axes as the registered functions take them."""
    return axis if axis is None or isinstance(axis, Iterable) else (axis,)


class Reduction(Operator):
    """Reduces axes. Leaves `_axes`, `_x`, `_kept`: the axes from the front, and shapes before and after."""

    axes: Any
    keep_dims: Any

    def output_shape(self, x: Shape) -> Shape:
        if self.axes is None:
            self.axes = tuple(range(len(x)))
        self._axes = axes = normalized_all(self.axes, len(x), self.declaration.name)
        self._x = x
        self._all = len(axes) == len(x)
        self._count = math.prod([x[a] for a in axes])
        # The shape with reduced axes of length 1, in which a gradient broadcasts.
        self._kept = tuple([1 if i in axes else d for i, d in enumerate(x)])
        self._y = self._kept if self.keep_dims else tuple([d for i, d in enumerate(x) if i not in axes])
        # Whether y already has a shape that broadcasts to x.
        self._broadcasts = self.keep_dims or sorted(axes) == list(range(len(axes)))
        return self._y

    def settle_one_axis(self) -> None:
        """For kernels that take one axis: how to move all reduced axes together, and back."""
        axes, x = sorted(self._axes), self._x
        if len(axes) == 1:
            self._order: tuple[int, ...] | None = None
            self._axis = axes[0]
            self._flat = x
            return
        rest = [i for i in range(len(x)) if i not in axes]
        self._order = (*rest, *axes)
        self._moved = tuple([x[i] for i in self._order])
        self._back = tuple([self._order.index(i) for i in range(len(x))])
        self._axis = 1
        self._flat = (math.prod([x[i] for i in rest]), self._count)

    def as_one(self, x: Tensor) -> Tensor:
        """`x` with its reduced axes made into the axis `_axis`."""
        return x if self._order is None else x.permute(self._order).reshape(self._flat)

    def as_many(self, dx: Tensor) -> Tensor:
        """The reverse of `as_one`."""
        return dx if self._order is None else dx.view(self._moved).permute(self._back).contiguous()

    def _spread(self, dy: Tensor) -> Tensor:
        """`dy` seen in the shape of the input."""
        if not self._broadcasts:
            dy = dy.reshape(self._kept)
        return dy.expand(self._x)


@operator("Sum", "sum", 1055)
class Sum(Reduction):
    r"""Sum over axes, :math:`y = \sum_i x_i`.

    Inputs:
        x: any shape.
    Args:
        axes: axes to sum over; all by default; negative values count from the end. With an empty list, `x`
            itself.
        keep_dims: keep reduced axes, with length 1.
    Returns:
        Shape of `x` without `axes`.
    Raises:
        ArgumentError: one of `axes` is not an axis of `x`, or given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.sum(nn.Variable((2, 3, 4)), axis=(0, -1)).shape
        (3,)

    Source: NNabla function reference, ``Sum``.
    """

    axes = Ints(None, "Axes to sum over; all by default.")
    keep_dims = Bool(False, "Keep reduced axes, with length 1.")
    grad_aliases = True
    spreads = True

    def forward(self, x: Tensor) -> Tensor:
        if self._all and not self.keep_dims:
            return x.sum()
        if not self._axes:
            return x.clone()
        return x.sum(self._axes, self.keep_dims)

    def grad(self, dy: Tensor) -> Tensor:
        return self._spread(dy)


class _Average(WithConstant):
    """What both means share."""

    _count: int

    def mean_of_all(self, x: Tensor) -> Tensor:
        """Mean over all axes. A sum and a product take 2.3 us for a small array, ATen's mean takes 3.4 us."""
        if self._count and self.compute_dtype in (torch.float32, torch.float64):
            return x.sum().mul_(self.operand(1 / self._count))
        return x.mean()


@operator("Mean", "mean", 1057)
class Mean(_Average, Reduction):
    r"""Mean over axes, :math:`y = \frac{1}{n} \sum_i x_i`.

    Inputs:
        x: any shape.
    Args:
        axes: axes to average over; all by default; negative values count from the end. With an empty list,
            `x` itself.
        keep_dims: keep reduced axes, with length 1.
    Returns:
        Shape of `x` without `axes`; NaN where there is nothing to average.
    Raises:
        ArgumentError: one of `axes` is not an axis of `x`, or given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.mean(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 6.0]]), axis=0).data
        array([2., 4.], dtype=float32)

    Source: NNabla function reference, ``Mean``.
    """

    axes = Ints(None, "Axes to average over; all by default.")
    keep_dims = Bool(False, "Keep reduced axes, with length 1.")
    grad_aliases = True
    spreads = True

    def output_shape(self, x: Shape) -> Shape:
        self.forget_operand()
        return super().output_shape(x)

    def forward(self, x: Tensor) -> Tensor:
        if self._all and not self.keep_dims:
            return self.mean_of_all(x)
        if not self._axes:
            return x.clone()
        return x.mean(self._axes, self.keep_dims)

    def grad(self, dy: Tensor) -> Tensor:
        return self._spread(dy * self.operand(1 / (self._count or 1)))


@operator("Prod", "prod", 1061)
class Prod(Reduction):
    r"""Product over axes, :math:`y = \prod_i x_i`.

    Inputs:
        x: any shape.
    Args:
        axes: axes to multiply over; all by default; negative values count from the end. With an empty list,
            `x` itself.
        keep_dims: keep reduced axes, with length 1.
    Returns:
        Shape of `x` without `axes`.
    Raises:
        ArgumentError: one of `axes` is not an axis of `x`, or given twice.
    Source: NNabla function reference, ``Prod``. The gradient is right where factors are zero, too.
    """

    axes = Ints(None, "Axes to multiply over; all by default.")
    keep_dims = Bool(False, "Keep reduced axes, with length 1.")

    def output_shape(self, x: Shape) -> Shape:
        y = super().output_shape(x)
        self.settle_one_axis()
        self._wide = [1 if i == self._axis else d for i, d in enumerate(self._flat)]
        self._least = torch.finfo(self.compute_dtype).tiny
        return y

    def forward(self, x: Tensor) -> Tensor:
        if self._all and not self.keep_dims:
            return x.prod()
        return self.as_one(x).prod(self._axis).view(self._y)

    def grad(self, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        flat, axis = self.as_one(x), self._axis
        size = y.abs()
        # Neither a factor nor the product is 0 or so small or large that digits are lost.
        if bool(((size >= self._least) & (size < math.inf)).all()) and not differentiated(x):
            quotient = y.reshape(self._wide) / flat
            return self.as_many(quotient.mul_(dy.reshape(self._wide)))
        # The product of all other factors is that of those before and those behind.
        others = _exclusive_product(flat, axis) * _exclusive_product(flat.flip(axis), axis).flip(axis)
        return self.as_many(dy.reshape(self._wide) * others)


def _exclusive_product(x: Tensor, axis: int) -> Tensor:
    """For each element the product of those before it."""
    if x.shape[axis] == 0:
        return x
    before = torch.cat((torch.ones_like(x.narrow(axis, 0, 1)), x.narrow(axis, 0, x.shape[axis] - 1)), axis)
    return before.cumprod(axis)


@operator("Norm", "norm", 1060)
class Norm(Reduction):
    r"""Norm over axes, :math:`y = (\sum_i |x_i|^p)^{1/p}`.

    Inputs:
        x: any shape.
    Args:
        p: order of the norm, at least 1; 2 by default; infinity for the largest absolute value.
        axes: axes to reduce; all by default; negative values count from the end. With an empty list,
            :math:`|x|`.
        keep_dims: keep reduced axes, with length 1.
    Returns:
        Shape of `x` without `axes`. The derivative at the zero vector is 0, but for ``p=1``, where that of
        each :math:`|x_i|` at 0 is 1.
    Raises:
        ArgumentError: `p` is less than 1; or one of `axes` is not an axis of `x`, or given twice.
    Source: NNabla function reference, ``Norm``.
    """

    p = Single(None, "Order of the norm; 2 by default.", check=(lambda p: p >= 1, "at least 1"))
    axes = Ints(None, "Axes to reduce; all by default.")
    keep_dims = Bool(False, "Keep reduced axes, with length 1.")

    def output_shape(self, x: Shape) -> Shape:
        if self.p is None:
            self.p = 2.0
        y = super().output_shape(x)
        if self.p == math.inf and self._count == 0 and 0 not in y:
            raise ShapeError(f"norm: there is nothing to reduce over axes {self._axes} of {x}")
        return y

    def forward(self, x: Tensor) -> Tensor:
        if not self._axes:
            return x.abs()
        return torch.linalg.vector_norm(x, self.p, self._axes, self.keep_dims)

    def grad(self, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        if self.p == 1:
            dy = self._spread(dy)
            return torch.where(x < 0, -dy, dy)
        # Where the norm is 0, so is x: dividing by infinity makes a 0 of it, not NaN.
        length = y.masked_fill(y == 0, math.inf)
        if self.p == 2:
            return x * self._spread(dy / length)
        ratio = x.abs() / self._spread(length)
        if self.p == math.inf:
            # The elements of largest size share the gradient.
            largest = (ratio == 1).to(x.dtype)
            return largest * x.sign() * self._spread(dy) / largest.sum(self._axes, keepdim=True).clamp(min=1)
        return x.sign() * ratio.pow(self.p - 1) * self._spread(dy)


class _Whole(Operator):
    """A reduction of all elements to one number."""

    def output_shape(self, x: Shape) -> Shape:
        self._x = x
        self._count = math.prod(x)
        return ()


@operator("ReduceSum", "reduce_sum", 1063)
class ReduceSum(_Whole):
    r"""Sum of all elements, :math:`y = \sum_i x_i`.

    Inputs:
        x: any shape.
    Returns:
        Shape ``()``.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.reduce_sum(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 6.0]])).data
        array(12., dtype=float32)

    Source: NNabla function reference, ``ReduceSum``; `sum` does the same, over any axes.
    """

    grad_aliases = True
    spreads = True

    def forward(self, x: Tensor) -> Tensor:
        return x.sum()

    def grad(self, dy: Tensor) -> Tensor:
        return dy.expand(self._x)


@operator("ReduceMean", "reduce_mean", 1064)
class ReduceMean(_Average, _Whole):
    r"""Mean of all elements, :math:`y = \frac{1}{n} \sum_i x_i`.

    Inputs:
        x: any shape.
    Returns:
        Shape ``()``; NaN if there are no elements.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.reduce_mean(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 6.0]])).data
        array(3., dtype=float32)

    Source: NNabla function reference, ``ReduceMean``; `mean` does the same, over any axes.
    """

    grad_aliases = True
    spreads = True

    def output_shape(self, x: Shape) -> Shape:
        self.forget_operand()
        return super().output_shape(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.mean_of_all(x)

    def grad(self, dy: Tensor) -> Tensor:
        return (dy * self.operand(1 / (self._count or 1))).expand(self._x)


# ---- public calls, with NumPy's names of the arguments -----------------------------------------------------


@public
def sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Any:
    r"""Sum over axes, :math:`y = \sum_i x_i`.

    Inputs:
        x: Variable or NdArray of any shape.
    Args:
        axis: an axis or several to sum over; all by default; negative values count from the end.
        keepdims: keep reduced axes, with length 1.

    Returns:
        Shape of `x` without `axis`.

    Raises:
        ArgumentError: `axis` is not an axis of `x`, or one is given twice.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.sum(nn.Variable((2, 3, 4)), axis=(0, -1)).shape
        (3,)
    """
    return invoke(Sum, (listed(axis), keepdims), (x,))


@public
def mean(x: Array, axis: Axes = None, keepdims: bool = False) -> Any:
    r"""Mean over axes, :math:`y = \frac{1}{n} \sum_i x_i`.

    Inputs:
        x: Variable or NdArray of any shape.
    Args:
        axis: an axis or several to average over; all by default; negative values count from the end.
        keepdims: keep reduced axes, with length 1.

    Returns:
        Shape of `x` without `axis`.

    Raises:
        ArgumentError: `axis` is not an axis of `x`, or one is given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.mean(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 6.0]]), axis=0).data
        array([2., 4.], dtype=float32)
    """
    return invoke(Mean, (listed(axis), keepdims), (x,))


@public
def prod(x: Array, axis: Axes = None, keepdims: bool = False) -> Any:
    r"""Product over axes, :math:`y = \prod_i x_i`.

    Inputs:
        x: Variable or NdArray of any shape.
    Args:
        axis: an axis or several to multiply over; all by default; negative values count from the end.
        keepdims: keep reduced axes, with length 1.

    Returns:
        Shape of `x` without `axis`.

    Raises:
        ArgumentError: `axis` is not an axis of `x`, or one is given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.prod(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 6.0]]), axis=0).data
        array([ 3., 12.], dtype=float32)
    """
    return invoke(Prod, (listed(axis), keepdims), (x,))


@public
def norm(x: Array, p: float | None = None, axis: Axes = None, keepdims: bool = False) -> Any:
    r"""Norm over axes, :math:`y = (\sum_i |x_i|^p)^{1/p}`.

    Inputs:
        x: Variable or NdArray of any shape.
    Args:
        p: order of the norm, at least 1; 2 by default.
        axis: an axis or several to reduce; all by default; negative values count from the end.
        keepdims: keep reduced axes, with length 1.

    Returns:
        Shape of `x` without `axis`.

    Raises:
        ArgumentError: `p` is less than 1; or `axis` is not an axis of `x`, or one is given twice.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.norm(nn.NdArray.from_numpy_array([[3.0, 4.0], [0.0, 1.0]]), axis=1).data
        array([5., 1.], dtype=float32)
    """
    return invoke(Norm, (p, listed(axis), keepdims), (x,))


@public
def reduce(x: Array, op: str = "sum") -> Any:
    r"""Sum or mean of all elements, :math:`y = \sum_i x_i` or :math:`y = \frac{1}{n} \sum_i x_i`; `sum` and
    `mean` do the same, over any axes.

    Inputs:
        x: Variable or NdArray of any shape.
    Args:
        op: ``"sum"`` or ``"mean"``.

    Returns:
        Shape ``()``.

    Raises:
        ArgumentError: `op` is something else.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.reduce(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 6.0]]), op="mean").data
        array(3., dtype=float32)
    """
    if op == "sum":
        return invoke(ReduceSum, (), (x,))
    if op == "mean":
        return invoke(ReduceMean, (), (x,))
    raise ArgumentError(f"reduce: op must be 'sum' or 'mean', not {op!r}")
