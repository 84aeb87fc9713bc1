"""Quantization to integers by a scale and a zero point, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ..errors import ArgumentError, GraphError, ShapeError
from ..graph.argument import Bool, Int, Str
from ..graph.call import apply, public
from ..graph.operator import Operator, Shape, operator
from .constants import Array
from .math import below_half, rounded
from .shapes import broadcast_shape


def broadcast_parameters(name: str, x: Shape, scale: Shape, zero_point: Shape) -> None:
    """Check that scale and zero point, with as many axes as `x`, broadcast to it.

    Raises:
        ShapeError: one does not.
    """
    for argument, shape in (("scale", scale), ("zero_point", zero_point)):
        if len(shape) != len(x) or broadcast_shape(x, shape, name) != x:
            raise ShapeError(f"{name}: {argument} must have {len(x)} axes and broadcast to x, {x}, not {shape}")


def refuse_parameter_gradients(name: str, need: tuple[bool, ...]) -> None:
    """Refuse gradients of scale and zero point.

    Raises:
        GraphError: one is wanted.
    """
    if need[1] or need[2]:
        raise GraphError(f"{name}: scale and zero_point have no gradient; set their need_grad to False")


@operator("QuantizeLinear", "quantize_linear", 1212)
class QuantizeLinear(Operator):
    r"""Integers, :math:`y = \mathrm{clip}(\mathrm{round}(x / s) + z)`, as floating point numbers.

    The gradient is :math:`dy / s` everywhere.

    Inputs:
        x: any shape.
        scale: :math:`s`, as many axes as `x`, a shape that broadcasts to it.
        zero_point: :math:`z`, a shape of that kind.
    Args:
        round_mode: ``"HALF_AWAY_FROM_ZERO"`` or ``"HALF_TO_EVEN"``.
        narrow_range: whether to leave out the smallest integer.
        dtype: number of the integer type in NumPy: 1 for int8, -128 to 127, or 2 for uint8, 0 to 255.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `scale` or `zero_point` does not broadcast to `x`.
        ArgumentError: another `round_mode` or `dtype`.
        GraphError: a gradient of `scale` or `zero_point` is asked for (in backward).

    Source: NNabla function reference, ``QuantizeLinear``.
    """

    round_mode = Str("HALF_AWAY_FROM_ZERO", "How halves are rounded.", choices=("HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN"))
    narrow_range = Bool(False, "Whether to leave out the smallest integer.")
    dtype = Int(1, "Number of the integer type in NumPy.", choices=(1, 2))
    held = ("x", "zero_point")

    def output_shape(self, x: Shape, scale: Shape, zero_point: Shape) -> Shape:
        broadcast_parameters("quantize_linear", x, scale, zero_point)
        low, self._high = (-128, 127) if self.dtype == 1 else (0, 255)
        self._low = low + self.narrow_range
        self._half = below_half(self.compute_dtype) if self.round_mode == "HALF_AWAY_FROM_ZERO" else None
        return x

    def forward(self, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        y = x / scale
        y = y.round_() if self._half is None else rounded(y, self._half)
        return y.add_(zero_point).clamp_(self._low, self._high)

    def grad(self, need: tuple[bool, ...], dy: Tensor, scale: Tensor) -> tuple[Tensor | None, None, None]:
        refuse_parameter_gradients("quantize_linear", need)
        return dy / scale, None, None


@public
def quantize_linear(
    x: Array,
    scale: Array,
    zero_point: Array,
    round_mode: str = "HALF_AWAY_FROM_ZERO",
    narrow_range: bool = False,
    dtype: Any = np.int8,
) -> Any:
    r"""Integers, :math:`y = \mathrm{clip}(\mathrm{round}(x / s) + z)`, as floating point numbers.

    The gradient is :math:`dy / s` everywhere.

    Inputs:
        x: any shape.
        scale: :math:`s`, as many axes as `x`, a shape that broadcasts to it.
        zero_point: :math:`z`, a shape of that kind.
    Args:
        round_mode: ``"HALF_AWAY_FROM_ZERO"`` or ``"HALF_TO_EVEN"``.
        narrow_range: whether to leave out the smallest integer.
        dtype: ``numpy.int8``, -128 to 127, or ``numpy.uint8``, 0 to 255.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `scale` or `zero_point` does not broadcast to `x`.
        ArgumentError: another `round_mode` or `dtype`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> values = [-900.0, 3.0, 5.0], [2.0], [10.0]
        >>> F.quantize_linear(*[nn.NdArray.from_numpy_array(v) for v in values]).data
        array([-128.,   12.,   13.], dtype=float32)

    Source: NNabla function reference, ``quantize_linear``.
    """
    try:
        number = np.dtype(dtype).num
    except (TypeError, ValueError):
        raise ArgumentError(f"quantize_linear: dtype must be numpy.int8 or numpy.uint8, not {dtype!r}") from None
    function = QuantizeLinear(round_mode, narrow_range, number)
    return apply(function, (x, scale, zero_point))


@operator("DequantizeLinear", "dequantize_linear", 1213)
class DequantizeLinear(Operator):
    r"""The inverse of `quantize_linear`, :math:`y = (x - z) s`.

    Inputs:
        x: any shape.
        scale: :math:`s`, as many axes as `x`, a shape that broadcasts to it.
        zero_point: :math:`z`, a shape of that kind.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `scale` or `zero_point` does not broadcast to `x`.
        GraphError: a gradient of `scale` or `zero_point` is asked for (in backward).
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> values = [-128.0, 12.0, 13.0], [2.0], [10.0]
        >>> F.dequantize_linear(*[nn.NdArray.from_numpy_array(v) for v in values]).data
        array([-276.,    4.,    6.], dtype=float32)

    Source: NNabla function reference, ``DequantizeLinear``.
    """

    def output_shape(self, x: Shape, scale: Shape, zero_point: Shape) -> Shape:
        broadcast_parameters("dequantize_linear", x, scale, zero_point)
        return x

    def forward(self, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        return (x - zero_point) * scale

    def grad(self, need: tuple[bool, ...], dy: Tensor, scale: Tensor) -> tuple[Tensor | None, None, None]:
        refuse_parameter_gradients("dequantize_linear", need)
        return dy * scale, None, None
