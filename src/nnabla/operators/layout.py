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


# The stride of an axis of length 1 may be anything: a slice with a step, a transpose or a view leave some there, and
# `contiguous` does not change it. But ATen's convolutions tell memory formats by strides, and hand them on. With
# unusual ones they take a pixel with many channels for channels last, refuse, or, in groups, give wrong numbers. So
# what enters a kernel has the strides that its shape and format ask for.


def into_format(shape: Shape, memory_format: torch.memory_format) -> Callable[[Tensor], Tensor]:
    """A function that brings tensors of `shape` ``(B, C, L_1, ..., L_N)`` into `memory_format`, strides and all."""
    if memory_format is torch.contiguous_format:
        return into_contiguous(shape)
    if 1 not in shape:
        return partial(torch.Tensor.contiguous, memory_format=memory_format)
    strides = channels_last_strides(shape)

    def enter(x: Tensor) -> Tensor:
        if x.stride() == strides:
            return x
        # With one channel both formats are the same memory; only the strides say which one outputs will have.
        return x.contiguous(memory_format=memory_format).as_strided(shape, strides)

    return enter


def into_contiguous(shape: Shape) -> Callable[[Tensor], Tensor]:
    """A function that makes tensors of `shape` contiguous, strides and all."""
    if 1 not in shape:
        return torch.Tensor.contiguous
    strides = contiguous_strides(shape)

    def enter(x: Tensor) -> Tensor:
        return x if x.stride() == strides else x.contiguous().view(-1).view(shape)

    return enter


def usual_strides(shape: Shape) -> Callable[[Tensor], Tensor] | None:
    """A function that leaves contiguous and channels-last tensors of `shape` as they are if they have the strides of
    their format, and makes all others contiguous; None if no length is 1, for kernels see to the rest.
    """
    if 1 not in shape:
        return None
    first, last = contiguous_strides(shape), channels_last_strides(shape)

    def enter(x: Tensor) -> Tensor:
        strides = x.stride()
        return x if strides in (first, last) else x.contiguous().view(-1).view(shape)

    return enter


def zeros_in_format(like: Tensor, shape: Shape) -> Tensor:
    """Zeros of another shape ``(B, C, L_1, ..., L_N)``, in the memory format of `like`."""
    if like.is_contiguous():
        return like.new_zeros(shape)
    return like.new_empty_strided(shape, channels_last_strides(shape)).zero_()


def contiguous_strides(shape: Shape) -> Shape:
    """Strides of a contiguous tensor."""
    return tuple([math.prod(shape[i + 1 :]) for i in range(len(shape))])


def channels_last_strides(shape: Shape) -> Shape:
    """Strides of a channels-last tensor of `shape` ``(B, C, L_1, ..., L_N)``."""
    channels, spatial = shape[1], shape[2:]
    inner = [channels * math.prod(spatial[i + 1 :]) for i in range(len(spatial))]
    return (channels * math.prod(spatial), 1, *inner)
