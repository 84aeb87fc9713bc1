"""Running sums and products along an axis."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..graph.argument import Bool, Int
from ..graph.operator import Operator, Shape, operator
from .axes import normalized
from .kernels import aten

cumprod_backward = aten.cumprod_backward


class _Running(Operator):
    """A sum or product of the elements up to each one."""

    axis: Any
    exclusive: Any
    reverse: Any

    def output_shape(self, x: Shape) -> Shape:
        if self.axis is None:
            self.axis = 0
        self._axis = normalized(self.axis, len(x), self.declaration.name)
        return x

    def _run(self, x: Tensor, kernel: Any, neutral: float, reverse: bool) -> Tensor:
        axis = self._axis
        if reverse:
            x = x.flip(axis)
        if self.exclusive and x.shape[axis]:
            first = torch.full_like(x.narrow(axis, 0, 1), neutral)
            x = torch.cat((first, x.narrow(axis, 0, x.shape[axis] - 1)), axis)
        y = kernel(x, axis)
        return y.flip(axis) if reverse else y


@operator("CumSum", "cumsum", 1056)
class CumSum(_Running):
    r"""Running sum along an axis, :math:`y_i = \sum_{j \le i} x_j`.

    Inputs:
        x: any shape with at least one axis.
    Args:
        axis: axis to sum along; 0 by default; a negative value counts from the end.
        exclusive: leave out the element itself, :math:`j < i`.
        reverse: sum from the end, :math:`j \ge i`.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `axis` is not an axis of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.cumsum(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), exclusive=True).data
        array([0., 1., 3.], dtype=float32)

    Source: NNabla function reference, ``CumSum``.
    """

    axis = Int(None, "Axis to sum along; 0 by default.")
    exclusive = Bool(False, "Leave out the element itself.")
    reverse = Bool(False, "Sum from the end.")

    def forward(self, x: Tensor) -> Tensor:
        return self._run(x, torch.cumsum, 0.0, self.reverse)

    def grad(self, dy: Tensor) -> Tensor:
        return self._run(dy, torch.cumsum, 0.0, not self.reverse)


@operator("CumProd", "cumprod", 1062)
class CumProd(_Running):
    r"""Running product along an axis, :math:`y_i = \prod_{j \le i} x_j`.

    Inputs:
        x: any shape with at least one axis.
    Args:
        axis: axis to multiply along; 0 by default; a negative value counts from the end.
        exclusive: leave out the element itself, :math:`j < i`.
        reverse: multiply from the end, :math:`j \ge i`.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `axis` is not an axis of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.cumprod(nn.NdArray.from_numpy_array([2.0, 3.0, 4.0])).data
        array([ 2.,  6., 24.], dtype=float32)

    Source: NNabla function reference, ``CumProd``.
    """

    axis = Int(None, "Axis to multiply along; 0 by default.")
    exclusive = Bool(False, "Leave out the element itself.")
    reverse = Bool(False, "Multiply from the end.")

    def forward(self, x: Tensor) -> Tensor:
        return self._run(x, torch.cumprod, 1.0, self.reverse)

    def grad(self, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        axis = self._axis
        if self.reverse:
            dy, x, y = dy.flip(axis), x.flip(axis), y.flip(axis)
        if not (self.exclusive and x.shape[axis]):
            dx = cumprod_backward(dy, x, axis, y)
        else:
            # The first product is 1, and no product has the last factor.
            rest = x.shape[axis] - 1
            dx = cumprod_backward(dy.narrow(axis, 1, rest), x.narrow(axis, 0, rest), axis, y.narrow(axis, 1, rest))
            dx = torch.constant_pad_nd(dx, [0, 0] * (x.ndim - 1 - axis) + [0, 1])
        return dx.flip(axis) if self.reverse else dx
