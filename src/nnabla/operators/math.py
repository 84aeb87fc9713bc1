"""Mathematical functions, element by element."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..graph.argument import Single
from ..graph.operator import Shape, operator
from .kernels import aten
from .shapes import Elementwise

leaky_relu_backward = aten.leaky_relu_backward


def below_half(dtype: torch.dtype) -> float:
    """The largest number of a type below one half."""
    return 0.5 - torch.finfo(dtype).eps / 4


def rounded(x: Tensor, half: float) -> Tensor:
    """Whole numbers, halves away from zero.

    Args:
        half: `below_half` of the type of `x`. One half itself would take the number before 0.5 to 1.
    """
    # floor and copysign have fast kernels, trunc has none.
    return x.abs().add_(half).floor_().copysign_(x)


@operator("Abs", "abs", 1112)
class Abs(Elementwise):
    r"""Absolute value, :math:`y = |x|`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`. The derivative at 0 is 1.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.abs(nn.NdArray.from_numpy_array([-2.0, 3.0])).data
        array([2., 3.], dtype=float32)

    Source: NNabla function reference, ``Abs``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.abs(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        # -dy where -x is above 0, else dy. A selection by a mask takes four times as long.
        return leaky_relu_backward(dy, -x, -1.0, False).neg_()


@operator("Exp", "exp", 1113)
class Exp(Elementwise):
    r"""Exponential function, :math:`y = e^x`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.exp(nn.NdArray.from_numpy_array([0.0])).data
        array([1.], dtype=float32)

    Source: NNabla function reference, ``Exp``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * y


@operator("Log", "log", 1114)
class Log(Elementwise):
    r"""Natural logarithm, :math:`y = \log x`.

    Inputs:
        x: any shape, at least 0.
    Returns:
        Shape of `x`; -inf for 0, NaN below.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.log(nn.NdArray.from_numpy_array([1.0, 0.0])).data
        array([  0., -inf], dtype=float32)

    Source: NNabla function reference, ``Log``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.log(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / x


@operator("Identity", "identity", 1115)
class Identity(Elementwise):
    r"""The input itself, :math:`y = x`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`. The result has the type that the array of `x` has.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.identity(nn.NdArray.from_numpy_array([1.0, 2.0])).data
        array([1., 2.])

    Source: NNabla function reference, ``Identity``.
    """

    as_is = True
    view = True
    grad_aliases = True

    def forward(self, x: Tensor) -> Tensor:
        return x

    def grad(self, dy: Tensor) -> Tensor:
        return dy


@operator("Erf", "erf", 1132)
class Erf(Elementwise):
    r"""Gauss error function, :math:`y = 2 / \sqrt{\pi} \int_0^x e^{-t^2} dt`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in [-1, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.erf(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 0.8427], dtype=float32)

    Source: NNabla function reference, ``Erf``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * torch.exp(-torch.square(x)) * (2 / math.sqrt(math.pi))


# ---- steps -------------------------------------------------------------------------------------------------


class _Step(Elementwise):
    """A step function, whose gradient passes straight through: Bengio et al. 2013, arXiv:1308.3432, section
    4."""

    grad_aliases = True
    empty_message = True

    def grad(self, dy: Tensor) -> Tensor:
        return dy


@operator("Round", "round", 1117)
class Round(_Step):
    r"""The nearest whole number, :math:`y = \mathrm{sign}(x) \lfloor |x| + 1 / 2 \rfloor`; halves are rounded
    away from zero.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`. The gradient passes straight through, :math:`dx = dy`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.round(nn.NdArray.from_numpy_array([0.5, 1.5, -2.5])).data
        array([ 1.,  2., -3.], dtype=float32)

    Source: NNabla function reference, ``Round``. NumPy and torch round halves to even numbers instead.
    """

    def output_shape(self, x: Shape) -> Shape:
        self._half = below_half(self.compute_dtype)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return rounded(x, self._half)


@operator("Ceil", "ceil", 1118)
class Ceil(_Step):
    r"""The smallest whole number that is not below `x`, :math:`y = \lceil x \rceil`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`. The gradient passes straight through, :math:`dx = dy`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.ceil(nn.NdArray.from_numpy_array([-1.5, 1.5])).data
        array([-1.,  2.], dtype=float32)

    Source: NNabla function reference, ``Ceil``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.ceil(x)


@operator("Floor", "floor", 1119)
class Floor(_Step):
    r"""The largest whole number that is not above `x`, :math:`y = \lfloor x \rfloor`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`. The gradient passes straight through, :math:`dx = dy`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.floor(nn.NdArray.from_numpy_array([-1.5, 1.5])).data
        array([-2.,  1.], dtype=float32)

    Source: NNabla function reference, ``Floor``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.floor(x)


@operator("Sign", "sign", 1079)
class Sign(_Step):
    r"""Sign, :math:`y = x / |x|`: 1 above 0, -1 below 0, and `alpha` at 0.

    Inputs:
        x: any shape.
    Args:
        alpha: value at 0, and for NaN.
    Returns:
        Shape of `x`. The gradient passes straight through, :math:`dx = dy`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.sign(nn.NdArray.from_numpy_array([-2.0, 0.0, 3.0]), alpha=0.5).data
        array([-1. ,  0.5,  1. ], dtype=float32)

    Source: NNabla function reference, ``Sign``.
    """

    alpha = Single(1.0, "Value at 0.")

    def forward(self, x: Tensor) -> Tensor:
        if self.alpha == 1:
            # 1, or -1 below 0: two passes more are faster than to fill in by a mask.
            return torch.lt(x, 0, out=torch.empty_like(x)).mul_(-2).add_(1)
        y = torch.sign(x)
        return y.masked_fill_(y == 0, self.alpha) if self.alpha else y
