"""Smooth activation functions; `rectifiers` has those in pieces."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from .._private_torch import log_softmax_backward_data, softmax_backward_data
from ..graph.argument import Float, Int
from ..graph.operator import Operator, PostOp, Shape, operator
from .axes import normalized
from .kernels import aten
from .losses import differentiated
from .shapes import Elementwise

# Bound to their only overload, which saves the choice among overloads in every call.
sigmoid_backward = aten.sigmoid_backward
tanh_backward = aten.tanh_backward
sigmoid_backward_into = aten.into("sigmoid_backward")
tanh_backward_into = aten.into("tanh_backward")
silu_backward_into = aten.into("silu_backward")
gelu_backward_into = aten.into("gelu_backward")


@operator("Sigmoid", "sigmoid", 1019)
class Sigmoid(Elementwise):
    r"""Sigmoid, :math:`y = 1 / (1 + e^{-x})`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in [0, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.sigmoid(nn.NdArray.from_numpy_array([0.0])).data
        array([0.5], dtype=float32)

    Source: NNabla function reference, ``Sigmoid``.
    """

    post_op = PostOp("sigmoid")

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def overwrite(self, x: Tensor) -> Tensor:
        return torch.sigmoid_(x)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return sigmoid_backward(dy, y)

    def overwrite_grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return sigmoid_backward_into(dy, y, grad_input=dy)


@operator("Tanh", "tanh", 1021)
class Tanh(Elementwise):
    r"""Hyperbolic tangent, :math:`y = (e^x - e^{-x}) / (e^x + e^{-x})`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in [-1, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.tanh(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 0.7616], dtype=float32)

    Source: NNabla function reference, ``Tanh``.
    """

    post_op = PostOp("tanh")

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def overwrite(self, x: Tensor) -> Tensor:
        return torch.tanh_(x)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return tanh_backward(dy, y)

    def overwrite_grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return tanh_backward_into(dy, y, grad_input=dy)


@operator("Swish", "swish", 1020)
class Swish(Elementwise):
    r"""Swish, also named SiLU, :math:`y = x / (1 + e^{-x})`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.swish(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 0.7311], dtype=float32)

    Source: NNabla function reference, ``Swish``; Ramachandran et al. 2017, Searching for Activation
    Functions.
    """

    held = ("y",)
    post_op = PostOp("swish")

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        # The kernel has no derivative of its own.
        if dy.requires_grad or x.requires_grad:
            s = torch.sigmoid(x)
            return dy * (s + x * s * (1 - s))
        return aten.silu_backward(dy, x)

    def overwrite_grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return silu_backward_into(dy, x, grad_input=dy)


@operator("GELU", "gelu", 1031)
class GELU(Elementwise):
    r"""Gaussian error linear unit, approximated by :math:`y = x (1 + \tanh(\sqrt{2 / \pi} (x + 0.044715
    x^3))) / 2`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.gelu(nn.NdArray.from_numpy_array([-1.0, 1.0])).data.round(4)
        array([-0.1588,  0.8412], dtype=float32)

    Source: NNabla function reference, ``GELU``; Hendrycks and Gimpel 2016, Gaussian Error Linear Units,
    section 2.
    """

    held = ("y",)
    post_op = PostOp("gelu", (), "tanh")

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(x, approximate="tanh")

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return aten.gelu_backward(dy, x, approximate="tanh")

    def overwrite_grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return gelu_backward_into(dy, x, approximate="tanh", grad_input=dy)


@operator("Mish", "mish", 1032)
class Mish(Elementwise):
    r"""Mish, :math:`y = x \tanh(\log(1 + e^x))`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.mish(nn.NdArray.from_numpy_array([-1.0, 1.0])).data.round(4)
        array([-0.3034,  0.8651], dtype=float32)

    Source: NNabla function reference, ``Mish``; Misra 2019, Mish: A Self Regularized Non-Monotonic Activation
    Function. The gradient is right above 44, too, where that of NNabla 1.39 is NaN.
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.mish(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        # The kernel has no derivative of its own.
        if dy.requires_grad or x.requires_grad:
            t = torch.tanh(functional.softplus(x))
            return dy * (t + x * torch.sigmoid(x) * (1 - t * t))
        return aten.mish_backward(dy, x)


@operator("LogSigmoid", "log_sigmoid", 1036)
class LogSigmoid(Elementwise):
    r"""Logarithm of the sigmoid, :math:`y = -\log(1 + e^{-x})`, without overflow.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, at most 0.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.log_sigmoid(nn.NdArray.from_numpy_array([0.0, -100.0])).data.round(4)
        array([  -0.6931, -100.    ], dtype=float32)

    Source: NNabla function reference, ``LogSigmoid``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.logsigmoid(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        if differentiated(x) or differentiated(dy):
            return dy * torch.sigmoid(-x)
        return x.neg().sigmoid_().mul_(dy)


# Above this the logarithm of 1 + exp(x) is x itself, in double precision, too.
_LINEAR = 40.0


@operator("SoftPlus", "softplus", 1037)
class SoftPlus(Elementwise):
    r"""Smooth rectified linear unit, :math:`y = \log(1 + e^{\beta x}) / \beta`, without overflow.

    Inputs:
        x: any shape.
    Args:
        beta: sharpness, not 0; the larger, the closer to `relu`. With a negative one the result is at most 0.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `beta` is 0.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.softplus(nn.NdArray.from_numpy_array([0.0, 100.0]), beta=2.0).data.round(4)
        array([  0.3466, 100.    ], dtype=float32)

    Source: NNabla function reference, ``SoftPlus``.
    """

    beta = Float(1.0, "Sharpness; the larger, the closer to ReLU.", check=(lambda value: value != 0, "other than 0"))

    def forward(self, x: Tensor) -> Tensor:
        return functional.softplus(x, self.beta, _LINEAR)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return aten.softplus_backward(dy, x, self.beta, _LINEAR)


@operator("SoftSign", "softsign", 1038)
class SoftSign(Elementwise):
    r"""Softsign, :math:`y = x / (1 + |x|)`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in [-1, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.softsign(nn.NdArray.from_numpy_array([-3.0, 1.0])).data
        array([-0.75,  0.5 ], dtype=float32)

    Source: NNabla function reference, ``SoftSign``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x / x.abs().add_(1)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        # Not (1 - |y|)^2: for large inputs nothing would be left of the difference.
        scale = x.abs().add_(1).reciprocal()
        return (dy * scale).mul_(scale)


@operator("TanhShrink", "tanh_shrink", 1039)
class TanhShrink(Elementwise):
    r"""What the hyperbolic tangent cuts off, :math:`y = x - \tanh x`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.tanh_shrink(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 0.2384], dtype=float32)

    Source: NNabla function reference, ``TanhShrink``.
    """

    keeps = True
    held = ("x",)

    def forward(self, x: Tensor) -> Tensor:
        self.kept = torch.tanh(x)
        return x - self.kept

    def infer(self, x: Tensor) -> Tensor:
        return x - torch.tanh(x)

    def grad(self, dy: Tensor) -> Tensor:
        return torch.square(self.kept).mul_(dy)


# Nearer to 0 than this, the derivative is a difference of nearly equal numbers; there its series takes over.
# The coefficients of x, x^3, ... are (-1)^n 2n / (2n + 1)!; the first one left out adds 1e-18.
_NEAR_ZERO = 0.5
_SERIES = [(-1) ** n * 2 * n / math.factorial(2 * n + 1) for n in range(7, 0, -1)]
# In float32, from the fourth on: what is left out adds 1e-9.
_SHORT_SERIES = _SERIES[3:]


@operator("Sinc", "sinc", 1040)
class Sinc(Elementwise):
    r"""Cardinal sine, :math:`y = \sin(x) / x`, and 1 for 0.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.sinc(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([1.    , 0.8415], dtype=float32)

    Source: NNabla function reference, ``Sinc``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x).div_(x).masked_fill_(x == 0, 1)

    def grad(self, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        near = x.abs() < _NEAR_ZERO
        x_near, x_far = x, x
        if differentiated(x):
            # What is not chosen must not be infinite then, since its gradient is multiplied by 0.
            x_near, x_far = x.masked_fill(~near, 0), x.masked_fill(near, 1)
            y = torch.sin(x_far).div_(x_far)
        slope = torch.cos(x_far).sub_(y).div_(x_far)
        first, *others = _SERIES if x.dtype is torch.float64 else _SHORT_SERIES
        x2 = torch.square(x_near)
        series = x2 * first
        for coefficient in others[:-1]:
            series.add_(coefficient).mul_(x2)
        return torch.where(near, series.add_(others[-1]).mul_(x_near), slope).mul_(dy)


class _AlongAxis(Operator):
    """A function of all elements along one axis."""

    axis = Int(None, "Axis that sums to one; the last by default.")

    def output_shape(self, x: Shape) -> Shape:
        if self.axis is None:
            self.axis = len(x) - 1
        self._axis = normalized(self.axis, len(x), self.declaration.name)
        return x


@operator("Softmax", "softmax", 1024)
class Softmax(_AlongAxis):
    r"""Soft-max along an axis, :math:`y_i = e^{x_i} / \sum_j e^{x_j}`, without overflow.

    Inputs:
        x: any shape with at least one axis.
    Args:
        axis: axis that the sum runs over; the last by default; a negative value counts from the end.
    Returns:
        Shape of `x`; sums to 1 along `axis`.
    Raises:
        ArgumentError: `axis` is not an axis of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.softmax(nn.NdArray.from_numpy_array([[1.0, 1.0]])).data
        array([[0.5, 0.5]], dtype=float32)

    Source: NNabla function reference, ``Softmax``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, self._axis)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return softmax_backward_data(dy, y, self._axis, y.dtype)


@operator("LogSoftmax", "log_softmax", 1025)
class LogSoftmax(_AlongAxis):
    r"""Logarithm of the soft-max along an axis, :math:`y_i = x_i - \log \sum_j e^{x_j}`, without overflow.

    Inputs:
        x: any shape with at least one axis.
    Args:
        axis: axis that the sum runs over; the last by default; a negative value counts from the end.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `axis` is not an axis of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.log_softmax(nn.NdArray.from_numpy_array([[1.0, 1.0]])).data.round(4)
        array([[-0.6931, -0.6931]], dtype=float32)

    Source: NNabla function reference, ``LogSoftmax``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.log_softmax(x, self._axis)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return log_softmax_backward_data(dy, y, self._axis, y.dtype)
