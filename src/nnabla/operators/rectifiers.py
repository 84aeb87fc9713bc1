"""Activation functions in pieces: rectifiers, exponential units, and the hard forms of soft functions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .._private_torch import prelu_kernel, prelu_kernel_backward
from ..errors import ShapeError
from ..graph.argument import Bool, Float, Int, Single
from ..graph.operator import Operator, PostOp, Shape, operator
from .axes import normalized
from .kernels import aten
from .shapes import Elementwise

# Bound to its only overload, which saves the choice among overloads in every call.
threshold_backward = aten.threshold_backward
threshold_backward_into = aten.into("threshold_backward")


def _least(x: Tensor) -> float:
    """The least number above 0 that the type of `x` has. Added, it moves 0 over the border and changes nothing else."""
    info = torch.finfo(x.dtype)
    return info.tiny * info.eps


@operator("ReLU", "relu", 1022)
class ReLU(Elementwise):
    r"""Rectified linear unit, :math:`y = \max(0, x)`.

    Inputs:
        x: any shape.
    Args:
        inplace: accepted for compatibility; the clear options free memory.
    Returns:
        Shape of `x`. The derivative at 0 is 0.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.relu(nn.NdArray.from_numpy_array([-1.0, 2.0])).data
        array([0., 2.], dtype=float32)

    Source: NNabla function reference, ``ReLU``.
    """

    inplace = Bool(False, "Accepted for compatibility; the clear options free memory.")
    grad_is_steady = True

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    # Of NaN it makes 0, as NNabla 1.39 does.
    post_op = PostOp("relu")

    def overwrite(self, x: Tensor) -> Tensor:
        return torch.relu_(x)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return threshold_backward(dy, y, 0)

    def overwrite_grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return threshold_backward_into(dy, y, 0, grad_input=dy)


@operator("LeakyReLU", "leaky_relu", 1023)
class LeakyReLU(Elementwise):
    r"""Leaky rectified linear unit, :math:`y = \max(0, x) + \alpha \min(0, x)`.

    Inputs:
        x: any shape.
    Args:
        alpha: slope for negative inputs.
        inplace: accepted for compatibility; the clear options free memory.
    Returns:
        Shape of `x`. The derivative at 0 is `alpha`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.leaky_relu(nn.NdArray.from_numpy_array([-1.0, 2.0]), alpha=0.5).data
        array([-0.5,  2. ], dtype=float32)

    Source: NNabla function reference, ``LeakyReLU``; Maas et al. 2013, Rectifier Nonlinearities Improve
    Neural Network Acoustic Models.
    """

    alpha = Single(0.1, "Slope for negative inputs.")
    inplace = Bool(False, "Accepted for compatibility; the clear options free memory.")
    grad_is_steady = True

    @property
    def post_op(self) -> PostOp | None:  # type: ignore[override]
        return PostOp("leaky_relu", (self.alpha,)) if self.alpha >= 0 else None

    def output_shape(self, x: Shape) -> Shape:
        # A negative slope makes all outputs positive: then only the input says which side it is on. So it is with
        # one that is not a number.
        self._by_input = not self.alpha >= 0
        if self.grad is not None:
            self.keeps = self._by_input
        return x

    def forward(self, x: Tensor) -> Tensor:
        if self._by_input:
            self.kept = x > 0
        return functional.leaky_relu(x, self.alpha)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        if self._by_input:
            return torch.where(self.kept, dy, dy * self.alpha)
        return aten.leaky_relu_backward(dy, y, self.alpha, True)


@operator("ReLU6", "relu6", 1033)
class ReLU6(Elementwise):
    r"""Rectified linear unit with a ceiling, :math:`y = \min(\max(0, x), 6)`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`. The derivative at 0 and 6 is 0.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.relu6(nn.NdArray.from_numpy_array([-1.0, 3.0, 8.0])).data
        array([0., 3., 6.], dtype=float32)

    Source: NNabla function reference, ``ReLU6``; Krizhevsky 2010, Convolutional Deep Belief Networks on
    CIFAR-10.
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.hardtanh(x, 0.0, 6.0)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return aten.hardtanh_backward(dy, y, 0.0, 6.0)


@operator("PReLU", "prelu", 1030)
class PReLU(Operator):
    r"""Rectified linear unit with a learned slope, :math:`y = \max(0, x_0) + w \min(0, x_0)`.

    Inputs:
        x0: shape ``(D_0, ..., D_N)``, at least one axis.
        x1: the slopes :math:`w`: one for each index of the axis `base_axis`, or a single one for all, shape
            ``()`` or any other with one element.
    Args:
        base_axis: axis of `x0` that the slopes belong to; a negative value counts from the end.
    Returns:
        Shape of `x0`. The derivative at 0 is the slope.
    Raises:
        ArgumentError: `base_axis` is not an axis of `x0`.
        ShapeError: `x1` has neither one element nor the length of that axis.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, slopes = nn.NdArray.from_numpy_array([[-1.0, -1.0]]), nn.NdArray.from_numpy_array([0.5, 0.25])
        >>> F.prelu(x, slopes).data
        array([[-0.5 , -0.25]], dtype=float32)

    Source: NNabla function reference, ``PReLU``; He et al. 2015, Delving Deep into Rectifiers.
    """

    base_axis = Int(1, "Axis that the slopes belong to.")

    def output_shape(self, x0: Shape, x1: Shape) -> Shape:
        axis = normalized(self.base_axis, len(x0), "prelu", "base_axis")
        # The shape in which the slopes broadcast.
        if all(d == 1 for d in x1):
            self._slopes: Shape = (1,) * len(x0)
        elif x1 == (x0[axis],):
            self._slopes = tuple([d if i == axis else 1 for i, d in enumerate(x0)])
        else:
            raise ShapeError(f"prelu: x1 must have one element or shape ({x0[axis]},), axis {axis} of x0, not {x1}")
        self._x1 = x1
        return x0

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return prelu_kernel(x0, x1.view(self._slopes))

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor) -> tuple[Tensor, Tensor | None]:
        # The kernel takes the slope for the derivative at 0, where it is to be 1.
        above = x0 + _least(x0)
        dx0, dx1 = prelu_kernel_backward(dy, above, x1.view(self._slopes))
        return dx0, (dx1.sum_to_size(self._slopes).view(self._x1) if need[1] else None)


# ---- exponential units -------------------------------------------------------------------------------------


class _Exponential(Operator):
    """The exponential linear unit, alone and of both signs."""

    alpha: float

    def _elu(self, x: Tensor) -> Tensor:
        return functional.elu(x, self.alpha)

    def _elu_grad(self, dy: Tensor, y: Tensor, negative: Tensor | None) -> Tensor:
        """The gradient from the output; `negative` says where the input was, if its sign does not."""
        if self.alpha == 1.0:
            return aten.elu_backward(dy, 1.0, 1.0, 1.0, True, y)
        # elu_backward takes alpha for the derivative at 0, where it is to be 1.
        return torch.where(y < 0 if negative is None else negative, (y + self.alpha).mul_(dy), dy)


@operator("ELU", "elu", 1026)
class ELU(_Exponential):
    r"""Exponential linear unit: :math:`y = x` for :math:`x > 0`, else :math:`y = \alpha (e^x - 1)`.

    Inputs:
        x: any shape.
    Args:
        alpha: factor of the exponential; ``-alpha`` is the limit for large negative inputs.
    Returns:
        Shape of `x`. The derivative at 0 is 1.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.elu(nn.NdArray.from_numpy_array([-1.0, 2.0])).data.round(4)
        array([-0.6321,  2.    ], dtype=float32)

    Source: NNabla function reference, ``ELU``; Clevert et al. 2015, Fast and Accurate Deep Network Learning
    by Exponential Linear Units.
    """

    alpha = Float(1.0, "Factor of the exponential.")
    keeps = True
    held = ("x",)

    def output_shape(self, x: Shape) -> Shape:
        return x

    def forward(self, x: Tensor) -> Tensor:
        self.kept = x < 0 if self.alpha <= 0 else None
        return self._elu(x)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return self._elu_grad(dy, y, self.kept)


@operator("SELU", "selu", 1027)
class SELU(Elementwise):
    r"""Scaled exponential linear unit: :math:`y = \lambda x` for :math:`x > 0`, else
    :math:`y = \lambda \alpha (e^x - 1)`.

    Inputs:
        x: any shape.
    Args:
        scale: the factor :math:`\lambda`. With the defaults, inputs of mean 0 and variance 1 stay so through
            a deep network.
        alpha: factor of the exponential.
    Returns:
        Shape of `x`. The derivative at 0 is ``scale * alpha``.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.selu(nn.NdArray.from_numpy_array([-1.0, 2.0])).data.round(4)
        array([-1.1113,  2.1014], dtype=float32)

    Source: NNabla function reference, ``SELU``; Klambauer et al. 2017, Self-Normalizing Neural Networks,
    equation 2.
    """

    scale = Float(1.05070098735548, "Factor of the output.")
    alpha = Float(1.673263242354377, "Factor of the exponential.")
    keeps = True
    held = ("x",)

    def forward(self, x: Tensor) -> Tensor:
        # The sign of the output is that of the input, unless a factor is negative or zero.
        self.kept = None if self.scale > 0 and self.alpha > 0 else x
        return aten.elu(x, self.alpha, self.scale, 1.0)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        if self.kept is None:
            return aten.elu_backward(dy, self.alpha, self.scale, 1.0, True, y)
        return aten.elu_backward(dy, self.alpha, self.scale, 1.0, False, self.kept)


# ---- both signs, concatenated ------------------------------------------------------------------------------


def _doubled(x: Shape, axis: int) -> Shape:
    return tuple([2 * d if i == axis else d for i, d in enumerate(x)])


@operator("CReLU", "crelu", 1028)
class CReLU(Operator):
    r"""Rectified linear units of both signs: :math:`\max(0, x)` and :math:`\max(0, -x)`, concatenated.

    Inputs:
        x: shape ``(D_0, ..., D_N)``.
    Args:
        axis: axis to concatenate along; a negative value counts from the end.
    Returns:
        Shape of `x`, with the length of `axis` doubled. The derivative at 0 is that of the second half, -1.
    Raises:
        ArgumentError: `axis` is not an axis of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.crelu(nn.Variable((2, 3, 4))).shape
        (2, 6, 4)

    Source: NNabla function reference, ``CReLU``; Shang et al. 2016, Understanding and Improving Convolutional
    Neural Networks via Concatenated Rectified Linear Units.
    """

    axis = Int(1, "Axis to concatenate along.")
    held = ("x",)

    def output_shape(self, x: Shape) -> Shape:
        self._axis = normalized(self.axis, len(x), "crelu")
        return _doubled(x, self._axis)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(torch.cat((x, -x), self._axis))

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        dy0, dy1 = dy.chunk(2, self._axis)
        y0 = y.narrow(self._axis, 0, y.shape[self._axis] // 2)
        zero = torch.rsub(y0, _least(y))  # above 0 where y0 is 0
        # torch.where takes twice as long.
        return aten.threshold_backward(dy0, y0, 0).sub_(aten.threshold_backward(dy1, zero, 0))


@operator("CELU", "celu", 1029)
class CELU(_Exponential):
    r"""Exponential linear units of both signs, :math:`f(x)` and :math:`f(-x)`, concatenated, where
    :math:`f(x) = x` for :math:`x > 0`, else :math:`\alpha (e^x - 1)`.

    Inputs:
        x: shape ``(D_0, ..., D_N)``.
    Args:
        alpha: factor of the exponential, see `elu`.
        axis: axis to concatenate along; a negative value counts from the end.
    Returns:
        Shape of `x`, with the length of `axis` doubled.
    Raises:
        ArgumentError: `axis` is not an axis of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.celu(nn.Variable((2, 3, 4))).shape
        (2, 6, 4)

    Source: NNabla function reference, ``CELU``. Not the continuously differentiable unit of the same
    abbreviation.
    """

    alpha = Float(1.0, "Factor of the exponential.")
    axis = Int(1, "Axis to concatenate along.")
    keeps = True
    held = ("x",)

    def output_shape(self, x: Shape) -> Shape:
        self._axis = normalized(self.axis, len(x), "celu")
        return _doubled(x, self._axis)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat((x, -x), self._axis)
        self.kept = both < 0 if self.alpha <= 0 else None
        return functional.elu_(both, self.alpha)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        plus, minus = self._elu_grad(dy, y, self.kept).chunk(2, self._axis)
        return plus - minus


# ---- hard forms --------------------------------------------------------------------------------------------


class _Clipped(Elementwise):
    """A line between two constants; the derivative at both ends is that of the line."""

    # Where the line ends, on both sides of 0.
    _end: float

    def output_shape(self, x: Shape) -> Shape:
        # hardtanh_backward leaves out the ends themselves: so they are moved to the next numbers.
        step = torch.finfo(self.compute_dtype).eps * 2.0 ** math.floor(math.log2(self._end))
        self._outside = self._end + step
        return x

    def _line_grad(self, dy: Tensor, x: Tensor) -> Any:
        return aten.hardtanh_backward(dy, x, -self._outside, self._outside)


@operator("HardSigmoid", "hard_sigmoid", 1034)
class HardSigmoid(_Clipped):
    r"""Piecewise linear sigmoid, :math:`y = \min(\max(0, 0.2 x + 0.5), 1)`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in [0, 1]. The derivative is 0.2 in [-2.5, 2.5].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.hard_sigmoid(nn.NdArray.from_numpy_array([-4.0, 0.0, 1.0])).data
        array([0. , 0.5, 0.7], dtype=float32)

    Source: NNabla function reference, ``HardSigmoid``.
    """

    _end = 2.5

    def forward(self, x: Tensor) -> Tensor:
        return (x * 0.2).add_(0.5).clamp_(0.0, 1.0)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return self._line_grad(dy, x).mul_(0.2)


@operator("HardTanh", "hard_tanh", 1035)
class HardTanh(_Clipped):
    r"""Piecewise linear hyperbolic tangent, :math:`y = \min(\max(-1, x), 1)`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in [-1, 1]. The derivative is 1 in [-1, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.hard_tanh(nn.NdArray.from_numpy_array([-4.0, 0.5])).data
        array([-1. ,  0.5], dtype=float32)

    Source: NNabla function reference, ``HardTanh``.
    """

    _end = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return functional.hardtanh(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return self._line_grad(dy, x)
