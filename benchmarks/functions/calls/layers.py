"""Layers with weights, and pooling."""

from __future__ import annotations

import numpy as np

import nnabla.functions as F
from functions.call import Array, Call, given, integers, normal, uniform


def _weight(*shape: int) -> Array:
    """A weight that keeps the variance; the last axes but one belong to an output."""

    def draw(rng: np.random.RandomState, shape: tuple[int, ...]) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    return Array(draw, shape, True)


def _boxes(count: int, images: int, size: int) -> Array:
    rng = np.random.RandomState(0)
    corner = rng.uniform(0, size / 2, (count, 2))
    lengths = rng.uniform(size / 8, size / 2, (count, 2))
    image = np.arange(count).reshape(-1, 1) % images
    return given(np.concatenate([image, corner, corner + lengths], axis=1).astype(np.float32))


def _recurrent(steps: int, batch: int, features: int, hidden: int, gates: tuple, bias: tuple, states: int) -> tuple:
    return (
        normal(steps, batch, features),
        *[normal(1, 1, batch, hidden)] * states,
        _weight(1, *gates, hidden, features + hidden),
        _weight(1, 1, *bias, hidden),
    )


def _deformable(batch: int, channels: int, size: int) -> tuple:
    return (
        normal(batch, channels, size, size),
        _weight(channels, channels, 3, 3),
        uniform(batch, 18, size, size, low=-0.9, high=0.9),
        uniform(batch, 9, size, size),
        normal(channels),
    )


def _recurrent_call(name: str, gates: tuple, bias: tuple, states: int) -> Call:
    def function(*inputs: object) -> object:
        *others, b = inputs
        return getattr(F, name)(*others, bias=b)

    return Call(
        name,
        function,
        _recurrent(8, 32, 64, 64, gates, bias, states),
        _recurrent(32, 32, 256, 256, gates, bias, states),
    )


def _fused_convolution(
    x: object, w: object, beta: object, gamma: object, mean: object, variance: object, z: object
) -> object:
    return F.fused_convolution(x, w, None, beta, gamma, mean, variance, z, pad=(1, 1))


def _fused(batch: int, channels: int, size: int) -> tuple:
    return (
        normal(batch, channels, size, size),
        _weight(channels, channels, 3, 3),
        normal(1, channels, 1, 1),
        uniform(1, channels, 1, 1, low=0.5, high=1.5),
        normal(1, channels, 1, 1, grad=False),
        uniform(1, channels, 1, 1, grad=False),
        normal(batch, channels, size, size),
    )


IMAGE = (normal(8, 16, 12, 12),)
IMAGES = (normal(32, 64, 32, 32),)

CALLS = [
    Call(
        "affine",
        F.affine,
        (normal(64, 256), _weight(256, 128), normal(128)),
        (normal(512, 1024), _weight(1024, 1024), normal(1024)),
    ),
    Call(
        "convolution",
        lambda x, w, b: F.convolution(x, w, b, pad=(1, 1)),
        (normal(8, 16, 12, 12), _weight(16, 16, 3, 3), normal(16)),
        (normal(4, 64, 56, 56), _weight(64, 64, 3, 3), normal(64)),
    ),
    Call("fused_convolution", _fused_convolution, _fused(8, 16, 12), _fused(4, 64, 56)),
    Call(
        "depthwise_convolution",
        lambda x, w, b: F.depthwise_convolution(x, w, b, pad=(1, 1)),
        (normal(8, 16, 12, 12), _weight(16, 3, 3), normal(16)),
        (normal(8, 64, 56, 56), _weight(64, 3, 3), normal(64)),
    ),
    Call(
        "deconvolution",
        lambda x, w, b: F.deconvolution(x, w, b, pad=(1, 1), stride=(2, 2)),
        (normal(8, 16, 8, 8), _weight(16, 16, 4, 4), normal(16)),
        (normal(4, 64, 28, 28), _weight(64, 64, 4, 4), normal(64)),
    ),
    Call(
        "depthwise_deconvolution",
        lambda x, w, b: F.depthwise_deconvolution(x, w, b, pad=(1, 1)),
        (normal(8, 16, 12, 12), _weight(16, 3, 3), normal(16)),
        (normal(8, 64, 56, 56), _weight(64, 3, 3), normal(64)),
    ),
    Call(
        "deformable_convolution",
        lambda x, w, o, m, b: F.deformable_convolution(x, w, o, m, b, pad=(1, 1)),
        _deformable(2, 16, 12),
        _deformable(2, 16, 32),
    ),
    Call(
        "adaptive_separable_convolution",
        F.adaptive_separable_convolution,
        (normal(2, 3, 52, 52), normal(2, 3, 50, 50), normal(2, 3, 50, 50)),
        (normal(2, 3, 132, 132), normal(2, 5, 128, 128), normal(2, 5, 128, 128)),
    ),
    Call("max_pooling", lambda x: F.max_pooling(x, (2, 2)), IMAGE, IMAGES),
    Call("average_pooling", lambda x: F.average_pooling(x, (2, 2)), IMAGE, IMAGES),
    Call("sum_pooling", lambda x: F.sum_pooling(x, (2, 2)), IMAGE, IMAGES),
    Call("global_average_pooling", F.global_average_pooling, IMAGE, IMAGES),
    Call("unpooling", lambda x: F.unpooling(x, (2, 2)), (normal(8, 16, 6, 6),), (normal(32, 64, 16, 16),)),
    Call(
        "max_pooling_backward",
        lambda dy, x: F.max_pooling_backward(dy, x, (2, 2)),
        (normal(8, 16, 6, 6), uniform(8, 16, 12, 12, grad=False)),
        (normal(32, 64, 16, 16), uniform(32, 64, 32, 32, grad=False)),
    ),
    Call(
        "embed", F.embed, (integers(256, high=1000), normal(1000, 64)), (integers(4096, high=10000), normal(10000, 256))
    ),
    Call(
        "roi_align",
        lambda x, boxes: F.roi_align(x, boxes, (7, 7), sampling_ratio=2),
        (normal(2, 16, 28, 28), _boxes(8, 2, 28)),
        (normal(4, 64, 56, 56), _boxes(64, 4, 56)),
    ),
    _recurrent_call("rnn", (), (), 1),
    _recurrent_call("lstm", (4,), (4,), 2),
    _recurrent_call("gru", (3,), (4,), 1),
    Call(
        "patch_correlation",
        lambda a, b: F.patch_correlation(a, b, shift=(2, 2), padding=(2, 2, 2, 2), channel_last=True),
        (normal(1, 24, 24, 32), normal(1, 24, 24, 32)),
        (normal(2, 64, 64, 32), normal(2, 64, 64, 32)),
    ),
]
