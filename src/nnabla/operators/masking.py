"""Elements chosen by a mask: bool_gather, bool_scatter, bool_fill, nonzero.

How many elements a mask chooses is known when it holds values. In a static graph the shape of the result is
what the values say that the mask holds when the function is called, and again after each forward.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from .._nd_array import NdArray
from ..errors import ShapeError
from ..graph.argument import Single
from ..graph.call import apply, public
from ..graph.operator import Operator, Shape, operator
from ..graph.variable import Variable
from .constants import Array
from .creation import representable
from .shapes import broadcast_shape


def count_now(mask: Any) -> int | None:
    """How many elements of `mask` are not 0, as far as a Variable holds values yet."""
    array = mask.data if isinstance(mask, Variable) else mask
    if not isinstance(array, NdArray) or array._tensor is None:
        return None
    return int(torch.count_nonzero(array._tensor))


def checked_mask(mask: Shape, array: Shape, name: str, function: str) -> None:
    """Raises:
    ShapeError: the shape of the array does not begin with that of the mask.
    """
    if array[: len(mask)] != mask:
        raise ShapeError(f"{function}: the shape of {name} must begin with that of mask, {mask}, not be {array}")


@operator("BoolGather", "bool_gather", 1159)
class BoolGather(Operator):
    """The elements, or slices, of an array where a mask is not 0; in NumPy ``y = input[mask != 0]``.

    Inputs:
        input: shape ``(D_0, ..., D_{N-1})``.
        mask: shape ``(D_0, ..., D_{M-1})`` with ``M <= N``.
    Returns:
        Shape ``(number of elements in mask that are not 0, D_M, ..., D_{N-1})``, in the order of the array.
    Raises:
        ShapeError: the shape of `input` does not begin with that of `mask`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 4.0]])
        >>> F.bool_gather(x, nn.NdArray.from_numpy_array([[1, 0], [0, 1]])).data
        array([1., 4.], dtype=float32)
    """

    outputs = ("output",)
    constants = ("mask",)
    dynamic_shape = True
    count: int | None = None
    held = ("input",)

    def output_shape(self, input: Shape, mask: Shape) -> Shape:
        checked_mask(mask, input, "input", "bool_gather")
        if not mask:
            raise ShapeError("bool_gather: mask must have at least one axis")
        self._input = input
        return (math.prod(mask) if self.count is None else self.count, *input[len(mask) :])

    def forward(self, input: Tensor, mask: Tensor) -> Tensor:
        output = input[mask != 0]
        self.count = output.shape[0]
        return output

    def grad(self, doutput: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        return doutput.new_zeros(self._input).index_put_((mask != 0,), doutput), None


@public
def bool_gather(input: Array, mask: Array, n_outputs: int = -1, outputs: Any = None) -> Any:
    gather = BoolGather()
    gather.count = count_now(mask)
    return apply(gather, (input, mask), n_outputs, outputs)


bool_gather.__doc__ = BoolGather.__doc__


@operator("BoolScatter", "bool_scatter", 1162)
class BoolScatter(Operator):
    """Elements, or slices, written in order to where a mask is not 0; the inverse of `bool_gather`.

    In NumPy ``y[mask != 0] = input[:K]`` with the number ``K`` of elements in `mask` that are not 0.

    Inputs:
        input: shape ``(L, D_M, ..., D_{N-1})`` with ``L >= K``.
        mask: shape ``(D_0, ..., D_{M-1})``.
        output: shape ``(D_0, ..., D_{N-1})``, what to write into; zeros where it is not given. The result is on
            its memory. It has its own where, as NNabla refuses, the gradient of the function that made `output` needs
            the values, that function is a reshape, or another one takes `output` already.
    Returns:
        Shape ``(D_0, ..., D_{N-1})``.
    Raises:
        ShapeError: `output` has another shape, or `input` has too few elements.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([1.0, 4.0])
        >>> F.bool_scatter(x, nn.NdArray.from_numpy_array([[1, 0], [0, 1]])).data
        array([[1., 0.],
               [0., 4.]], dtype=float32)
    """

    constants = ("mask",)
    written = "output"

    def output_shape(self, input: Shape, mask: Shape, output: Shape | None = None) -> Shape:
        if not input or not mask:
            raise ShapeError("bool_scatter: input and mask must have at least one axis each")
        self._input = input
        self._y = mask + input[1:]
        if output is not None and output != self._y:
            raise ShapeError(f"bool_scatter: output must have shape {self._y}, not {output}")
        return self._y

    def forward(self, input: Tensor, mask: Tensor, output: Tensor | None = None) -> Tensor:
        y = input.new_zeros(self._y) if output is None else output.clone(memory_format=torch.contiguous_format)
        return self.write(input, mask, y)

    def write(self, input: Tensor, mask: Tensor, output: Tensor) -> Tensor:
        chosen = mask != 0
        count = int(torch.count_nonzero(chosen))
        if count > self._input[0]:
            raise ShapeError(f"bool_scatter: mask chooses {count} elements, input has {self._input[0]}")
        return output.index_put_((chosen,), input[:count])

    def grad(self, need: tuple[bool, ...], dy: Tensor, mask: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        chosen = mask != 0
        dinput = doutput = None
        if need[0]:
            dinput = dy[chosen]
            if dinput.shape != self._input:
                rest = self._input[0] - dinput.shape[0]
                dinput = torch.constant_pad_nd(dinput, [0, 0] * (dinput.ndim - 1) + [0, rest])
        if need[2]:
            doutput = dy.index_put((chosen,), dy.new_zeros(()))
        return dinput, None, doutput


@operator("BoolFill", "bool_fill", 1163)
class BoolFill(Operator):
    """An array with one number in place of the elements where a mask is not 0: ``y[i] = value`` there, else
    ``y[i] = data[i]``.

    Inputs:
        data: any shape.
        mask: a shape that broadcasts to that of `data`.
    Args:
        value: the number.
    Returns:
        Shape of `data`.
    Raises:
        ShapeError: `mask` does not broadcast to the shape of `data`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 4.0]])
        >>> F.bool_fill(x, nn.NdArray.from_numpy_array([0, 1]), -1).data
        array([[ 1., -1.],
               [ 3., -1.]], dtype=float32)
    """

    value = Single(0.0, "The number.")
    constants = ("mask",)
    held = ("data",)

    def output_shape(self, data: Shape, mask: Shape) -> Shape:
        if broadcast_shape(data, mask, "bool_fill") != data:
            raise ShapeError(f"bool_fill: mask of shape {mask} does not broadcast to that of data, {data}")
        self._value = representable(self.value, self.compute_dtype)
        return data

    def forward(self, data: Tensor, mask: Tensor) -> Tensor:
        return data.masked_fill(mask != 0, self._value)

    def grad(self, dy: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        return dy.masked_fill(mask != 0, 0), None


@operator("NonZero", "nonzero", 1166)
class NonZero(Operator):
    """The positions of all elements that are not 0: all with ``x[y[0, k], ..., y[N - 1, k]] != 0``.

    Inputs:
        x: shape ``(D_0, ..., D_{N-1})``.
    Returns:
        64 bit integers, shape ``(N, number of elements that are not 0)``: an index along each axis, in the
        order of the array; ready for `gather_nd`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.nonzero(nn.NdArray.from_numpy_array([[0.0, 5.0], [7.0, 0.0]])).data
        array([[0, 1],
               [1, 0]])
    """

    differentiable = False
    dynamic_shape = True
    output_types = MappingProxyType({0: torch.int64})
    count: int | None = None

    def output_shape(self, x: Shape) -> Shape:
        return len(x), math.prod(x) if self.count is None else self.count

    def forward(self, x: Tensor) -> Tensor:
        y = x.nonzero().t().contiguous()
        self.count = y.shape[1]
        return y


@public
def nonzero(x: Array, n_outputs: int = -1, outputs: Any = None) -> Any:
    positions = NonZero()
    positions.count = count_now(x)
    return apply(positions, (x,), n_outputs, outputs)


nonzero.__doc__ = NonZero.__doc__
