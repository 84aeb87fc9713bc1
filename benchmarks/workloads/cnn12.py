"""The "unnecessarily deep" CNN of the tutorial on static and dynamic networks, trained in both modes.

As in the tutorial, the loss is read after every step.
"""

from __future__ import annotations

import numpy as np
from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import dynamic_program
from workloads.work import operations


def conv_unit(x: nn.Variable, channels: int, scope: str) -> nn.Variable:
    with nn.parameter_scope(scope):
        return F.tanh(PF.batch_normalization(PF.convolution(x, channels, (3, 3), pad=(1, 1))))


def cnn(x: nn.Variable) -> nn.Variable:
    """(B, 1, 8, 8) to (B, 10)."""
    with nn.parameter_scope("cnn"):
        h = conv_unit(x, 64, "conv1")
        for i in range(10):
            h = conv_unit(h, 128, f"conv{i + 2}")
        h = F.average_pooling(conv_unit(h, 512, "conv_last"), (2, 2))
        with nn.parameter_scope("fc"):
            h = F.tanh(PF.affine(h, 1024))
        with nn.parameter_scope("classifier"):
            return PF.affine(h, 10)


def static_training() -> Program:
    x, t = nn.Variable((16, 1, 8, 8)), nn.Variable((16, 1))
    y = cnn(x)
    y.persistent = True
    loss = F.mean(F.softmax_cross_entropy(y, t))
    solver = S.Adam(alpha=1e-3)
    solver.set_parameters(nn.get_parameters())
    last = np.zeros(())

    def step(image: np.ndarray, label: np.ndarray) -> None:
        nonlocal last
        x.d, t.d = image, label
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()
        last = loss.d.copy()

    return Program(step, lambda: last, work=lambda: operations(loss))


def dynamic_training() -> Program:
    return dynamic_program(
        (nn.Variable((16, 1, 8, 8)), nn.Variable((16, 1))),
        lambda x, t: F.mean(F.softmax_cross_entropy(cnn(x), t)),
        S.Adam(alpha=1e-3),
    )
