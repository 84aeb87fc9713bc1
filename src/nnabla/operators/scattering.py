"""Values written to places given by index or mask: scatter_nd, scatter_add, bool_scatter, assign."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._nd_array import NdArray
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Ints
from ..graph.call import apply, public
from ..graph.operator import Operator, Shape, operator
from .creation import lengths
from .indexing import as_indices, checked_indices, indexed_shape


@operator("ScatterNd", "scatter_nd")
class ScatterNd(Operator):
    """Elements, or whole slices, written to positions given by one index for each leading axis.

    The inverse of `gather_nd`.

    Inputs:
        data: shape ``(Y_0, ..., Y_{K-1}, X_M, ..., X_{N-1})``.
        indices: shape ``(M, Y_0, ..., Y_{K-1})`` with ``M <= N``; ``indices[m]`` counts along axis ``m`` of
            the result, from the end where it is negative. A list or NumPy array will do, too.
        out: shape ``(X_0, ..., X_{N-1})``, what to write into; zeros where it is not given. The result has
            memory of its own in a graph; an NdArray is written to.
    Args:
        shape: shape of the result, where `out` is not given.
        add: add to what is there. Default: replace it; of several values for one place, any one may win.
    Returns:
        Shape `shape`, or that of `out`.
    Raises:
        TypeError: both `shape` and `out` are given, or none.
        ArgumentError: an index is out of range.
        ShapeError: shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> data = nn.NdArray.from_numpy_array([9.0, 8.0])
        >>> F.scatter_nd(data, [[0, 1], [1, 2]], shape=(2, 3)).data
        array([[0., 9., 0.],
               [0., 0., 8.]], dtype=float32)
    """

    shape = Ints(None, "Shape of the result.", check=lengths)
    add = Bool(False, "Add to what is there.")
    indices = ("indices",)
    constants = ("indices",)
    grad_aliases = True

    def output_shape(self, data: Shape, indices: Shape, out: Shape | None = None) -> Shape:
        if out is not None:
            self.shape = out
        elif self.shape is None:
            raise ArgumentError("scatter_nd: shape must be given where out is not")
        if data != indexed_shape(self.shape, indices, "scatter_nd"):
            wanted = indexed_shape(self.shape, indices, "scatter_nd")
            raise ShapeError(
                f"scatter_nd: data must have shape {wanted}, as indices and the result say, not {data}"
            )
        return self.shape

    def forward(self, data: Tensor, indices: Tensor, out: Tensor | None = None) -> Tensor:
        y = data.new_zeros(self.shape) if out is None else out.clone(memory_format=torch.contiguous_format)
        rows = checked_indices(indices, self.shape, "scatter_nd")
        return y.index_put_(rows, data, accumulate=self.add) if rows else _everywhere(y, data, self.add)

    def grad(
        self, need: tuple[bool, ...], dy: Tensor, indices: Tensor
    ) -> tuple[Tensor | None, None, Tensor | None]:
        rows = indices.unbind(0)
        ddata = dout = None
        if need[0]:
            ddata = dy[rows] if rows else dy.expand((*indices.shape[1:], *dy.shape))
        if need[2]:
            dout = dy if self.add else dy.index_put(rows, dy.new_zeros(())) if rows else torch.zeros_like(dy)
        return ddata, None, dout


def _everywhere(y: Tensor, data: Tensor, add: bool) -> Tensor:
    """The meaning of no index at all: each element of `data` is as large as `y`."""
    parts = data.reshape(-1, *y.shape)
    return y + parts.sum(0) if add else y.copy_(parts[-1]) if len(parts) else y


@public
def scatter_nd(data: Any, indices: Any, shape: Any = None, out: Any = None, add: bool = False) -> Any:
    if (shape is None) == (out is None):
        raise TypeError("scatter_nd: either shape or out must be given, and not both")
    y = apply(ScatterNd(shape, add), (data, as_indices(indices, data), out))
    if isinstance(y, NdArray) and isinstance(out, NdArray):
        written = out._own(y._realize().dtype, y._realize().device)
        y._set(written.copy_(y._realize()))
    return y


scatter_nd.__doc__ = ScatterNd.__doc__
