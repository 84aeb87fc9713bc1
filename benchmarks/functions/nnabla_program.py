"""One function as a program of NNabla, this project or 1.39: a static graph, replayed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cases import Program

import nnabla as nn
import nnabla.functions as F
from functions.call import LARGE, SMALL, Inputs, draw, gradient, sample
from functions.calls import CALLS


def build(name: str, size: str, file: Path) -> Program:
    """Forward, and backward where an input wants a gradient, as in a training step.

    Args:
        name: of the function.
        size: ``"small"`` or ``"large"``.
        file: where the inputs are written for the other implementations, unless they are there.
    """
    call = CALLS[name]
    shape = SMALL if size == "small" else LARGE
    inputs = Inputs.read(file) if file.exists() else draw(call.inputs(size), shape, call.random)
    if not file.exists():
        inputs.write(file)
    variables = [nn.Variable.from_numpy_array(values) for values in inputs.values]
    for variable, grad in zip(variables, inputs.grad, strict=True):
        variable.need_grad = grad
    made = call.function(*variables) if variables else call.function(shape)
    outputs = list(made) if isinstance(made, (list, tuple)) else [made]
    for y in outputs:
        # It is read afterwards, as a loss is.
        y.persistent = True
    wanted = [v for v in variables if v.need_grad]
    # A sink starts backward from several outputs, with gradients of 1.
    root = outputs[0] if len(outputs) == 1 else F.sink(*outputs)
    start = nn.NdArray.from_numpy_array(gradient(root.shape)) if wanted and len(outputs) == 1 else 1

    def forward() -> None:
        root.forward(clear_no_need_grad=True)

    def forward_backward() -> None:
        for v in wanted:
            v.grad.zero()
        root.forward(clear_no_need_grad=True)
        root.backward(start, clear_buffer=True)

    def compared() -> np.ndarray:
        return sample([*(y.d for y in outputs), *(v.g for v in wanted)], inputs.random)

    return Program(forward_backward if wanted else forward, lambda: np.zeros(()), compared)
