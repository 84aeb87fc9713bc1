"""Sequences of different lengths: from one padded array to a packed one without gaps, and back."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from .._nd_array import NdArray
from ..dtypes import spelled, whole_numbers
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, Single
from ..graph.call import apply, public
from ..graph.operator import Operator, Shape, operator
from ..graph.variable import Variable
from .constants import Array


def values_now(array: Any) -> list[int] | None:
    """The integers in a vector, as far as a Variable holds values yet."""
    array = array.data if isinstance(array, Variable) else array
    if not isinstance(array, NdArray) or array._tensor is None or array.ndim != 1:
        return None
    return whole_numbers(array._tensor).tolist()


@operator("PackPaddedSequence", "pack_padded_sequence", 1164)
class PackPaddedSequence(Operator):
    r"""The elements of sequences that were padded to one length, without the padding, ordered by time.

    With the numbers :math:`n_t` of sequences that have an element at time :math:`t`, the one of sequence
    :math:`b` is :math:`y_{n_0 + \ldots + n_{t-1} + b} = x_{t, b}`.

    Inputs:
        padded_sequence: shape ``(T, B, ...)``: ``B`` sequences of length ``T``; the longest first.
        lengths: integers in ``[0, T]``, shape ``(B,)``, falling: how many elements of each sequence count.
    Args:
        batch_first: `padded_sequence` has shape ``(B, T, ...)``.
    Returns:
        A tuple: the packed elements, shape ``(sum of lengths, ...)``: the first of all sequences, then the
        second of all sequences that have one, and so on; and 32 bit integers of shape ``(T,)``: how many
        sequences have an element at each time.
    Raises:
        ShapeError: shapes do not fit together.
        ArgumentError: a length is out of range or greater than the one before it.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
        >>> y, batch_sizes = F.pack_padded_sequence(x, nn.NdArray.from_numpy_array([3, 1]), batch_first=True)
        >>> y.data, batch_sizes.data
        (array([1., 4., 2., 3.], dtype=float32), array([2, 1, 1], dtype=int32))
    """

    batch_first = Bool(False, "padded_sequence has shape (B, T, ...).")
    outputs = ("pack_sequence", "batch_sizes")
    output_types = MappingProxyType({1: torch.int32})
    indices = ("lengths",)
    constants = ("lengths",)
    dynamic_shape = True
    total: int | None = None
    held = ("batch_sizes",)

    def output_shape(self, padded_sequence: Shape, lengths: Shape) -> list[Shape]:
        if len(padded_sequence) < 2:
            raise ShapeError("pack_padded_sequence: padded_sequence must have at least two axes")
        time, batch = padded_sequence[1::-1] if self.batch_first else padded_sequence[:2]
        if lengths != (batch,):
            raise ShapeError(f"pack_padded_sequence: lengths must have shape {(batch,)}, not {lengths}")
        self._padded, self._time = padded_sequence, time
        return [(time * batch if self.total is None else self.total, *padded_sequence[2:]), (time,)]

    def _mask(self, lengths: Tensor) -> Tensor:
        return torch.arange(self._time, device=lengths.device)[:, None] < lengths

    def forward(self, padded_sequence: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        found = lengths.tolist()
        if found and not (found[-1] >= 0 and found[0] <= self._time and found == sorted(found, reverse=True)):
            given = ", ".join(map(spelled, found))
            raise ArgumentError(f"pack_padded_sequence: lengths must fall and be in [0, {self._time}], not {given}")
        mask = self._mask(lengths)
        x = padded_sequence.transpose(0, 1) if self.batch_first else padded_sequence
        packed = x[mask]
        self.total = packed.shape[0]
        return packed, mask.sum(1, dtype=torch.int32)

    def grad(self, dpack_sequence: Tensor, lengths: Tensor) -> tuple[Tensor, None]:
        dx = dpack_sequence.new_zeros(self._padded)
        by_time = dx.transpose(0, 1) if self.batch_first else dx
        by_time.index_put_((self._mask(lengths),), dpack_sequence)
        return dx, None


@public
def pack_padded_sequence(
    padded_sequence: Array, lengths: Array, batch_first: bool = False, n_outputs: int = -1, outputs: Any = None
) -> Any:
    pack = PackPaddedSequence(batch_first)
    found = values_now(lengths)
    pack.total = None if found is None or min(found, default=0) < 0 else sum(found)
    return apply(pack, (padded_sequence, lengths), n_outputs, outputs)


pack_padded_sequence.__doc__ = PackPaddedSequence.__doc__


@operator("PadPackedSequence", "pad_packed_sequence", 1165)
class PadPackedSequence(Operator):
    r"""Packed sequences padded to one length; the inverse of `pack_padded_sequence`.

    With `batch_sizes` :math:`n_t`, :math:`y_{t, b} = x_{n_0 + \ldots + n_{t-1} + b}` for :math:`b < n_t`,
    and the padding value elsewhere.

    Inputs:
        packed_sequence: shape ``(N, ...)``.
        batch_sizes: positive integers, shape ``(T,)``, with a sum of at most ``N``: how many sequences have
            an element at each time.
    Args:
        batch_first: the padded result has shape ``(B, T, ...)``.
        padding_value: what stands after the end of a sequence. Default: 0.
        total_length: pad to at least this length. Default: to the longest sequence.
    Returns:
        A tuple: the padded sequences, shape ``(T, B, ...)``, and their lengths, 32 bit integers of shape
        ``(B,)``.
    Raises:
        ShapeError: `batch_sizes` is not a vector.
        ArgumentError: there are more elements in `batch_sizes` than in `packed_sequence`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([1.0, 4.0, 2.0, 3.0])
        >>> y, lengths = F.pad_packed_sequence(x, nn.NdArray.from_numpy_array([2, 1, 1]), batch_first=True)
        >>> y.data, lengths.data
        (array([[1., 2., 3.],
               [4., 0., 0.]], dtype=float32), array([3, 1], dtype=int32))

    Source: NNabla function reference, ``PadPackedSequence``. NNabla 1.39 pads with 0 on the CPU whatever
    `padding_value` says.
    """

    batch_first = Bool(False, "The padded result has shape (B, T, ...).")
    padding_value = Single(None, "What stands after the end of a sequence.")
    total_length = Int(None, "Pad to at least this length; -1: to the longest sequence.")
    outputs = ("padded_sequence", "lengths")
    output_types = MappingProxyType({1: torch.int32})
    indices = ("batch_sizes",)
    constants = ("batch_sizes",)
    dynamic_shape = True
    batch: int | None = None

    def output_shape(self, packed_sequence: Shape, batch_sizes: Shape) -> list[Shape]:
        self.padding_value = self.padding_value or 0.0
        self.total_length = -1 if self.total_length is None else self.total_length
        if not packed_sequence:
            raise ShapeError("pad_packed_sequence: packed_sequence must have at least one axis")
        if len(batch_sizes) != 1:
            raise ShapeError(f"pad_packed_sequence: batch_sizes must be a vector, not of shape {batch_sizes}")
        self._packed = packed_sequence
        self._time = time = max(batch_sizes[0], self.total_length)
        batch = self.batch or 0
        return [((batch, time) if self.batch_first else (time, batch)) + packed_sequence[1:], (batch,)]

    def _mask(self, batch_sizes: Tensor, batch: int) -> Tensor:
        return torch.arange(batch, device=batch_sizes.device) < batch_sizes[:, None]

    def forward(self, packed_sequence: Tensor, batch_sizes: Tensor) -> tuple[Tensor, Tensor]:
        self.batch = batch = int(batch_sizes.max()) if batch_sizes.numel() else 0
        if batch > self._packed[0] or (batch_sizes.numel() and int(batch_sizes.min()) < 0):
            given = ", ".join(map(spelled, batch_sizes.tolist()))
            raise ArgumentError(f"pad_packed_sequence: batch_sizes must be in [0, {self._packed[0]}], not {given}")
        mask = self._mask(batch_sizes, batch)
        count = int(mask.sum())
        if count > self._packed[0]:
            raise ArgumentError(
                f"pad_packed_sequence: the sum of batch_sizes must not exceed the length of packed_sequence, "
                f"{self._packed[0]}, but is {count}"
            )
        shape = (self._time, batch, *self._packed[1:])
        y = packed_sequence.new_full(shape, self.padding_value)
        y[: mask.shape[0]].index_put_((mask,), packed_sequence[:count])
        if self.batch_first:
            y = y.transpose(0, 1).contiguous()
        return y, mask.sum(0, dtype=torch.int32)

    def grad(self, dpadded_sequence: Tensor, batch_sizes: Tensor) -> tuple[Tensor, None]:
        dy = dpadded_sequence.transpose(0, 1) if self.batch_first else dpadded_sequence
        dx = dy[: batch_sizes.shape[0]][self._mask(batch_sizes, dy.shape[1])]
        rest = self._packed[0] - dx.shape[0]
        return torch.constant_pad_nd(dx, [0, 0] * (dx.ndim - 1) + [0, rest]), None


@public
def pad_packed_sequence(
    packed_sequence: Array,
    batch_sizes: Array,
    batch_first: bool = False,
    padding_value: float | None = None,
    total_length: int | None = None,
    n_outputs: int = -1,
    outputs: Any = None,
) -> Any:
    pad = PadPackedSequence(batch_first, padding_value, total_length)
    found = values_now(batch_sizes)
    pad.batch = max(*found, 0) if found else None
    return apply(pad, (packed_sequence, batch_sizes), n_outputs, outputs)


pad_packed_sequence.__doc__ = PadPackedSequence.__doc__
