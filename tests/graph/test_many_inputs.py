"""Functions of thousands of inputs: what a step takes grows with their number, and no faster."""

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.solvers as S

from ..cpu_time import takes_at_most

FUNCTIONS = {
    "concatenate": lambda xs: F.concatenate(*xs, axis=0),
    "stack": lambda xs: F.stack(*xs, axis=0),
    "add_n": lambda xs: F.add_n(*xs),
    "mul_n": lambda xs: F.mul_n(*xs),
    "sink": lambda xs: F.sink(*xs),
}


def parameters(count):
    values = np.linspace(0.9, 1.1, 4 * count).reshape(count, 4).astype(np.float32)
    xs = [nn.Variable.from_numpy_array(v).apply(need_grad=True) for v in values]
    for x in xs:
        x.grad.zero()
    return xs, values


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_step_of_a_function_of_many_inputs(name):
    """When each gradient was compared with each other, backward took 3 seconds; it is a hundredth of that."""
    xs, values = parameters(2000)
    y = FUNCTIONS[name](xs)
    if name != "sink":
        y = F.sum(y * y)

    def step():
        for x in xs:
            x.grad.zero()
        y.forward(clear_no_need_grad=True)
        y.backward(clear_buffer=True)

    step()
    assert takes_at_most(0.5, step)
    double = values.astype(np.float64)
    expected = {
        "concatenate": 2 * double,
        "stack": 2 * double,
        "add_n": np.tile(2 * double.sum(0), (2000, 1)),
        "mul_n": 2 * double.prod(0) ** 2 / double,
        "sink": np.ones_like(double),
    }[name]
    np.testing.assert_allclose([x.g for x in xs], expected, rtol=1e-3)


def test_ten_thousand_parameters_train():
    xs, values = parameters(10_000)
    loss = F.sum(F.concatenate(*xs, axis=0) ** 2.0)
    solver = S.Sgd(lr=0.25)
    solver.set_parameters({str(i): x for i, x in enumerate(xs)})

    def train():
        for _ in range(3):
            loss.forward()
            solver.zero_grad()
            loss.backward()
            solver.update()

    assert takes_at_most(30, train, tries=1)
    np.testing.assert_allclose([x.d for x in xs], values / 8, rtol=1e-5)


def test_gradients_of_many_inputs_share_memory_with_nothing():
    """Those of one variable that is given several times are summed."""
    xs, _ = parameters(50)
    y = F.add_n(*xs, xs[0])
    y.forward()
    y.backward(np.arange(4))
    xs[1].g[...] = 7
    np.testing.assert_array_equal(xs[0].g, 2 * np.arange(4))
    for x in xs[2:]:
        np.testing.assert_array_equal(x.g, np.arange(4))
