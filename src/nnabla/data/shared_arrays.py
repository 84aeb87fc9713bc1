"""Arrays on their way from one process to another, in memory that both see.

The memory has no name: it is handed over through the connection, and goes when nothing refers to it any more, however
the processes end.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

_ALIGNMENT = 64
CAN_SHARE = hasattr(os, "memfd_create")
"""Whether the system has such memory (Linux); where not, arrays are sent as bytes."""

# All pages at once, and not one after the other when they are first written or read.
_FLAGS = {"flags": mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)} if CAN_SHARE else {}


class _Place(NamedTuple):
    """Where an array lies in the memory."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def array(self, memory: mmap.mmap) -> np.ndarray:
        count = int(np.prod(self.shape, dtype=np.int64))
        return np.frombuffer(memory, self.dtype, count, self.offset).reshape(self.shape)


def send(connection: Connection, arrays: Sequence[np.ndarray]) -> None:
    """Send arrays; those of Python objects are pickled."""
    if not CAN_SHARE or any(array.dtype.hasobject for array in arrays):
        connection.send(("arrays", tuple(arrays)))
        return
    places, size = [], 0
    for array in arrays:
        places.append(_Place(size, array.shape, array.dtype))
        size += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    size = max(size, 1)
    handle = os.memfd_create("nnabla-batch")
    try:
        os.ftruncate(handle, size)
        memory = mmap.mmap(handle, size, **_FLAGS)
        for array, place in zip(arrays, places, strict=True):
            place.array(memory)[...] = array
        connection.send(("shared", size, places))
        reduction.send_handle(connection, handle, 0)
    finally:
        os.close(handle)


def received(connection: Connection, kind: str, *message: Any) -> tuple[np.ndarray, ...]:
    """The arrays that `send` sent, of the receiver's own; `kind` and the rest are the message that came first."""
    if kind == "arrays":
        return tuple(message[0])
    size, places = message
    handle = reduction.recv_handle(connection)
    try:
        memory = mmap.mmap(handle, size, **_FLAGS)
    finally:
        os.close(handle)
    return tuple(place.array(memory) for place in places)
