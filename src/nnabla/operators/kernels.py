"""ATen kernels that `torch` has no function for: the backward kernels above all.

`torch.ops.aten` has them all, but calls them through two layers of Python; that costs 0.4 microseconds of two. Here
each is what those layers end in, looked up when it is first used: ``aten.tanh_backward(dy, y)``.
"""

from __future__ import annotations

from typing import Any

import torch

from .._private_torch import kernel_of


class _Kernels:
    def __getattr__(self, name: str) -> Any:
        kernel = kernel_of(getattr(torch.ops.aten, name).default)
        setattr(self, name, kernel)
        return kernel

    def into(self, name: str) -> Any:
        """The form of a backward kernel that writes its result to ``grad_input``."""
        return kernel_of(getattr(torch.ops.aten, name).grad_input)


aten: Any = _Kernels()
