"""Elements by their order: sort, the largest few, distinct ones."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, positive
from ..graph.call import invoke, public
from ..graph.operator import Operator, Shape, operator
from .axes import normalized
from .constants import Array


@operator("Sort", "sort", 1145)
class Sort(Operator):
    r"""Elements along an axis in rising order, :math:`y_0 \le y_1 \le \ldots`; equal ones stay in the order
    they had, NaN comes last.

    Inputs:
        x: any shape with at least one axis.
    Args:
        axis: the axis; a negative value counts from the end.
        reverse: falling order.
        with_index: return also where each element was.
        only_index: return only where each element was.
    Returns:
        Shape of `x`; with `with_index` a tuple of that and of 64 bit integers in the shape of `x`.
    Raises:
        ArgumentError: `axis` is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y, index = F.sort(nn.NdArray.from_numpy_array([3.0, 1.0, 2.0]), with_index=True)
        >>> y.data, index.data
        (array([1., 2., 3.], dtype=float32), array([1, 2, 0]))
    """

    axis = Int(-1, "The axis.")
    reverse = Bool(False, "Falling order.")
    with_index = Bool(False, "Return also where each element was.")
    only_index = Bool(False, "Return only where each element was.")
    keeps = grad_is_differentiable = True

    def output_shape(self, x: Shape) -> list[Shape]:
        self._axis = normalized(self.axis, len(x), "sort")
        self.differentiable = not self.only_index
        self.output_types = {0 if self.only_index else 1: torch.int64}
        return [x, x] if self.with_index and not self.only_index else [x]

    def forward(self, x: Tensor) -> Any:
        y, index = x.sort(stable=True, dim=self._axis, descending=self.reverse)
        if self.only_index:
            return index
        self.kept = index
        return (y, index) if self.with_index else y

    def grad(self, dy: Tensor) -> Tensor:
        return torch.zeros_like(dy).scatter(self._axis, self.kept, dy)


@public
def sort(x: Array, axis: int = -1, reverse: bool = False, with_index: bool = False, only_index: bool = False) -> Any:
    return invoke(Sort, (axis, reverse, with_index, only_index), (x,))


sort.__doc__ = Sort.__doc__


class TopK(Operator):
    """What the functions for the `k` largest elements of each sample have in common."""

    k: Any
    abs: Any

    def rows(self, x: Shape, base_axis: int, name: str) -> tuple[int, int]:
        """The shape of `x` as one row for each sample.

        Raises:
            ArgumentError: `base_axis` is out of range, or a sample has less than `k` elements.
        """
        axis = normalized(base_axis, len(x), name, "base_axis")
        self._x, self._batch = x, x[:axis]
        size = math.prod(x[axis:])
        if self.k > size:
            raise ArgumentError(f"{name}: k must not exceed the number of elements in a sample, {size}, not {self.k}")
        return math.prod(x[:axis]), size

    def places(self, rows: Tensor, largest: bool = True) -> Tensor:
        """Where the `k` first elements of each row are, in order; of equal ones, those in front."""
        keys = rows.abs() if self.abs else rows
        first, found = keys.topk(min(self.k + 1, keys.shape[1]), 1, largest)
        found = found[:, : self.k]
        # Mostly they all differ, and there is one answer. Where one is not a number, this does not say so.
        clear = (first[:, 1:] < first[:, :-1]) if largest else (first[:, 1:] > first[:, :-1])
        if not bool(clear.all()):
            ties = (~clear.all(1)).nonzero()[:, 0]
            chosen = found[ties].sort(1).values
            order = keys[ties[:, None], chosen].sort(stable=True, dim=1, descending=largest).indices
            found[ties] = chosen.gather(1, order)
            # Where the first that is left out equals the last one, others may have to be chosen.
            border = (~clear[:, self.k - 1]).nonzero()[:, 0] if clear.shape[1] == self.k else ()
            if len(border):
                found[border] = self._in_front(keys[border], first[border, self.k - 1 : self.k], largest)
        return found

    def _in_front(self, keys: Tensor, border: Tensor, largest: bool) -> Tensor:
        """The same for rows in which the last one that is chosen has equals that are not, given that one."""
        # NaN comes first of the largest, last of the smallest.
        better = (keys > border) | keys.isnan() if largest else keys < border
        # Of the elements equal to the last one that is chosen, as many as there is room for.
        equal = keys == border
        room = self.k - better.sum(1, keepdim=True)
        chosen = (better | (equal & (equal.cumsum(1) <= room))).nonzero()[:, 1]
        if len(chosen) != len(keys) * self.k:
            # NaN is equal to nothing.
            return keys.sort(stable=True, dim=1, descending=largest).indices[:, : self.k]
        chosen = chosen.view(-1, self.k)
        order = keys.gather(1, chosen).sort(stable=True, dim=1, descending=largest).indices
        return chosen.gather(1, order)


@operator("TopKData", "top_k_data", 1174)
class TopKData(TopK):
    r"""The `k` largest elements of each sample, :math:`y_1 \ge \ldots \ge y_k`; or, without `reduce`,
    :math:`y_i = x_i` for these and 0 for all others.

    Inputs:
        x: shape ``(B_1, ..., B_M, D_1, ..., D_N)`` with ``M = base_axis``.
    Args:
        k: how many elements.
        abs: go by absolute values; the result has the elements themselves.
        reduce: return the elements in falling order. Otherwise return `x` with 0 for all other elements; the
            gradient then passes unchanged.
        base_axis: number of leading axes that tell samples apart; a negative value counts from the end.
        largest: choose the largest elements, else the smallest ones.
        with_index: return also where the elements were; only with `reduce`.
    Returns:
        Shape ``(B_1, ..., B_M, k)``; with `with_index` a tuple of that and of 64 bit integers, the positions
        in the flattened sample. Without `reduce`, shape of `x`.
    Raises:
        ArgumentError: `k` is not between 1 and the size of a sample, or `with_index` is given without
            `reduce`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, -5.0, 3.0, 2.0]])
        >>> F.top_k_data(x, 2).data, F.top_k_data(x, 2, abs=True, reduce=False).data
        (array([[3., 2.]], dtype=float32), array([[ 0., -5.,  3.,  0.]], dtype=float32))
    """

    k = Int(doc="How many elements.", check=positive)
    abs = Bool(False, "Go by absolute values.")
    reduce = Bool(True, "Return the elements alone.")
    base_axis = Int(1, "Number of leading axes that tell samples apart.")
    largest = Bool(True, "Choose the largest elements, else the smallest ones.")
    with_index = Bool(False, "Return also where the elements were.")
    outputs = ("y", "indices")
    output_types = MappingProxyType({1: torch.int64})
    grad_is_differentiable = True
    grad_aliases = True

    def output_shape(self, x: Shape) -> list[Shape]:
        if self.with_index and not self.reduce:
            raise ArgumentError("top_k_data: with_index needs reduce")
        self._rows = self.rows(x, self.base_axis, "top_k_data")
        self.keeps = self.reduce
        if not self.reduce:
            return [x]
        self._y = (*self._batch, self.k)
        return [self._y, self._y] if self.with_index else [self._y]

    def forward(self, x: Tensor) -> Any:
        # A call that changes no shape costs as much as a kernel of this size.
        rows = x if x.shape == self._rows else x.reshape(self._rows)
        places = self.places(rows, self.largest)
        chosen = rows.gather(1, places)
        if not self.reduce:
            return torch.zeros_like(rows).scatter_(1, places, chosen).view(self._x)
        self.kept = places
        y = chosen if chosen.shape == self._y else chosen.view(self._y)
        return (y, places.reshape(self._y).contiguous()) if self.with_index else y

    def grad(self, dy: Tensor) -> Tensor:
        if not self.reduce:
            return dy
        if self._x == self._rows and self._y == self.kept.shape:
            return dy.new_zeros(self._rows).scatter_(1, self.kept, dy)
        return dy.new_zeros(self._rows).scatter_(1, self.kept, dy.reshape(-1, self.k)).view(self._x)


@operator("TopKGrad", "top_k_grad", 1175)
class TopKGrad(TopK):
    """The input itself, with a gradient of which only the `k` largest elements of each sample pass.

    So :math:`y = x`, and :math:`dx_i = dy_i` for these elements, else 0.

    Inputs:
        x: shape ``(B_1, ..., B_M, D_1, ..., D_N)`` with ``M = base_axis``.
    Args:
        k: how many elements of the gradient pass.
        abs: go by absolute values.
        base_axis: number of leading axes that tell samples apart; a negative value counts from the end.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: `k` is not between 1 and the size of a sample.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable((1, 3), need_grad=True)
        >>> y = F.top_k_grad(x, 1)
        >>> y.forward(); x.grad.zero(); y.backward(nn.NdArray.from_numpy_array([[1.0, 3.0, 2.0]]))
        >>> x.g
        array([[0., 3., 0.]], dtype=float32)
    """

    k = Int(doc="How many elements of the gradient pass.", check=positive)
    abs = Bool(False, "Go by absolute values.")
    base_axis = Int(1, "Number of leading axes that tell samples apart.")
    view = True

    def output_shape(self, x: Shape) -> Shape:
        self._rows = self.rows(x, self.base_axis, "top_k_grad")
        return x

    def forward(self, x: Tensor) -> Tensor:
        return x

    def grad(self, dy: Tensor) -> Tensor:
        rows = dy.reshape(self._rows)
        places = self.places(rows)
        return torch.zeros_like(rows).scatter_(1, places, rows.gather(1, places)).view(self._x)


@operator("Unique", "unique", 1224)
class Unique(Operator):
    r"""The distinct elements of an array, or distinct slices along an axis; sorted,
    :math:`y_0 < y_1 < \ldots`. NaN differs from NaN.

    Inputs:
        x: any shape.
    Args:
        flatten: look at single elements (default), whatever `axis` says.
        axis: otherwise, the axis along which slices are compared.
        sorted: rising order; otherwise in the order of first occurrence.
        with_index: return also where each was found first.
        with_inverse: return also which of them each element or slice of `x` is.
        with_counts: return also how often each occurs.
    Returns:
        A vector, or an array in the shape of `x` with another length of `axis`. With further results a tuple:
        these are vectors of 32 bit integers, in the order of the arguments. Lengths are known after forward.
    Raises:
        ArgumentError: `axis` is missing or out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y, counts = F.unique(nn.NdArray.from_numpy_array([2.0, 1.0, 2.0]), with_counts=True)
        >>> y.data, counts.data
        (array([1., 2.], dtype=float32), array([1, 2], dtype=int32))
    """

    flatten = Bool(True, "Look at single elements.")
    axis = Int(None, "The axis along which slices are compared.")
    sorted = Bool(True, "Rising order.")
    with_index = Bool(False, "Return also where each was found first.")
    with_inverse = Bool(False, "Return also which of them each element or slice is.")
    with_counts = Bool(False, "Return also how often each occurs.")
    outputs = ("y", "indices", "inverse_indices", "counts")
    differentiable = False
    dynamic_shape = True

    def output_shape(self, x: Shape) -> list[Shape]:
        self._axis = None
        size = math.prod(x)
        y: Shape = (size,)
        if not self.flatten:
            if self.axis is None:
                raise ArgumentError("unique: axis must be given where flatten is False")
            self._axis = normalized(self.axis, len(x), "unique")
            y, size = x, x[self._axis]
        further = self.with_index + self.with_inverse + self.with_counts
        self.output_types = dict.fromkeys(range(1, 1 + further), torch.int32)
        return [y] + [(size,)] * further

    def forward(self, x: Tensor) -> Any:
        if self.sorted and not self.output_types:
            return torch.unique(x, dim=self._axis)
        y, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True, dim=self._axis)
        inverse = inverse.reshape(-1)
        size = inverse.numel()
        positions = torch.arange(size, device=x.device)
        first = positions.new_full((counts.numel(),), size).scatter_reduce_(0, inverse, positions, "amin")
        if not self.sorted:
            order = first.argsort()
            y = y[order] if self._axis is None else y.index_select(self._axis, order)
            first, counts = first[order], counts[order]
            inverse = order.argsort()[inverse]
        further = [(self.with_index, first), (self.with_inverse, inverse), (self.with_counts, counts)]
        found = [y, *[t.to(torch.int32) for wanted, t in further if wanted]]
        return found[0] if len(found) == 1 else tuple(found)


@operator("SearchSorted", "searchsorted", 1093)
class SearchSorted(Operator):
    r"""Where each value would have to be inserted into a sorted sequence to keep it sorted.

    That is the number of elements :math:`s` of the sequence with :math:`s < v`, or :math:`s \le v` with `right`,
    for each value :math:`v`.

    Inputs:
        sorted_sequence: shape ``(D_1, ..., D_N, S)``; ascending along the last axis.
        values: shape ``(D_1, ..., D_N, V)``.
    Args:
        right: where the sequence has elements equal to a value, insert behind instead of in front of them.
    Returns:
        Shape of `values`: positions in [0, S], as numbers of the type that the context computes in. There is
        no gradient.
    Raises:
        ShapeError: the shapes differ on an axis other than the last, or have no axis.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> a = nn.NdArray.from_numpy_array
        >>> F.searchsorted(a([1.0, 3.0, 5.0]), a([0.0, 3.0, 9.0])).data
        array([0., 1., 3.], dtype=float32)

    Source: NNabla function reference, ``SearchSorted``.
    """

    right = Bool(None, "Insert behind equal elements; in front of them by default.")
    differentiable = False

    def output_shape(self, sorted_sequence: Shape, values: Shape) -> Shape:
        self.right = bool(self.right)
        if not values or len(sorted_sequence) != len(values) or sorted_sequence[:-1] != values[:-1]:
            raise ShapeError(
                "searchsorted: sorted_sequence and values must have the same shape but for the last axis, "
                f"not {sorted_sequence} and {values}"
            )
        return values

    def forward(self, sorted_sequence: Tensor, values: Tensor) -> Tensor:
        # torch warns of, and copies, what is not contiguous.
        found = torch.searchsorted(sorted_sequence.contiguous(), values.contiguous(), right=self.right)
        return found.to(self.compute_dtype)
