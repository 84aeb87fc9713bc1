"""A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) of three levels, with padding, on 64 x 64 images."""

from __future__ import annotations

from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import static_program

BATCH, SIZE, WIDTH, LEVELS = 2, 64, 16, 3


def convolved(x: nn.Variable, channels: int, scope: str) -> nn.Variable:
    with nn.parameter_scope(scope):
        for i in range(2):
            x = F.relu(PF.convolution(x, channels, (3, 3), pad=(1, 1), name=f"conv{i}"))
        return x


def unet(x: nn.Variable) -> nn.Variable:
    """Images (B, 3, 64, 64) to logits (B, 1, 64, 64)."""
    passed_on = []
    for level in range(LEVELS):
        x = convolved(x, WIDTH << level, f"down{level}")
        passed_on.append(x)
        x = F.max_pooling(x, (2, 2))
    x = convolved(x, WIDTH << LEVELS, "bottom")
    for level in reversed(range(LEVELS)):
        x = PF.deconvolution(x, WIDTH << level, (2, 2), stride=(2, 2), name=f"up{level}")
        x = convolved(F.concatenate(passed_on[level], x, axis=1), WIDTH << level, f"up{level}")
    return PF.convolution(x, 1, (1, 1), name="logits")


def training(size: int = SIZE) -> Program:
    x, mask = nn.Variable((BATCH, 3, size, size)), nn.Variable((BATCH, 1, size, size))
    loss = F.mean(F.sigmoid_cross_entropy(unet(x), mask))
    return static_program((x, mask), loss, S.Adam(alpha=1e-3))
