"""ResNet-18 (He et al. 2015, arXiv:1512.03385, table 1) on 224 x 224 images: training, inference,
and building the graph."""

from __future__ import annotations

import numpy as np
from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import static_program
from workloads.work import operations


def conv_bn(x: nn.Variable, channels: int, kernel: int, stride: int, batch_stat: bool, scope: str) -> nn.Variable:
    with nn.parameter_scope(scope):
        pad = kernel // 2
        h = PF.convolution(x, channels, (kernel, kernel), pad=(pad, pad), stride=(stride, stride), with_bias=False)
        return PF.batch_normalization(h, batch_stat=batch_stat)


def basic_block(x: nn.Variable, channels: int, stride: int, batch_stat: bool) -> nn.Variable:
    h = F.relu(conv_bn(x, channels, 3, stride, batch_stat, "conv1"))
    h = conv_bn(h, channels, 3, 1, batch_stat, "conv2")
    if x.shape != h.shape:
        x = conv_bn(x, channels, 1, stride, batch_stat, "shortcut")
    return F.relu(h + x)


def resnet18(x: nn.Variable, batch_stat: bool = True) -> nn.Variable:
    """(B, 3, 224, 224) to (B, 1000)."""
    h = F.relu(conv_bn(x, 64, 7, 2, batch_stat, "stem"))
    h = F.max_pooling(h, (3, 3), stride=(2, 2), pad=(1, 1))
    for i, channels in enumerate((64, 128, 256, 512)):
        for j in range(2):
            with nn.parameter_scope(f"stage{i}/block{j}"):
                h = basic_block(h, channels, 2 if i > 0 and j == 0 else 1, batch_stat)
    h = F.global_average_pooling(h)
    return PF.affine(h, 1000, name="fc")


def training_loss(x: nn.Variable, label: nn.Variable) -> nn.Variable:
    return F.mean(F.softmax_cross_entropy(resnet18(x), label))


def training() -> Program:
    x, label = nn.Variable((8, 3, 224, 224)), nn.Variable((8, 1))
    return static_program((x, label), training_loss(x, label), S.Momentum(lr=1e-3, momentum=0.9))


def inference(batch_size: int) -> Program:
    """Forward pass with the running statistics; the output is read after every step."""
    x = nn.Variable((batch_size, 3, 224, 224))
    y = resnet18(x, batch_stat=False)
    output = np.zeros(())

    def step(image: np.ndarray) -> None:
        nonlocal output
        x.d = image
        y.forward(clear_buffer=True)
        output = y.d

    return Program(step, lambda: output.copy(), work=lambda: operations(y, training=False))


def graph_building() -> Program:
    x, label = nn.Variable((8, 3, 224, 224)), nn.Variable((8, 1))
    training_loss(x, label)
    return Program(lambda: _build(x, label), _nothing)


def first_building() -> Program:
    x, label = nn.Variable((8, 3, 224, 224)), nn.Variable((8, 1))

    def step() -> None:
        nn.clear_parameters()
        _build(x, label)
        # Values that are drawn only on demand count as well.
        _ = [p.d for p in nn.get_parameters(grad_only=False).values()]

    return Program(step, _nothing)


def _build(x: nn.Variable, label: nn.Variable) -> None:
    training_loss(x, label)


def _nothing() -> np.ndarray:
    return np.zeros(())
