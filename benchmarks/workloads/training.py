"""The training steps that the workloads share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from cases import Program

import nnabla as nn
from workloads.work import operations


def static_program(inputs: Sequence[nn.Variable], loss: nn.Variable, solver, weight_decay: float = 0.0) -> Program:
    """Training of a graph built once: feed, forward, backward with the memory-saving options, update."""
    solver.set_parameters(nn.get_parameters())

    def step(*arrays: np.ndarray) -> None:
        for variable, array in zip(inputs, arrays, strict=True):
            variable.d = array
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        if weight_decay:
            solver.weight_decay(weight_decay)
        solver.update()

    return Program(step, lambda: loss.d.copy(), work=lambda: operations(loss))


def dynamic_program(
    inputs: Sequence[nn.Variable], compute_loss: Callable[..., nn.Variable], solver, weight_decay: float = 0.0
) -> Program:
    """Training of a graph that is built anew in each step, as the tutorial on dynamic networks does it."""
    compute_loss(*inputs)  # Makes the parameters, so that all implementations can start from the same ones.
    solver.set_parameters(nn.get_parameters())
    last = np.zeros(())

    def step(*arrays: np.ndarray) -> None:
        nonlocal last
        for variable, array in zip(inputs, arrays, strict=True):
            variable.d = array
        with nn.auto_forward():
            loss = compute_loss(*inputs)
        solver.set_parameters(nn.get_parameters(), reset=False, retain_state=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        if weight_decay:
            solver.weight_decay(weight_decay)
        solver.update()
        last = loss.d.copy()

    return Program(step, lambda: last)
