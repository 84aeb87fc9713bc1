"""Products of vectors, matrices and stacks of matrices, by NumPy's rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._nd_array import NdArray
from ..errors import ShapeError
from ..graph.call import invoke, public
from ..graph.operator import Shape
from ..graph.variable import Variable
from .arithmetic import Mul2, MulScalar
from .arrays import Reshape, Transpose
from .constants import Array, constant, is_array, number_of
from .layers import Affine
from .linalg import BatchMatmul
from .reductions import Sum


def matmul(a: Array, b: Array) -> Any:
    """What ``a @ b`` means: the product of matrices, for each index of the leading axes.

    Args:
        a: shape ``(..., M, K)``, or ``(K,)`` for a row.
        b: shape ``(..., K, N)``, or ``(K,)`` for a column. Leading axes are broadcast.

    Returns:
        Shape ``(..., M, N)``, without ``M`` or ``N`` where a vector took the place of a matrix.

    Raises:
        ShapeError: an operand has no axes, or the lengths of the axes summed over differ.
    """
    for x in (a, b):
        if x.ndim == 0:
            raise ShapeError(f"@: operands must have at least one axis, not shapes {a.shape} and {b.shape}")
    _check_summed("@", a.shape, b.shape)
    a, b = _of_one_kind(a, b)
    if a.ndim == 1 and b.ndim == 1:
        return _inner(a, b)
    y = _stacked(a, b)
    if a.ndim > 1 and b.ndim > 1:
        return y
    return _reshaped(y, y.shape[:-1] if b.ndim == 1 else (*y.shape[:-2], y.shape[-1]))


@public
def dot(a: Any, b: Any, out: Any = None) -> Any:
    r"""NumPy's `numpy.dot`: the sum of products over the last axis of `a` and the last but one of `b`,
    :math:`y_{i, j, n} = \sum_k a_{i, k} b_{j, k, n}`.

    Inputs:
        a: Variable, NdArray or NumPy array of shape ``(..., K)``, or a number or scalar.
        b: likewise, of shape ``(..., K, N)`` or ``(K,)``, or a number or scalar.
    Args:
        out: where to put the result; of its shape and kind. A Variable becomes the output of the graph.

    Returns:
        Shape ``a.shape[:-1] + b.shape[:-2] + b.shape[-1:]``; that of the other operand if one is a scalar.
        `out` if it is given. A NumPy array if both operands are.

    Raises:
        ShapeError: the lengths of the axes summed over differ, or `out` has another shape.
        TypeError: `out` is of another kind than the result.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.dot(nn.Variable((2, 3)), nn.Variable((5, 3, 4))).shape
        (2, 5, 4)
    """
    for name, x in (("a", a), ("b", b)):
        if not isinstance(x, (Variable, NdArray)) and np.asarray(x).dtype.kind not in "biuf":
            raise TypeError(f"dot: {name} must be a Variable, an NdArray, or real numbers, not {x!r}")
    if not isinstance(a, (Variable, NdArray)) and not isinstance(b, (Variable, NdArray)):
        return np.dot(a, b, out=out)
    y = _dot(a, b)
    if out is None:
        return y
    kind = NdArray if isinstance(y, NdArray) else Variable
    if not isinstance(out, kind):
        raise TypeError(f"dot: out must be a {kind.__name__}, as the result is, not {type(out).__name__}")
    if out.shape != y.shape:
        raise ShapeError(f"dot: out must have the shape of the result, {y.shape}, not {out.shape}")
    if isinstance(out, NdArray):
        out.copy_from(y)
    else:
        out.rewire_on(y)
    return out


def _dot(a: Any, b: Any) -> Any:
    partner = a if isinstance(a, (Variable, NdArray)) else b
    for x, other in ((a, b), (b, a)):
        number = None if isinstance(x, (Variable, NdArray)) or np.ndim(x) else number_of(x)
        if number is not None:
            return invoke(MulScalar, (number,), (other,))
    a, b = _of_one_kind(_operand(a, partner), _operand(b, partner))
    if a.ndim == 0 or b.ndim == 0:
        ndim = max(a.ndim, b.ndim)
        return invoke(Mul2, (), (_widened(a, ndim), _widened(b, ndim)))
    _check_summed("dot", a.shape, b.shape)
    if b.ndim == 1:
        return _inner(a, b) if a.ndim == 1 else matmul(a, b)
    # The summed axis of b to the front: then b is a matrix to `affine`, whose columns have any shape.
    order = (b.ndim - 2, *range(b.ndim - 2), b.ndim - 1)
    weight = b if b.ndim == 2 else invoke(Transpose, (order,), (b,))
    return invoke(Affine, (a.ndim - 1,), (a, weight))


def _of_one_kind(a: Array, b: Array) -> tuple[Array, Array]:
    """Both as NdArrays if one is: a Variable that is reshaped for the product would not have values yet."""
    if type(a) is type(b):
        return a, b
    return tuple(x.data if isinstance(x, Variable) else x for x in (a, b))  # type: ignore[return-value]


def _operand(x: Any, partner: Array) -> Array:
    if isinstance(x, (Variable, NdArray)):
        return x
    value = np.asarray(x)
    is_array(value)
    return constant(value, partner)


def _check_summed(name: str, a: Shape, b: Shape) -> None:
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        which = "last but one axis" if len(b) > 1 else "axis"
        raise ShapeError(f"{name}: the last axis of {a} and the {which} of {b} must have the same length")


def _inner(a: Array, b: Array) -> Any:
    return invoke(Sum, (), (invoke(Mul2, (), (a, b)),))


def _stacked(a: Array, b: Array) -> Any:
    """Products of matrices; vectors become matrices, and both get the same number of axes."""
    ndim = max(a.ndim, b.ndim, 2)
    if ndim == 2:
        a = _reshaped(a, (1, -1)) if a.ndim == 1 else a
        b = _reshaped(b, (-1, 1)) if b.ndim == 1 else b
        return invoke(Affine, (), (a, b))
    if b.ndim == 1:
        b = _reshaped(b, (1,) * (ndim - 2) + (b.shape[0], 1))
    return invoke(BatchMatmul, (), (_widened(a, ndim), _widened(b, ndim)))


def _widened(x: Array, ndim: int) -> Array:
    """`x` with axes of length 1 in front, up to `ndim` axes."""
    return _reshaped(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


def _reshaped(x: Array, shape: Shape) -> Any:
    return invoke(Reshape, (shape,), (x,))
