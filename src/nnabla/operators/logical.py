"""Comparisons, logic, and tests for NaN and infinity, element by element.

Truth values are numbers: 1 is true, 0 is false, and every number but 0 counts as true, NaN included.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..graph.argument import Bool, Float
from ..graph.operator import Operator, Shape, operator
from .shapes import Binary

# Elements from which on it is faster to convert truth values afterwards.
_WORTH_CONVERTING = 1 << 13


class _Truth(Operator):
    """A function that says 1 or 0 of each element; it has no gradient.

    A subclass states in one sentence what it says; the sections that all of its kind share follow by
    themselves.
    """

    differentiable = False
    _sections = ""

    def __init_subclass__(cls) -> None:
        if "_sections" not in vars(cls):
            source = f"Source: NNabla function reference, ``{cls.__name__}``."
            sentence = inspect.cleandoc(cls.__doc__ or "")
            cls.__doc__ = f"{sentence}\n\n{inspect.cleandoc(cls._sections)}\n{source}\n"


class _OfTwo(_Truth, Binary):
    """Of two arrays."""

    _sections = """
        Inputs:
            x0: any shape.
            x1: as many axes as `x0`; an axis of length 1, here or in `x0`, is broadcast.
        Returns:
            The broadcast shape: 1 where it is so, else 0. There is no gradient.
        Raises:
            ShapeError: the shapes cannot be broadcast to each other, or have different numbers of axes.
    """

    # The torch function, which takes `out`.
    _test: Callable[..., Tensor]

    def output_shape(self, x0: Shape, x1: Shape) -> Shape:
        self._y = super().output_shape(x0, x1)
        return self._y

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        # Straight into an array of numbers: to convert truth values afterwards takes twice as long.
        return self._test(x0, x1, out=x0.new_empty(self._y))


class _LogicOfTwo(_OfTwo):
    """Logic of two arrays, whose kernels write numbers one by one."""

    _sections = _OfTwo._sections

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        if math.prod(self._y) < _WORTH_CONVERTING:
            return super().forward(x0, x1)
        return self._test(x0, x1).to(x0.dtype)


class _OfNumber(_Truth):
    """Of an array and a number."""

    _sections = """
        Inputs:
            x0: any shape.
        Args:
            val: the number :math:`v`.
        Returns:
            Shape of `x0`: 1 where it is so, else 0. There is no gradient.
    """

    val: float
    _test: Callable[..., Tensor]

    def output_shape(self, x0: Shape) -> Shape:
        self.val = float(self.val)
        return x0

    def forward(self, x0: Tensor) -> Tensor:
        return self._test(x0, self.val, out=torch.empty_like(x0))


class _OfTruth(_Truth):
    """Of an array and a truth value."""

    _sections = """
        Inputs:
            x0: any shape.
        Args:
            val: the truth value :math:`v`, ``True`` or ``False``.
        Returns:
            Shape of `x0`: 1 where it is so, else 0. There is no gradient.
    """

    val: bool

    def output_shape(self, x0: Shape) -> Shape:
        return x0


class _OfOne(_Truth):
    """Of one array."""

    _sections = """
        Inputs:
            x0: any shape.
        Returns:
            Shape of `x0`: 1 where it is so, else 0. There is no gradient.
    """

    def output_shape(self, x0: Shape) -> Shape:
        return x0


def _true(x: Tensor) -> Tensor:
    return torch.ne(x, 0, out=torch.empty_like(x))


def _false(x: Tensor) -> Tensor:
    return torch.eq(x, 0, out=torch.empty_like(x))


# ---- comparisons -------------------------------------------------------------------------------------------


@operator("Equal", "equal", 1087)
class Equal(_OfTwo):
    r"""Whether :math:`x_0 = x_1`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), nn.NdArray.from_numpy_array([2.0, 2.0, 2.0])
        >>> F.equal(a, b).data
        array([0., 1., 0.], dtype=float32)
    """

    _test = staticmethod(torch.eq)


@operator("NotEqual", "not_equal", 1088)
class NotEqual(_OfTwo):
    r"""Whether :math:`x_0 \neq x_1`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), nn.NdArray.from_numpy_array([2.0, 2.0, 2.0])
        >>> F.not_equal(a, b).data
        array([1., 0., 1.], dtype=float32)
    """

    _test = staticmethod(torch.ne)


@operator("Greater", "greater", 1090)
class Greater(_OfTwo):
    r"""Whether :math:`x_0 > x_1`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), nn.NdArray.from_numpy_array([2.0, 2.0, 2.0])
        >>> F.greater(a, b).data
        array([0., 0., 1.], dtype=float32)
    """

    _test = staticmethod(torch.gt)


@operator("GreaterEqual", "greater_equal", 1089)
class GreaterEqual(_OfTwo):
    r"""Whether :math:`x_0 \geq x_1`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), nn.NdArray.from_numpy_array([2.0, 2.0, 2.0])
        >>> F.greater_equal(a, b).data
        array([0., 1., 1.], dtype=float32)
    """

    _test = staticmethod(torch.ge)


@operator("Less", "less", 1092)
class Less(_OfTwo):
    r"""Whether :math:`x_0 < x_1`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), nn.NdArray.from_numpy_array([2.0, 2.0, 2.0])
        >>> F.less(a, b).data
        array([1., 0., 0.], dtype=float32)
    """

    _test = staticmethod(torch.lt)


@operator("LessEqual", "less_equal", 1091)
class LessEqual(_OfTwo):
    r"""Whether :math:`x_0 \leq x_1`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), nn.NdArray.from_numpy_array([2.0, 2.0, 2.0])
        >>> F.less_equal(a, b).data
        array([1., 1., 0.], dtype=float32)
    """

    _test = staticmethod(torch.le)


@operator("EqualScalar", "equal_scalar", 1097)
class EqualScalar(_OfNumber):
    r"""Whether :math:`x_0 = v`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.equal_scalar(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), 2).data
        array([0., 1., 0.], dtype=float32)
    """

    val = Float(1, "Number to compare with.")
    _test = staticmethod(torch.eq)


@operator("NotEqualScalar", "not_equal_scalar", 1098)
class NotEqualScalar(_OfNumber):
    r"""Whether :math:`x_0 \neq v`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.not_equal_scalar(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), 2).data
        array([1., 0., 1.], dtype=float32)
    """

    val = Float(1, "Number to compare with.")
    _test = staticmethod(torch.ne)


@operator("GreaterScalar", "greater_scalar", 1100)
class GreaterScalar(_OfNumber):
    r"""Whether :math:`x_0 > v`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.greater_scalar(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), 2).data
        array([0., 0., 1.], dtype=float32)
    """

    val = Float(1, "Number to compare with.")
    _test = staticmethod(torch.gt)


@operator("GreaterEqualScalar", "greater_equal_scalar", 1099)
class GreaterEqualScalar(_OfNumber):
    r"""Whether :math:`x_0 \geq v`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.greater_equal_scalar(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), 2).data
        array([0., 1., 1.], dtype=float32)
    """

    val = Float(1, "Number to compare with.")
    _test = staticmethod(torch.ge)


@operator("LessScalar", "less_scalar", 1102)
class LessScalar(_OfNumber):
    r"""Whether :math:`x_0 < v`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.less_scalar(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), 2).data
        array([1., 0., 0.], dtype=float32)
    """

    val = Float(1, "Number to compare with.")
    _test = staticmethod(torch.lt)


@operator("LessEqualScalar", "less_equal_scalar", 1101)
class LessEqualScalar(_OfNumber):
    r"""Whether :math:`x_0 \leq v`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.less_equal_scalar(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), 2).data
        array([1., 1., 0.], dtype=float32)
    """

    val = Float(1, "Number to compare with.")
    _test = staticmethod(torch.le)


# ---- logic -------------------------------------------------------------------------------------------------


@operator("LogicalAnd", "logical_and", 1084)
class LogicalAnd(_LogicOfTwo):
    r"""Whether both :math:`x_0` and :math:`x_1` are true.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([0, 0, 1, 1]), nn.NdArray.from_numpy_array([0, 1, 0, 1])
        >>> F.logical_and(a, b).data
        array([0., 0., 0., 1.], dtype=float32)
    """

    _test = staticmethod(torch.logical_and)


@operator("LogicalOr", "logical_or", 1085)
class LogicalOr(_LogicOfTwo):
    r"""Whether :math:`x_0` or :math:`x_1` or both are true.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([0, 0, 1, 1]), nn.NdArray.from_numpy_array([0, 1, 0, 1])
        >>> F.logical_or(a, b).data
        array([0., 1., 1., 1.], dtype=float32)
    """

    _test = staticmethod(torch.logical_or)


@operator("LogicalXor", "logical_xor", 1086)
class LogicalXor(_LogicOfTwo):
    r"""Whether exactly one of :math:`x_0` and :math:`x_1` is true.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a, b = nn.NdArray.from_numpy_array([0, 0, 1, 1]), nn.NdArray.from_numpy_array([0, 1, 0, 1])
        >>> F.logical_xor(a, b).data
        array([0., 1., 1., 0.], dtype=float32)
    """

    _test = staticmethod(torch.logical_xor)


@operator("LogicalAndScalar", "logical_and_scalar", 1094)
class LogicalAndScalar(_OfTruth):
    r"""Whether both :math:`x_0` and :math:`v` are true.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.logical_and_scalar(nn.NdArray.from_numpy_array([0, 1]), True).data
        array([0., 1.], dtype=float32)
    """

    val = Bool(doc="Truth value to combine with.")

    def forward(self, x0: Tensor) -> Tensor:
        return _true(x0) if self.val else torch.zeros_like(x0)


@operator("LogicalOrScalar", "logical_or_scalar", 1095)
class LogicalOrScalar(_OfTruth):
    r"""Whether :math:`x_0` or :math:`v` or both are true.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.logical_or_scalar(nn.NdArray.from_numpy_array([0, 1]), True).data
        array([1., 1.], dtype=float32)
    """

    val = Bool(doc="Truth value to combine with.")

    def forward(self, x0: Tensor) -> Tensor:
        return torch.ones_like(x0) if self.val else _true(x0)


@operator("LogicalXorScalar", "logical_xor_scalar", 1096)
class LogicalXorScalar(_OfTruth):
    r"""Whether exactly one of :math:`x_0` and :math:`v` is true.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.logical_xor_scalar(nn.NdArray.from_numpy_array([0, 1]), True).data
        array([1., 0.], dtype=float32)
    """

    val = Bool(doc="Truth value to combine with.")

    def forward(self, x0: Tensor) -> Tensor:
        return _false(x0) if self.val else _true(x0)


@operator("LogicalNot", "logical_not", 1103)
class LogicalNot(_OfOne):
    r"""Whether :math:`x_0` is false.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.logical_not(nn.NdArray.from_numpy_array([0, 1])).data
        array([1., 0.], dtype=float32)
    """

    def forward(self, x0: Tensor) -> Tensor:
        return _false(x0)


# ---- NaN and infinity --------------------------------------------------------------------------------------


@operator("IsNaN", "isnan", 1104)
class IsNaN(_OfOne):
    r"""Whether :math:`x_0` is NaN.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.isnan(nn.NdArray.from_numpy_array([0.0, float("nan")])).data
        array([0., 1.], dtype=float32)
    """

    def forward(self, x0: Tensor) -> Tensor:
        # Only NaN differs from itself.
        return torch.ne(x0, x0, out=torch.empty_like(x0))


@operator("IsInf", "isinf", 1105)
class IsInf(_OfOne):
    r"""Whether :math:`x_0` is infinite, of either sign.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.isinf(nn.NdArray.from_numpy_array([0.0, float("-inf")])).data
        array([0., 1.], dtype=float32)
    """

    def forward(self, x0: Tensor) -> Tensor:
        size = torch.abs(x0)
        return torch.eq(size, math.inf, out=size)


@operator("ResetNaN", "reset_nan", 1106)
class ResetNaN(Operator):
    r"""The input, with a number in place of NaN: ``y[i] = val`` where ``x0[i]`` is NaN, else ``y[i] = x0[i]``.

    Inputs:
        x0: any shape.
    Args:
        val: the number.
    Returns:
        Shape of `x0`. No gradient passes where a NaN was replaced.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.reset_nan(nn.NdArray.from_numpy_array([1.0, float("nan")]), val=7).data
        array([1., 7.], dtype=float32)

    Source: NNabla function reference, ``ResetNaN``.
    """

    val = Float(0, "Number in place of NaN.")

    def output_shape(self, x0: Shape) -> Shape:
        self.val = float(self.val)
        return x0

    def forward(self, x0: Tensor) -> Tensor:
        return torch.nan_to_num(x0, self.val, math.inf, -math.inf)

    def grad(self, dy: Tensor, x0: Tensor) -> Tensor:
        return dy.masked_fill(torch.isnan(x0), 0)


@operator("ResetInf", "reset_inf", 1107)
class ResetInf(Operator):
    r"""The input, with a number in place of infinities of either sign: ``y[i] = val`` where ``x0[i]`` is one, else
    ``y[i] = x0[i]``.

    Inputs:
        x0: any shape.
    Args:
        val: the number.
    Returns:
        Shape of `x0`. No gradient passes where an infinity was replaced.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.reset_inf(nn.NdArray.from_numpy_array([1.0, float("inf")]), val=7).data
        array([1., 7.], dtype=float32)

    Source: NNabla function reference, ``ResetInf``.
    """

    val = Float(0, "Number in place of infinities.")

    def output_shape(self, x0: Shape) -> Shape:
        self.val = float(self.val)
        return x0

    def forward(self, x0: Tensor) -> Tensor:
        return torch.nan_to_num(x0, math.nan, self.val, self.val)

    def grad(self, dy: Tensor, x0: Tensor) -> Tensor:
        return dy.masked_fill(torch.abs(x0) == math.inf, 0)
