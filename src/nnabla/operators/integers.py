"""Functions of whole numbers: remainders and shifts of bits."""

from __future__ import annotations

import torch
from torch import Tensor

from ..graph.argument import Bool, Str
from ..graph.operator import Shape, operator
from .shapes import Binary


@operator("Mod2", "mod2", 1226)
class Mod2(Binary):
    r"""Remainder of a division, element by element, :math:`y = x_0 - x_1 \, \mathrm{trunc}(x_0 / x_1)`.

    Integers are divided in the type of `x0`; without `fmod` their quotient is rounded down, not towards zero.

    Inputs:
        x0: the dividend, any shape.
        x1: the divisor, as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Args:
        fmod: for integers, whether the remainder has the sign of the dividend; else it has that of the divisor.
            With real numbers NNabla 1.39 takes the sign of the dividend whatever this says.
    Returns:
        The broadcast shape; NaN where a real `x1` is 0. Integers in the type of `x0`.
    Raises:
        ShapeError: the shapes cannot be broadcast to each other, or have different numbers of axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a = nn.NdArray.from_numpy_array
        >>> F.mod2(a([5.0, -5.0]), a([3.0, 3.0])).data
        array([ 2., -2.], dtype=float32)

    Source: NNabla function reference, ``Mod2``, which has no gradient there; `numpy.fmod`.
    """

    fmod = Bool(False, "For integers: the sign of the dividend, not of the divisor.")
    grad_aliases = True
    whole = True
    held = ("y",)

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        if x0.is_floating_point():
            return torch.fmod(x0, x1)
        kernel = torch.fmod if self.fmod else torch.remainder
        return kernel(x0.long(), x1.long()).to(x0.dtype)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor) -> tuple[Tensor, Tensor | None]:
        return dy, (-(dy * torch.trunc(x0 / x1)) if need[1] else None)


# Bits are shifted in this type.
_LARGEST = torch.int64


@operator("BitShift", "bit_shift", 1227)
class BitShift(Binary):
    r"""Whole numbers with their bits shifted: :math:`y = x 2^s` to the left, :math:`\lfloor x / 2^s \rfloor`
    to the right.

    Inputs:
        x: whole numbers, any shape.
        shift: by how many bits, at least 0; as many axes as `x`; an axis of length 1, here or in `x`, is
            broadcast.
    Args:
        direction: ``"LEFT"`` or ``"RIGHT"``.
    Returns:
        The broadcast shape, in the type of `x`, if it holds integers, without the bits that leave it; else in
        64 bits. There is no gradient.
    Raises:
        ArgumentError: `direction` is something else.
        ShapeError: the shapes cannot be broadcast to each other, or have different numbers of axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a = nn.NdArray.from_numpy_array
        >>> F.bit_shift(a([16, 4]), a([1, 2]), direction="RIGHT").data
        array([8, 1])

    Source: NNabla function reference, ``BitShift``.
    """

    direction = Str("LEFT", "To the left or to the right.", choices=("LEFT", "RIGHT"))
    differentiable = False
    whole = True

    def output_shape(self, x0: Shape, x1: Shape) -> Shape:
        self._kernel = torch.bitwise_left_shift if self.direction == "LEFT" else torch.bitwise_right_shift
        return super().output_shape(x0, x1)

    def forward(self, x: Tensor, shift: Tensor) -> Tensor:
        if x.dtype is _LARGEST and shift.dtype is _LARGEST:
            return self._kernel(x, shift)
        y = self._kernel(x.long(), shift.long())
        return y if x.is_floating_point() else y.to(x.dtype)
