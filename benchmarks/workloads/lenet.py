"""The LeNet of NNabla's MNIST classification examples."""

from __future__ import annotations

from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import static_program


def lenet(x: nn.Variable) -> nn.Variable:
    """(B, 1, 28, 28) to (B, 10)."""
    h = PF.convolution(x, 16, (5, 5), name="conv1")
    h = F.relu(F.max_pooling(h, (2, 2)))
    h = PF.convolution(h, 16, (5, 5), name="conv2")
    h = F.relu(F.max_pooling(h, (2, 2)))
    h = F.relu(PF.affine(h, 50, name="fc3"))
    return PF.affine(h, 10, name="fc4")


def training() -> Program:
    x, label = nn.Variable((64, 1, 28, 28)), nn.Variable((64, 1))
    loss = F.mean(F.softmax_cross_entropy(lenet(x), label))
    return static_program((x, label), loss, S.Adam(alpha=1e-3))
