"""Arrays of a graph kept within a part of a GPU's memory; the others wait in the memory of the host.

Before a function runs, what it reads is brought back; before and after, arrays go whose next reader is farthest away.
Which that is, is known from the iteration before; in the first one those go that were not used for longest, which in
forward and backward is nearly the same. Parameters, their gradients and states, inputs, what functions keep for
themselves, and what comes out of functions of Python and of those that only move values (reshape, slice, concatenate)
stay on the GPU.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from math import inf, prod
from typing import Protocol

import torch
from torch import cuda

from .._array_view import ArrayView, shown_by
from .._nd_array import NdArray
from .._transfers import copy_stream
from ..graph.callback import Callback
from ..graph.function import Function
from ..graph.variable import Buffers

Wait = Callable[[], object]


class Memory(Protocol):
    """Where arrays go from, and come back to."""

    def allocated(self) -> int:
        """Bytes that are in use."""

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor lies there."""

    def take_out(self, block: torch.Tensor) -> tuple[torch.Tensor, Wait]:
        """Begin to copy bytes to the host; the copy, and what waits until it is there."""

    def bring_back(self, host: torch.Tensor) -> tuple[torch.Tensor, Wait]:
        """Begin to copy bytes back; the copy, and what has work that is queued then wait until it is there."""


class GpuMemory:
    """The memory of a GPU; copies run beside what it computes.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def allocated(self) -> int:
        """Bytes that tensors take."""
        return int(cuda.memory_allocated(self._device))

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor lies there."""
        return tensor.device == self._device

    def take_out(self, block: torch.Tensor) -> tuple[torch.Tensor, Wait]:
        """See `Memory`."""
        host = torch.empty(block.numel(), dtype=torch.uint8, pin_memory=True)
        stream = copy_stream(self._device)
        stream.wait_stream(cuda.current_stream(self._device))
        with cuda.stream(stream):
            host.copy_(block, non_blocking=True)
        return host, stream.record_event().synchronize

    def bring_back(self, host: torch.Tensor) -> tuple[torch.Tensor, Wait]:
        """See `Memory`."""
        block = torch.empty(host.numel(), dtype=torch.uint8, device=self._device)
        stream, current = copy_stream(self._device), cuda.current_stream(self._device)
        # The memory may be that of an array which work in the queue still reads.
        stream.wait_stream(current)
        with cuda.stream(stream):
            block.copy_(host, non_blocking=True)
        block.record_stream(stream)
        event = stream.record_event()
        return block, lambda: cuda.current_stream(self._device).wait_event(event)


def _block_of(tensor: torch.Tensor) -> int:
    """Address of the memory that a tensor lies in."""
    return tensor.untyped_storage().data_ptr()


def _bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    """All of the memory that a tensor lies in."""
    return torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(tensor.untyped_storage())


