"""Inverted residual blocks as in MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), on 64 x 64 images."""

from __future__ import annotations

from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import static_program

BATCH, SIZE, CLASSES, EXPANSION, LAST = 8, 64, 10, 6, 320
# Channels, blocks and first stride of each stage.
STAGES = ((16, 1, 2), (24, 2, 2), (32, 2, 2), (64, 2, 2))


def normalized(x: nn.Variable, name: str) -> nn.Variable:
    return PF.batch_normalization(x, name=name)


def pointwise(x: nn.Variable, channels: int, name: str) -> nn.Variable:
    return normalized(PF.convolution(x, channels, (1, 1), with_bias=False, name=name), name)


def block(x: nn.Variable, channels: int, stride: int) -> nn.Variable:
    h = F.relu6(pointwise(x, EXPANSION * x.shape[1], "expand"))
    h = PF.depthwise_convolution(h, (3, 3), pad=(1, 1), stride=(stride, stride), with_bias=False, name="depthwise")
    h = pointwise(F.relu6(normalized(h, "depthwise")), channels, "project")
    return h + x if h.shape == x.shape else h


def mobilenet(x: nn.Variable) -> nn.Variable:
    """(B, 3, 64, 64) to (B, classes)."""
    h = PF.convolution(x, 16, (3, 3), pad=(1, 1), with_bias=False, name="stem")
    h = F.relu6(normalized(h, "stem"))
    for i, (channels, blocks, stride) in enumerate(STAGES):
        for j in range(blocks):
            with nn.parameter_scope(f"stage{i}/block{j}"):
                h = block(h, channels, stride if j == 0 else 1)
    h = F.relu6(pointwise(h, LAST, "last"))
    return PF.affine(F.global_average_pooling(h), CLASSES, name="fc")


def training() -> Program:
    x, label = nn.Variable((BATCH, 3, SIZE, SIZE)), nn.Variable((BATCH, 1))
    loss = F.mean(F.softmax_cross_entropy(mobilenet(x), label))
    return static_program((x, label), loss, S.Momentum(lr=1e-3, momentum=0.9))
