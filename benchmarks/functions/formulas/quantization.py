"""Binary and quantized functions."""

from __future__ import annotations

import torch
import torch.nn.functional as TF
from torch import Tensor

from functions.formulas.straight_through import straight_through


def binary_tanh(x: Tensor) -> Tensor:
    return straight_through(x.clamp(-1, 1), torch.sign(x))


def binary_sigmoid(x: Tensor) -> Tensor:
    return straight_through(((x + 1) / 2).clamp(0, 1), (x > 0).float())


def pow2_quantize(x: Tensor) -> Tensor:
    """A bit each for sign and zero leaves 6: powers from 2^-62 to 2^1."""
    size = x.detach().abs()
    power = torch.exp2(torch.log2(size).round())
    y = torch.where(size < 2.0**-62.5, 0.0, torch.copysign(power.clamp(2.0**-62, 2.0), x.detach()))
    return straight_through(torch.where(power > 2.0, 0.0, x), y)


def prune(x: Tensor) -> Tensor:
    with torch.no_grad():
        size = x.abs()
        bound = size.view(-1).kthvalue(int((x.numel() - 1) * 0.9) + 1).values
        y = torch.where(size < bound, 0.0, x)
    return straight_through(x, y)


def min_max_quantize(x: Tensor, low: Tensor, high: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Running minimum and maximum, and the levels between them of which one is 0."""
    with torch.no_grad():
        least, largest = torch.aminmax(x)
        low.mul_(0.999).add_(least, alpha=0.001)
        high.mul_(0.999).add_(largest, alpha=0.001)
        scale = (high - low) / (last - first)
        zero = (first - low / scale).round().clamp(first, last)
        least, largest = (first - zero) * scale, (last - zero) * scale
    inside = x.clamp(least, largest)
    return straight_through(inside, ((inside - least) / scale).round() * scale + least)


def quantize_linear(x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    y = x / scale
    return straight_through(y, (y.round() + zero).clamp(-128, 127))


def _sign(w: Tensor) -> Tensor:
    return torch.where(w >= 0, 1.0, -1.0)


def _scaled(w: Tensor, axis: int) -> Tensor:
    """Signs times the mean size for each output; the gradient is that of the result."""
    size = w.detach().abs()
    scale = size.mean(0) if axis else size.mean((1, 2, 3), keepdim=True)
    return straight_through(w, _sign(w.detach()) * scale)


def binary_connect_affine(x: Tensor, w: Tensor, received: Tensor, b: Tensor) -> Tensor:
    return torch.addmm(b, x, straight_through(w, _sign(w)))


def binary_weight_affine(x: Tensor, w: Tensor, received: Tensor, scales: Tensor, b: Tensor) -> Tensor:
    return torch.addmm(b, x, _scaled(w, 1))


def binary_connect_convolution(x: Tensor, w: Tensor, received: Tensor, b: Tensor) -> Tensor:
    return TF.conv2d(x, straight_through(w, _sign(w)), b, padding=1)


def binary_weight_convolution(x: Tensor, w: Tensor, received: Tensor, scales: Tensor, b: Tensor) -> Tensor:
    return TF.conv2d(x, _scaled(w, 0), b, padding=1)


FORMULAS = {
    "binary_sigmoid": binary_sigmoid,
    "binary_tanh": binary_tanh,
    "fixed_point_quantize": lambda x: torch.fake_quantize_per_tensor_affine(x, 0.0625, 0, -127, 127),
    "pow2_quantize": pow2_quantize,
    "prune": prune,
    "min_max_quantize": min_max_quantize,
    "quantize_linear": quantize_linear,
    "dequantize_linear": lambda x, scale, zero: (x - zero) * scale,
    "binary_connect_affine": binary_connect_affine,
    "binary_weight_affine": binary_weight_affine,
    "binary_connect_convolution": binary_connect_convolution,
    "binary_weight_convolution": binary_weight_convolution,
}
