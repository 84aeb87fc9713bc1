"""The toy regression of the Python API tutorial: the length of a vector, by a network of five layers."""

from __future__ import annotations

from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import dynamic_program, static_program


def length_mlp(x: nn.Variable) -> nn.Variable:
    """(B, 2) to (B, 1)."""
    h = x
    for i, units in enumerate((4, 8, 4, 2)):
        h = F.tanh(PF.affine(h, units, name=f"fc{i}"))
    return PF.affine(h, 1, name="fc")


def loss_of(x: nn.Variable, label: nn.Variable) -> nn.Variable:
    return F.reduce_mean(F.squared_error(length_mlp(x), label))


def training() -> Program:
    x, label = nn.Variable((100, 2)), nn.Variable((100, 1))
    return static_program((x, label), loss_of(x, label), S.Adam(alpha=0.01), weight_decay=1e-6)


def dynamic_training() -> Program:
    return dynamic_program(
        (nn.Variable((100, 2)), nn.Variable((100, 1))), loss_of, S.Adam(alpha=0.01), weight_decay=1e-6
    )
