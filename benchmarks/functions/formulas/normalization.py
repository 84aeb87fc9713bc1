"""Normalizations."""

from __future__ import annotations

import torch
import torch.nn.functional as TF
from torch import Tensor

from functions.formulas.straight_through import with_gradient


def batch_normalization(x: Tensor, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return TF.batch_norm(x, mean.view(-1), variance.view(-1), gamma.view(-1), beta.view(-1), training=True)


def fused_batch_normalization(
    x: Tensor, beta: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor, z: Tensor
) -> Tensor:
    return TF.relu(batch_normalization(x, beta, gamma, mean, variance) + z)


def weight_normalization(w: Tensor, g: Tensor) -> Tensor:
    """As `torch.nn.utils.parametrizations.weight_norm` does it."""
    return torch._weight_norm(w, g.view(-1, 1, 1, 1), 0)


def weight_standardization(w: Tensor) -> Tensor:
    variance, mean = torch.var_mean(w, dim=(1, 2, 3), keepdim=True, correction=0)
    return (w - mean) * torch.rsqrt(variance + 1e-5)


def spectral_norm(w: Tensor, u: Tensor) -> Tensor:
    matrix = w.view(len(w), -1)
    with torch.no_grad():
        v = TF.normalize(matrix.t() @ u, dim=0)
        u.copy_(TF.normalize(matrix @ v, dim=0))
    # The next step changes u, which backward reads.
    return w / torch.dot(u.clone(), matrix @ v)


def mean_subtraction(x: Tensor, mean: Tensor, t: Tensor) -> Tensor:
    with torch.no_grad():
        mean += (x.mean(0) - mean) / (t + 1)
        t += 1
    scale = 1 - 1 / (len(x) * t.item())
    return with_gradient(x - mean, lambda g: g * scale)


FORMULAS = {
    "batch_normalization": batch_normalization,
    "fused_batch_normalization": fused_batch_normalization,
    "group_normalization": lambda x, b, g: TF.group_norm(x, 8, g.view(-1), b.view(-1)),
    "instance_normalization": lambda x, b, g: TF.instance_norm(x, weight=g.view(-1), bias=b.view(-1)),
    "layer_normalization": lambda x, b, g: TF.layer_norm(x, x.shape[1:], g.view(-1), b.view(-1)),
    "tensor_normalization": lambda x, b, g: TF.batch_norm(x, None, None, g.view(-1), b.view(-1), training=True),
    "norm_normalization": lambda x: TF.normalize(x, dim=1),
    "weight_normalization": weight_normalization,
    "weight_standardization": weight_standardization,
    "spectral_norm": spectral_norm,
    "mean_subtraction": mean_subtraction,
}
