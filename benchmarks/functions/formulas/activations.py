"""Activations."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as TF
from torch import Tensor


def crelu(x: Tensor) -> Tensor:
    return torch.cat([TF.relu(x), TF.relu(-x)], dim=1)


def celu(x: Tensor) -> Tensor:
    return torch.cat([TF.elu(x), TF.elu(-x)], dim=1)


FORMULAS = {
    "sigmoid": torch.sigmoid,
    "swish": TF.silu,
    "tanh": torch.tanh,
    "relu": TF.relu,
    "leaky_relu": lambda x: TF.leaky_relu(x, 0.1),
    "elu": TF.elu,
    "selu": TF.selu,
    "crelu": crelu,
    "celu": celu,
    "gelu": lambda x: TF.gelu(x, approximate="tanh"),
    "mish": TF.mish,
    "relu6": TF.relu6,
    "hard_sigmoid": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "hard_tanh": TF.hardtanh,
    "log_sigmoid": TF.logsigmoid,
    "softplus": TF.softplus,
    "softsign": TF.softsign,
    "tanh_shrink": TF.tanhshrink,
    "sinc": lambda x: torch.sinc(x / math.pi),
    "prelu": TF.prelu,
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
}
