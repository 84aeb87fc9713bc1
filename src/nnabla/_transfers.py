"""Values on their way between the memory of the host and that of a GPU.

A GPU reads and writes host memory by itself only where the system cannot move it ("pinned" memory); what lies elsewhere
its driver copies piece by piece, while the program waits. So values for a GPU are first copied to pinned memory, and
the program goes on while the GPU fetches them, in the order of all else that it is told to do. torch keeps pinned
memory that is free again for the next ones, and does not hand it out before the GPU has read it.

What lies in pinned memory already, as batches of data iterators do, the GPU fetches from there, beside its other work.
The program waits for that only, since it may write to it next.

Source: CUDA C++ Programming Guide, page-locked host memory; torch.Tensor.pin_memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import cuda

from .dtypes import TORCH_FROM_NUMPY

# The queue of copies of each GPU.
_streams: dict[torch.device, Any] = {}

# Bytes. torch takes pinned memory in powers of two and keeps it: no network's batch is larger, but whole data sets are.
_LARGEST_PINNED = 1 << 28


def _is_on_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


def _pinned_like(tensor: torch.Tensor) -> torch.Tensor:
    """Pinned memory for the values of a tensor, in one piece."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)


def _is_worth_pinning(host: torch.Tensor, device: torch.device) -> bool:
    return host.is_cpu and _is_on_gpu(device) and 0 < host.nbytes <= _LARGEST_PINNED


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The values of a tensor on another device. What is written to the tensor afterwards does not matter."""
    if _is_on_gpu(device) and tensor.is_cpu and tensor.is_pinned():
        return fetched(tensor, device)
    if _is_worth_pinning(tensor, device):
        return _pinned_like(tensor).copy_(tensor).to(device, non_blocking=True)
    if device.type == "cpu" and _is_on_gpu(tensor.device) and 0 < tensor.nbytes <= _LARGEST_PINNED:
        # The program needs the values: this waits for them.
        return _pinned_like(tensor).copy_(tensor)
    return tensor.to(device)


def copy_into(tensor: torch.Tensor, source: torch.Tensor) -> None:
    """Write values to a tensor that may be on another device than they are."""
    if _is_on_gpu(tensor.device) and source.is_cpu and source.is_pinned():
        tensor.copy_(fetched(source, tensor.device))
    elif _is_worth_pinning(source, tensor.device) and source.shape == tensor.shape:
        tensor.copy_(_pinned_like(source).copy_(source), non_blocking=True)
    else:
        tensor.copy_(source)


def copy_stream(device: torch.device) -> Any:
    """The queue in which values are copied to a GPU and back, beside what it computes."""
    stream = _streams.get(device)
    if stream is None:
        stream = _streams[device] = cuda.Stream(device)
    return stream


def fetched(pinned: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy of pinned memory on a GPU. The program waits for it, but not for what the GPU computes."""
    stream = copy_stream(device)
    with cuda.stream(stream):
        copied = pinned.to(device, non_blocking=True)
    stream.synchronize()
    # Its memory may be used again only when the work that reads it is done, too.
    copied.record_stream(cuda.current_stream(device))
    return copied


def pinned(values: np.ndarray) -> np.ndarray:
    """A copy of an array in pinned memory; an array of what tensors cannot hold as it is."""
    dtype = TORCH_FROM_NUMPY.get(values.dtype)
    if dtype is None:
        return values
    copied: np.ndarray = torch.empty(values.shape, dtype=dtype, pin_memory=True).numpy()
    copied[...] = values
    return copied
