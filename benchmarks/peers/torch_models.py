"""The networks of `workloads/` as PyTorch modules, and how they take over NNabla's parameters.

Modules stand in each class in the order in which NNabla creates the parameters: `load_parameters` pairs
them by that order.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mlp() -> nn.Module:
    sizes = (2, 4, 8, 4, 2)
    hidden = [layer for i, o in itertools.pairwise(sizes) for layer in (nn.Linear(i, o), nn.Tanh())]
    return nn.Sequential(*hidden, nn.Linear(sizes[-1], 1))


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 5),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(16, 16, 5),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(256, 50),
        nn.ReLU(inplace=True),
        nn.Linear(50, 10),
    )


def cnn12() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 1
    for width in (64, *[128] * 10, 512):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.Tanh()]
        channels = width
    classifier = [nn.AvgPool2d(2), nn.Flatten(), nn.Linear(512 * 4 * 4, 1024), nn.Tanh(), nn.Linear(1024, 10)]
    return nn.Sequential(*layers, *classifier)


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = None
        if inputs != channels:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        h += x if self.shortcut is None else self.shortcut(x)
        return self.relu(h)


def resnet18() -> nn.Module:
    stem = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    blocks = []
    inputs = 64
    for channels in (64, 128, 256, 512):
        blocks += [
            BasicBlock(inputs, channels, 1 if inputs == channels else 2),
            BasicBlock(channels, channels, 1),
        ]
        inputs = channels
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


class Elman(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x2h = nn.Linear(16, 32, bias=False)
        self.h2h = nn.Linear(32, 32)
        self.classifier = nn.Linear(32, 10)

    def forward(self, image: Tensor) -> Tensor:
        h = image.new_zeros(image.shape[0], 32)
        quarters = (image[..., i : i + 4, j : j + 4] for i in (0, 4) for j in (0, 4))
        for x in quarters:
            h = torch.tanh(self.x2h(x.flatten(1)) + self.h2h(h))
        return self.classifier(h)


class Lstm(nn.Module):
    """`nn.LSTMCell` step by step, as the NNabla workload; its second bias, which NNabla has not, stays 0."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(256, 256)
        self.cell.bias_hh.requires_grad_(False)
        self.classifier = nn.Linear(256, 10)

    def forward(self, sequence: Tensor) -> Tensor:
        h = c = sequence.new_zeros(sequence.shape[1], 256)
        for x in sequence.unbind(0):
            h, c = self.cell(x, (h, c))
        return self.classifier(h)


class Gru(nn.Module):
    """Written with layers, as the NNabla workload."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.ModuleList(nn.Linear(32, 32) for _ in range(6))
        self.classifier = nn.Linear(32, 10)

    def forward(self, sequence: Tensor) -> Tensor:
        update_x, update_h, reset_x, reset_h, candidate_x, candidate_h = self.gates
        h = sequence.new_zeros(sequence.shape[1], 32)
        for x in sequence.unbind(0):
            update = torch.sigmoid(update_x(x) + update_h(h))
            reset = torch.sigmoid(reset_x(x) + reset_h(h))
            candidate = torch.tanh(candidate_x(x) + reset * candidate_h(h))
            h = update * h + (1 - update) * candidate
        return self.classifier(h)


class RnnOfLengths(nn.Module):
    """A plain RNN; a second layer reads sequences of odd length."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Linear(32, 32)
        self.h = nn.Linear(32, 32)
        self.deeper = nn.Linear(32, 32)
        self.classifier = nn.Linear(32, 10)

    def forward(self, sequence: Tensor) -> Tensor:
        h = sequence.new_zeros(sequence.shape[1], 32)
        for x in sequence.unbind(0):
            h = torch.tanh(self.x(x) + self.h(h))
        if len(sequence) % 2:
            h = torch.tanh(self.deeper(h))
        return self.classifier(h)


class EncoderLayer(nn.Module):
    def __init__(self, width: int = 256, heads: int = 8, inner: int = 1024, activation=F.relu) -> None:
        super().__init__()
        self.activation = activation
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.projection(y))
        return self.norm2(x + self.outer(self.activation(self.inner(x))))


def small_transformer() -> nn.Module:
    return nn.Sequential(*(EncoderLayer(32, 4, 128) for _ in range(2)))


