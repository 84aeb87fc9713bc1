"""Batches of sequences of different lengths, for recurrent networks: padded to one length, or packed without gaps.

Sequences have shape ``(T_b, ...)``. Padded, a batch of ``B`` has shape ``(T, B, ...)``, or ``(B, T, ...)`` with
`batch_first`, where ``T`` is the longest. Packed, the elements stand in the order of time: the first of all sequences,
then the second of all that have one, and so on, which needs the longest sequence first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functions as F
from ..errors import ArgumentError, ShapeError
from ..graph.call import apply
from ..graph.variable import Variable
from ..operators.sequences import PadPackedSequence


class PackedSequence:
    """A packed batch.

    Attributes:
        data: the elements in the order of time, shape ``(sum of lengths, ...)``.
        batch_sizes: how many sequences have an element at each time, shape ``(T,)``.
        sorted_indices: where each packed sequence stood in the batch; ``None`` where the order was right.
        unsorted_indices: where each sequence of the batch is among those packed; ``None`` likewise.
    """

    def __init__(self) -> None:
        self.data: Variable | None = None
        self.batch_sizes: Variable | None = None
        self.sorted_indices: Variable | None = None
        self.unsorted_indices: Variable | None = None
        # Number of sequences, as far as it is known before anything is computed.
        self._count: int | None = None


def pad_sequence(sequences: Sequence[Variable], batch_first: bool = False, padding_value: float = 0.0) -> Variable:
    """One array of several sequences, the shorter ones padded at their end.

    Args:
        sequences: Variables of shapes ``(T_b, ...)``.
        batch_first: the result has shape ``(B, T, ...)``.
        padding_value: what stands after the end of a sequence.

    Returns:
        Shape ``(T, B, ...)``.

    Raises:
        ArgumentError: there are no sequences.
        ShapeError: their shapes differ behind the first axis.

    Example:
        >>> import nnabla as nn
        >>> a = nn.Variable.from_numpy_array([[1.0], [2.0]])
        >>> b = nn.Variable.from_numpy_array([[3.0]])
        >>> with nn.auto_forward():
        ...     y = pad_sequence([a, b], batch_first=True)
        >>> y.d.tolist()
        [[[1.0], [2.0]], [[3.0], [0.0]]]
    """
    _check("pad_sequence", sequences)
    longest = max(x.shape[0] for x in sequences)
    padded = [
        F.pad(x, (0, longest - x.shape[0]) + (0, 0) * (x.ndim - 1), "constant", padding_value)
        if x.shape[0] < longest
        else x
        for x in sequences
    ]
    return F.stack(*padded, axis=0 if batch_first else 1)


def pack_padded_sequence(
    padded_sequence: Variable, lengths: Variable | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch.

    Args:
        padded_sequence: shape ``(T, B, ...)``.
        lengths: how many elements of each sequence count, ``B`` integers in ``[0, T]``.
        batch_first: `padded_sequence` has shape ``(B, T, ...)``.
        enforce_sorted: the sequences are in order, the longest first; else they are sorted here.

    Raises:
        ArgumentError: the lengths do not fall although `enforce_sorted` says so.
        ShapeError: shapes do not fit together.
    """
    counts = lengths if isinstance(lengths, Variable) else Variable.from_numpy_array(np.asarray(lengths, np.int32))
    packed = PackedSequence()
    packed._count = counts.size
    if not enforce_sorted:
        order = np.argsort(-counts.d.astype(np.int64), kind="stable")
        packed.sorted_indices = Variable.from_numpy_array(order)
        packed.unsorted_indices = Variable.from_numpy_array(np.argsort(order, kind="stable"))
        counts = Variable.from_numpy_array(counts.d[order])
        padded_sequence = F.gather(padded_sequence, packed.sorted_indices, 0 if batch_first else 1)
    packed.data, packed.batch_sizes = F.pack_padded_sequence(padded_sequence, counts, batch_first)
    return packed


def pack_sequence(
    sequences: Sequence[Variable], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack several sequences; the arguments are those of `pad_sequence` and `pack_padded_sequence`.

    Example:
        >>> import nnabla as nn
        >>> a = nn.Variable.from_numpy_array([1.0, 2.0])
        >>> b = nn.Variable.from_numpy_array([3.0])
        >>> with nn.auto_forward():
        ...     packed = pack_sequence([b, a], enforce_sorted=False)
        >>> packed.data.d, packed.batch_sizes.d
        (array([1., 3., 2.], dtype=float32), array([2, 1], dtype=int32))
    """
    _check("pack_sequence", sequences)
    padded = pad_sequence(sequences, batch_first)
    return pack_padded_sequence(padded, [x.shape[0] for x in sequences], batch_first, enforce_sorted)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Variable, Variable]:
    """Pad what was packed; sequences that were sorted come back in their first order.

    Args:
        sequence: what `pack_sequence` or `pack_padded_sequence` returned.
        batch_first: the padded result has shape ``(B, T, ...)``.
        padding_value: what stands after the end of a sequence.
        total_length: pad to at least this length; default to the longest sequence.

    Returns:
        The padded sequences, shape ``(T, B, ...)``, and their lengths, shape ``(B,)``.

    Raises:
        TypeError: `sequence` is no PackedSequence.
    """
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"pad_packed_sequence: sequence must be a PackedSequence, not {type(sequence).__name__}")
    pad = PadPackedSequence(batch_first, padding_value, total_length)
    pad.batch = sequence._count
    padded, lengths = apply(pad, (sequence.data, sequence.batch_sizes))
    if sequence.unsorted_indices is not None:
        padded = F.gather(padded, sequence.unsorted_indices, 0 if batch_first else 1)
        lengths = F.gather(lengths, sequence.unsorted_indices, 0)
    return padded, lengths


def _check(function: str, sequences: Sequence[Any]) -> None:
    if not isinstance(sequences, (list, tuple)) or not sequences:
        raise ArgumentError(f"{function}: sequences must be a list of Variables, and not empty; got {sequences!r}")
    for i, x in enumerate(sequences):
        if not isinstance(x, Variable):
            raise TypeError(f"{function}: sequences[{i}] must be a Variable, not {type(x).__name__}")
        if x.ndim < 1 or x.shape[1:] != sequences[0].shape[1:]:
            raise ShapeError(
                f"{function}: all shapes must be alike behind the first axis; sequences[{i}] has {x.shape}, "
                f"sequences[0] {sequences[0].shape}"
            )
