"""Sums of gradients over processes, begun while backward still computes other gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .._nd_array import NdArray
from ..graph.hooks import CommunicatorBackwardCallback
from .packing import Piece, travelling_type
from .transport import Group, Work, finish, start_sum

# What can travel together.
_Kind = tuple[torch.dtype, torch.device]


class OverlappedSum(CommunicatorBackwardCallback):
    """Sums gradients over the processes of a group.

    As soon as gradients of `pack_size` elements are there, they are put together and sent; the next ones are computed
    meanwhile. Backward returns when all have arrived. Which gradients travel together follows from the order in which
    backward completes them, so all processes must run the same graph.

    Args:
        arrays: gradients of variables that no function made.
        pack_size: number of elements that are sent together.
        group: of processes.
        division: divide by their number.
        scale: multiply by it.
        read: gives the tensor of an array.
        named: says what arrays are, for errors.
    """

    may_write = False

    def __init__(
        self,
        arrays: Sequence[NdArray],
        pack_size: int,
        group: Group,
        division: bool,
        scale: float,
        read: Callable[[NdArray], Tensor],
        named: Callable[[Sequence[NdArray]], str],
    ) -> None:
        self._arrays = {id(array): array for array in arrays}
        self._pack_size = pack_size
        self._group = group
        self._members = len(group.ranks) if division else 1
        self._scale = scale
        self._read = read
        self._named = named
        self._begin()

    def _begin(self) -> None:
        # Arrays by the number of the call of `on_finish_function_backward` that completes them.
        self._completed: dict[int, list[NdArray]] = {}
        self._calls = 0
        self._left = dict(self._arrays)
        # What is there but not sent, and its number of elements.
        self._open: dict[_Kind, list[tuple[NdArray, Tensor]]] = {}
        self._sizes: dict[_Kind, int] = {}
        self._sent: list[tuple[Piece, Work]] = []

    def on_start_backward(self, functions: Sequence[Any]) -> None:
        """Find out which function completes which gradient: the last one in backward that its variable is given to."""
        self._begin()
        last: dict[int, int] = {}
        for call, function in enumerate([f for f in functions if f is not None]):
            for variable in function._inputs:
                address = id(variable._buffers._grad)
                if address in self._arrays:
                    last[address] = call
        for address, call in last.items():
            self._completed.setdefault(call, []).append(self._arrays[address])

    def on_finish_function_backward(self, function: Any) -> None:
        for array in self._completed.get(self._calls, ()):
            self._add(array)
        self._calls += 1

    def on_finish_backward(self) -> None:
        # Gradients that are no part of this graph may be of another, or of other processes.
        for array in list(self._left.values()):
            self._add(array)
        for kind in list(self._open):
            self._send(kind)
        try:
            for piece, work in self._sent:
                finish(work, partial(self._described, piece))
                piece.take(self._members, self._scale)
        finally:
            self._begin()

    def _add(self, array: NdArray) -> None:
        del self._left[id(array)]
        tensor = self._read(array)
        if not tensor.numel():
            return
        kind = travelling_type(tensor.dtype, tensor.is_cuda, self._members > 1), tensor.device
        self._open.setdefault(kind, []).append((array, tensor))
        self._sizes[kind] = self._sizes.get(kind, 0) + tensor.numel()
        if self._sizes[kind] >= self._pack_size:
            self._send(kind)

    def _send(self, kind: _Kind) -> None:
        piece = Piece(self._open.pop(kind), kind[0])
        del self._sizes[kind]
        self._sent.append((piece, start_sum(piece.flat, self._group)))

    def _described(self, piece: Piece) -> str:
        return f"all_reduce_callback of {self._named(piece.arrays)}"
