"""Binary and quantized functions."""

from __future__ import annotations

import nnabla.functions as F
from functions.call import LARGE, SMALL, Call, constant, normal, sizes


def _affine(rows: int, inputs: int, outputs: int) -> tuple:
    return normal(rows, inputs), normal(inputs, outputs), normal(outputs)


def _images(batch: int, channels: int, size: int) -> tuple:
    return normal(batch, channels, size, size), normal(channels, channels, 3, 3), normal(channels)


def _connected(arrays: tuple, scales: bool = False) -> tuple:
    """Input, weight, what receives the binary weight and its scales, bias."""
    x, w, b = arrays
    received = [constant(0.0, *w.shape), *([constant(0.0, *b.shape)] if scales else [])]
    return (x, w, *received, b)


def _range(shape: tuple) -> tuple:
    one = (1,) * len(shape)
    return normal(*shape), constant(-1.0, *one), constant(1.0, *one), constant(0.0, *one), constant(255.0, *one)


def _scaled(shape: tuple) -> tuple:
    one = (1,) * len(shape)
    return normal(*shape), constant(0.05, *one), constant(3.0, *one)


CALLS = [
    Call("binary_sigmoid", F.binary_sigmoid, *sizes(normal)),
    Call("binary_tanh", F.binary_tanh, *sizes(normal)),
    Call("fixed_point_quantize", F.fixed_point_quantize, *sizes(normal)),
    Call("pow2_quantize", F.pow2_quantize, *sizes(normal)),
    Call("prune", lambda x: F.prune(x, 0.9), *sizes(normal)),
    Call(
        "min_max_quantize",
        lambda *x: F.min_max_quantize(*x, x_min_max=True, ema=True),
        _range(SMALL),
        _range(LARGE),
    ),
    Call("quantize_linear", F.quantize_linear, _scaled(SMALL), _scaled(LARGE)),
    Call("dequantize_linear", F.dequantize_linear, _scaled(SMALL), _scaled(LARGE)),
    Call(
        "binary_connect_affine",
        F.binary_connect_affine,
        _connected(_affine(64, 256, 128)),
        _connected(_affine(512, 1024, 1024)),
    ),
    Call(
        "binary_weight_affine",
        F.binary_weight_affine,
        _connected(_affine(64, 256, 128), scales=True),
        _connected(_affine(512, 1024, 1024), scales=True),
    ),
    Call(
        "binary_connect_convolution",
        lambda x, w, wb, b: F.binary_connect_convolution(x, w, wb, b, pad=(1, 1)),
        _connected(_images(8, 16, 12)),
        _connected(_images(4, 64, 56)),
    ),
    Call(
        "binary_weight_convolution",
        lambda x, w, wb, a, b: F.binary_weight_convolution(x, w, wb, a, b, pad=(1, 1)),
        _connected(_images(8, 16, 12), scales=True),
        _connected(_images(4, 64, 56), scales=True),
    ),
]
