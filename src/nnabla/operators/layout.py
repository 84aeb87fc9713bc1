"""Memory formats: images lie channel by channel for the user, and pixel by pixel where kernels are faster so.

Point-wise, normalization and pooling kernels keep the format they are given, so a network of convolutions
changes it once, at its input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ..graph.operator import Operator, Shape

_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def fast_format(operator: Operator, n_spatial: int) -> torch.memory_format:
    """The format in which kernels on `n_spatial` spatial axes are fastest for the operator's device and type.

    On the CPU channels-last: convolutions 1 to 3 times, pooling 8 times or more as fast (vectors run over
    channels). float64 has no such kernels; GPUs have them for half and bfloat16.
    """
    dtype = operator.compute_dtype
    if dtype is torch.float64 or (dtype is torch.float32 and operator.device.type != "cpu"):
        return torch.contiguous_format
    return _CHANNELS_LAST.get(n_spatial, torch.contiguous_format)


def into_format(shape: Shape, memory_format: torch.memory_format) -> Callable[[Tensor], Tensor]:
    """A function that brings tensors of `shape` ``(B, C, L_1, ..., L_N)`` into `memory_format`."""
    if memory_format is torch.contiguous_format:
        return into_contiguous(shape)
    if shape[1] != 1:
        return partial(torch.Tensor.contiguous, memory_format=memory_format)
    # With one channel both formats are the same memory; only the strides say which one outputs will have.
    strides = channels_last_strides(shape)

    def restride(x: Tensor) -> Tensor:
        return x.contiguous().as_strided(shape, strides)

    return restride


def into_contiguous(shape: Shape) -> Callable[[Tensor], Tensor]:
    """A function that makes tensors of `shape` contiguous, with the strides that mean it.

    The stride of an axis of length 1 may be anything, and ``contiguous`` leaves it so; but kernels tell memory formats
    by strides, and take one pixel with many channels for channels last.
    """
    if 1 not in shape:
        return torch.Tensor.contiguous

    def restride(x: Tensor) -> Tensor:
        return x.contiguous().view(-1).view(shape)

    return restride


def zeros_in_format(like: Tensor, shape: Shape) -> Tensor:
    """Zeros of another shape ``(B, C, L_1, ..., L_N)``, in the memory format of `like`."""
    if like.is_contiguous():
        return like.new_zeros(shape)
    return like.new_empty_strided(shape, channels_last_strides(shape)).zero_()


def channels_last_strides(shape: Shape) -> Shape:
    """Strides of a channels-last tensor of `shape` ``(B, C, L_1, ..., L_N)``."""
    channels, spatial = shape[1], shape[2:]
    inner = [channels * math.prod(spatial[i + 1 :]) for i in range(len(spatial))]
    return (channels * math.prod(spatial), 1, *inner)
