"""Fourier transforms and random numbers."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from .registry import Node, axis_of, read


@read("DFT")
def dft(r: GraphReader, n: Node, x: Value, length: Value | None = None, axis: Value | None = None) -> Value:
    given = n.attr("axis") if n.opset < 20 else -2 if axis is None else r.ints(axis, "the axis")[0]
    if x.rank < 2 or x.shape[-1] not in (1, 2):
        raise Unsupported("its last axis must hold the real part, or real and imaginary part")
    along = axis_of(given, x.rank)
    if along == x.rank - 1:
        raise Unsupported("its last axis is not one to transform")
    onesided, inverse = bool(n.attr("onesided")), bool(n.attr("inverse"))
    if onesided and inverse:
        raise Unsupported("onesided with inverse has no counterpart")
    count = x.shape[along] if length is None else r.ints(length, "dft_length")[0]
    y = transformed(r, x, along, count, inverse)
    return r.cut(y, {along: (0, count // 2 + 1, 1)}) if onesided else y


def transformed(r: GraphReader, x: Value, along: int, count: int, inverse: bool) -> Value:
    """The Fourier transform along an axis, of as many elements as wanted; real numbers become complex."""
    size = x.shape[along]
    if count < 1:
        raise Unsupported(f"{count} elements cannot be transformed")
    if size > count:
        x = r.cut(x, {along: (0, count, 1)})
    after = [0] * x.rank
    after[along], after[-1] = max(count - size, 0), 2 - x.shape[-1]
    x = r.pad(x, [0] * x.rank, after)
    order = [*[a for a in range(x.rank - 1) if a != along], along, x.rank - 1]
    y = r("IFFT" if inverse else "FFT", r.transpose(x, order), signal_ndim=1, normalized=False)
    return r.transpose(y, sorted(range(x.rank), key=order.__getitem__))


@read("STFT")
def stft(
    r: GraphReader, n: Node, x: Value, step: Value, window: Value | None = None, length: Value | None = None
) -> Value:
    if x.rank != 3 or x.shape[-1] not in (1, 2):
        raise Unsupported("its input must have 3 axes, of which the last holds the real part, or both parts")
    hop = r.ints(step, "frame_step")[0]
    if length is not None:
        count = r.ints(length, "frame_length")[0]
    elif window is not None:
        count = window.shape[0]
    else:
        raise Unsupported("it has neither a window nor frame_length")
    frames = (x.shape[1] - count) // hop + 1 if hop > 0 else 0
    if frames < 1 or count < 1 or not r.budget.allows(frames * count):
        raise Unsupported(f"frames of {count} by steps of {hop} do not fit to {x.shape[1]} samples")
    places = np.arange(frames)[:, None] * hop + np.arange(count)
    y = r("Gather", x, r.constant(places, TensorProto.INT64), axis=1)
    if window is not None:
        y = r.mul(y, r.reshape(window, [1, 1, count, 1]))
    y = transformed(r, y, 2, count, False)
    return r.cut(y, {2: (0, count // 2 + 1, 1)}) if n.attr("onesided") else y


def _seed(n: Node) -> int:
    seed = n.attr("seed")
    return -1 if seed is None else int(seed) & 0x7FFFFFFF


@read("RandomNormal", "RandomNormalLike")
def random_normal(r: GraphReader, n: Node, x: Value | None = None) -> Value:
    shape = n.attr("shape") if x is None else list(x.shape)
    y: Value = r("Randn", mu=n.attr("mean"), sigma=n.attr("scale"), shape=shape, seed=_seed(n))
    return y


@read("RandomUniform", "RandomUniformLike")
def random_uniform(r: GraphReader, n: Node, x: Value | None = None) -> Value:
    shape = n.attr("shape") if x is None else list(x.shape)
    y: Value = r("Rand", low=n.attr("low"), high=n.attr("high"), shape=shape, seed=_seed(n))
    return y
