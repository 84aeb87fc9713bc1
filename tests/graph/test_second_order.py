"""Gradients of gradients that layers and rectifiers have without autograd's record: against differences, in double."""

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.engine.program import Gradient

LAYERS = {
    "affine": (lambda x, w: F.affine(x, w), (3, 4), (4, 5)),
    "affine of images": (lambda x, w: F.affine(x, w), (2, 3, 2, 2), (12, 2, 2)),
    "affine on the last axis": (lambda x, w: F.affine(x, w, base_axis=2), (2, 3, 4), (4, 5)),
    "affine with bias": (lambda x, w: F.affine(x, w, F.constant(0.3, (5,))), (3, 4), (4, 5)),
    "convolution": (lambda x, w: F.convolution(x, w, pad=(1, 1), stride=(2, 2)), (2, 2, 5, 5), (3, 2, 3, 3)),
    "convolution in groups": (lambda x, w: F.convolution(x, w, group=2, dilation=(2, 1)), (1, 4, 5, 4), (2, 2, 2, 2)),
    "pointwise convolution": (lambda x, w: F.convolution(x, w, stride=(2, 2)), (2, 3, 4, 4), (2, 3, 1, 1)),
    "channels last": (lambda x, w: F.convolution(x, w, channel_last=True), (2, 4, 4, 2), (3, 2, 2, 2)),
    "deconvolution": (lambda x, w: F.deconvolution(x, w, pad=(1, 1), stride=(2, 2)), (2, 2, 3, 3), (2, 3, 4, 4)),
    "batch_matmul": (lambda a, b: F.batch_matmul(a, b, transpose_b=True), (2, 3, 4), (2, 5, 4)),
    "batch_matmul, broadcast": (lambda a, b: F.batch_matmul(a, b, transpose_a=True), (1, 2, 4, 3), (3, 2, 4, 2)),
    "relu": (lambda x, w: F.relu(F.mul2(x, w)), (3, 4), (3, 4)),
    "leaky_relu": (lambda x, w: F.leaky_relu(F.mul2(x, w), 0.3), (3, 4), (3, 4)),
    "leaky_relu turned around": (lambda x, w: F.leaky_relu(F.mul2(x, w), -0.3), (3, 4), (3, 4)),
}


@pytest.fixture(autouse=True)
def _double():
    with nn.context_scope(nn.Context(["cpu:double"])):
        yield


def leaf(shape, seed):
    values = np.random.RandomState(seed).uniform(0.2, 1, shape) * np.random.RandomState(seed + 1).choice([-1, 1], shape)
    v = nn.Variable(shape, need_grad=True)
    v.data.cast(np.float64)[...] = values
    return v


def penalty_of(layer, x, w, by_weight):
    """The square of the slope of something that is not linear in the layer."""
    y = layer(x, w)
    slopes = nn.grad([F.sum(y**3.0)], [x, w] if by_weight else [x])
    return sum(F.sum((0.7 + i) * slope**2.0) for i, slope in enumerate(slopes))


def differences(loss, v, count=12):
    """The derivatives of `loss` in the first elements of `v`."""
    flat = v.data.cast(np.float64).reshape(-1)
    found = []
    for i in range(min(count, v.size)):
        before, values = flat[i], []
        for step in (1e-6, -1e-6):
            flat[i] = before + step
            loss.forward()
            values.append(float(loss.d))
        flat[i] = before
        found.append((values[0] - values[1]) / 2e-6)
    return np.array(found)


@pytest.mark.parametrize("by_weight", [False, True], ids=["in x", "in both"])
@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_of_a_slope(name, by_weight):
    layer, x_shape, w_shape = LAYERS[name]
    x, w = leaf(x_shape, 3), leaf(w_shape, 5)
    loss = penalty_of(layer, x, w, by_weight)
    for options in ({}, {"clear_no_need_grad": True}):
        x.grad.zero()
        w.grad.zero()
        loss.forward(**options)
        loss.backward(clear_buffer=bool(options))
        for v in (x, w):
            np.testing.assert_allclose(v.g.reshape(-1)[:12], differences(loss, v), rtol=1e-5, atol=1e-5)
    loss.plan().check()


@pytest.mark.parametrize("name", ["affine", "convolution", "relu", "leaky_relu"])
def test_the_third_order(name):
    layer, x_shape, w_shape = LAYERS[name]
    x, w = leaf(x_shape, 3), leaf(w_shape, 5)
    (second,) = nn.grad([penalty_of(layer, x, w, False)], [x])
    loss = F.sum(second**2.0) * 1e-3
    w.grad.zero()
    loss.forward()
    loss.backward()
    np.testing.assert_allclose(w.g.reshape(-1)[:12], differences(loss, w), rtol=1e-4, atol=1e-4)


def test_a_rectifier_gives_the_slope_nothing_to_go_on_to():
    """Where the slope does not depend on values in between, no gradient is computed for them."""
    x, w = leaf((3, 4), 3), leaf((4, 5), 5)
    h = F.affine(x, w)
    (slope,) = nn.grad([F.sum(F.relu(h))], [x])
    loss = F.sum(slope**2.0)
    (_, backward) = loss.plan().programs
    names = [backward.order[record.function].name for record in backward.records if isinstance(record, Gradient)]
    assert "AffineGradient" in names and "ReLU" not in names
    (zero,) = nn.grad([loss], [x])
    assert zero.parent is None and not zero.d.any()
