"""Methods of a `Function` called directly. All values as NNabla 1.39 has them."""

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError, GraphError


def leaf(*shape):
    x = nn.Variable(shape, need_grad=True)
    x.d = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    x.g = 10
    return x


def gradient_of(function, *accum):
    """The gradient of a leaf, 10 before, that `Function.backward` leaves where that of the output is 1."""
    x = leaf(3)
    y = function(x)
    y.parent.forward([x], [y])
    y.g = 1
    y.parent.backward([x], [y], *accum)
    return x.g


@pytest.mark.parametrize("accum", [(), (None,), ([True],), ((True,),)])
def test_backward_adds_to_gradients(accum):
    np.testing.assert_allclose(gradient_of(F.sin, *accum), 10 + np.cos([1, 2, 3]), rtol=1e-6)
    np.testing.assert_array_equal(gradient_of(F.round, *accum), 11)
    np.testing.assert_array_equal(gradient_of(F.unlink, *accum), 10)


def test_backward_assigns_gradients_where_accum_says_so():
    np.testing.assert_allclose(gradient_of(F.sin, [False]), np.cos([1, 2, 3]), rtol=1e-6)
    np.testing.assert_array_equal(gradient_of(F.unlink, [False]), 0)


def test_inputs_without_a_gradient_get_zeros_where_they_are_not_added_to():
    """As the running statistics of batch normalization do in NNabla 1.39, which has no backward for comparisons."""
    np.testing.assert_array_equal(gradient_of(lambda x: F.greater_scalar(x, 2), [False]), 0)
    np.testing.assert_array_equal(gradient_of(lambda x: F.greater_scalar(x, 2)), 10)
    for accum, expected in ((True, (10, 13)), (False, (0, 3))):
        x, beta, gamma, mean, variance = inputs = [leaf(3, 2), *[leaf(1, 2) for _ in range(4)]]
        y = F.batch_normalization(x, beta, gamma, mean, variance)
        y.forward()
        y.g = 1
        y.parent.backward(inputs, [y], [accum] * 5)
        np.testing.assert_array_equal(mean.g, [[expected[0]] * 2])
        np.testing.assert_array_equal(variance.g, [[expected[0]] * 2])
        np.testing.assert_array_equal(beta.g, [[expected[1]] * 2])


def test_accum_per_input():
    w, i = leaf(3, 2), nn.Variable((2,))
    i.d = [0, 1]
    y = F.embed(i, w)
    y.forward()
    y.g = 1
    y.parent.backward([i, w], [y], [True, False])
    np.testing.assert_array_equal(w.g, [[1, 1], [1, 1], [0, 0]])


@pytest.mark.parametrize("accum", [[], [True, False], True])
def test_accum_of_another_length(accum):
    with pytest.raises(ArgumentError, match=r"Function.backward: accum must be a list of 1 booleans, not "):
        gradient_of(F.sin, accum)


def test_backward_reads_only_what_the_gradient_needs():
    x = leaf(3)
    h = F.mul_scalar(x, 2.0)
    y = F.add_scalar(h, 1.0)
    y.forward(clear_buffer=True)
    y.g = 1
    h.need_grad = True
    h.grad.zero()
    y.parent.backward([h], [y])
    np.testing.assert_array_equal(h.g, 1)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("dropout", F.dropout),
        ("dropout", lambda x: F.dropout(x, seed=3)),
        ("random_flip", lambda x: F.random_flip(x, base_axis=0)),
        ("random_choice", lambda x: F.random_choice(x, x, (2,))),
    ],
)
def test_numbers_that_were_never_drawn_cannot_be_drawn_again(name, call):
    x = leaf(3)
    y = call(x)
    f = y.parent
    words = f"^{name}: it has drawn no numbers yet that could be used again; run forward\\(\\) first"
    with pytest.raises(GraphError, match=words):
        f.recompute(f.inputs, [y])
    y.g = 1
    with pytest.raises(GraphError, match=words):
        f.backward(f.inputs, [y])
    y.forward()
    before = y.d.copy()
    f.recompute(f.inputs, [y])
    np.testing.assert_array_equal(y.d, before)


@pytest.mark.parametrize("function", [lambda x: F.max_pooling(x, (1, 2)), lambda x: F.sort(x), lambda x: F.max(x, 2)])
def test_backward_before_forward_where_the_inputs_say_all(function):
    """NNabla 1.39 reads memory here that nothing was written to."""
    x = leaf(1, 2, 2)
    y = function(x)
    y.g = 1
    y.parent.backward([x], [y], [False])
    found = x.g.copy()
    y.forward()
    y.parent.backward([x], [y], [False])
    np.testing.assert_array_equal(found, x.g)
    assert found.any()
