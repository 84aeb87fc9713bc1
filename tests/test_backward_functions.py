"""What builds the graphs of gradients: looked up, called, and registered. Calls and results are NNabla 1.39's."""

from __future__ import annotations

import inspect
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from nnabla.backward_function.affine import affine_backward

import nnabla as nn
import nnabla.backward_functions as BF
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.errors import ArgumentError, ShapeError
from nnabla.function import PythonFunction

rng = np.random.default_rng(7)


def variable(*shape: int) -> nn.Variable:
    return nn.Variable.from_numpy_array(rng.standard_normal(shape).astype(np.float32), need_grad=True)


def values(made):
    """Of variables that a graph leads to; None stays."""
    made = made if isinstance(made, tuple) else (made,)
    nn.forward_all([v for v in made if v is not None])
    return [None if v is None else v.d for v in made]


def check(made, *expected):
    found = values(made)
    assert [a is None for a in found] == [a is None for a in expected]
    for a, b in zip(found, expected, strict=True):
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


X, DY = variable(2, 3), variable(2, 3)
SHAPE = [(2, 3)]


def test_affine():
    x, w, b, dy = variable(2, 3), variable(3, 2), variable(2), variable(2, 2)
    expected = dy.d @ w.d.T, x.d.T @ dy.d, dy.d.sum(0)
    shapes = [v.shape for v in (x, w, b)]
    check(affine_backward([dy], [x, w, b], shapes, [None], [(2, 2)], base_axis=1), *expected)
    check(affine_backward([dy], [x, w, b], shapes, [None], [(2, 2)], 1), *expected)
    check(affine_backward([dy], [x, w], shapes[:2], [None], [(2, 2)]), *expected[:2])


def test_what_the_gradient_does_not_read_may_be_left_out():
    check(BF.relu_backward([DY], [None], SHAPE, [F.relu(X)], SHAPE, inplace=False), DY.d * (X.d > 0))
    check(BF.relu_backward([DY], [X], SHAPE, [None], SHAPE), DY.d * (X.d > 0))
    first, last = variable(2, 6), [variable(2) for _ in range(3)]
    dx = BF.concatenate_backward([first], [None] * 2, SHAPE * 2, [None], [(2, 6)], axis=1)
    check(dx, first.d[:, :3], first.d[:, 3:])
    check(BF.split_backward(last, [None], SHAPE, [None] * 3, [(2,)] * 3, axis=1), np.stack([v.d for v in last], 1))
    with pytest.raises(ArgumentError, match=r"mul2_backward: inputs\[1\] must be given, since the gradient reads"):
        BF.mul2_backward([DY], [X, None], SHAPE * 2, [None], SHAPE)


def test_inputs_without_a_gradient_get_none():
    index = nn.Variable.from_numpy_array(np.array([0, 2]))
    dy = variable(2, 2)
    wanted = np.zeros((3, 2), np.float32)
    wanted[[0, 2]] = dy.d
    check(BF.embed_backward([dy], [index, None], [(2,), (3, 2)], [None], [(2, 2)]), None, wanted)
    check(BF.equal_backward([DY], [X, X], SHAPE * 2, [None], SHAPE), None, None)
    with nn.parameter_scope("bn"):
        y = PF.batch_normalization(X)
    grads = BF.batch_normalization_backward([DY], y.parent.inputs, [v.shape for v in y.parent.inputs], [y], SHAPE)
    assert [g is None for g in grads] == [False, False, False, True, True]


def test_a_dropped_unit_stays_dropped():
    """The gradient is that of the function that ran, where it is known."""
    x = variable(100, 10)
    y = F.dropout(x)
    dx = BF.dropout_backward([nn.Variable.from_numpy_array(np.ones(x.shape))], [x], [x.shape], [y], [x.shape])
    nn.forward_all([y, dx])
    np.testing.assert_allclose(y.d, x.d * dx.d, rtol=1e-6)
    assert 300 < np.count_nonzero(dx.d) < 700


def test_gradients_of_gradients():
    dx = BF.sigmoid_backward([DY], [X], SHAPE, [F.sigmoid(X)], SHAPE)
    y = 1 / (1 + np.exp(-X.d))
    check(nn.grad(dx, X)[0], DY.d * y * (1 - y) * (1 - 2 * y))


def test_without_a_graph():
    with nn.auto_forward(), nn.no_grad():
        dx = BF.tanh_backward([DY], [X], SHAPE, [None], SHAPE)
    np.testing.assert_allclose(dx.d, DY.d * (1 - np.tanh(X.d) ** 2), rtol=1e-4)


