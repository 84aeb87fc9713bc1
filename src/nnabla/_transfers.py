"""Values on their way between the memory of the host and that of a GPU.

A GPU reads and writes host memory by itself only where the system cannot move it ("pinned" memory); what lies elsewhere
its driver copies piece by piece, while the program waits. So values for a GPU are first copied to pinned memory, and
the program goes on while the GPU fetches them, in the order of all else that it is told to do. torch keeps pinned
memory that is free again for the next ones, and does not hand it out before the GPU has read it.

Source: CUDA C++ Programming Guide, page-locked host memory; torch.Tensor.pin_memory.
"""

from __future__ import annotations

import torch

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
    if _is_worth_pinning(tensor, device):
        return _pinned_like(tensor).copy_(tensor).to(device, non_blocking=True)
    if device.type == "cpu" and _is_on_gpu(tensor.device) and 0 < tensor.nbytes <= _LARGEST_PINNED:
        # The program needs the values: this waits for them.
        return _pinned_like(tensor).copy_(tensor)
    return tensor.to(device)


def copy_into(tensor: torch.Tensor, source: torch.Tensor) -> None:
    """Write values to a tensor that may be on another device than they are."""
    if _is_worth_pinning(source, tensor.device) and source.shape == tensor.shape:
        tensor.copy_(_pinned_like(source).copy_(source), non_blocking=True)
    else:
        tensor.copy_(source)
