"""Updates alone, of the parameters of ResNet-18."""

from __future__ import annotations

from cases import Program

import nnabla as nn
import nnabla.solvers as S
from workloads.resnet18 import resnet18

# PyTorch always corrects the bias.
SETTINGS = {"AMSGRAD": {"bias_correction": True}}


def update(name: str) -> Program:
    """`solver.update()` with gradients that stay as they are: every library is given the same."""
    resnet18(nn.Variable((8, 3, 224, 224)))
    parameters = nn.get_parameters()
    for p in parameters.values():
        p.g = 0.01
    solver = getattr(S, name)(**SETTINGS.get(name, {}))
    solver.set_parameters(parameters)
    watched = next(iter(parameters.values()))
    return Program(solver.update, lambda: watched.d.flatten()[:100])
