"""Channels brought to mean 0 and variance 1, or to other moments.

ATen's kernels on a CPU compute ``x * scale + shift``. That is as good as ``(x - mean) * scale + bias`` where means are
no larger than deviations, and loses as many digits as they are larger. There it is given differences to a number near
the mean instead.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor

from .._write_counts import count_writes
from ..graph.tracing import is_traced

# Of running statistics.
Running = tuple[Tensor | None, Tensor | None]

# From this many elements along the axes after the channels, and altogether, sums over whole planes are several times
# faster than ATen's batch normalization of a channel-first array.
_PLANE = 16
_LARGE = 1 << 15
# How many deviations a mean may be for ATen's formula: two bits are lost.
_NEAR = 4.0
# Rounding errors: a channel that is a constant of less than 0.03 times the root of `eps` is as good as 0.
_NOTHING = 1e-4


def row(parameter: Tensor) -> Tensor:
    """Its numbers side by side in memory. ATen's kernels for channels-last images look at no stride of a vector."""
    return parameter.reshape(-1).contiguous()


def normalized_by_batch(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Channels with mean 0 and variance 1, then scaled and shifted.

    Args:
        x: channels on axis 1.
        weight: what the channels are multiplied with, a vector; ``None`` for 1.
        bias: what is added then; ``None`` for 0.
        running: mean and variance that move towards those of the batch, the latter divided by one less than the number
            of samples; or a pair of ``None``.
        momentum: how far they move, a ratio.
        eps: added to the variance.

    Returns:
        The result; and the means and one over the standard deviations, for half precision in single precision.
    """
    half = x.dtype in (torch.float16, torch.bfloat16)
    if half:
        # Beside half precision arrays, ATen wants parameters in float32.
        weight, bias = (None if v is None else v.float() for v in (weight, bias))
    if is_traced():
        return _as_formula(x, weight, bias, running, momentum, eps)
    if x.requires_grad or (weight is not None and weight.requires_grad) or (bias is not None and bias.requires_grad):
        return _by_differences(x, weight, bias, running, momentum, eps)
    on_cpu = x.is_cpu
    if on_cpu and not half and x.numel() >= _LARGE and x.is_contiguous():
        inner = math.prod(x.shape[2:])
        if inner >= _PLANE:
            by_planes = _by_planes(x.view(x.shape[0], x.shape[1], inner), weight, bias, running, momentum, eps)
            if by_planes is None:
                return _by_differences(x, weight, bias, running, momentum, eps)
            return by_planes[0].view(x.shape), by_planes[1], by_planes[2]
    # Where a mean is large, ATen moves variances towards numbers that may be thousands of times too large.
    before = [v.clone() if v is not None and on_cpu else None for v in running]
    count_writes(running)
    found: tuple[Tensor, Tensor, Tensor] = torch.native_batch_norm(x, weight, bias, *running, True, momentum, eps)
    if not on_cpu or _is_near(*found[1:], eps):
        return found
    for moved, value in zip(running, before, strict=True):
        if moved is not None and value is not None:
            moved.copy_(value)
    return _by_differences(x, weight, bias, running, momentum, eps)


def _as_formula(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Running, momentum: float, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`normalized_by_batch` for a trace: no look at values is needed for ``(x - mean) * scale``."""
    dtype = x.dtype
    wide = x.to(torch.promote_types(dtype, torch.float32))
    variance, mean = torch.var_mean(wide, [0, *range(2, x.ndim)], correction=0)
    running_mean, running_variance = running
    if running_mean is not None and running_variance is not None:
        count = x.numel() // x.shape[1]
        running_mean.lerp_(mean.detach(), momentum)
        running_variance.lerp_(variance.detach() * (count / (count - 1) if count > 1 else math.nan), momentum)
    inverse = (variance + eps).rsqrt()
    return _moved(wide, weight, bias, mean, inverse).to(dtype), mean, inverse


def _moved(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, inverse: Tensor) -> Tensor:
    each = (-1,) + (1,) * (x.ndim - 2)
    y = (x - mean.view(each)) * (inverse if weight is None else inverse * weight).view(each)
    return y if bias is None else y + bias.view(each)


def _by_differences(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`normalized_by_batch` from differences to a number near the mean. May be differentiated."""
    weight = _scale(weight, bias)
    dtype = x.dtype
    wide = x.to(torch.promote_types(dtype, torch.float32))
    near = _near_mean(wide.detach())
    running_mean, running_variance = running
    # Towards the mean of the differences, which is of no use, moves something else.
    other = None if running_mean is None else torch.zeros_like(running_mean)
    x = wide - near
    # Before the call: what autograd keeps for the gradient has the count of then.
    count_writes((running_variance,))
    y, rest, inverse = torch.native_batch_norm(x, weight, bias, other, running_variance, True, momentum, eps)
    mean = rest + near.view(-1)
    if running_mean is not None:
        running_mean.lerp_(mean.detach(), momentum)
    return _with_usual_gradients(y, x).to(dtype), mean, inverse


def normalized_by(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, channel by channel.

    Args:
        x: channels on axis 1.
        weight: a vector, as all of the following; ``None`` for 1.
        bias: ``None`` for 0.
        mean: of the channels.
        variance: of the channels.
        eps: added to the variance.
    """
    dtype = x.dtype
    if dtype in (torch.float16, torch.bfloat16):
        weight, bias = (None if v is None else v.float() for v in (weight, bias))
        mean, variance = mean.float(), variance.float()
    if is_traced():
        wide = x.to(torch.promote_types(dtype, torch.float32))
        return _moved(wide, weight, bias, mean, (variance + eps).rsqrt()).to(dtype)
    if x.is_cpu and not _are_near(mean, variance, eps):
        wide = x.to(torch.promote_types(dtype, torch.float32))
        x, mean = wide - mean.view((-1,) + (1,) * (x.ndim - 2)), torch.zeros_like(mean)
    weight = _scale(weight, bias)
    y = torch.batch_norm(x, weight, bias, mean, variance, False, 0.0, eps, False)
    return _with_usual_gradients(y, x).to(dtype)


def gradient_like(dy: Tensor, x: Tensor) -> Tensor:
    """`dy` with the strides of `x`, where axes have length 1: their strides tell memory formats, and ATen's backward of
    batch normalization gives wrong numbers where those of `dy` and `x` tell different ones.
    """
    if 1 not in x.shape or dy.stride() == x.stride():
        return dy
    return dy.new_empty_strided(x.shape, torch.empty_like(x, device="meta").stride()).copy_(dy)


def _with_usual_gradients(y: Tensor, x: Tensor) -> Tensor:
    """`y`, made from `x` by ATen, whose gradient is `gradient_like` it for autograd."""
    if 1 not in x.shape or not y.requires_grad:
        return y
    usual: Tensor = _UsualGradients.apply(y, torch.empty_like(x, device="meta"))
    return usual


class _UsualGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, like: Tensor) -> Tensor:
        ctx.like = like
        # Not a view, which could not be written to.
        return y.clone()

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return gradient_like(dy, ctx.like), None


def _scale(weight: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """`weight`, or ones where ATen could not differentiate twice through a missing scale."""
    return torch.ones_like(bias) if weight is None and bias is not None and bias.requires_grad else weight


def _is_near(mean: Tensor, inverse: Tensor, eps: float) -> bool:
    """Whether all means are small beside the deviations, without what `eps` adds to these."""
    # mean ** 2 <= _NEAR ** 2 * variance, where the variance is 1 / inverse ** 2 - eps.
    ratios = torch.hypot(mean, _scalar(_NEAR * math.sqrt(max(eps, 0.0)), mean.dtype)).mul_(inverse)
    return torch.max(ratios).item() <= _NEAR + _NOTHING


def _are_near(mean: Tensor, variance: Tensor, eps: float) -> bool:
    """Whether all means are small beside the deviations."""
    return torch.addcmul(variance, mean, mean, value=-(_NEAR**-2)).min().item() >= -eps


@functools.cache
def _scalar(value: float, dtype: torch.dtype) -> Tensor:
    return torch.tensor(value, dtype=dtype)


def _near_mean(x: Tensor) -> Tensor:
    """The mean of some elements of each channel, to be broadcast; of equal elements exactly these."""
    steps = tuple([slice(None, None, max(1, n // 4)) for n in x.shape[2:]])
    chosen = (slice(None, None, max(1, len(x) // 8)), slice(None), *steps)
    some = x[chosen]
    one = (slice(1), slice(None), *[slice(1)] * (x.ndim - 2))
    first = some[one]
    return (some - first).mean([axis for axis in range(x.ndim) if axis != 1], keepdim=True) + first


def _by_planes(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: Running,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor] | None:
    """`normalized_by_batch` of a contiguous array of samples, channels and many elements; None, with nothing done,
    where the rounding error of a mean would show.
    """
    count = x.shape[0] * x.shape[2]
    mean = x.sum(2).sum(0).div_(count)
    y = x - mean[:, None]
    variance = torch.linalg.vector_norm(y, dim=2).square_().sum(0).div_(count)
    inverse = (variance + eps).rsqrt_()
    if not _is_near(mean, inverse, eps):
        return None
    running_mean, running_variance = running
    if running_mean is not None and running_variance is not None:
        running_mean.lerp_(mean, momentum)
        running_variance.lerp_(variance * (count / (count - 1)), momentum)
    # Two passes: addcmul has no fast path for rows that are broadcast along the last axis.
    y.mul_((inverse if weight is None else inverse * weight)[:, None])
    return y if bias is None else y.add_(bias[:, None]), mean, inverse
