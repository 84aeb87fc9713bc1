"""Arrays made from arguments alone, or like another array."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Int, Single, Sizes, not_negative
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator


def representable(value: float, dtype: torch.dtype) -> float:
    """`value`, or infinity where it is beyond the range of `dtype`; torch would refuse to fill with it."""
    return math.copysign(math.inf, value) if abs(value) > torch.finfo(dtype).max else value


lengths = (lambda shape: all(d >= 0 for d in shape), "lengths of at least 0")


@operator("Constant", "constant", 1109)
class Constant(Operator):
    """An array that holds one number everywhere, :math:`y_i = v`.

    Args:
        val: the number :math:`v`.
        shape: the shape. Default: ``()``, a scalar.
    Returns:
        Shape `shape`.
    Raises:
        ArgumentError: a length is negative.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.constant(1.5, (2, 2))
        >>> y.forward()
        >>> y.d
        array([[1.5, 1.5],
               [1.5, 1.5]], dtype=float32)
    """

    val = Single(0.0, "The number.")
    shape = Sizes([], "The shape.", check=lengths)

    def output_shape(self) -> Shape:
        value = representable(self.val, self.compute_dtype)
        # A tensor that says type and device saves reading these arguments in each call.
        like = torch.empty(0, dtype=self.compute_dtype, device=self.device)
        self._full = partial(like.new_full, self.shape, value)
        return self.shape

    def forward(self) -> Tensor:
        return self._full()


@operator("Arange", "arange", 1110)
class Arange(Operator):
    r"""Numbers at even distances, from `start` on and before `stop`:
    :math:`y_i = \mathrm{start} + i \cdot \mathrm{step}`.

    Args:
        start: first number.
        stop: end of the range, not part of it.
        step: distance, not 0; negative to count down.
    Returns:
        Shape ``(ceil((stop - start) / step),)``, or ``(0,)`` where the range is empty.
    Raises:
        ArgumentError: `step` is 0.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.arange(1, 2, 0.25)
        >>> y.forward()
        >>> y.d
        array([1.  , 1.25, 1.5 , 1.75], dtype=float32)

    Source: NNabla function reference, ``Arange``. NNabla 1.x adds `step` up in single precision, which shifts
    the numbers of a long range, and may add one; here element ``i`` is ``start + i step``.
    """

    start = Single(doc="First number.")
    stop = Single(doc="End of the range, not part of it.")
    step = Single(1.0, "Distance, not 0.", check=(lambda step: step != 0, "other than 0"))

    def output_shape(self) -> Shape:
        # In single precision, the division of decimal fractions such as 2.1 / 0.3 comes out whole.
        count = np.float32(self.stop - self.start) / np.float32(self.step)
        if not math.isfinite(count):
            raise ArgumentError(
                f"arange: the range from {self.start} to {self.stop} by {self.step} has no finite length"
            )
        self._count = max(0, math.ceil(count))
        # Whole numbers that every type has: nothing to be rounded.
        self._whole = (
            float(self.start).is_integer()
            and float(self.step).is_integer()
            and abs(self.start) + self._count * abs(self.step) < 1 / torch.finfo(self.compute_dtype).eps
        )
        return (self._count,)

    def forward(self) -> Tensor:
        if self._whole:
            stop = self.start + self._count * self.step
            return torch.arange(self.start, stop, self.step, dtype=self.compute_dtype, device=self.device)
        steps = torch.arange(self._count, dtype=torch.float64, device=self.device)
        return steps.mul_(self.step).add_(self.start).to(self.compute_dtype)


@operator("Linspace", "linspace", 1111)
class Linspace(Operator):
    r"""A number of values at even distances, both ends included:
    :math:`y_i = \mathrm{start} + i \, (\mathrm{stop} - \mathrm{start}) / (\mathrm{num} - 1)`.

    Args:
        start: first value.
        stop: last value.
        num: how many; one alone is `start`.
    Returns:
        Shape ``(num,)``.
    Raises:
        ArgumentError: `num` is negative.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.linspace(0, 1, 5)
        >>> y.forward()
        >>> y.d
        array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """

    start = Single(doc="First value.")
    stop = Single(doc="Last value.")
    num = Int(doc="How many.", check=not_negative)

    def output_shape(self) -> Shape:
        return (self.num,)

    def forward(self) -> Tensor:
        return torch.linspace(self.start, self.stop, self.num, dtype=self.compute_dtype, device=self.device)


@public
def linspace(start: float, stop: float, num: int) -> Any:
    return invoke(Linspace, (start, stop, num), ())


linspace.__doc__ = Linspace.__doc__


@operator("EyeLike", "eye_like", 1225)
class EyeLike(Operator):
    """Ones on a diagonal, zeros elsewhere, in the shape of `x`: :math:`y_{i, j} = 1` where
    :math:`j = i + k`.

    Inputs:
        x: shape ``(M, N)``; its values are not read.
    Args:
        k: which diagonal: 0 the main one, positive ones above it, negative ones below.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `x` does not have two axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.eye_like(nn.NdArray((2, 3)), k=1).data
        array([[0., 1., 0.],
               [0., 0., 1.]], dtype=float32)
    """

    k = Int(0, "Which diagonal.")
    differentiable = False

    def output_shape(self, x: Shape) -> Shape:
        if len(x) != 2:
            raise ShapeError(f"eye_like: x must have two axes, not {len(x)}")
        self._eye = partial(torch.eye, *x, dtype=self.compute_dtype, device=self.device)
        return x

    def forward(self, x: Tensor) -> Tensor:
        if not self.k:
            return self._eye()
        y = torch.zeros_like(x)
        y.diagonal(self.k).fill_(1)
        return y
