"""Python's operators on variables and arrays: ``+ - * / ** @``, unary ``+ -`` and `abs`, and comparisons.

An operand may be

- a Variable: the graph grows by the function of that name (`F.add2`, ...);
- an NdArray: the result is computed at once and is an NdArray, whatever the other operand is;
- a number: one of the ``*_scalar`` functions, ``x - 2`` being ``x + (-2)`` and ``x / 2`` being ``x * 0.5``;
- a NumPy array: a constant. With fewer axes than the other operand it gets axes of length 1 in front, and
  with one element it is a number.

``+=`` and ``-=`` change an NdArray in place, and so do ``*=`` and ``/=`` with a number. ``*=`` and ``/=`` with an
array, ``**=``, and all of them on a Variable, make a new object and give it the name. ``==`` and ``!=`` compare
identities, so that variables can be keys of dictionaries; `F.equal` compares values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ._nd_array import NdArray
from .context import current
from .errors import ShapeError
from .graph.call import invoke
from .graph.operator import Operator, Shape
from .graph.variable import Variable
from .operators import arithmetic, logical
from .operators.constants import Array, aligned, constant, is_array, number_of
from .operators.math import Abs
from .operators.products import matmul

OperatorType = type[Operator]


# ---- operators of two operands -----------------------------------------------------------------------------


def _forward(
    two: OperatorType, scalar: OperatorType, of_number: Callable[[float], float] | None = None
) -> Callable[[Any, Any], Any]:
    """The method for a left operand.

    Args:
        two: function of two arrays.
        scalar: function of an array and a number.
        of_number: what to make of a number on the right before `scalar` gets it.
    """

    def method(self: Array, other: Any) -> Any:
        if isinstance(other, (Variable, NdArray)):
            return invoke(two, (), (self, other))
        number = number_of(other)
        if number is not None:
            return invoke(scalar, (of_number(number) if of_number else number,), (self,))
        return invoke(two, (), (self, aligned(other, self))) if is_array(other) else NotImplemented

    return method


def _reflected(two: OperatorType, scalar: OperatorType) -> Callable[[Any, Any], Any]:
    """The method for a right operand, where the left one is neither a Variable nor an NdArray."""

    def method(self: Array, other: Any) -> Any:
        number = number_of(other)
        if number is not None:
            return invoke(scalar, (number,), (self,))
        return invoke(two, (), (aligned(other, self), self)) if is_array(other) else NotImplemented

    return method


def _negative(number: float) -> float:
    return -number


def _inverse(number: float) -> float:
    return 1 / number


def _neg(self: Array) -> Any:
    return invoke(arithmetic.MulScalar, (-1.0,), (self,))


def _pos(self: Array) -> Any:
    return self


def _abs(self: Array) -> Any:
    return invoke(Abs, (), (self,))


# ---- operators in place ------------------------------------------------------------------------------------


def _in_place(
    sign: str,
    of_number: Callable[[float], float] | None,
    with_number: Callable[[torch.Tensor, Any], Any],
    with_array: Callable[[torch.Tensor, Any], Any] | None = None,
) -> Callable[[Any, Any], Any]:
    """The method that changes an NdArray.

    Args:
        sign: the operator, for messages.
        of_number: what to make of a number first.
        with_number: torch's method that writes to its first operand, which takes a number.
        with_array: the same for another array; None where Python shall make a new one.
    """

    def method(self: NdArray, other: Any) -> Any:
        context = current.context
        operand: Any = number_of(other) if not isinstance(other, (Variable, NdArray)) else None
        if operand is not None:
            if of_number is not None:
                operand = of_number(operand)
            write = with_number
        else:
            if with_array is None:
                return NotImplemented
            if isinstance(other, Variable):
                other = other.data
            elif is_array(other):
                other = aligned(other, self)
            elif not isinstance(other, NdArray):
                return NotImplemented
            if other.shape != self.shape:
                _check_fits(sign, self.shape, other.shape)
            operand = other._as(context.dtype, context.device)
            write = with_array
        tensor = self._own(context.dtype, context.device)
        if not tensor.is_contiguous():
            # Elements may share memory.
            tensor = tensor.contiguous()
            self._set(tensor)
        write(tensor, operand)
        return self

    return method


def _check_fits(sign: str, target: Shape, other: Shape) -> None:
    if len(target) != len(other) or any(b not in (1, a) for a, b in zip(target, other, strict=True)):
        raise ShapeError(f"{sign}=: cannot broadcast shape {other} to {target}, that of the array to change")


# ---- matrix products ---------------------------------------------------------------------------------------


def _matmul(self: Array, other: Any) -> Any:
    if isinstance(other, (Variable, NdArray)):
        return matmul(self, other)
    return matmul(self, constant(other, self)) if is_array(other) else NotImplemented


def _rmatmul(self: Array, other: Any) -> Any:
    return matmul(constant(other, self), self) if is_array(other) else NotImplemented


# ---- installation ------------------------------------------------------------------------------------------


def _install() -> None:
    a, lo = arithmetic, logical
    methods: dict[str, Callable[..., Any]] = {
        "add": _forward(a.Add2, a.AddScalar),
        "radd": _reflected(a.Add2, a.AddScalar),
        "sub": _forward(a.Sub2, a.AddScalar, _negative),
        "rsub": _reflected(a.Sub2, a.RSubScalar),
        "mul": _forward(a.Mul2, a.MulScalar),
        "rmul": _reflected(a.Mul2, a.MulScalar),
        "truediv": _forward(a.Div2, a.MulScalar, _inverse),
        "rtruediv": _reflected(a.Div2, a.RDivScalar),
        "pow": _forward(a.Pow2, a.PowScalar),
        "rpow": _reflected(a.Pow2, a.RPowScalar),
        "matmul": _matmul,
        "rmatmul": _rmatmul,
        "neg": _neg,
        "pos": _pos,
        "abs": _abs,
        "lt": _forward(lo.Less, lo.LessScalar),
        "le": _forward(lo.LessEqual, lo.LessEqualScalar),
        "gt": _forward(lo.Greater, lo.GreaterScalar),
        "ge": _forward(lo.GreaterEqual, lo.GreaterEqualScalar),
    }
    t = torch.Tensor
    in_place: dict[str, Callable[..., Any]] = {
        "iadd": _in_place("+", None, t.add_, t.add_),
        "isub": _in_place("-", None, t.sub_, t.sub_),
        "imul": _in_place("*", None, t.mul_),
        "itruediv": _in_place("/", _inverse, t.mul_),
    }
    _set(Variable, methods)
    # A power is a new array, also where the method is called by its name.
    _set(NdArray, methods | in_place | {"ipow": _forward(a.Pow2, a.PowScalar)})
    # NumPy leaves operators to the other operand, instead of making arrays of objects.
    Variable.__array_ufunc__ = None  # type: ignore[attr-defined]
    # This one leaves NumPy's functions working, which see the array as one of theirs.
    NdArray.__array_priority__ = 1000.0  # type: ignore[attr-defined]


def _set(cls: type, methods: dict[str, Callable[..., Any]]) -> None:
    for name, method in methods.items():
        method.__name__ = method.__qualname__ = f"__{name}__"
        setattr(cls, method.__name__, method)


_install()
