"""Networks that tools look at."""

from __future__ import annotations

import time

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S


def lenet_loss(batch=16, size=28):
    """The loss of a small convolutional network, and a solver with its parameters."""
    nn.clear_parameters()
    rng = np.random.RandomState(0)
    x = nn.Variable.from_numpy_array(rng.standard_normal((batch, 1, size, size)).astype(np.float32))
    t = nn.Variable.from_numpy_array(rng.randint(0, 10, (batch, 1)))
    h = F.relu(F.max_pooling(PF.convolution(x, 16, (5, 5), name="conv1"), (2, 2)))
    h = F.relu(F.max_pooling(PF.convolution(h, 16, (5, 5), name="conv2"), (2, 2)))
    h = F.relu(PF.affine(h, 50, name="hidden"))
    loss = F.mean(F.softmax_cross_entropy(PF.affine(h, 10, name="out"), t))
    solver = S.Adam()
    solver.set_parameters(nn.get_parameters())
    return loss, solver


class Clock:
    """A clock that moves only while somebody sleeps, in the place of the module `time`."""

    def __init__(self):
        self.now = 1000

    def perf_counter_ns(self):
        return self.now

    def perf_counter(self):
        return self.now * 1e-9

    def sleep(self, seconds):
        self.now += round(seconds * 1e9)


class Sleep(nn.function.PythonFunction):
    """Takes 0.02 seconds forward and 0.04 backward."""

    def min_outputs(self):
        return 1

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        time.sleep(0.02)
        outputs[0].d = inputs[0].d

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        time.sleep(0.04)
        inputs[0].g = outputs[0].g


def sleepy_loss():
    """The loss of a network of three functions; the second is `Sleep`."""
    return F.sum(Sleep()(F.tanh(nn.Variable((2, 3), need_grad=True))))
