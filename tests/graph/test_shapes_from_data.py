"""Functions whose results have a shape that the data decide, in graphs that are built once and run on many data."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F

X = np.array([[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]])
MASKS = [[1, 0, 0], [1, 1, 1], [0, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1]]


def test_what_follows_takes_the_new_shape() -> None:
    x, mask = nn.Variable.from_numpy_array(X, need_grad=True), nn.Variable((3,))
    weight = nn.Variable.from_numpy_array([[1.0], [2.0]], need_grad=True)
    rows = F.exp(F.bool_gather(x, mask))
    y = F.affine(F.broadcast(F.reshape(weight, (1, 2)), (3, 2)), weight)  # Of a shape that stays.
    loss = F.sum(F.affine(rows * F.reshape(weight, (1, 2)), weight)) + F.sum(y)
    for mask.d in MASKS:
        chosen = np.array(mask.d) > 0
        loss.forward()
        for v in (x, weight):
            v.grad.zero()
        loss.backward()
        assert rows.shape == rows.d.shape == (chosen.sum(), 2)
        e, w = np.exp(X), np.array([1.0, 2.0])
        np.testing.assert_allclose(loss.d, (e[chosen] * w**2).sum() + 3 * (w**2).sum(), rtol=1e-5)
        np.testing.assert_allclose(x.g, e * w**2 * chosen[:, None], rtol=1e-5)
        np.testing.assert_allclose(weight.g[:, 0], 2 * w * (e[chosen].sum(0) + 3), rtol=1e-5)


@pytest.mark.parametrize("dynamic", [False, True])
def test_as_the_end_of_a_graph(dynamic: bool) -> None:
    x, mask = nn.Variable.from_numpy_array(X, need_grad=True), nn.Variable((3,))
    with nn.auto_forward(dynamic):
        y = None
        for mask.d in MASKS:
            if y is None or dynamic:
                y = F.bool_gather(F.exp(x), mask)
            chosen = np.array(mask.d) > 0
            y.forward()
            dy = np.arange(1.0, 1 + y.size).reshape(y.shape)
            for given, used in ((1, np.ones(y.shape)), (dy, dy)):
                x.grad.zero()
                y.backward(given)
                expected = np.zeros((3, 2))
                expected[chosen] = used
                np.testing.assert_allclose(x.g, expected * np.exp(X), rtol=1e-5)


def test_a_gradient_stays_while_the_shape_does() -> None:
    x, mask = nn.Variable.from_numpy_array(X, need_grad=True), nn.Variable.from_numpy_array([1, 0, 1])
    y = F.bool_gather(x, mask)
    y.forward()
    y.g = [[1.0, 2.0], [3.0, 4.0]]
    y.forward()
    x.grad.zero()
    y.backward(None)
    np.testing.assert_array_equal(x.g, [[1, 2], [0, 0], [3, 4]])
    mask.d = [1, 0, 0]
    y.forward()
    assert y.g.shape == (1, 2)
