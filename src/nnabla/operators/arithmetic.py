"""Arithmetic of arrays with arrays and with numbers.

`_arithmetic_ops` maps Python's operators to these functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import ShapeError
from ..graph.argument import Bool, Float
from ..graph.operator import Operator, Shape, operator
from .constants import WithConstant
from .shapes import Binary, Elementwise

_INPLACE = "Accepted for compatibility; the clear options free memory."


# ---- two arrays --------------------------------------------------------------------------------------------


def _differs_along(axis: int, shape: Shape, x: Shape) -> bool:
    """Whether what is of `shape` has one number for each place along `axis` of `x`, or one for all of them."""
    return len(shape) == len(x) and all([n == 1 or (i == axis and n == x[i]) for i, n in enumerate(shape)])


class _Sum(Binary):
    """Sum of two arrays, under both of its names."""

    inplace = Bool(False, _INPLACE)
    grad_aliases = True
    is_sum = True

    def scales(self, i: int, axis: int, shapes: Sequence[Shape]) -> bool:
        return _differs_along(axis, shapes[1 - i], shapes[i])

    def scale_and_shift(self, i: int, *inputs: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return None, inputs[1 - i].reshape(-1)

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return x0 + x1

    def overwrite(self, x0: Tensor, x1: Tensor) -> Tensor:
        return x0.add_(x1)

    def grad(self, dy: Tensor) -> tuple[Tensor, Tensor]:
        return dy, dy


@operator("Add2", "add2", 1065)
class Add2(_Sum):
    r"""Sum of two arrays, :math:`y = x_0 + x_1`.

    Inputs:
        x0: any shape.
        x1: as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Args:
        inplace: accepted for compatibility.
    Returns:
        The broadcast shape.
    Raises:
        ShapeError: the shapes cannot be broadcast to each other, or have different numbers of axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.add2(nn.Variable((2, 3)), nn.Variable((1, 3))).shape
        (2, 3)

    Source: NNabla function reference, ``Add2``.
    """


@operator("BcAdd2", "bc_add2", 1067)
class BcAdd2(_Sum):
    r"""Sum of two arrays, :math:`y = x_0 + x_1`: another name of `add2`, which old models use.

    Inputs:
        x0: any shape.
        x1: as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Args:
        inplace: accepted for compatibility.
    Returns:
        The broadcast shape.
    Raises:
        ShapeError: as `add2`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([6.0, 8.0]), nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> F.bc_add2(a, b).data
        array([ 8., 12.], dtype=float32)

    Source: NNabla function reference, ``BcAdd2``.
    """


@operator("Sub2", "sub2", 1068)
class Sub2(Binary):
    r"""Difference of two arrays, :math:`y = x_0 - x_1`.

    Inputs:
        x0: any shape.
        x1: as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Args:
        inplace: accepted for compatibility.
    Returns:
        The broadcast shape.
    Raises:
        ShapeError: as `add2`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([6.0, 8.0]), nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> F.sub2(a, b).data
        array([4., 4.], dtype=float32)

    Source: NNabla function reference, ``Sub2``.
    """

    inplace = Bool(False, _INPLACE)
    grad_aliases = True

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return x0 - x1

    def grad(self, need: tuple[bool, ...], dy: Tensor) -> tuple[Tensor, Tensor | None]:
        return dy, (-dy if need[1] else None)


@operator("Mul2", "mul2", 1069)
class Mul2(Binary):
    r"""Product of two arrays, element by element, :math:`y = x_0 x_1`.

    Inputs:
        x0: any shape.
        x1: as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Args:
        inplace: accepted for compatibility.
    Returns:
        The broadcast shape.
    Raises:
        ShapeError: as `add2`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([6.0, 8.0]), nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> F.mul2(a, b).data
        array([12., 32.], dtype=float32)

    Source: NNabla function reference, ``Mul2``.
    """

    inplace = Bool(False, _INPLACE)

    def scales(self, i: int, axis: int, shapes: Sequence[Shape]) -> bool:
        return _differs_along(axis, shapes[1 - i], shapes[i])

    def scale_and_shift(self, i: int, *inputs: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return inputs[1 - i].reshape(-1), None

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return x0 * x1

    def grad(self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return (dy * x1 if need[0] else None), (dy * x0 if need[1] else None)

    def add_to(self, total: Tensor, x0: Tensor, x1: Tensor) -> Tensor:
        return torch.addcmul(total, x0, x1)


@operator("Div2", "div2", 1071)
class Div2(Binary):
    r"""Quotient of two arrays, element by element, :math:`y = x_0 / x_1`.

    Inputs:
        x0: any shape.
        x1: as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Args:
        inplace: accepted for compatibility.
    Returns:
        The broadcast shape; a division by zero gives an infinity, or NaN for ``0 / 0``.
    Raises:
        ShapeError: as `add2`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([6.0, 8.0]), nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> F.div2(a, b).data
        array([3., 2.], dtype=float32)

    Source: NNabla function reference, ``Div2``.
    """

    inplace = Bool(False, _INPLACE)
    held = ("x0",)

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return x0 / x1

    def grad(self, need: tuple[bool, ...], dy: Tensor, x1: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        # y is kept instead of x0, which nothing else reads: it often is an exponential or a sum of the same
        # size.
        dx0 = dy / x1
        return dx0, (-(dx0 * y) if need[1] else None)


@operator("Pow2", "pow2", 1072)
class Pow2(Binary):
    r"""Power of two arrays, element by element, :math:`y = x_0^{x_1}`.

    Inputs:
        x0: the base, any shape; a negative base with a fractional exponent gives NaN.
        x1: the exponent, as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
    Args:
        inplace: accepted for compatibility.
    Returns:
        The broadcast shape; :math:`x^0 = 1` for every `x`.
    Raises:
        ShapeError: as `add2`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([6.0, 8.0]), nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> F.pow2(a, b).data
        array([  36., 4096.], dtype=float32)

    Source: NNabla function reference, ``Pow2``.
    """

    inplace = Bool(False, _INPLACE)

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        return torch.pow(x0, x1)

    def grad(
        self, need: tuple[bool, ...], dy: Tensor, x0: Tensor, x1: Tensor, y: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        # Where the exponent is 0, the power below is infinite for a base of 0, and the derivative is 0 for
        # any base.
        dx0 = dy * (x1 * torch.pow(x0, x1 - 1)).masked_fill(x1 == 0, 0) if need[0] else None
        # xlogy(0, 0) is 0: the limit of 0 ** x1 * log(0) for a positive exponent.
        return dx0, (dy * torch.xlogy(y, x0) if need[1] else None)


# ---- any number of arrays ----------------------------------------------------------------------------------


class _Several(Operator):
    """A function of any number of arrays of one shape, of which some may be switched off."""

    maskable = True

    def active(self, x: tuple[Tensor, ...]) -> list[Tensor]:
        """Those that are on."""
        return [t for t, on in zip(x, self.mask or (True,) * len(x), strict=True) if on]

    def output_shape(self, *x: Shape) -> Shape:
        for i, shape in enumerate(x):
            if shape != x[0]:
                raise ShapeError(f"{self.declaration.name}: x{i} must have the shape of x0, {x[0]}, not {shape}")
        self._count = len(x)
        return x[0]


@operator("AddN", "add_n", 1066)
class AddN(_Several):
    r"""Sum of any number of arrays, :math:`y = \sum_i x_i`.

    Inputs:
        x: one or more arrays of one shape.
    Returns:
        That shape.
    Raises:
        ShapeError: the shapes differ.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.add_n(*[nn.Variable((2, 3)) for _ in range(4)]).shape
        (2, 3)

    Source: NNabla function reference, ``AddN``.
    """

    grad_aliases = True

    def forward(self, *x: Tensor) -> Tensor:
        if self.mask is not None:
            x = tuple(self.active(x)) or (torch.zeros_like(x[0]),)
        if len(x) == 1:
            return x[0].clone()
        y = x[0] + x[1]
        for summand in x[2:]:
            y += summand
        return y

    def grad(self, dy: Tensor) -> tuple[Tensor, ...]:
        return (dy,) * self._count


@operator("MulN", "mul_n", 1070)
class MulN(_Several):
    r"""Product of any number of arrays, element by element, :math:`y = \prod_i x_i`.

    Inputs:
        x: one or more arrays of one shape.
    Returns:
        That shape.
    Raises:
        ShapeError: the shapes differ.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([6.0, 8.0]), nn.NdArray.from_numpy_array([2.0, 4.0])
        >>> F.mul_n(a, b, b).data
        array([ 24., 128.], dtype=float32)

    Source: NNabla function reference, ``MulN``. The gradient is right where factors are zero, too.
    """

    held = ("y",)

    def forward(self, *x: Tensor) -> Tensor:
        if self.mask is not None:
            x = tuple(self.active(x)) or (torch.ones_like(x[0]),)
        if len(x) == 1:
            return x[0].clone()
        y = x[0] * x[1]
        for factor in x[2:]:
            y *= factor
        return y

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: tuple[Tensor, ...]) -> Sequence[Tensor | None]:
        if self.mask is None:
            return self._gradients(need, dy, x)
        wanted = [n for n, on in zip(need, self.mask, strict=True) if on]
        found = iter(self._gradients(wanted, dy, self.active(x)))
        return [next(found) if on else None for on in self.mask]

    def _gradients(self, need: Sequence[bool], dy: Tensor, x: Sequence[Tensor]) -> Sequence[Tensor | None]:
        if len(x) == 1:
            return (dy.clone(),)
        # after[i]: product of the factors behind x[i]. Dividing y by x[i] would save it, but fail for zeros.
        after: list[Tensor | None] = [None] * len(x)
        for i in range(len(x) - 2, -1, -1):
            following = after[i + 1]
            after[i] = x[i + 1] if following is None else x[i + 1] * following
        dxs: list[Tensor | None] = []
        before = dy
        for i, factor in enumerate(x):
            following = after[i]
            dxs.append((before if following is None else before * following) if need[i] else None)
            if i + 1 < len(x):
                before = before * factor
        return dxs


# ---- an array and a number ---------------------------------------------------------------------------------


class _WithNumber(WithConstant, Elementwise):
    """A function of an array and the number `val`."""

    val: float

    def output_shape(self, x: Shape) -> Shape:
        self.val = float(self.val)
        return x


@operator("AddScalar", "add_scalar", 1073)
class AddScalar(_WithNumber):
    r"""Sum of an array and a number, :math:`y = x + v`.

    Inputs:
        x: any shape.
    Args:
        val: the number :math:`v`.
        inplace: accepted for compatibility.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.add_scalar(nn.NdArray.from_numpy_array([1.0, 4.0]), 3).data
        array([4., 7.], dtype=float32)

    Source: NNabla function reference, ``AddScalar``.
    """

    val = Float(1, "Summand.")
    inplace = Bool(False, _INPLACE)
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        # `sum` begins with 0.
        self.view = float(self.val) == 0
        return super().output_shape(x)

    def scales(self, i: int, axis: int, shapes: Sequence[Shape]) -> bool:
        return True

    def scale_and_shift(self, i: int, x: None) -> tuple[None, Tensor]:
        return None, torch.tensor([self.val], dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return x if self.view else x + self.operand(self.val)

    def grad(self, dy: Tensor) -> Tensor:
        return dy


@operator("MulScalar", "mul_scalar", 1074)
class MulScalar(_WithNumber):
    r"""Product of an array and a number, :math:`y = v x`.

    Inputs:
        x: any shape.
    Args:
        val: the number :math:`v`.
        inplace: accepted for compatibility.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.mul_scalar(nn.NdArray.from_numpy_array([1.0, 4.0]), 3).data
        array([ 3., 12.], dtype=float32)

    Source: NNabla function reference, ``MulScalar``.
    """

    val = Float(1, "Factor.")
    inplace = Bool(False, _INPLACE)

    def scales(self, i: int, axis: int, shapes: Sequence[Shape]) -> bool:
        return True

    def scale_and_shift(self, i: int, x: None) -> tuple[Tensor, None]:
        return torch.tensor([self.val], dtype=torch.float64), None

    def forward(self, x: Tensor) -> Tensor:
        return x * self.operand(self.val)

    def grad(self, dy: Tensor) -> Tensor:
        return dy * self.operand(self.val)

    def overwrite_grad(self, dy: Tensor) -> Tensor:
        return dy.mul_(self.operand(self.val))

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        return torch.add(total, x, alpha=self.val)


def _root_power(x: Tensor) -> Tensor:
    """`x` to the power 0.5: infinite at minus infinity, where a square root is NaN."""
    return torch.where(x == -math.inf, math.inf, torch.sqrt(x))


def _inverse_root_power(x: Tensor) -> Tensor:
    """`x` to the power -0.5: infinite at -0 and 0 at minus infinity, where `torch.rsqrt` has other values."""
    return torch.where(x == -math.inf, 0.0, torch.rsqrt(x + 0.0))


# Powers that have a kernel of their own, which is faster and, for the roots, more precise.
_POWERS: dict[float, Callable[[Tensor], Tensor]] = {
    2.0: torch.square,
    0.5: _root_power,
    -0.5: _inverse_root_power,
    -1.0: torch.reciprocal,
}


def _power(x: Tensor, exponent: float) -> Tensor:
    kernel = _POWERS.get(exponent)
    return torch.pow(x, exponent) if kernel is None else kernel(x)


@operator("PowScalar", "pow_scalar", 1075)
class PowScalar(_WithNumber):
    r"""Power of an array, :math:`y = x^v`.

    Inputs:
        x: any shape; a negative number to a fractional power gives NaN.
    Args:
        val: the exponent :math:`v`.
        inplace: accepted for compatibility.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.pow_scalar(nn.NdArray.from_numpy_array([1.0, 4.0]), 2).data
        array([ 1., 16.], dtype=float32)

    Source: NNabla function reference, ``PowScalar``.
    """

    val = Float(1, "Exponent.")
    inplace = Bool(False, _INPLACE)

    def forward(self, x: Tensor) -> Tensor:
        # As in NNabla, this one power is a square root: NaN at minus infinity.
        return torch.sqrt(x) if self.val == 0.5 else _power(x, self.val)

    def grad(self, dy: Tensor, x: Tensor) -> Tensor:
        if self.val == 2.0:
            return dy * x * self.operand(self.val)
        if self.val == 1.0:
            return dy.clone()
        # The derivative of a constant: x ** -1 below would be infinite at 0.
        if self.val == 0.0:
            return torch.zeros_like(dy)
        return dy * _power(x, self.val - 1.0) * self.operand(self.val)


@operator("RSubScalar", "r_sub_scalar", 1076)
class RSubScalar(_WithNumber):
    r"""Difference of a number and an array, :math:`y = v - x`.

    Inputs:
        x: any shape.
    Args:
        val: the number :math:`v`.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.r_sub_scalar(nn.NdArray.from_numpy_array([1.0, 4.0]), 3).data
        array([ 2., -1.], dtype=float32)

    Source: NNabla function reference, ``RSubScalar``.
    """

    val = Float(1, "Minuend.")

    def forward(self, x: Tensor) -> Tensor:
        return self.operand(self.val) - x

    def grad(self, dy: Tensor) -> Tensor:
        return -dy


@operator("RDivScalar", "r_div_scalar", 1077)
class RDivScalar(_WithNumber):
    r"""Quotient of a number and an array, :math:`y = v / x`.

    Inputs:
        x: any shape; zeros give an infinity, or NaN for :math:`v = 0`.
    Args:
        val: the number :math:`v`.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.r_div_scalar(nn.NdArray.from_numpy_array([1.0, 4.0]), 3).data
        array([3.  , 0.75], dtype=float32)

    Source: NNabla function reference, ``RDivScalar``.
    """

    val = Float(1, "Dividend.")

    def forward(self, x: Tensor) -> Tensor:
        return self.operand(self.val) / x

    def grad(self, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return -(dy * y / x)


@operator("RPowScalar", "r_pow_scalar", 1078)
class RPowScalar(_WithNumber):
    r"""Power of a number, :math:`y = v^x`.

    Inputs:
        x: the exponent, any shape.
    Args:
        val: the base :math:`v`.
    Returns:
        Shape of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.r_pow_scalar(nn.NdArray.from_numpy_array([1.0, 4.0]), 2).data
        array([ 2., 16.], dtype=float32)

    Source: NNabla function reference, ``RPowScalar``.
    """

    val = Float(1, "Base.")
    held = ("x",)

    def forward(self, x: Tensor) -> Tensor:
        return torch.pow(self.val, x)

    def grad(self, dy: Tensor, y: Tensor) -> Tensor:
        # The logarithm of 0 is -inf, as the kernels have it; that of a negative base is undefined.
        log = math.log(self.val) if self.val > 0 else -math.inf if self.val == 0 else math.nan
        return dy * y * log
