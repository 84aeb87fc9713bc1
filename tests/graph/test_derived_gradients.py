"""Gradients that are not written down: autograd's record of forward, which is kept for backward."""

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.operators.linalg import BatchCholesky

# The gradient of L = x ** (1 / 2) by x, where x is diagonal, is then 1 / (2 L).
IDENTITY = np.eye(2, dtype=np.float32)[None]


@pytest.fixture
def calls(monkeypatch):
    """Counts how often the function is computed."""
    made = []
    forward = BatchCholesky.forward

    def counted(self, x):
        made.append(1)
        return forward(self, x)

    monkeypatch.setattr(BatchCholesky, "forward", counted)
    return made


def diagonal(*values):
    x = nn.Variable.from_numpy_array(np.diag(np.array(values, np.float32))[None], need_grad=True)
    x.grad.zero()
    return x


@pytest.mark.parametrize("auto", [False, True])
def test_forward_is_computed_once(calls, auto):
    x = diagonal(4, 9)
    with nn.auto_forward(auto):
        y = F.batch_cholesky(x)
    if not auto:
        y.forward(clear_no_need_grad=True)
    y.backward(IDENTITY, clear_buffer=True)
    assert len(calls) == 1
    np.testing.assert_allclose(x.g, [[[1 / 4, 0], [0, 1 / 6]]], rtol=1e-6)
    assert y.parent._operator.kept is None


def test_backward_twice(calls):
    x = diagonal(4, 9)
    y = F.batch_cholesky(x)
    y.forward()
    y.backward(IDENTITY)
    y.backward(IDENTITY)
    assert len(calls) == 1
    np.testing.assert_allclose(x.g, [[[1 / 2, 0], [0, 1 / 3]]], rtol=1e-6)


def test_a_record_of_other_values_is_not_used():
    """A parameter that a solver changed after forward: the gradient is that at its present value."""
    x = diagonal(4, 9)
    y = F.batch_cholesky(x)
    y.forward()
    x.data.copy_from(diagonal(16, 25).data)
    y.backward(IDENTITY)
    np.testing.assert_allclose(x.g, [[[1 / 8, 0], [0, 1 / 10]]], rtol=1e-6)


def test_nothing_is_kept_where_no_gradient_is_asked_for():
    x = diagonal(4, 9)
    for y, clear_buffer in (
        (F.batch_cholesky(x), True),
        (F.batch_cholesky(x.get_unlinked_variable(need_grad=False)), False),
    ):
        y.forward(clear_buffer=clear_buffer)
        assert y.parent._operator.kept is None


def test_running_statistics_stay_numbers():
    """Forward writes to them while autograd records it."""
    shapes = ((2, 3, 4, 4), (5, 3, 3, 3), (1, 5, 1, 1), (1, 5, 1, 1), (1, 5, 1, 1), (1, 5, 1, 1))
    x, w, beta, gamma, mean, variance = (nn.Variable(s, need_grad=i < 4) for i, s in enumerate(shapes))
    for v in (x, w, beta, gamma):
        v.d = np.random.RandomState(0).randn(*v.shape)
        v.grad.zero()
    mean.d, variance.d = 0, 1
    y = F.fused_convolution(x, w, None, beta, gamma, mean, variance, pad=(1, 1))
    for _ in range(2):
        y.forward()
        y.backward()
        assert np.abs(mean.d).max() > 0 and np.isfinite(w.g).all()
