"""One function as a program of PyTorch eager, its gradient by autograd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from cases import Program

from functions.call import Inputs, gradient, sample
from functions.formulas import FORMULAS


def build(name: str, file: Path) -> Program:
    """Forward, and backward where an input wants a gradient, as in a training step."""
    formula = FORMULAS[name]
    inputs = Inputs.read(file)
    tensors = [torch.from_numpy(values) for values in inputs.values]
    for tensor, grad in zip(tensors, inputs.grad, strict=True):
        tensor.requires_grad_(grad)
    wanted = [x for x in tensors if x.requires_grad]
    arguments = tensors or [torch.Size(inputs.shape)]
    outputs: tuple[torch.Tensor, ...] = ()

    def forward() -> None:
        nonlocal outputs
        y = formula(*arguments)
        outputs = y if isinstance(y, tuple) else (y,)

    forward()
    if len(outputs) == 1:
        starts = [torch.from_numpy(gradient(tuple(outputs[0].shape)))]
    else:
        starts = [torch.ones(y.shape) for y in outputs]
    # The call above has moved on what a function changes in place.
    for tensor, values in zip(tensors, Inputs.read(file).values, strict=True):
        tensor.detach().copy_(torch.from_numpy(values))

    def forward_backward() -> None:
        for x in wanted:
            x.grad = None
        forward()
        torch.autograd.backward(outputs, starts)

    def compared() -> np.ndarray:
        return sample([one.detach().numpy() for one in (*outputs, *(x.grad for x in wanted))], inputs.random)

    return Program(forward_backward if wanted else forward, lambda: np.zeros(()), compared)
