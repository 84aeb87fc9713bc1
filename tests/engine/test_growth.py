"""What steps and plans take grows with the number of functions, no faster. For inputs see graph/test_many_inputs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import thread_time

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.engine.backward import compile_backward
from nnabla.engine.forward import compile_forward
from nnabla.graph.order import topological

from ..cpu_time import takes_at_most


def separate(depth: int) -> nn.Variable:
    """Layers with weights of their own."""
    h = nn.Variable.from_numpy_array(np.ones((4, 8), np.float32))
    for i in range(depth):
        h = F.tanh(PF.affine(h, 8, name=str(i)))
    return F.mean(h)


def shared(depth: int) -> nn.Variable:
    """The same layer again and again, with a gate."""
    h = nn.Variable.from_numpy_array(np.ones((4, 8), np.float32))
    for _ in range(depth):
        h = F.tanh(PF.affine(h, 8, name="h")) + h * F.sigmoid(h)
    return F.mean(h)


NETWORKS = [separate, shared]


def stepper(loss: nn.Variable) -> Callable[[], None]:
    def step() -> None:
        for v in nn.get_parameters().values():
            v.grad.zero()
        loss.forward(clear_no_need_grad=True)
        loss.backward(clear_buffer=True)

    step()
    return step


def compiler(loss: nn.Variable) -> tuple[Callable[[], None], int]:
    """What compiles the plans of a step, and how many functions they are of."""
    order = topological([loss])

    def work() -> None:
        compile_forward(order, (loss,), False, True)
        compile_backward(order, loss, True)

    return work, len(order)


@pytest.mark.parametrize("build", NETWORKS)
def test_a_step_of_a_thousand_layers(build: Callable[[int], nn.Variable]) -> None:
    """It takes about 30 milliseconds; what grew with the square would take seconds."""
    assert takes_at_most(0.3, stepper(build(1000)))


@pytest.mark.parametrize("build", NETWORKS)
def test_plans_of_a_thousand_layers(build: Callable[[int], nn.Variable]) -> None:
    """60 microseconds a function are the aim, on a machine five times as fast as the slowest."""
    loss = build(1000)
    loss.forward(clear_no_need_grad=True)
    work, count = compiler(loss)
    assert takes_at_most(count * 300e-6, work)


def cpu_time(work: Callable[[], None], tries: int) -> float:
    best = float("inf")
    gc.disable()
    for _ in range(tries):
        start = thread_time()
        work()
        best = min(best, thread_time() - start)
    gc.enable()
    return best


@pytest.mark.heavy
@pytest.mark.parametrize("build", NETWORKS)
def test_growth_with_depth(build: Callable[[int], nn.Variable]) -> None:
    """For a function: from 10 to 1,000 layers the same time, but for what is paid once and for caches."""
    steps, plans = [], []
    for depth in (10, 100, 1000):
        nn.clear_parameters()
        loss = build(depth)
        work, count = compiler(loss)
        steps.append(cpu_time(stepper(loss), 20) / count * 1e6)
        plans.append(cpu_time(work, 10) / count * 1e6)
    print(f"\n{build.__name__}: a step {steps}, a plan {plans} us a function at 10, 100 and 1000 layers")
    assert steps[2] < 2 * steps[0] and plans[2] < 2 * plans[0]
