"""Methods of a `Function` called directly. All values as NNabla 1.39 has them."""

import numpy as np
import pytest
import torch

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


def masked(function, mask, at_once=False):
    """The output, and what is added to the gradients of three inputs, with some of them switched off."""
    xs = [leaf(3) for _ in range(3)]
    for i, x in enumerate(xs):
        x.d = np.arange(3) + 10**i
    y = function(*xs)
    y.parent.set_active_input_mask(mask)
    if at_once:
        y.parent.forward(xs, [y])
    else:
        y.forward()
    y.backward()
    return y.d.tolist(), [(x.g - 10).tolist() for x in xs]


def test_inputs_of_a_sum_are_switched_off():
    zeros, ones = [0, 0, 0], [1, 1, 1]
    assert masked(F.add_n, [True, True, True]) == ([111, 114, 117], [ones, ones, ones])
    assert masked(F.add_n, [True, False, True]) == ([101, 103, 105], [ones, zeros, ones])
    assert masked(F.add_n, [0, 1, 1]) == ([110, 112, 114], [zeros, ones, ones])
    assert masked(F.add_n, [False] * 3) == (zeros, [zeros] * 3)


def test_inputs_of_a_product_are_switched_off():
    zeros, ones = [0, 0, 0], [1, 1, 1]
    products = [1000, 2222, 3672], [[1000, 1111, 1224], [100, 202, 306], [10, 22, 36]]
    assert masked(F.mul_n, [True, True, True]) == products
    assert masked(F.mul_n, [True, False, True]) == ([100, 202, 306], [[100, 101, 102], zeros, [1, 2, 3]])
    assert masked(F.mul_n, [False, False, True]) == ([100, 101, 102], [zeros, zeros, ones])
    # Of no factors NNabla 1.39 gives what was in the memory before.
    assert masked(F.mul_n, [False] * 3) == (ones, [zeros] * 3)


def test_a_mask_may_change_between_runs():
    xs = [leaf(3) for _ in range(3)]
    y = F.add_n(*xs)
    z = F.sum(y)
    for mask in ([True] * 3, [True, False, True], [False, False, True], [True] * 3, [True, False, True]):
        y.parent.set_active_input_mask(mask)
        for x in xs:
            x.grad.zero()
        z.forward(clear_no_need_grad=True)
        z.backward(clear_buffer=True)
        assert float(z.d) == 6 * sum(mask)
        assert [x.g[0] for x in xs] == mask
        with_graph = nn.grad([z], xs)
        nn.forward_all(with_graph)
        assert [g.d[0] for g in with_graph] == mask
    for x in xs:
        x.reset_shape((4,), True)
        x.d = 1
    z.forward()
    assert float(z.d) == 8


def test_a_masked_function_computes_at_once_on_several_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert masked(F.add_n, [True, False, True]) == masked(F.add_n, [True, False, True], at_once=True)
    finally:
        torch.set_num_threads(threads)


def test_masks_are_refused_where_they_mean_nothing():
    x = leaf(3)
    with pytest.raises(GraphError, match="set_active_input_mask: Add2 takes all of its inputs; none can be switched"):
        F.add2(x, x).parent.set_active_input_mask([True, False])
    with pytest.raises(ArgumentError, match="mask must have 3 entries, as AddN has inputs, not 2"):
        F.add_n(x, x, x).parent.set_active_input_mask([True, False])


def fixed_weights(setups, iterations=(1, 3), runs=6):
    """How many weights of a layer of 8 are powers of two after each forward, set up again before some of them."""
    x, w, indicator = nn.Variable((1, 4)), nn.Variable((4, 2)), nn.Variable((4, 2))
    x.d, w.d, indicator.d = 1, np.linspace(0.1, 0.9, 8).reshape(4, 2), 0
    y = F.inq_affine(x, w, indicator, inq_iterations=iterations, selection_algorithm="largest_abs")
    found = []
    for run in range(runs):
        if run in setups:
            y.parent.setup(y.parent.inputs, [y])
        y.forward()
        found.append(int(indicator.d.sum()))
    return found


def test_setup_begins_incremental_quantization_again():
    assert fixed_weights([]) == [0, 4, 4, 8, 8, 8]
    assert fixed_weights([2]) == [0, 4, 4, 6, 6, 8]
    assert fixed_weights(range(6)) == [0] * 6


def test_another_batch_size_begins_incremental_quantization_again():
    x, w, indicator = nn.Variable((1, 4)), nn.Variable((4, 2)), nn.Variable((4, 2))
    x.d, w.d, indicator.d = 1, np.linspace(0.1, 0.9, 8).reshape(4, 2), 0
    y = F.inq_affine(x, w, indicator, inq_iterations=(1, 3), selection_algorithm="largest_abs")
    found = []
    for run in range(5):
        if run == 2:
            x.reset_shape((2, 4), True)
            x.d = 1
        y.forward()
        found.append(int(indicator.d.sum()))
    assert found == [0, 4, 4, 6, 6]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.dropout(x, 0.5, seed=3),
        lambda x: F.randn(shape=(40,), seed=3),
        lambda x: F.random_choice(x, x, (40,), seed=3),
        lambda x: F.random_shift(x, (20,), base_axis=0, seed=3),
    ],
)
def test_setup_begins_the_random_numbers_of_a_seed_again(call):
    x = leaf(40)
    y = call(x)
    runs = []
    for run in range(4):
        if run == 2:
            y.parent.setup(y.parent.inputs, [y])
        y.forward()
        runs.append(y.d.tolist())
    assert runs[0] == runs[2]
    assert runs[1] == runs[3]
    assert runs[0] != runs[1]
