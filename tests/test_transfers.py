"""Values on their way to a GPU and back pass through pinned memory; the GPU is simulated by a device without values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import nnabla as nn
from nnabla import _transfers

META = torch.device("meta")


class Copies(TorchDispatchMode):
    """Notes between which devices copies go, of which bytes, and whether the program waits for them."""

    def __init__(self, pinned):
        super().__init__()
        self.pinned = pinned
        self.seen = []

    def place(self, tensor):
        return "pinned" if any(tensor is p for p in self.pinned) else tensor.device.type

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten.copy_.default:
            waits = not (args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
            self.seen.append((self.place(args[1]), self.place(args[0]), waits))
            if META in (args[0].device, args[1].device):
                return args[0]
        elif func is torch.ops.aten._to_copy.default and kwargs.get("device") is not None:
            self.seen.append((self.place(args[0]), kwargs["device"].type, not kwargs.get("non_blocking", False)))
        return func(*args, **kwargs)


@pytest.fixture
def copies(monkeypatch):
    """What is copied where, with the device of no values as the GPU."""
    pinned = []

    def pinned_like(tensor):
        pinned.append(torch.empty(tensor.shape, dtype=tensor.dtype))
        return pinned[-1]

    monkeypatch.setattr(_transfers, "_pinned_like", pinned_like)
    monkeypatch.setattr(_transfers, "_is_on_gpu", lambda device: device == META)
    return Copies(pinned)


def test_a_batch_goes_to_the_gpu_without_waiting(copies):
    array = nn.NdArray.from_numpy_array(np.arange(6, dtype=np.float32).reshape(2, 3))
    with copies:
        moved = array._as(torch.float32, META)
    assert moved.device == META and array._tensor is moved
    assert copies.seen == [("cpu", "pinned", True), ("pinned", "meta", False)]
    assert copies.pinned[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    # The next one is written to the memory that the GPU has.
    batch = np.ones((2, 3), np.float32)
    copies.seen.clear()
    with copies:
        array.data = batch
    assert array._tensor is moved
    assert copies.seen == [("cpu", "pinned", True), ("pinned", "meta", False)]
    # What happens to the user's array now is too late.
    batch[:] = 7
    assert copies.pinned[1].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_values_that_are_broadcast_or_of_another_type(copies):
    array = nn.NdArray((2, 3))
    array._set(torch.empty((2, 3), device=META))
    with copies:
        array.data = np.arange(3, dtype=np.float32)
    assert copies.pinned[0].tolist() == [[0, 1, 2], [0, 1, 2]]
    # Another type is another array: it moves when the GPU asks for it.
    with copies:
        array.data = np.arange(6).reshape(2, 3)
    assert array._tensor.device.type == "cpu" and array.dtype == np.int64 and len(copies.pinned) == 1


def test_results_come_back_through_pinned_memory(copies):
    array = nn.NdArray((2, 3))
    array._set(torch.empty((2, 3), device=META))
    with copies:
        found = array.data
    assert found.shape == (2, 3) and array._tensor is copies.pinned[0]
    # The program waits: it wants to read them.
    assert copies.seen == [("meta", "pinned", True)]


def test_what_is_not_pinned(copies, monkeypatch):
    """Empty arrays, whole data sets, and everything on a machine without a GPU."""
    with copies:
        assert nn.NdArray.from_numpy_array(np.zeros((0, 3), np.float32))._as(torch.float32, META).shape == (0, 3)
    monkeypatch.setattr(_transfers, "_LARGEST_PINNED", 8)
    with copies:
        nn.NdArray.from_numpy_array(np.zeros(3, np.float32))._as(torch.float32, META)
    assert not copies.pinned
    monkeypatch.undo()
    a = nn.NdArray.from_numpy_array(np.zeros(3, np.float32))
    a.data = np.ones(3, np.float32)
    b = nn.NdArray((3,))
    b.data = a
    assert _transfers.moved(b._realize(), torch.device("cpu")) is b._realize()
    assert b.data.tolist() == [1, 1, 1]
