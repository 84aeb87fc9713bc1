"""Writes to memory that torch does not count.

torch counts how often a tensor was written to. Layers whose parameters were folded (`engine/fused_call.py`) go by that
count. Missing in it are writes of multi-tensor kernels, of batch normalization to running statistics, of collective
operations, and everything that NumPy writes. Whoever writes so adds to the count here, once anything is folded at all.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.autograd.graph import increment_version


class _Watch:
    __slots__ = ("on",)

    def __init__(self) -> None:
        self.on = False


watch = _Watch()
"""Whether anything goes by the counts."""


def count_writes(tensors: Iterable[torch.Tensor | None]) -> None:
    """Count a write to each of the tensors."""
    if watch.on:
        increment_version([tensor for tensor in tensors if tensor is not None])
