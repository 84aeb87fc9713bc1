"""What users do to values between forward and backward, or in hooks, counts."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla._nd_array import moves
from nnabla.function import PythonFunction

NEW = np.array([[0.5, -0.25, 0.125], [0.75, 0.0, -0.5]])

WRITES = {
    "filled": (lambda a: a.fill(0.5), np.full((2, 3), 0.5)),
    "zeroed": (lambda a: a.zero(), np.zeros((2, 3))),
    "float64": (lambda a: setattr(a, "data", NEW.reshape(a.shape)), NEW),
    "float16": (lambda a: setattr(a, "data", NEW.reshape(a.shape).astype(np.float16)), NEW),
    "integers": (lambda a: setattr(a, "data", np.ones(a.shape, np.int64)), np.ones((2, 3))),
    "cast": (lambda a: a.cast(np.float64).__setitem__(Ellipsis, NEW.reshape(a.shape)), NEW),
    "copied": (
        lambda a: a.copy_from(nn.NdArray.from_numpy_array(NEW.reshape(a.shape)), use_current_context=False),
        NEW,
    ),
}


def _graph():
    x = nn.Variable.from_numpy_array(np.linspace(-1, 1, 6).reshape(2, 3).astype(np.float32), need_grad=True)
    h = F.tanh(x)  # its gradient reads h
    flat = F.reshape(h, (6,))  # on the memory of h
    return x, h, flat, F.sum(flat**2.0)


def _gradient(values):
    return 2 * values * (1 - values**2)


@pytest.mark.parametrize("through", ["h", "reshaped"])
@pytest.mark.parametrize("how", WRITES)
def test_values_set_before_backward(how, through):
    write, values = WRITES[how]
    x, h, flat, y = _graph()
    for _ in range(3):  # a plan that has run before sees it, too
        y.forward()
        write((h if through == "h" else flat).data)
        x.g = 0
        y.backward()
        np.testing.assert_allclose(x.g, _gradient(values), rtol=1e-6, atol=1e-7)
    y.forward()
    x.g = 0
    y.backward()
    np.testing.assert_allclose(x.g, _gradient(np.tanh(x.d)), rtol=1e-5)


@pytest.mark.parametrize("how", WRITES)
def test_values_set_before_backward_with_hooks(how):
    write, values = WRITES[how]
    x, h, _, y = _graph()
    y.forward()
    write(h.data)
    x.g = 0
    y.backward(function_post_hook=lambda f: None)
    np.testing.assert_allclose(x.g, _gradient(values), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize("when", ["before the reader", "after the maker"])
def test_values_set_by_a_hook_of_forward(how, when):
    write, values = WRITES[how]
    _, h, _, y = _graph()
    reader, maker = y.parent.inputs[0].parent, h.parent
    hooks = {"function_pre_hook": lambda f: write(h.data) if f == reader else None}
    if when == "after the maker":
        hooks = {"function_post_hook": lambda f: write(h.data) if f == maker else None}
    y.forward(**hooks)
    np.testing.assert_allclose(y.d, np.sum(values**2), rtol=1e-6)


@pytest.mark.parametrize("how", WRITES)
def test_gradients_set_by_a_hook(how):
    write, values = WRITES[how]
    x, h, _, y = _graph()
    y.forward()
    x.g = 0
    y.backward(function_pre_hook=lambda f: write(h.grad) if f == h.parent else None)
    np.testing.assert_allclose(x.g, values * (1 - np.tanh(x.d) ** 2), rtol=1e-5, atol=1e-7)


class _Fails(PythonFunction):
    """Fails, and counts how often it was asked."""

    calls = 0

    @property
    def name(self):
        return "Fails"

    def min_outputs(self):
        return 1

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        self.calls += 1
        raise RuntimeError("no")


def test_no_step_runs_twice():
    failing = _Fails()
    y = failing(F.tanh(nn.Variable((2,), need_grad=True)))
    with pytest.raises(RuntimeError, match="no"):
        y.forward()
    assert failing.calls == 1


def test_a_settled_step_moves_nothing():
    """A result that is not contiguous becomes so for a view. Backward must not look at all that it reads for that."""
    x = nn.Variable((2, 4, 6))
    h = F.transpose(PF.affine(x, 5, base_axis=2, name="a"), (1, 0, 2))
    loss = F.mean(PF.affine(F.reshape(h, (4, 10)), 3, name="b"))
    counts = []
    for step in range(4):
        x.d = np.full(x.shape, step)
        loss.forward(clear_no_need_grad=True)
        loss.backward(clear_buffer=True)
        counts.append(moves.value)
    assert len(set(counts[1:])) == 1
