"""Several arrays to one and back: concatenate, stack, split, meshgrid."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import ShapeError
from ..graph.argument import Bool, Int
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from .axes import normalized
from .constants import Array


@operator("Concatenate", "concatenate", 1133)
class Concatenate(Operator):
    r"""Join arrays along an existing axis.

    Along that axis, :math:`y_{j + \sum_{m < n} L_m} = x^n_j`, where input :math:`x^n` has the length
    :math:`L_n`.

    Inputs:
        x: two or more arrays of the same shape, except along `axis`.
    Args:
        axis: the axis; a negative value counts from the end. Default: the last axis of the first array.
    Returns:
        Shape of the inputs, with the sum of their lengths along `axis`.
    Raises:
        ShapeError: there is only one input, or lengths of other axes differ.
        ArgumentError: `axis` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.concatenate(nn.Variable((2, 3)), nn.Variable((2, 4)), axis=1).shape
        (2, 7)
    """

    axis = Int(None, "The axis; default: the last of the first array.")
    grad_aliases = True

    def output_shape(self, *x: Shape) -> Shape:
        if len(x) < 2:
            raise ShapeError("concatenate: two or more arrays must be given")
        first = x[0]
        if self.axis is None:
            self.axis = len(first) - 1
        axis = normalized(self.axis, len(first), "concatenate")
        total = 0
        for i, shape in enumerate(x):
            # Further axes of length 1 do no harm, and NNabla 1.x lets them pass.
            same = len(shape) >= len(first) and math.prod(shape[len(first) :]) == 1
            if not same or shape[:axis] != first[:axis] or shape[axis + 1 : len(first)] != first[axis + 1 :]:
                raise ShapeError(f"concatenate: x{i} must match x0 on every axis but {axis}")
            total += shape[axis]
        self._axis = axis
        self._lengths = [shape[axis] for shape in x]
        self._shapes = x if any(len(shape) != len(first) for shape in x) else None
        return (*first[:axis], total, *first[axis + 1 :])

    def forward(self, *x: Tensor) -> Tensor:
        if self._shapes is not None:
            ndim = len(self._shapes[0])
            x = tuple([t.reshape(t.shape[:ndim]) for t in x])
        return torch.cat(x, self._axis)

    def grad(self, dy: Tensor) -> tuple[Tensor, ...]:
        parts = dy.split_with_sizes(self._lengths, self._axis)
        if self._shapes is not None:
            return tuple([dx.reshape(shape) for dx, shape in zip(parts, self._shapes, strict=True)])
        return parts


@operator("Stack", "stack", 1135)
class Stack(Operator):
    """Join arrays of the same shape along a new axis; for ``axis=1``, ``y[i, n, j] = x_n[i, j]``.

    Inputs:
        x: one or more arrays of the same shape.
    Args:
        axis: position of the new axis in the result; a negative value counts from the end of the result.
    Returns:
        Shape of the inputs, with an axis inserted at `axis` whose length is the number of inputs.
    Raises:
        ShapeError: shapes differ.
        ArgumentError: `axis` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.stack(nn.Variable((2, 3)), nn.Variable((2, 3)), axis=1).shape
        (2, 2, 3)
    """

    axis = Int(0, "Position of the new axis.")
    grad_aliases = True

    def output_shape(self, *x: Shape) -> Shape:
        first = x[0]
        self._axis = axis = normalized(self.axis, len(first) + 1, "stack")
        for i, shape in enumerate(x):
            if shape != first:
                raise ShapeError(f"stack: x{i} must have the shape of x0, {first}")
        return (*first[:axis], len(x), *first[axis:])

    def forward(self, *x: Tensor) -> Tensor:
        return torch.stack(x, self._axis)

    def grad(self, dy: Tensor) -> tuple[Tensor, ...]:
        return dy.unbind(self._axis)


MOST_PARTS = 1 << 16
"""Arrays that one may be split into: a description of a few bytes may name any length."""


@operator("Split", "split", 1134)
class Split(Operator):
    """Take an array apart along an axis; that axis disappears. For ``axis=1``, ``y_n[i, j] = x[i, n, j]``.

    Inputs:
        x: shape ``(D_0, ..., D_{N-1})``.
    Args:
        axis: the axis; a negative value counts from the end.
    Returns:
        A tuple of ``D_axis`` arrays of shape ``(D_0, ..., D_{axis-1}, D_{axis+1}, ..., D_{N-1})``.
    Raises:
        ShapeError: the axis is shorter than 2, or longer than 65536.
        ArgumentError: `axis` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> [y.shape for y in F.split(nn.Variable((2, 3, 4)), axis=1)]
        [(2, 4), (2, 4), (2, 4)]
    """

    axis = Int(0, "The axis.")
    view = True

    def output_shape(self, x: Shape) -> list[Shape]:
        self._axis = axis = normalized(self.axis, len(x), "split")
        if x[axis] < 2:
            raise ShapeError(f"split: x must have at least 2 elements along axis {axis}, not {x[axis]}")
        if x[axis] > MOST_PARTS:
            raise ShapeError(f"split: x has {x[axis]} elements along axis {axis}, more than {MOST_PARTS}")
        return [x[:axis] + x[axis + 1 :]] * x[axis]

    def forward(self, x: Tensor) -> Any:
        return x.unbind(self._axis)

    def grad(self, *dy: Tensor) -> Tensor:
        return torch.stack(dy, self._axis)


@public
def split(x: Array, axis: int = 0) -> Any:
    return invoke(Split, (axis,), (x,))


split.__doc__ = Split.__doc__


@operator("Meshgrid", "meshgrid", 1151)
class Meshgrid(Operator):
    """Coordinates of all points of a grid, one array for each axis.

    For two vectors, ``y_0[i, j] = x_0[j]`` and ``y_1[i, j] = x_1[i]``; with `ij_indexing`,
    ``y_0[i, j] = x_0[i]`` and ``y_1[i, j] = x_1[j]``.

    Inputs:
        x: one or more vectors, shapes ``(D_0,), (D_1,), ...``: the coordinates along each axis.
    Args:
        ij_indexing: lengths of the result are those of the inputs in order. Default: the first two are
            exchanged, as wanted for images with ``x`` to the right and ``y`` down.
    Returns:
        A tuple of as many arrays as inputs, all of the grid's shape.
    Raises:
        ShapeError: an input is not a vector.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> [y.shape for y in F.meshgrid(nn.Variable((3,)), nn.Variable((2,)))]
        [(2, 3), (2, 3)]
    """

    ij_indexing = Bool(False, "Lengths of the result in the order of the inputs.")
    view = True
    grad_aliases = True

    def output_shape(self, *x: Shape) -> list[Shape]:
        for i, shape in enumerate(x):
            if len(shape) != 1:
                raise ShapeError(f"meshgrid: x{i} must be a vector, not of shape {shape}")
        lengths = [shape[0] for shape in x]
        order = list(range(len(x)))
        if not self.ij_indexing:
            order[:2] = order[:2][::-1]
        self._grid = tuple([lengths[i] for i in order])
        # For each input, its shape as an array that broadcasts to the grid.
        self._aligned = [tuple([lengths[j] if j == i else 1 for j in order]) for i in range(len(x))]
        self._shapes = x
        return [self._grid] * len(x)

    def forward(self, *x: Tensor) -> Any:
        grids = [t.reshape(shape).expand(self._grid) for t, shape in zip(x, self._aligned, strict=True)]
        return grids[0] if len(grids) == 1 else grids

    def grad(self, *dy: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            [
                d.sum_to_size(aligned).reshape(shape)
                for d, aligned, shape in zip(dy, self._aligned, self._shapes, strict=True)
            ]
        )


@public
def meshgrid(*x: Any, ij_indexing: bool = False) -> Any:
    return invoke(Meshgrid, (ij_indexing,), x)


meshgrid.__doc__ = Meshgrid.__doc__
