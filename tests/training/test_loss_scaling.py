"""`DynamicLossScalingUpdater`: the scale follows the gradients, and updates are those of unscaled training."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.experimental.mixed_precision_training import DynamicLossScalingUpdater


def problem(solver=None):
    nn.clear_parameters()
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).standard_normal((4, 3)).astype(np.float32))
    loss = F.mean(PF.affine(x, 2, w_init=lambda shape: np.ones(shape)) ** 2)
    solver = solver or S.Sgd(0.01)
    solver.set_parameters(nn.get_parameters())
    return x, loss, solver


def test_updates_are_those_of_unscaled_training():
    _, loss, solver = problem(S.Momentum(0.05))
    updater = DynamicLossScalingUpdater(solver, loss, scale=64.0, N=3, weight_decay=0.1, accum_grad=2)
    for _ in range(10):
        updater.update()
    scaled = {key: v.d.copy() for key, v in nn.get_parameters().items()}
    _, loss, solver = problem(S.Momentum(0.05))
    for _ in range(10):
        solver.zero_grad()
        for _ in range(2):
            loss.forward()
            loss.backward()
        solver.weight_decay(0.1)
        solver.update()
    for key, v in nn.get_parameters().items():
        np.testing.assert_allclose(scaled[key], v.d, rtol=1e-6, err_msg=key)
    assert updater.scale == 64.0 * 2**2


def test_data_is_fed_before_each_forward():
    x, loss, solver = problem()
    fed = []

    def feed():
        fed.append(float(loss.d))
        x.d = len(fed)

    updater = DynamicLossScalingUpdater(solver, loss, feed, accum_grad=3)
    updater.update()
    updater.update()
    assert len(fed) == 6
    assert fed[0] == 0 and fed[1] != fed[2]


def test_the_scale_is_halved_until_gradients_are_finite():
    """Half precision ends at 65504."""
    x, loss, solver = problem()
    with nn.context_scope(nn.Context(["cpu:half"])):
        nn.clear_parameters()
        loss = F.sum(PF.affine(x, 2, w_init=lambda shape: np.ones(shape)))
        x.d = 1
        solver.set_parameters(nn.get_parameters())
    before = {key: v.d.copy() for key, v in nn.get_parameters().items()}
    updater = DynamicLossScalingUpdater(solver, loss, scale=2.0**17)
    updater.update()
    # The gradients of the weights are 4.
    assert updater.scale == 2.0**13
    for key, v in nn.get_parameters().items():
        np.testing.assert_allclose(v.d, before[key] - 0.01 * 4, rtol=1e-3, err_msg=key)


def test_a_hopeless_batch_is_given_up():
    x, loss, solver = problem()
    x.d = np.nan
    before = {key: v.d.copy() for key, v in nn.get_parameters().items()}
    tries = []
    updater = DynamicLossScalingUpdater(solver, loss, lambda: tries.append(1), scale=1.0)
    updater.update()
    assert len(tries) == 101
    assert updater.scale == 2.0**-101
    for key, v in nn.get_parameters().items():
        np.testing.assert_array_equal(v.d, before[key])


class Comm:
    def __init__(self):
        self.calls = []

    def all_reduce(self, data, division, inplace):
        self.calls.append((data, division, inplace))


@pytest.mark.parametrize("exchanged", [True, False])
def test_gradients_are_exchanged(exchanged):
    _, loss, solver = problem()
    comm = Comm()
    grads = [v.grad for v in nn.get_parameters().values()] if exchanged else []
    updater = DynamicLossScalingUpdater(solver, loss, comm=comm, grads=grads)
    updater.update()
    assert comm.calls == ([(grads, False, False)] if exchanged else [])


def test_attributes():
    _, loss, solver = problem()
    updater = DynamicLossScalingUpdater(solver, loss)
    assert updater.solver is solver and updater.loss is loss
    assert (updater.scale, updater.scaling_factor, updater.N, updater.clear_buffer) == (8.0, 2.0, 2000, True)
    assert (updater.accum_grad, updater.weight_decay, updater.comm, updater.grads) == (1, None, None, [])


def test_bad_calls():
    _, loss, solver = problem()
    with pytest.raises(nn.errors.ArgumentError, match="scale and scaling_factor must be positive, not 0 and 2.0"):
        DynamicLossScalingUpdater(solver, loss, scale=0)
    with pytest.raises(nn.errors.ArgumentError, match="accum_grad must be at least 1, not 0"):
        DynamicLossScalingUpdater(solver, loss, accum_grad=0)
