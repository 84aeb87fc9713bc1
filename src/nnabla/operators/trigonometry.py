"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

import torch
from torch import Tensor

from ..graph.operator import operator
from .shapes import Binary, Elementwise


@operator("Sin", "sin", 1120)
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


@operator("Cos", "cos", 1121)
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


@operator("Tan", "tan", 1122)
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

    held = ("x",)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tan(x)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        return dy * (torch.square(y) + 1)


@operator("Sinh", "sinh", 1123)
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


@operator("Cosh", "cosh", 1124)
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


@operator("ASin", "asin", 1125)
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


@operator("ACos", "acos", 1126)
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


@operator("ATan", "atan", 1127)
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


@operator("ATan2", "atan2", 1128)
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

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor) -> tuple[Tensor | None, Tensor | None]:
        scaled = dy / (torch.square(x0) + torch.square(x1))
        return (scaled * x1 if need[0] else None), (-(scaled * x0) if need[1] else None)


@operator("ASinh", "asinh", 1129)
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


@operator("ACosh", "acosh", 1130)
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


@operator("ATanh", "atanh", 1131)
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
