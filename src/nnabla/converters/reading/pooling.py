"""Poolings of any geometry, by NNabla's poolings and, where there are gaps in a window, by slices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..obstacles import Unsupported
from .graph_reader import GraphReader, Value
from .windows import Windows

LOWEST = float(np.finfo(np.float32).min)


def largest(r: GraphReader, x: Value, w: Windows) -> Value:
    """The largest element of each window."""
    if not w.dilated and w.symmetric and w.whole(x):
        return _pool(r, "MaxPooling", x, w, w.before)
    x = w.bordered(r, x, LOWEST)
    if not w.dilated:
        return _pool(r, "MaxPooling", x, w)
    elements = w.elements(r, x)
    y = next(elements)
    for each in elements:
        y = r("Maximum2", y, each)
    return y


def sums(r: GraphReader, x: Value, w: Windows) -> Value:
    """The sum of each window, with zeros in the border."""
    if not w.dilated and w.symmetric and w.whole(x):
        return _pool(r, "SumPooling", x, w, w.before)
    x = w.bordered(r, x, 0.0)
    if not w.dilated:
        return _pool(r, "SumPooling", x, w)
    elements = w.elements(r, x)
    y = next(elements)
    for each in elements:
        y = r.add(y, each)
    return y


def means(r: GraphReader, x: Value, w: Windows, including: bool, divisor: float | None = None) -> Value:
    """The mean of each window.

    Args:
        r: where functions go.
        x: the array.
        w: the windows.
        including: whether elements of the border count.
        divisor: what to divide by instead of their number.

    Raises:
        Unsupported: a window has no elements.
    """
    if divisor is not None:
        return r.mul(sums(r, x, w), 1 / divisor)
    if not w.dilated and w.symmetric and w.whole(x):
        return _pool(r, "AveragePooling", x, w, w.before, including_pad=including)
    counts = np.ones([1, 1, *[1] * len(w.kernel)])
    for i, size in enumerate(x.shape[2:]):
        if not r.budget.allows(w.lengths[i] * w.kernel[i]):
            raise Unsupported(f"{w.lengths[i]} windows along an axis are too many")
        starts = np.arange(w.lengths[i]) * w.strides[i] - w.before[i]
        places = starts[:, None] + np.arange(w.kernel[i]) * w.dilations[i]
        low, high = (-w.before[i], size + w.after[i]) if including else (0, size)
        inside = ((places >= low) & (places < high)).sum(1)
        if not r.budget.allows(counts.size * inside.size):
            raise Unsupported(f"{counts.size * inside.size} windows are too many")
        counts = counts * inside.reshape([-1 if a == i + 2 else 1 for a in range(x.rank)])
    if not counts.all():
        raise Unsupported("a window has no elements")
    return r.div(sums(r, x, w), r.constant(counts.astype(np.float32)))


def _pool(r: GraphReader, name: str, x: Value, w: Windows, pad: list[int] | None = None, **args: Any) -> Value:
    border = [0] * len(w.kernel) if pad is None else pad
    if len(w.kernel) > 1:
        y: Value = r(name, x, kernel=w.kernel, stride=w.strides, ignore_border=True, pad=border, **args)
        return y
    # NNabla's have two axes at least.
    image = r.reshape(x, [*x.shape[:2], 1, x.shape[2]])
    y = r(name, image, kernel=[1, *w.kernel], stride=[1, *w.strides], ignore_border=True, pad=[0, *border], **args)
    return r.reshape(y, [*y.shape[:2], y.shape[3]])
