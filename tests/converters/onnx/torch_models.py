"""Small models of PyTorch, as its exporter writes them."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as tf
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block that halves the image."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 8, 3, stride=2, padding=1, bias=False)
        self.a_norm = nn.BatchNorm2d(8)
        self.b = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.b_norm = nn.BatchNorm2d(8)
        self.c = nn.Conv2d(4, 8, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.a_norm(self.a(x)))
        return torch.relu(self.b_norm(self.b(y)) + self.c(x))


class UNet(nn.Module):
    """Down and up again, with a connection in between."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(12, 2, 1)
        self.up = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor) -> Tensor:
        a = tf.silu(self.a(x))
        b = tf.gelu(self.b(tf.max_pool2d(a, 2)))
        b = tf.interpolate(b, scale_factor=2.0, mode="bilinear", align_corners=False)
        return tf.hardswish(
            self.c(torch.cat([a, b + tf.interpolate(self.up(tf.max_pool2d(b, 2)), size=b.shape[2:])], 1))
        )


class LastState(nn.Module):
    """A recurrent layer and what is made of its outputs and of its last state."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, state = self.layer(x)
        return self.head(y), state[0] if isinstance(state, tuple) else state


class Attention(nn.Module):
    """Attention by the function that has an operator of its own from opset 23 on."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        q, k, v = (each.reshape(b, t, 4, 4).transpose(1, 2) for each in self.qkv(x).chunk(3, -1))
        y = tf.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(b, t, 16))


class Quantized(nn.Module):
    """A CNN whose weights and activations are rounded to 8 bits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 8 * 8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, 0.03, 3, -128, 127)
        w = torch.fake_quantize_per_channel_affine(
            self.conv.weight, torch.full((4,), 0.01), torch.zeros(4, dtype=torch.int32), 0, -128, 127
        )
        y = torch.relu(tf.conv2d(x, w, self.conv.bias, padding=1))
        return self.head(torch.fake_quantize_per_tensor_affine(y, 0.02, 0, 0, 255).flatten(1))


class Mixed(nn.Module):
    """Group and layer normalization, padding, poolings, and shapes that are calculated with."""

    def __init__(self) -> None:
        super().__init__()
        self.group, self.layer = nn.GroupNorm(2, 4), nn.LayerNorm(9)

    def forward(self, x: Tensor) -> Tensor:
        y = tf.pad(self.group(x), (1, 1, 1, 1), mode="reflect")
        y = tf.avg_pool2d(y, 3, stride=2, ceil_mode=True)
        b, c, h, w = y.shape
        y = self.layer(y.reshape(b, c * h, w).expand(b, c * h, w).reshape(b, -1, 9))
        return torch.where(y > 0.5, y.exp(), y.clamp(-1, 1)).mean(1)


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(6, 8, 3, groups=2),
        nn.ELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(8, 4), nn.Softmax(1),
    )  # fmt: skip


def _encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu")


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "CNN": (_cnn, (2, 3, 13, 13)),
    "ResNet block": (Block, (2, 4, 8, 8)),
    "LSTM": (lambda: LastState(nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True), 12), (2, 7, 5)),
    "GRU": (lambda: LastState(nn.GRU(5, 6, batch_first=True), 6), (2, 7, 5)),
    "RNN": (lambda: LastState(nn.RNN(5, 6), 6), (7, 2, 5)),
    "transformer encoder": (_encoder, (2, 7, 16)),
    "attention": (Attention, (2, 7, 16)),
    "U-Net": (UNet, (2, 3, 16, 16)),
    "quantized CNN": (Quantized, (2, 3, 8, 8)),
    "mixed": (Mixed, (2, 4, 16, 16)),
}
"""Models by name, with the shape of an input whose first axis is the batch (of the RNN the second)."""


def made(name: str) -> tuple[nn.Module, np.ndarray]:
    """A model with weights and running statistics of its own, ready to be run, and an input."""
    torch.manual_seed(7)
    make, shape = MODELS[name]
    model = make()
    x = torch.randn(shape)
    with torch.no_grad():
        model.train()(x)  # running statistics
    return model.eval(), x.numpy()


def export(model: nn.Module, x: np.ndarray, path: str | os.PathLike[str], **options: Any) -> None:
    """Write a model as PyTorch's exporter does, with what it holds in a second file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.from_numpy(x),), os.fspath(path), verbose=False, **options)


def computed(model: nn.Module, x: np.ndarray) -> list[np.ndarray]:
    """The outputs for an input."""
    with torch.no_grad():
        y = model(torch.from_numpy(x))
    return [each.numpy() for each in (y if isinstance(y, tuple) else (y,))]