def test_registry():
    assert sys.modules["nnabla.grad"].registry is BF.registry
    assert BF.registry["ReLU"] is BF.relu_backward is sys.modules["nnabla.backward_function.relu"].relu_backward
    assert "ReLU" in BF.registry and "Nothing" not in BF.registry
    assert {"MaxPooling", "SoftmaxCrossEntropy"} <= set(BF.registry)
    assert len(BF.registry) == len(list(BF.registry)) > 200
    assert "relu_backward" in dir(BF)
    assert str(inspect.signature(BF.pad_backward)) == (
        "(grad_inputs, inputs, input_shapes, outputs, output_shapes, pad_width, mode='constant', constant_value=0.0)"
    )
    with pytest.raises(AttributeError, match="nothing_backward"):
        BF.nothing_backward  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        __import__("nnabla.backward_function.nothing")


def test_nothing_of_this_is_loaded_with_the_package():
    script = """
import sys, nnabla
assert "nnabla.backward_function" not in sys.modules
assert nnabla.backward_functions.registry["Tanh"] is nnabla.backward_function.tanh.tanh_backward
"""
    subprocess.run([sys.executable, "-c", script], check=True)


class Squared(PythonFunction):
    """x to the power of 2, called a name of its own."""

    def __init__(self, scale=1):
        super().__init__()
        self.scale = scale

    name = "Squared"

    @property
    def args(self):
        return {"scale": self.scale}

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        outputs[0].d = self.scale * inputs[0].d ** 2


@pytest.fixture
def register():
    """Registers, and takes it back after the test."""
    given = []

    def registered(name, builder):
        given.append(name)
        BF.register(name, builder)

    yield registered
    for name in given:
        with suppress(KeyError):
            del BF.registry[name]


def test_a_registered_function_is_used(register):
    calls = []

    def squared_backward(grad_inputs, inputs, input_shapes, outputs, output_shapes, scale):
        calls.append((input_shapes, output_shapes, scale, inputs[0] == X, outputs[0].parent.info.type_name))
        return grad_inputs[0] * inputs[0] * (2.0 * scale)

    register("Squared", squared_backward)
    assert BF.registry["Squared"] is squared_backward and "Squared" in list(BF.registry)
    (dx,) = nn.grad(Squared(3)(X), X)
    check(dx, 6 * X.d)
    check(nn.grad(dx, X)[0], np.full((2, 3), 6.0))
    assert calls[0] == ([(2, 3)], [(2, 3)], 3, True, "Squared")


def test_a_registered_function_comes_before_the_derived_one(register):
    """Also for functions that have no gradient else, and until it is taken back."""
    register("Round", lambda grad_inputs, *rest: [grad_inputs[0] * 2])
    (dx,) = nn.grad(F.round(X) * 3, X)
    check(dx, np.full((2, 3), 6.0))
    derived = BF.tanh_backward
    register("Tanh", lambda *given: None)
    assert BF.registry["Tanh"] is not derived is BF.tanh_backward
    check(nn.grad(F.tanh(X), X)[0], np.zeros((2, 3)))
    del BF.registry["Tanh"]
    assert BF.registry["Tanh"] is derived
    check(nn.grad(F.tanh(X), X)[0], 1 - np.tanh(X.d) ** 2)
    with pytest.raises(KeyError):
        del BF.registry["Tanh"]


@pytest.mark.parametrize("returned", [None, [None], (), [None, None]])
def test_nothing_returned_is_no_gradient(register, returned):
    register("Squared", lambda *given, **arguments: returned)
    check(nn.grad(Squared()(X), X)[0], np.zeros((2, 3)))


def test_what_is_registered_is_checked(register):
    with pytest.raises(TypeError, match="register: func must be callable, not NoneType"):
        BF.register("Squared", None)
    with pytest.raises(TypeError, match="register: func_name must be a string, not int"):
        BF.register(3, print)
    register("Squared", lambda *given, **arguments: nn.Variable((3,)))
    with pytest.raises(ShapeError, match=r"Squared must return a gradient of shape \(2, 3\) for input 0, not"):
        nn.grad(Squared()(X), X)
    register("Squared", lambda *given, **arguments: 3)
    with pytest.raises(TypeError, match="function of Squared must return Variables or None, not int"):
        nn.grad(Squared()(X), X)


def test_show_registry(capsys):
    BF.show_registry()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(BF.registry)
    assert lines[0].split(" <function ")[1].startswith(next(iter(BF.registry.values())).__name__)


def test_grad_as_an_object_and_where_gradients_begin():
    module = sys.modules["nnabla.grad"]
    check(module.Grad()([F.tanh(X)], [X])[0], 1 - np.tanh(X.d) ** 2)
    x = variable(2, 3)
    y = module.GradEndFunction()(x)
    y.forward()
    np.testing.assert_array_equal(y.d, np.ones((2, 3)))
    x.grad.zero()
    y.backward()
    np.testing.assert_array_equal(x.g, np.zeros((2, 3)))
    assert y.parent.info.type_name == "GradEndFunction"
