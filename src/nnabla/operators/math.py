"""Mathematical functions, element by element."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..graph.argument import Float
from ..graph.operator import Shape, operator
from .kernels import aten
from .shapes import Binary, Elementwise

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


@operator("Abs", "abs")
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


@operator("Exp", "exp")
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


@operator("Log", "log")
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


@operator("Identity", "identity")
class Identity(Elementwise):
    r"""The input itself, :math:`y = x`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.identity(nn.NdArray.from_numpy_array([1.0, 2.0])).data
        array([1., 2.], dtype=float32)

    Source: NNabla function reference, ``Identity``.
    """

    view = True
    grad_aliases = True

    def forward(self, x: Tensor) -> Tensor:
        return x

    def grad(self, dy: Tensor) -> Tensor:
        return dy


@operator("Erf", "erf")
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

    def grad(self, dy: Tensor) -> Tensor:
        return dy


@operator("Round", "round")
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


@operator("Ceil", "ceil")
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


@operator("Floor", "floor")
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


@operator("Sign", "sign")
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

    alpha = Float(1.0, "Value at 0.")

    def forward(self, x: Tensor) -> Tensor:
        if self.alpha == 1:
            # 1, or -1 below 0: two passes more are faster than to fill in by a mask.
            return torch.lt(x, 0, out=torch.empty_like(x)).mul_(-2).add_(1)
        y = torch.sign(x)
        return y.masked_fill_(y == 0, self.alpha) if self.alpha else y


# ---- trigonometry ------------------------------------------------------------------------------------------


@operator("Sin", "sin")
class Sin(Elementwise):
    r"""Sine, :math:`y = \sin x`, of angles in radians.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in [-1, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.sin(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 0.8415], dtype=float32)

    Source: NNabla function reference, ``Sin``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * torch.cos(x)


@operator("Cos", "cos")
class Cos(Elementwise):
    r"""Cosine, :math:`y = \cos x`, of angles in radians.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in [-1, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.cos(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([1.    , 0.5403], dtype=float32)

    Source: NNabla function reference, ``Cos``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.cos(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return -(dy * torch.sin(x))


@operator("Tan", "tan")
class Tan(Elementwise):
    r"""Tangent, :math:`y = \tan x`, of angles in radians.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.tan(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 1.5574], dtype=float32)

    Source: NNabla function reference, ``Tan``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.tan(x)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (torch.square(y) + 1)


@operator("Sinh", "sinh")
class Sinh(Elementwise):
    r"""Hyperbolic sine, :math:`y = (e^x - e^{-x}) / 2`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.sinh(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 1.1752], dtype=float32)

    Source: NNabla function reference, ``Sinh``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.sinh(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * torch.cosh(x)


@operator("Cosh", "cosh")
class Cosh(Elementwise):
    r"""Hyperbolic cosine, :math:`y = (e^x + e^{-x}) / 2`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, at least 1.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.cosh(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([1.    , 1.5431], dtype=float32)

    Source: NNabla function reference, ``Cosh``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.cosh(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * torch.sinh(x)


@operator("ASin", "asin")
class ASin(Elementwise):
    r"""Inverse sine, :math:`y = \arcsin x`.

    Inputs:
        x: any shape, in [-1, 1].
    Returns:
        Shape of `x`, in radians, in :math:`[-\pi / 2, \pi / 2]`; NaN for inputs outside of [-1, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.asin(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 1.5708], dtype=float32)

    Source: NNabla function reference, ``ASin``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.asin(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * torch.rsqrt(1 - torch.square(x))


@operator("ACos", "acos")
class ACos(Elementwise):
    r"""Inverse cosine, :math:`y = \arccos x`.

    Inputs:
        x: any shape, in [-1, 1].
    Returns:
        Shape of `x`, in radians, in :math:`[0, \pi]`; NaN for inputs outside of [-1, 1].
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.acos(nn.NdArray.from_numpy_array([1.0, 0.0])).data.round(4)
        array([0.    , 1.5708], dtype=float32)

    Source: NNabla function reference, ``ACos``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.acos(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return -(dy * torch.rsqrt(1 - torch.square(x)))


@operator("ATan", "atan")
class ATan(Elementwise):
    r"""Inverse tangent, :math:`y = \arctan x`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`, in radians, in :math:`[-\pi / 2, \pi / 2]`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.atan(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 0.7854], dtype=float32)

    Source: NNabla function reference, ``ATan``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.atan(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / (torch.square(x) + 1)


@operator("ATan2", "atan2")
class ATan2(Binary):
    r"""Angle of the point :math:`(x_1, x_0)`, seen from the origin: the inverse tangent of :math:`x_0 / x_1`,
    in the right quadrant.

    Inputs:
        x0: ordinates, any shape.
        x1: abscissas, as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Returns:
        The broadcast shape, in radians, in :math:`[-\pi, \pi]`.
    Raises:
        ShapeError: the shapes cannot be broadcast to each other, or have different numbers of axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.atan2(nn.NdArray.from_numpy_array([1.0, 1.0]), nn.NdArray.from_numpy_array([0.0, -1.0])).data.round(4)
        array([1.5708, 2.3562], dtype=float32)

    Source: NNabla function reference, ``ATan2``.
    """

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return torch.atan2(x0, x1)

    def grad(
        self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        scaled = dy / (torch.square(x0) + torch.square(x1))
        return (scaled * x1 if need[0] else None), (-(scaled * x0) if need[1] else None)


@operator("ASinh", "asinh")
class ASinh(Elementwise):
    r"""Inverse hyperbolic sine, :math:`y = \log(x + \sqrt{x^2 + 1})`.

    Inputs:
        x: any shape.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.asinh(nn.NdArray.from_numpy_array([0.0, 1.0])).data.round(4)
        array([0.    , 0.8814], dtype=float32)

    Source: NNabla function reference, ``ASinh``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.asinh(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * torch.rsqrt(torch.square(x) + 1)


@operator("ACosh", "acosh")
class ACosh(Elementwise):
    r"""Inverse hyperbolic cosine, :math:`y = \log(x + \sqrt{x^2 - 1})`.

    Inputs:
        x: any shape, at least 1.
    Returns:
        Shape of `x`, at least 0; NaN for inputs below 1.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.acosh(nn.NdArray.from_numpy_array([1.0, 2.0])).data.round(4)
        array([0.   , 1.317], dtype=float32)

    Source: NNabla function reference, ``ACosh``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.acosh(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy * torch.rsqrt(torch.square(x) - 1)


@operator("ATanh", "atanh")
class ATanh(Elementwise):
    r"""Inverse hyperbolic tangent, :math:`y = \log((1 + x) / (1 - x)) / 2`.

    Inputs:
        x: any shape, in [-1, 1].
    Returns:
        Shape of `x`; infinite for -1 and 1, NaN for inputs outside.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.atanh(nn.NdArray.from_numpy_array([0.0, 0.5])).data.round(4)
        array([0.    , 0.5493], dtype=float32)

    Source: NNabla function reference, ``ATanh``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.atanh(x)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        return dy / (1 - torch.square(x))
