"""One array to another view of it: reshape, transpose, broadcast, tile, flip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, Ints, Sizes
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from .axes import normalized, normalized_all
from .constants import Array


def resolved_shape(shape: tuple[int, ...], x: Shape) -> Shape:
    """`shape` with its -1, or whatever negative number stands for it, found from the number of elements of `x`.

    Raises:
        ArgumentError: several dimensions are negative.
        ShapeError: the number of elements differs.
    """
    unknown = [d for d in shape if d < 0]
    if len(unknown) > 1:
        raise ArgumentError(f"reshape: shape must be lengths, at most one of them -1, not {shape}")
    size = math.prod(x)
    if unknown:
        known = math.prod([d for d in shape if d >= 0])
        if known and size % known == 0:
            return tuple([size // known if d < 0 else d for d in shape])
    elif math.prod(shape) == size:
        return shape
    raise ShapeError(f"reshape: shape {shape} does not have the {size} elements of {x}")


@operator("Reshape", "reshape", 1146)
class Reshape(Operator):
    """The same elements in the same order, under another shape: ``y.flat[i] = x.flat[i]``.

    Inputs:
        x: any shape.
    Args:
        shape: the new shape; one dimension may be -1 and follows from the others. It is looked up again when
            the shape of `x` changes, so -1 adapts to a new batch size.
        inplace: the result shares memory with `x` (default): writing to one writes to the other. With
            ``False`` it has its own memory. On NdArrays it always shares.
    Returns:
        Shape `shape`.
    Raises:
        ShapeError: `shape` has another number of elements than `x`.
        ArgumentError: several dimensions are -1.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.reshape(nn.Variable((2, 3, 4)), (4, -1)).shape
        (4, 6)
    """

    # `shape` stays as the caller wrote it; a new batch size is then found again from -1.
    shape = Sizes(doc="The new shape; one dimension may be -1.")
    inplace = Bool(True, "Share memory with the input.")
    view = True
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        self._source = x
        self._target = resolved_shape(self.shape, x)
        self.linked = 0 if self.inplace else None
        return self._target

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(self._target)

    def grad(self, dy: Tensor) -> Tensor:
        return dy.reshape(self._source)


@operator("Transpose", "transpose", 1138)
class Transpose(Operator):
    r"""Axes in another order, :math:`y_{i_{a_0}, \ldots, i_{a_{N-1}}} = x_{i_0, \ldots, i_{N-1}}` with `axes`
    :math:`a_n`.

    Inputs:
        x: shape ``(D_0, ..., D_{N-1})``.
    Args:
        axes: for each axis of the result, the axis of `x` that it shows; negative ones count from the end.
    Returns:
        Shape ``(D_{axes[0]}, ..., D_{axes[N-1]})``.
    Raises:
        ArgumentError: `axes` is not a permutation of the axes of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.transpose(nn.Variable((2, 3, 4)), (2, 0, 1)).shape
        (4, 2, 3)
    """

    axes = Ints(doc="For each axis of the result, the axis of x that it shows.")
    view = True
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        axes = normalized_all(self.axes, len(x), "transpose")
        if len(axes) != len(x):
            raise ArgumentError(f"transpose: axes must have {len(x)} entries, one for each axis of x, not {self.axes}")
        self._axes = axes
        self._inverse = tuple(sorted(range(len(x)), key=axes.__getitem__))
        return tuple([x[a] for a in axes])

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self._axes)

    def grad(self, dy: Tensor) -> Tensor:
        return dy.permute(self._inverse)


@operator("Broadcast", "broadcast", 1139)
class Broadcast(Operator):
    r"""Repeat `x` along axes of length 1, and along new axes in front, by NumPy's rule.

    With as many axes on both sides, :math:`y_{i_1, \ldots, i_N} = x_{j_1, \ldots, j_N}`, where
    :math:`j_n` is 0 if axis :math:`n` of `x` has length 1, else :math:`i_n`.

    Inputs:
        x: any shape that broadcasts to `shape`.
    Args:
        shape: the shape wanted.
    Returns:
        Shape `shape`.
    Raises:
        ShapeError: `x` does not broadcast to `shape`.
        ArgumentError: a length is negative.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.broadcast(nn.Variable((3, 1)), (2, 3, 4)).shape
        (2, 3, 4)
    """

    shape = Sizes(doc="The shape wanted.")
    view = True
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        shape: Shape = self.shape
        if any(d < 0 for d in shape):
            raise ArgumentError(f"broadcast: shape must not have negative lengths, got {shape}")
        head = len(shape) - len(x)
        if head < 0 or any(a not in (1, b) for a, b in zip(x, shape[head:], strict=True)):
            raise ShapeError(f"broadcast: x of shape {x} does not broadcast to {shape}")
        self._x = x
        return shape

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(self.shape)

    def grad(self, dy: Tensor) -> Tensor:
        return dy.sum_to_size(self._x)


@operator("BroadcastTo", "broadcast_to", 1140)
class BroadcastTo(Operator):
    """Repeat `y` along those axes of `x` that it lacks; for ``axis=1``, a vector `y` and three axes of `x`,
    the result is ``z[i, j, k] = y[j]``.

    Inputs:
        x: gives the shape; its values are not read.
        y: any shape; its axes are as long as the axes of `x` that they are matched with.
    Args:
        axis: the axis of `x` that the first axis of `y` is matched with; a negative value (default: -1)
            matches the last axes with each other.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: a pair of matched axes differs in length, or `y` has more axes than there are to match.
        ArgumentError: `axis` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.broadcast_to(nn.Variable((4, 3, 2)), nn.Variable((3,)), axis=1).shape
        (4, 3, 2)

    Source: NNabla function reference, ``BroadcastTo``. NNabla 1.x has no gradient; here `y` receives the sum
    over the axes it was repeated along.
    """

    outputs = ("z",)
    axis = Int(None, "Axis of x that the first axis of y is matched with; negative: match the last axes.")
    constants = ("x",)
    view = True
    grad_aliases = True

    def output_shape(self, x: Shape, y: Shape) -> Shape:
        self.axis = -1 if self.axis is None else self.axis
        if self.axis >= max(len(x), 1):
            raise ArgumentError(f"broadcast_to: axis must be below {len(x)}, the number of axes of x, not {self.axis}")
        first = self.axis if self.axis >= 0 else len(x) - len(y)
        if first < 0 or x[first : first + len(y)] != y:
            raise ShapeError(f"broadcast_to: y of shape {y} does not match {x[max(first, 0) : first + len(y)]} of x")
        self._x = x
        self._aligned = (1,) * first + y + (1,) * (len(x) - first - len(y))
        self._y = y
        return x

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return y.reshape(self._aligned).expand(self._x)

    def grad(self, dz: Tensor) -> tuple[None, Tensor]:
        return None, dz.sum_to_size(self._aligned).reshape(self._y)


@operator("Tile", "tile", 1141)
class Tile(Operator):
    r"""Repeat `x` a number of times along each axis,
    :math:`y_{i_1, \ldots, i_N} = x_{i_1 \bmod D_1, \ldots, i_N \bmod D_N}` for `x` of shape
    ``(D_1, ..., D_N)``.

    Inputs:
        x: any shape.
    Args:
        reps: repetitions for each axis, at least 1; an integer stands for the last axis. If it is shorter
            than the shape of `x`, leading axes are repeated once; if it is longer, axes of length 1 are put
            in front.
    Returns:
        Shape of `x`, with each length multiplied by its number of repetitions.
    Raises:
        ArgumentError: a repetition is less than 1.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.tile(nn.Variable((2, 3)), (2, 1, 3)).shape
        (2, 2, 9)
    """

    reps = Ints(doc="Repetitions for each axis.", check=(lambda reps: all(r >= 1 for r in reps), "at least 1 each"))

    def output_shape(self, x: Shape) -> Shape:
        ndim = max(len(x), len(self.reps))
        reps = (1,) * (ndim - len(self.reps)) + self.reps
        shape = (1,) * (ndim - len(x)) + x
        self._reps, self._x = reps, x
        self._parts = tuple([n for pair in zip(reps, shape, strict=True) for n in pair])
        self._repeated = tuple(range(0, 2 * ndim, 2))
        return tuple([r * d for r, d in zip(reps, shape, strict=True)])

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(self._reps)

    def grad(self, dy: Tensor) -> Tensor:
        if not self._repeated:
            return dy.clone()
        return dy.reshape(self._parts).sum(self._repeated).view(self._x)


@public
def tile(x: Array, reps: int | Sequence[int]) -> Any:
    return invoke(Tile, ((reps,) if isinstance(reps, int) else reps,), (x,))


tile.__doc__ = Tile.__doc__


@operator("Flip", "flip", 1143)
class Flip(Operator):
    """Reverse the order of elements along axes: :math:`y_i = x_{D - 1 - i}` along each of them, where
    :math:`D` is its length.

    Inputs:
        x: any shape with at least one axis.
    Args:
        axes: the axes; negative ones count from the end. Default: the last axis.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: an axis is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.flip(nn.NdArray.from_numpy_array([[1.0, 2.0], [3.0, 4.0]])).data
        array([[2., 1.],
               [4., 3.]], dtype=float32)
    """

    axes = Ints(None, "The axes to reverse; default: the last.")

    def output_shape(self, x: Shape) -> Shape:
        if self.axes is None:
            self.axes = (len(x) - 1,)
        # An axis that is given twice is reversed once.
        self._axes = tuple({normalized(a, len(x), "flip", "axes") for a in self.axes})
        return x

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(self._axes)

    def grad(self, dy: Tensor) -> Tensor:
        return dy.flip(self._axes)


@operator("Shape", "shape", 1147)
class ShapeOf(Operator):
    r"""The shape of `x`, or a part of it, as an array of numbers: :math:`y_i = D_{\mathrm{start} + i}` for
    the shape :math:`D`.

    Inputs:
        x: any shape; its values are not read.
    Args:
        start: first axis; a negative value counts from the end. Default: 0.
        end: one past the last axis; a negative value counts from the end, 0 (default) means all.
    Returns:
        Shape ``(end - start,)``.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.shape(nn.NdArray((2, 3, 4)), 1).data
        array([3., 4.], dtype=float32)
    """

    start = Int(None, "First axis; default 0.")
    end = Int(None, "One past the last axis; 0: all.")
    outputs = ("shape",)
    differentiable = False

    def output_shape(self, x: Shape) -> Shape:
        self.start = self.start or 0
        self.end = self.end or 0
        self._lengths = x[self.start : self.end or None]
        return (len(self._lengths),)

    def forward(self, x: Tensor) -> Tensor:
        return x.new_tensor(self._lengths)