class Positions(nn.Module):
    """Adds what is learned for each place in the sentence."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class Bert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Sequential(nn.Embedding(1000, 32), Positions(16, 32), nn.LayerNorm(32))
        gelu = partial(F.gelu, approximate="tanh")
        self.layers = nn.ModuleList(EncoderLayer(32, 4, 128, gelu) for _ in range(2))
        self.pooler = nn.Linear(32, 32)
        self.classifier = nn.Linear(32, 2)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        h = self.embedding(words)
        for layer in self.layers:
            h = layer(h, mask)
        return self.classifier(torch.tanh(self.pooler(h[:, 0])))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        inner = 6 * inputs
        self.adds = inputs == channels and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(inplace=True),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(inplace=True),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + x if self.adds else self.layers(x)


def mobilenet() -> nn.Module:
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)]
    inputs = 16
    for channels, blocks in ((16, 1), (24, 2), (32, 2), (64, 2)):
        for stride in (2, 1)[:blocks]:
            layers.append(InvertedResidual(inputs, channels, stride))
            inputs = channels
    layers += [nn.Conv2d(inputs, 320, 1, bias=False), nn.BatchNorm2d(320), nn.ReLU6(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(320, 10))


def _convolved(inputs: int, channels: int) -> nn.Module:
    layers = []
    for channels_in in (inputs, channels):
        layers += [nn.Conv2d(channels_in, channels, 3, 1, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_convolved(i, o) for i, o in ((3, 16), (16, 32), (32, 64)))
        self.bottom = _convolved(64, 128)
        self.up = nn.ModuleList(
            nn.ModuleList([nn.ConvTranspose2d(2 * width, width, 2, 2), _convolved(2 * width, width)])
            for width in (64, 32, 16)
        )
        self.logits = nn.Conv2d(16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        passed_on = []
        for layer in self.down:
            x = layer(x)
            passed_on.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for enlarge, layer in self.up:
            x = layer(torch.cat((passed_on.pop(), enlarge(x)), 1))
        return self.logits(x)


def _upsampled(inputs: int, channels: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, channels, 4, 2, 1)


def _downsampled(inputs: int, channels: int) -> nn.Module:
    return nn.Conv2d(inputs, channels, 4, 2, 1)


class Adversaries(nn.Module):
    """A generator and a critic; which of them creates its parameters first is the NNabla workload's affair."""

    def __init__(self, generator: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.generator, self.critic = generator, critic


def wgan() -> nn.Module:
    generator = nn.Sequential(
        nn.Linear(16, 32 * 4 * 4),
        nn.Unflatten(1, (32, 4, 4)),
        nn.ReLU(inplace=True),
        _upsampled(32, 16),
        nn.ReLU(inplace=True),
        _upsampled(16, 3),
        nn.Tanh(),
    )
    critic = nn.Sequential(
        _downsampled(3, 16),
        nn.LeakyReLU(0.2, inplace=True),
        _downsampled(16, 32),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 1),
    )
    return Adversaries(generator, critic)


def dcgan() -> nn.Module:
    generator = [
        nn.Linear(64, 128 * 4 * 4),
        nn.Unflatten(1, (128, 4, 4)),
        nn.BatchNorm2d(128),
        nn.ReLU(inplace=True),
    ]
    for inputs, channels in ((128, 64), (64, 32)):
        generator += [_upsampled(inputs, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    critic = [_downsampled(3, 32), nn.LeakyReLU(0.2, inplace=True)]
    for inputs, channels in ((32, 64), (64, 128)):
        critic += [_downsampled(inputs, channels), nn.BatchNorm2d(channels), nn.LeakyReLU(0.2, inplace=True)]
    return Adversaries(
        nn.Sequential(*generator, _upsampled(32, 3), nn.Tanh()),
        nn.Sequential(*critic, nn.Flatten(), nn.Linear(128 * 4 * 4, 1)),
    )


# NNabla's cell has input, output, forget gate and candidate in this order; PyTorch's i, f, candidate, o.
_GATES = [0, 2, 3, 1]


@torch.no_grad()
def load_parameters(model: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Copy NNabla's parameters, given by name and in order of creation, into `model`."""
    scopes: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        scope, leaf = name.rsplit("/", 1)
        scopes.setdefault(scope, {})[leaf] = array
    layers = [m for m in model.modules() if next(m.parameters(recurse=False), None) is not None]
    for layer, values in zip(layers, scopes.values(), strict=True):
        for target, value in _layer_parameters(layer, values):
            target.copy_(torch.from_numpy(np.ascontiguousarray(value)).reshape(target.shape))


def _layer_parameters(layer: nn.Module, values: Mapping[str, np.ndarray]) -> list[tuple[Tensor, np.ndarray]]:
    if isinstance(layer, nn.Linear):
        pairs = [(layer.weight, values["W"].reshape(len(values["W"]), -1).T)]
        return pairs if layer.bias is None else [*pairs, (layer.bias, values["b"])]
    if isinstance(layer, (nn.Embedding, Positions)):
        return [(layer.weight, values["W"])]
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        pairs = [(layer.weight, values["W"])]
        return pairs if layer.bias is None else [*pairs, (layer.bias, values["b"])]
    if isinstance(layer, nn.LayerNorm):
        return [(layer.weight, values["gamma"]), (layer.bias, values["beta"])]
    if isinstance(layer, nn.BatchNorm2d):
        statistics = [(layer.running_mean, values["mean"]), (layer.running_var, values["var"])]
        return [(layer.weight, values["gamma"]), (layer.bias, values["beta"]), *statistics]
    if isinstance(layer, nn.LSTMCell):
        weight = values["W"][:, _GATES].reshape(values["W"].shape[0], -1).T
        bias = values["b"][_GATES]
        width = layer.input_size
        return [
            (layer.weight_ih, weight[:, :width]),
            (layer.weight_hh, weight[:, width:]),
            (layer.bias_ih, bias),
            (layer.bias_hh, np.zeros_like(bias)),
        ]
    raise TypeError(f"no rule for the parameters of {type(layer).__name__}")
