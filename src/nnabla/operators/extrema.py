"""Maxima and minima, of pairs and over axes, and clipping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .._nd_array import NdArray
from ..errors import ShapeError
from ..graph.argument import Bool, Float, Ints
from ..graph.call import invoke, public
from ..graph.operator import Shape, operator
from ..graph.variable import Variable
from .axes import Axes
from .constants import Array
from .kernels import aten
from .reductions import Reduction, listed
from .shapes import Binary, Elementwise

# ---- of pairs, and of an array and a number ----------------------------------------------------------------


class _OfPairs(Binary):
    """One of each pair. The other one gets no gradient; of two that are equal, `x1` gets it."""

    keeps = True

    _pick: Callable[..., Tensor]
    _is_first: Callable[..., Tensor]

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        # A mask is a quarter of the size of one input.
        self.kept = self._is_first(x0, x1)
        return self._pick(x0, x1)

    def infer(self, x0: Tensor, x1: Tensor) -> Tensor:
        return self._pick(x0, x1)

    def grad(self, need: tuple[bool, ...], dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        first = self.kept
        return (
            dy.masked_fill(first.logical_not(), 0) if need[0] else None,
            dy.masked_fill(first, 0) if need[1] else None,
        )


@operator("Maximum2", "maximum2", 1081)
class Maximum2(_OfPairs):
    r"""The larger element of each pair, :math:`y = \max(x_0, x_1)`.

    Inputs:
        x0: any shape.
        x1: as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Returns:
        The broadcast shape; NaN if one of the two is. Of two equal elements, `x1` gets the gradient.
    Raises:
        ShapeError: the shapes cannot be broadcast to each other, or have different numbers of axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 5.0]), nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> F.maximum2(a, b).data
        array([2., 5.], dtype=float32)

    Source: NNabla function reference, ``Maximum2``. NNabla 1.39 takes `x1` where `x0` is NaN.
    """

    _pick = staticmethod(torch.maximum)
    _is_first = staticmethod(torch.gt)
    held = ("x0", "x1")


@operator("Minimum2", "minimum2", 1080)
class Minimum2(_OfPairs):
    r"""The smaller element of each pair, :math:`y = \min(x_0, x_1)`.

    Inputs:
        x0: any shape.
        x1: as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Returns:
        The broadcast shape; NaN if one of the two is. Of two equal elements, `x1` gets the gradient.
    Raises:
        ShapeError: the shapes cannot be broadcast to each other, or have different numbers of axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 5.0]), nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> F.minimum2(a, b).data
        array([1., 4.], dtype=float32)

    Source: NNabla function reference, ``Minimum2``. NNabla 1.39 takes `x1` where `x0` is NaN.
    """

    _pick = staticmethod(torch.minimum)
    _is_first = staticmethod(torch.lt)
    held = ("x0", "x1")


@operator("MaximumScalar", "maximum_scalar", 1083)
class MaximumScalar(Elementwise):
    r"""The larger one of each element and a number, :math:`y = \max(x, v)`.

    Inputs:
        x: any shape.
    Args:
        val: the number :math:`v`.
    Returns:
        Shape of `x`; NaN stays NaN. The derivative at :math:`v` is 0.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.maximum_scalar(nn.NdArray.from_numpy_array([1.0, 5.0]), 3).data
        array([3., 5.], dtype=float32)

    Source: NNabla function reference, ``MaximumScalar``.
    """

    val = Float(1.0, "Smallest result.")
    held = ("x",)

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp_min(x, self.val)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return aten.threshold_backward(dy, y, self.val)


@operator("MinimumScalar", "minimum_scalar", 1082)
class MinimumScalar(Elementwise):
    r"""The smaller one of each element and a number, :math:`y = \min(x, v)`.

    Inputs:
        x: any shape.
    Args:
        val: the number :math:`v`.
    Returns:
        Shape of `x`; NaN stays NaN. The derivative at :math:`v` is 0.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.minimum_scalar(nn.NdArray.from_numpy_array([1.0, 5.0]), 3).data
        array([1., 3.], dtype=float32)

    Source: NNabla function reference, ``MinimumScalar``.
    """

    val = Float(1.0, "Largest result.")
    held = ("x",)

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp_max(x, self.val)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return aten.threshold_backward(dy, y.neg(), -self.val)


# ---- over axes ---------------------------------------------------------------------------------------------


class _Extremum(Reduction):
    """Largest or smallest element, and where it is."""

    axes = Ints(None, "Axes to reduce; all by default.")
    keep_dims = Bool(False, "Keep reduced axes, with length 1.")
    with_index = Bool(False, "Return the indices as a second output.")
    only_index = Bool(False, "Return the indices instead of the values.")

    outputs = ("y", "index")
    keeps = True

    def output_shape(self, x: Shape) -> Any:
        y = super().output_shape(x)
        if self._count == 0 and 0 not in y:
            raise ShapeError(f"{self.declaration.name}: there is nothing to reduce over axes {self._axes} of {x}")
        self.settle_one_axis()
        self.differentiable = not self.only_index
        self._pairs = self.with_index and not self.only_index
        self.output_types = {0 if self.only_index else 1: torch.int64}
        return [y, y] if self._pairs else y

    @staticmethod
    def _along(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Values and indices along one axis, which is kept with length 1."""
        raise NotImplementedError

    @staticmethod
    def _values(x: Tensor, axes: tuple[int, ...], keep_dims: bool) -> Tensor:
        """Values alone, over any axes."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Any:
        y, index = self._along(self.as_one(x), self._axis)
        self.kept = index
        y, index = y.view(self._y), index.view(self._y)
        if self.only_index:
            return index
        return (y, index) if self._pairs else y

    def infer(self, x: Tensor) -> Any:
        if self.with_index or self.only_index or not self._axes:
            return self.forward(x)
        return self._values(x, self._axes, self.keep_dims)

    def grad(self, dy: Tensor) -> Tensor:
        index = self.kept
        dx = dy.new_zeros(self._flat).scatter_(self._axis, index, dy.reshape(index.shape))
        return self.as_many(dx)


@operator("Max", "max", 1058)
class Max(_Extremum):
    r"""Largest element over axes, :math:`y = \max_i x_i`.

    Inputs:
        x: any shape.
    Args:
        axes: axes to reduce; all by default; negative values count from the end. With an empty list, `x`
            itself.
        keep_dims: keep reduced axes, with length 1.
        with_index: also return where the largest element is, counted over the reduced axes in their order in
            `x`.
        only_index: return that instead.
    Returns:
        Shape of `x` without `axes`: `y`, ``(y, index)`` or `index`. Of equal elements the first one counts,
        and it gets the whole gradient. NaN is larger than all numbers.
    Raises:
        ArgumentError: one of `axes` is not an axis of `x`, or given twice.
        ShapeError: an axis of length 0 is reduced.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y, index = F.max(nn.NdArray.from_numpy_array([[1.0, 3.0], [4.0, 2.0]]), axis=1, with_index=True)
        >>> y.data.tolist(), index.data.tolist()
        ([3.0, 4.0], [1, 0])

    Source: NNabla function reference, ``Max``.
    """

    @staticmethod
    def _along(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        return torch.max(x, axis, keepdim=True)

    @staticmethod
    def _values(x: Tensor, axes: tuple[int, ...], keep_dims: bool) -> Tensor:
        return torch.amax(x, axes, keep_dims)


@operator("Min", "min", 1059)
class Min(_Extremum):
    r"""Smallest element over axes, :math:`y = \min_i x_i`.

    Inputs:
        x: any shape.
    Args:
        axes: axes to reduce; all by default; negative values count from the end. With an empty list, `x`
            itself.
        keep_dims: keep reduced axes, with length 1.
        with_index: also return where the smallest element is, counted over the reduced axes in their order in
            `x`.
        only_index: return that instead.
    Returns:
        Shape of `x` without `axes`: `y`, ``(y, index)`` or `index`. Of equal elements the first one counts,
        and it gets the whole gradient. NaN is smaller than all numbers.
    Raises:
        ArgumentError: one of `axes` is not an axis of `x`, or given twice.
        ShapeError: an axis of length 0 is reduced.
    Source: NNabla function reference, ``Min``.
    """

    @staticmethod
    def _along(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        return torch.min(x, axis, keepdim=True)

    @staticmethod
    def _values(x: Tensor, axes: tuple[int, ...], keep_dims: bool) -> Tensor:
        return torch.amin(x, axes, keep_dims)


# ---- public calls ------------------------------------------------------------------------------------------


@public
def max(x: Array, axis: Axes = None, keepdims: bool = False, with_index: bool = False, only_index: bool = False) -> Any:
    r"""Largest element over axes, :math:`y = \max_i x_i`; of equal ones the first counts.

    Inputs:
        x: Variable or NdArray of any shape.
    Args:
        axis: an axis or several to reduce; all by default; negative values count from the end.
        keepdims: keep reduced axes, with length 1.
        with_index: also return where the largest element is, counted over the reduced axes in their order in
            `x`.
        only_index: return that instead.

    Returns:
        Shape of `x` without `axis`: the values, ``(values, indices)``, or the indices.

    Raises:
        ArgumentError: `axis` is not an axis of `x`, or one is given twice.
        ShapeError: an axis of length 0 is reduced.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.max(nn.NdArray.from_numpy_array([[1.0, 3.0], [4.0, 2.0]]), axis=1).data
        array([3., 4.], dtype=float32)
    """
    return invoke(Max, (listed(axis), keepdims, with_index, only_index), (x,))


@public
def min(x: Array, axis: Axes = None, keepdims: bool = False, with_index: bool = False, only_index: bool = False) -> Any:
    r"""Smallest element over axes, :math:`y = \min_i x_i`; of equal ones the first counts.

    Inputs:
        x: Variable or NdArray of any shape.
    Args:
        axis: an axis or several to reduce; all by default; negative values count from the end.
        keepdims: keep reduced axes, with length 1.
        with_index: also return where the smallest element is, counted over the reduced axes in their order in
            `x`.
        only_index: return that instead.

    Returns:
        Shape of `x` without `axis`: the values, ``(values, indices)``, or the indices.

    Raises:
        ArgumentError: `axis` is not an axis of `x`, or one is given twice.
        ShapeError: an axis of length 0 is reduced.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.min(nn.NdArray.from_numpy_array([[1.0, 3.0], [4.0, 2.0]]), axis=1, only_index=True).data
        array([0, 1])
    """
    return invoke(Min, (listed(axis), keepdims, with_index, only_index), (x,))


@public
def clip_by_value(x: Array, min: float | Array, max: float | Array) -> Any:
    r"""Clip to an interval, :math:`y = \min(\max(x, a), b)`.

    Inputs:
        x: Variable or NdArray of any shape.
        min: lower bound :math:`a`: a number, or a Variable or NdArray of a shape that broadcasts to that of `x`.
        max: upper bound :math:`b`: a number, or an array of such a shape. Where it is below `min`, it counts.

    Returns:
        Shape of `x`. The gradient passes where nothing was clipped, else to the bound, if that is an array.

    Raises:
        ShapeError: a bound does not broadcast to the shape of `x`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.clip_by_value(nn.NdArray.from_numpy_array([-3.0, 0.5, 3.0]), -1, 1).data
        array([-1. ,  0.5,  1. ], dtype=float32)
    """
    if isinstance(min, (Variable, NdArray)):
        y = invoke(Maximum2, (), (x, min))
    else:
        y = invoke(MaximumScalar, (min,), (x,))
    if isinstance(max, (Variable, NdArray)):
        return invoke(Minimum2, (), (y, max))
    return invoke(MinimumScalar, (max,), (y,))