def _laid(tensor: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    """A tensor that lies in other memory as `tensor` lies in its own."""
    empty = torch.empty(0, dtype=tensor.dtype, device=block.device)
    return empty.set_(block.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())


class _Outside:
    """Memory that is, or will be, outside, and the arrays that lie in it.

    Args:
        arrays: with the tensors that they have now.
        host: the copy.
        arrived: waits until it is there.
    """

    def __init__(self, arrays: list[tuple[NdArray, torch.Tensor]], host: torch.Tensor, arrived: Wait) -> None:
        self.arrays = [(weakref.ref(array), tensor) for array, tensor in arrays]
        self.host = host
        self._arrived = arrived
        self.is_out = False
        self.coming: tuple[torch.Tensor, Wait] | None = None

    def shows(self, array: NdArray) -> bool:
        """Whether an array still lies in it, and was neither freed nor computed anew meanwhile."""
        return any([ref() is array and array._tensor is tensor for ref, tensor in self.arrays])

    def leave(self) -> None:
        """Have the arrays lie in the copy, once it is there."""
        self._arrived()
        self._exchange(self.host)
        self.is_out = True

    def come(self, memory: Memory) -> None:
        """Begin to bring the values back."""
        if self.coming is None:
            self.coming = memory.bring_back(self.host)

    def come_in(self, memory: Memory) -> None:
        """Have the arrays lie in the device's memory again."""
        self.come(memory)
        assert self.coming is not None
        block, wait = self.coming
        wait()
        self._exchange(block)

    def _exchange(self, block: torch.Tensor) -> None:
        exchanged = []
        for reference, tensor in self.arrays:
            array = reference()
            # What was freed or computed anew meanwhile has nothing to do with this any more.
            if array is not None and array._tensor is tensor:
                array._tensor = laid = _laid(tensor, block)
                exchanged.append((reference, laid))
        self.arrays = exchanged


class Swapping:
    """Hooks that keep arrays within a part of a device's memory.

    Args:
        memory: of the device.
        limit: bytes of it that may be in use, as far as one function alone does not need more.
        ahead: bytes of arrays that are brought back before their function is next.
    """

    def __init__(self, memory: Memory, limit: int, ahead: int) -> None:
        self._memory = memory
        self._limit = limit
        self._ahead = ahead
        # When an array was last used, in functions that ran since the beginning.
        self._time = 0
        self._used: weakref.WeakKeyDictionary[NdArray, int] = weakref.WeakKeyDictionary()
        # What stays: it belongs to variables that no function made, or may be of another type than those who read it
        # want, who convert it before their hook is called.
        self._staying: weakref.WeakSet[NdArray] = weakref.WeakSet()
        self._outside: weakref.WeakKeyDictionary[NdArray, _Outside] = weakref.WeakKeyDictionary()
        # What shows an array in another shape, and keeps the memory that it has seen.
        self._views: weakref.WeakKeyDictionary[NdArray, weakref.WeakSet[ArrayView]] = weakref.WeakKeyDictionary()
        self._leaving: list[_Outside] = []
        self._step = 0
        self._now: list[tuple[int, list[weakref.ref[NdArray]]]] = []
        self._before: list[tuple[int, list[weakref.ref[NdArray]]]] = []
        self._uses: weakref.WeakKeyDictionary[NdArray, list[int]] = weakref.WeakKeyDictionary()

    # ---- hooks -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin an iteration."""
        self._before, self._now, self._step = self._now, [], 0
        uses: dict[NdArray, list[int]] = defaultdict(list)
        for step, (_, arrays) in enumerate(self._before):
            for reference in arrays:
                array = reference()
                if array is not None:
                    uses[array].append(step)
        self._uses = weakref.WeakKeyDictionary(uses)

    def end(self) -> None:
        """End an iteration. What is in the memory of the host stays there, and is read from there."""
        self._settle()

    def before(self, function: Function) -> None:
        """Have what a function reads on the device, and room for what it computes."""
        arrays = self._arrays(function)
        self._note(function, arrays)
        coming: dict[int, _Outside] = {}
        for array in arrays:
            outside = self._outside_of(array)
            if outside is None:
                continue
            if outside.is_out:
                coming[id(outside)] = outside
            else:
                # It is about to leave, and may be written now.
                self._leaving.remove(outside)
                self._forget(outside)
        missing = sum([outside.host.numel() for outside in coming.values() if outside.coming is None])
        missing += sum([_expected_bytes(function, array) for array in arrays if array._tensor is None])
        self._make_room(missing, arrays)
        for outside in coming.values():
            outside.come_in(self._memory)
            self._forget(outside)

    def after(self, function: Function) -> None:
        """Have arrays go that are not needed soon, and others come."""
        arrays = self._arrays(function)
        for array in arrays:
            self._used[array] = self._time
        self._step += 1
        self._make_room(0, [])
        self._look_ahead()

    # ---- what functions use -----------------------------------------------------------------------------

    def _arrays(self, function: Function) -> list[NdArray]:
        """The arrays that forward or backward of a function may read and write, each once."""
        dtype = function._operator.compute_dtype
        found: dict[int, NdArray] = {}
        for variable in function._inputs:
            for array in self._arrays_of(variable._buffers):
                found[id(array)] = array
                tensor = array._tensor
                if variable._parent is None or (tensor is not None and tensor.dtype is not dtype):
                    self._staying.add(array)
        of_any_type = function._operator.whole or isinstance(function._operator, Callback)
        for reference, buffers in zip(function._output_refs, function._outputs, strict=True):
            output = reference()
            readers = [] if output is None else output.function_references
            for array in self._arrays_of(buffers):
                found[id(array)] = array
                other_type = any([reader._operator.compute_dtype is not dtype for reader in readers])
                if array._adopted or of_any_type or other_type:
                    self._staying.add(array)
        return list(found.values())

    def _arrays_of(self, buffers: Buffers) -> list[NdArray]:
        found = []
        for given in (buffers.data, buffers._grad):
            if given is not None:
                array = shown_by(given)
                found.append(array)
                if isinstance(given, ArrayView):
                    self._views.setdefault(array, weakref.WeakSet()).add(given)
        return found

    def _outside_of(self, array: NdArray) -> _Outside | None:
        """The memory outside that an array lies in, or is about to."""
        outside = self._outside.get(array)
        if outside is not None and not outside.shows(array):
            del self._outside[array]
            return None
        return outside

    def _note(self, function: Function, arrays: list[NdArray]) -> None:
        self._now.append((id(function), [weakref.ref(array) for array in arrays]))
        self._time += 1
        for array in arrays:
            self._used[array] = self._time

    @property
    def _is_known(self) -> bool:
        """Whether this iteration has gone as the one before so far."""
        step = len(self._now) - 1
        return 0 <= step < len(self._before) and self._before[step][0] == self._now[step][0]

    # ---- going and coming -------------------------------------------------------------------------------

    def _make_room(self, missing: int, needed: list[NdArray]) -> None:
        """Have arrays leave until `missing` bytes more fit into the limit, those in `needed` excepted."""
        excess = self._memory.allocated() + missing - self._limit
        if excess <= 0:
            return
        excess -= sum([out.host.numel() for out in self._leaving])
        if excess > 0:
            self._send_out(excess, needed)
        self._settle()
        if self._memory.allocated() + missing > self._limit:
            # What was to come early has to wait.
            kept = {id(self._outside.get(array)) for array in needed}
            for outside in {id(out): out for out in self._outside.values() if id(out) not in kept}.values():
                outside.coming = None

    def _send_out(self, excess: int, needed: list[NdArray]) -> None:
        blocks: dict[int, list[tuple[NdArray, torch.Tensor]]] = defaultdict(list)
        fixed: set[int] = set()
        kept = {id(array) for array in needed}
        for array in [*self._used]:
            tensor = array._tensor
            if tensor is None or not self._memory.holds(tensor) or not tensor.numel():
                continue
            if self._views.get(array):
                # What shows it in another shape needs it so, and must not copy it when it is outside.
                tensor = array._contiguous()
            block = _block_of(tensor)
            blocks[block].append((array, tensor))
            if id(array) in kept or array in self._staying or self._outside_of(array) is not None:
                fixed.add(block)
        distances = {
            block: self._distance([array for array, _ in arrays])
            for block, arrays in blocks.items()
            if block not in fixed
        }
        for block in sorted(distances, key=distances.__getitem__, reverse=True):
            arrays = blocks[block]
            memory = _bytes_of(arrays[0][1])
            outside = _Outside(arrays, *self._memory.take_out(memory))
            self._leaving.append(outside)
            for array, _ in arrays:
                self._outside[array] = outside
            excess -= memory.numel()
            if excess <= 0:
                return

    def _distance(self, arrays: Iterable[NdArray]) -> float:
        """How far away the next use of memory is thought to be."""
        if not self._is_known:
            return -max([self._used[array] for array in arrays])
        found = []
        for array in arrays:
            uses = self._uses.get(array, [])
            following = bisect_left(uses, len(self._now))
            found.append(uses[following] if following < len(uses) else inf)
        return min(found)

    def _settle(self) -> None:
        """Wait until everything that is leaving has left."""
        leaving, self._leaving = self._leaving, []
        for outside in leaving:
            outside.leave()
            for reference, _ in outside.arrays:
                array = reference()
                for view in () if array is None else self._views.get(array, ()):
                    view._seen = None

    def _forget(self, outside: _Outside) -> None:
        for reference, _ in outside.arrays:
            array = reference()
            if array is not None and self._outside.get(array) is outside:
                del self._outside[array]

    def _look_ahead(self) -> None:
        """Begin to bring back what the next functions read."""
        if not self._is_known:
            return
        room = min(self._ahead, self._limit - self._memory.allocated())
        for _, arrays in self._before[self._step : self._step + 32]:
            for reference in arrays:
                array = reference()
                outside = None if array is None else self._outside_of(array)
                if outside is None or not outside.is_out or outside.coming is not None:
                    continue
                room -= outside.host.numel()
                if room < 0:
                    return
                outside.come(self._memory)


def _expected_bytes(function: Function, array: NdArray) -> int:
    """Bytes of what a function will compute into an array without values."""
    return prod(array._shape) * function._operator.compute_dtype.itemsize
