"""Recomputation: memory is given up in forward, values and gradients stay the same."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF


def network(x, dropout=0.0):
    h = PF.convolution(x, 4, (3, 3), name="c1")
    h = F.relu(PF.batch_normalization(h, name="b1"))
    if dropout:
        h = F.dropout(h, dropout)
    h = F.tanh(PF.convolution(h, 3, (3, 3), name="c2"))
    return F.mean(h * h)


def gradients(loss, **options):
    for p in nn.get_parameters().values():
        p.grad.zero()
    loss.forward(**options.get("forward", {}))
    loss.backward(**options.get("backward", {}))
    return {k: p.g.copy() for k, p in nn.get_parameters().items()}


@pytest.fixture
def x():
    return nn.Variable.from_numpy_array(np.random.randn(2, 3, 8, 8).astype(np.float32))


@pytest.mark.parametrize("options", [{}, {"forward": {"clear_no_need_grad": True}, "backward": {"clear_buffer": True}}])
def test_gradients_are_the_same(x, options):
    expected = gradients(network(x))
    running = {k: p.d.copy() for k, p in nn.get_parameters(grad_only=False).items() if not p.need_grad}
    for name, value in (("b1/bn/mean", 0), ("b1/bn/var", 1)):
        nn.parameter.get_parameter(name).d = value
    with nn.recompute():
        loss = network(x)
    flagged = []
    loss.visit(lambda f: flagged.extend(o.recompute for o in f.outputs))
    assert all(flagged)
    found = gradients(loss, **options)
    for name, grad in expected.items():
        np.testing.assert_allclose(found[name], grad, rtol=1e-5, atol=1e-7, err_msg=name)
    for name, values in running.items():
        # Computing again does not count as another batch.
        np.testing.assert_allclose(nn.parameter.get_parameter(name).d, values, rtol=1e-6, err_msg=name)


def test_data_is_given_up_in_forward_and_after_backward(x):
    h = F.tanh(PF.convolution(x, 4, (3, 3)))
    h.recompute = True
    y = F.mean(h * h)
    y.forward()
    assert h.data.clear_called
    y.backward()
    assert h.data.clear_called


def test_the_same_mask_is_drawn_again(x):
    with nn.recompute():
        loss = network(x, dropout=0.5)
    drop = []
    loss.visit(lambda f: drop.append(f.outputs[0]) if f.name == "Dropout" else None)
    drop[0].recompute = False
    first = gradients(loss)
    value = loss.d.copy()
    kept = drop[0].d != 0
    drop[0].recompute = True
    # The plan is another one; the values that backward sees must belong to its own forward.
    gradients(loss)
    assert loss.d != value
    assert kept.mean() < 0.9
    assert all(np.isfinite(g).all() for g in first.values())


def test_dropout_gradient_matches_its_forward_under_recompute():
    x = nn.Variable.from_numpy_array(np.ones((50, 50), np.float32), need_grad=True)
    x.grad.zero()
    y = F.dropout(x, 0.5)
    y.recompute = True
    z = F.sum(F.sin(y))
    z.forward()
    z.backward()
    dropped = x.g == 0
    assert 0.4 < dropped.mean() < 0.6
    # The sum tells how many were kept.
    np.testing.assert_allclose(float(z.d), (~dropped).sum() * np.sin(2.0), rtol=1e-3)


def test_switches():
    from nnabla.recompute import get_global_recompute

    assert not get_global_recompute()
    nn.set_global_recompute(True)
    assert F.relu(nn.Variable((1,))).recompute
    with nn.recompute(False):
        assert not F.relu(nn.Variable((1,))).recompute
    nn.set_global_recompute(False)

    @nn.recompute_fn()
    def build(x):
        return F.relu(x)

    assert build(nn.Variable((1,))).recompute
    assert not F.relu(nn.Variable((1,))).recompute
