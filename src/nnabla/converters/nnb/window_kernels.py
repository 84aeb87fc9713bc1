"""Convolutions and poolings in NumPy, over any number of axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Arguments = dict[str, Any]


def _channels_first(a: Arguments) -> None:
    if a.get("channel_last"):
        raise ValueError("channels must come first")


def _window_lists(a: Arguments, names: Sequence[str], count: int) -> list[list[int]]:
    lists = [list(a[name]) for name in names]
    if any(len(each) != count for each in lists):
        raise ValueError(f"{', '.join(names)} must have {count} entries each")
    return lists


def _windows(at: Sequence[int], spread: Sequence[int], step: Sequence[int], count: Sequence[int]) -> list[slice]:
    """Where the same place of all windows is, along each axis."""
    starts = [a * s for a, s in zip(at, spread, strict=True)]
    return [slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, step, count, strict=True)]


def _at(*parts: Any) -> Any:
    """An index of several axes."""
    return parts


def convolution(
    a: Arguments, axis: int, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None
) -> np.ndarray:
    """Convolution of ``(samples, channels, ...)``; the weight is ``(outputs, channels of a group, ...)``."""
    _channels_first(a)
    n = x.ndim - axis - 1
    pad, stride, dilation = _window_lists(a, ("pad", "stride", "dilation"), n)
    group, kernel = a["group"], weight.shape[2:]
    if min(pad, default=0) < 0 or min([*stride, *dilation, group], default=1) < 1 or len(kernel) != n:
        raise ValueError("pads must be at least 0, strides, dilations and groups at least 1")
    images = x.reshape(math.prod(x.shape[:axis]), *x.shape[axis:])
    padded = np.pad(images, [(0, 0), (0, 0), *[(p, p) for p in pad]])
    sizes = [
        (d - g * (k - 1) - 1) // s + 1 for d, k, s, g in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    ]
    if min(sizes, default=1) < 1 or weight.shape[0] % group or weight.shape[1] * group != images.shape[1]:
        raise ValueError("the weight does not fit")
    y = np.zeros((len(images), group, weight.shape[0] // group, *sizes))
    w = weight.reshape(group, -1, *weight.shape[1:])
    for at in itertools.product(*map(range, kernel)):
        window = padded[_at(slice(None), slice(None), *_windows(at, dilation, stride, sizes))]
        parts = window.reshape(len(images), group, weight.shape[1], -1)
        y += (w[_at(..., *at)] @ parts).reshape(y.shape)
    y = y.reshape(*x.shape[:axis], weight.shape[0], *sizes)
    return y if bias is None else y + bias.reshape(-1, *[1] * n)


def deconvolution(
    a: Arguments,
    axis: int,
    shape: Sequence[int],
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """Transposed convolution; the weight is ``(channels, outputs of a group, ...)``."""
    _channels_first(a)
    n = x.ndim - axis - 1
    pad, stride, dilation = _window_lists(a, ("pad", "stride", "dilation"), n)
    group, kernel = a["group"], weight.shape[2:]
    images = x.reshape(math.prod(x.shape[:axis]), *x.shape[axis:])
    sizes, channels = list(shape[axis + 1 :]), weight.shape[1] * group
    if (
        len(kernel) != n
        or len(sizes) != n
        or min([*stride, *dilation, group], default=1) < 1
        or min(pad, default=0) < 0
    ):
        raise ValueError("the weight does not fit")
    if weight.shape[0] != images.shape[1] or weight.shape[0] % group or math.prod(shape[:axis]) != len(images):
        raise ValueError("the weight does not fit")
    wanted = [
        s * (d - 1) + g * (k - 1) + 1 for s, d, g, k in zip(stride, images.shape[2:], dilation, kernel, strict=True)
    ]
    room = [max(w, size + 2 * p) for w, size, p in zip(wanted, sizes, pad, strict=True)]
    if math.prod(room) > 4 * math.prod([size + 2 * p for size, p in zip(sizes, pad, strict=True)]) + 1024:
        raise ValueError("the output has another size")
    y = np.zeros((len(images), channels, *room))
    w = weight.reshape(group, -1, *weight.shape[1:])
    parts = images.reshape(len(images), group, -1, math.prod(images.shape[2:]))
    for at in itertools.product(*map(range, kernel)):
        spread = (w[_at(..., *at)].swapaxes(1, 2) @ parts).reshape(len(images), channels, *images.shape[2:])
        y[_at(slice(None), slice(None), *_windows(at, dilation, stride, images.shape[2:]))] += spread
    y = y[_at(slice(None), slice(None), *[slice(p, p + size) for p, size in zip(pad, sizes, strict=True)])]
    y = y.reshape(*x.shape[:axis], channels, *sizes)
    return y if bias is None else y + bias.reshape(-1, *[1] * n)


def pooling(a: Arguments, reduce: str, shape: Sequence[int], x: np.ndarray) -> np.ndarray:
    """The largest, mean or sum of windows over the last axes. What is beyond the border counts for no maximum; it is 0
    in sums; means count it only where it is within the pad and `including_pad`."""
    _channels_first(a)
    n = len(a["kernel"])
    kernel, stride, pad = _window_lists(a, ("kernel", "stride", "pad"), n)
    lead = x.ndim - n
    if lead < 0 or len(shape) != x.ndim or min([*kernel, *stride], default=1) < 1 or min(pad, default=0) < 0:
        raise ValueError("the window does not fit")
    sizes = list(shape[lead:])
    # How far windows reach, which is beyond the pad where the border is not ignored.
    ends = [
        max(s * (size - 1) + k, d + 2 * p)
        for s, size, k, d, p in zip(stride, sizes, kernel, x.shape[lead:], pad, strict=True)
    ]
    if any(
        end > 2 * (d + 2 * p) + s + k for end, d, p, s, k in zip(ends, x.shape[lead:], pad, stride, kernel, strict=True)
    ):
        raise ValueError("the output has another size")
    empty = -np.inf if reduce == "max" else 0.0
    widths = [(p, end - d - p) for p, end, d in zip(pad, ends, x.shape[lead:], strict=True)]
    padded = np.pad(x, [(0, 0)] * lead + widths, constant_values=empty)
    y = np.full((*x.shape[:lead], *sizes), empty)
    for at in itertools.product(*map(range, kernel)):
        window = padded[_at(..., *_windows(at, [1] * n, stride, sizes))]
        y = np.maximum(y, window) if reduce == "max" else y + window
    if reduce != "average":
        return y
    count = np.ones(())
    for i, (d, p, k, s, size) in enumerate(zip(x.shape[lead:], pad, kernel, stride, sizes, strict=True)):
        first = s * np.arange(size)
        low, high = (0, d + 2 * p) if a.get("including_pad", True) else (p, p + d)
        inside = np.minimum(first + k, high) - np.maximum(first, low)
        count = count * inside.reshape(-1, *[1] * (n - 1 - i))
    return y / count
