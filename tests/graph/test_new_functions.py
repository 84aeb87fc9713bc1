"""Backward from functions that were made after forward ran, over values that exist. All values as NNabla 1.39 has them,
but where it reads memory that nothing was written to."""

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import GraphError

COSINE = np.cos(np.arange(1.0, 4.0))


@pytest.fixture
def x():
    x = nn.Variable.from_numpy_array([1.0, 2.0, 3.0]).apply(need_grad=True)
    x.grad.zero()
    return x


@pytest.fixture
def y(x):
    y = F.sin(x)
    y.forward()
    return y


def test_a_sum(x, y):
    F.sum(y).backward()
    np.testing.assert_allclose(x.g, COSINE, rtol=1e-6)


def test_an_element(x, y):
    y[1].backward()
    np.testing.assert_allclose(x.g, [0, COSINE[1], 0], rtol=1e-6)


def test_a_product(x, y):
    (y * y).backward()
    np.testing.assert_allclose(x.g, 2 * np.sin(np.arange(1.0, 4.0)) * COSINE, rtol=1e-6)


def test_a_loss_divided_by_the_number_of_accumulated_steps(x, y):
    loss = F.sum(y)
    for i in range(1, 4):
        loss.forward()
        (loss / 4).backward()
        np.testing.assert_allclose(x.g, COSINE * i / 4, rtol=1e-6)


def test_a_sink(x, y):
    loss = F.sum(y)
    loss.forward()
    F.sink(y, loss).backward()
    np.testing.assert_allclose(x.g, 2 * COSINE, rtol=1e-6)


def test_several_new_functions(x, y):
    F.sum(F.mul_scalar(F.reshape(y, (3, 1)), 2)).backward()
    np.testing.assert_allclose(x.g, 2 * COSINE, rtol=1e-6)


def test_a_leaf(x):
    (x * 3).backward()
    np.testing.assert_array_equal(x.g, 3)


def test_what_forward_leaves_behind_is_computed_from_the_inputs(x, y):
    """NNabla 1.39 takes the first element for the largest here."""
    F.max(y).backward()
    np.testing.assert_allclose(x.g, [0, COSINE[1], 0], rtol=1e-6)


@pytest.mark.parametrize("function", [F.exp, F.relu, F.sigmoid, F.softmax])
def test_a_gradient_that_needs_the_missing_output(x, y, function):
    with pytest.raises(GraphError, match=r"backward: \w+ has no values yet; run forward\(\) first"):
        F.sum(function(y)).backward()
    np.testing.assert_array_equal(x.g, 0)


def test_missing_values_further_back(x):
    with pytest.raises(GraphError, match=r"backward: Sin has no values yet; run forward\(\) first"):
        F.sum(F.sin(F.sin(x))).backward()
    np.testing.assert_array_equal(x.g, 0)


def test_random_numbers_that_were_never_drawn(x, y):
    with pytest.raises(GraphError, match="dropout: it has drawn no numbers yet"):
        F.dropout(y).backward()
    np.testing.assert_array_equal(x.g, 0)
