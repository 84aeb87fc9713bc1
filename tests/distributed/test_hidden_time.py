"""How much of the time that sums take passes while backward computes."""

from __future__ import annotations

import time

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.distributed import overlap
from nnabla.distributed.communicator import named
from nnabla.distributed.transport import Group

LAYERS = 8


class Line:
    """A connection that does nothing but take its time: one sum after the other."""

    def __init__(self, seconds, clock=None):
        self.seconds = seconds
        self.clock = clock or time.perf_counter
        self.sleep = time.sleep if clock is None else clock.sleep
        self.free_at = 0.0
        self.begun = []

    def start(self, flat, group):
        self.begun.append(self.clock())
        self.free_at = max(self.free_at, self.clock()) + self.seconds
        return Sleep(self, self.free_at)


class Sleep:
    """One sum under way."""

    def __init__(self, line, until):
        self.line = line
        self.until = until

    def wait(self, limit=None):
        self.line.sleep(max(0.0, self.until - self.line.clock()))

    def is_completed(self):
        return self.line.clock() >= self.until


def network(size):
    """A loss behind some convolutions."""
    h = nn.Variable.from_numpy_array(np.random.rand(8, 16, size, size).astype(np.float32))
    for i in range(LAYERS):
        h = F.relu(PF.convolution(h, 16, (3, 3), pad=(1, 1), name=f"layer{i}"))
    return F.mean(h)


def summing(pack_size=1):
    """Sums of the gradients of all parameters, in pieces of at least so many elements."""
    gradients = [p.grad for p in nn.get_parameters().values()]
    group = Group([0, 1], object())
    return overlap.OverlappedSum(gradients, pack_size, group, True, 1.0, lambda array: array._realize(), named)


class Clock:
    """A time that passes only when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_at_least_half_of_a_sleep_is_hidden_where_functions_take_as_long(monkeypatch):
    """By a clock that says how long functions and sums take: nothing here depends on the machine."""
    clock = Clock()
    line = Line(0.5, clock)
    monkeypatch.setattr(overlap, "start_sum", line.start)
    loss = network(6)
    callback = summing()
    completed = callback.on_finish_function_backward
    functions = 2 * LAYERS + 1

    def finish(function):
        clock.sleep(1.0)
        completed(function)

    callback.on_finish_function_backward = finish
    loss.forward()
    loss.backward(communicator_callbacks=callback)
    # Weights and biases are sent apart: as many sums as gradients, each half as long as a function.
    assert len(line.begun) == 2 * LAYERS
    # All but those of the first layer are begun before the last function ends.
    assert sorted(line.begun)[:-2] == line.begun[:-2] and line.begun[-3] < functions
    waited = clock.now - functions
    assert 0 < waited <= 0.5 * line.seconds * len(line.begun), waited


@pytest.mark.heavy
def test_at_least_half_of_a_sleep_is_hidden(monkeypatch):
    """The same by the clock on the wall, with a network that computes."""
    loss = network(40)
    callback = summing()

    def seconds(line):
        monkeypatch.setattr(overlap, "start_sum", line.start)
        times = []
        for _ in range(7):
            for p in nn.get_parameters().values():
                p.grad.zero()
            loss.forward()
            start = time.perf_counter()
            loss.backward(communicator_callbacks=callback)
            times.append(time.perf_counter() - start)
        return float(np.median(times))

    alone = seconds(Line(0.0))
    # All sums together take as long as backward.
    found = seconds(Line(alone / (2 * LAYERS)))
    print(f"backward {alone:.4f} s, with as many seconds of sleep {found:.4f} s: {2 - found / alone:.0%} hidden")
    assert found - alone < alone / 2, (alone, found)
