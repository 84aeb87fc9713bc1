"""A plan equals a naive interpreter of the same graph, whatever the options, however often it is replayed."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nnabla as nn
import nnabla.functions as F

from .interpreter import interpret

UNARY = [F.tanh, F.sigmoid, F.relu, F.swish, F.sin, F.identity]
UNARY += [lambda x: F.mul_scalar(x, 0.5), lambda x: F.add_scalar(x, 1.0)]
BINARY = [F.add2, F.sub2, F.mul2]


@st.composite
def graphs(draw):
    """A random graph of matrices: (root, leaves, all intermediate variables)."""
    shapes = [(3, 4), (1, 4), (3, 1)]
    leaves = []
    for i in range(draw(st.integers(1, 4))):
        leaf = nn.Variable(draw(st.sampled_from(shapes)), need_grad=True)
        leaf.d = np.random.RandomState(i + draw(st.integers(0, 100))).uniform(-1, 1, leaf.shape).astype(np.float32)
        leaves.append(leaf)
    pool = list(leaves)
    made = []
    for _ in range(draw(st.integers(1, 12))):
        x = draw(st.sampled_from(pool))
        kinds = ["unary", "binary", "transpose", "reshape", "affine"] + ["split"] * (x.shape[0] > 1)
        kind = draw(st.sampled_from(kinds))
        if kind == "unary":
            new = [draw(st.sampled_from(UNARY))(x)]
        elif kind == "binary":
            new = [
                draw(st.sampled_from(BINARY))(x, draw(st.sampled_from([v for v in pool if v.ndim == 2 and fits(v, x)])))
            ]
        elif kind == "transpose":
            new = [F.transpose(F.transpose(x, (1, 0)), (1, 0))]
        elif kind == "reshape":
            new = [F.reshape(F.tanh(F.reshape(x, (-1,))), x.shape)]
        elif kind == "affine":
            w = nn.Variable((x.shape[1], x.shape[1]), need_grad=True)
            w.d = np.random.RandomState(len(pool)).uniform(-1, 1, w.shape).astype(np.float32)
            leaves.append(w)
            new = [F.affine(x, w)]
        else:
            new = [F.stack(*F.split(x, axis=0), axis=0)]
        made += new
        pool += new
    return made[-1], leaves, made


def fits(a, b):
    return all(p == q or p == 1 or q == 1 for p, q in zip(a.shape, b.shape, strict=True))


OPTIONS = [
    (dict(), dict()),
    (dict(clear_no_need_grad=True), dict(clear_buffer=True)),
    (dict(), dict(clear_buffer=True)),
    (dict(clear_no_need_grad=True), dict()),
]


@given(graphs(), st.sampled_from(OPTIONS), st.integers(0, 2**16), st.data())
@settings(max_examples=120, deadline=None)
def test_plan_equals_interpreter(graph, options, seed, data):
    root, leaves, made = graph
    for v in data.draw(st.lists(st.sampled_from(made), max_size=3)):
        v.persistent = True
    for v in data.draw(st.lists(st.sampled_from(made), max_size=3)):
        v.recompute = True
    dy = np.random.RandomState(seed).uniform(-1, 1, root.shape).astype(np.float32)
    forward, backward = options
    for _ in range(2):
        y, grads = interpret(root, leaves, torch.from_numpy(dy).double())
        for leaf in leaves:
            leaf.grad.zero()
        root.forward(**forward)
        np.testing.assert_allclose(root.d, y.numpy(), rtol=1e-5, atol=1e-5)
        root.backward(dy, **backward)
        for leaf, grad in zip(leaves, grads, strict=True):
            np.testing.assert_allclose(leaf.g, grad.numpy(), rtol=1e-4, atol=1e-4)
        root.forward(**forward)
        root.backward(dy, **backward)
        for leaf, grad in zip(leaves, grads, strict=True):
            np.testing.assert_allclose(leaf.g, 2 * grad.numpy(), rtol=1e-4, atol=2e-4)
        for leaf in leaves:
            leaf.d = leaf.d * np.float32(0.9)


@given(graphs(), st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_dynamic_equals_static(graph, seed):
    root, leaves, _ = graph
    root.forward()
    for leaf in leaves:
        leaf.grad.zero()
    root.backward()
    static = [leaf.g.copy() for leaf in leaves]
    values = {leaf: leaf for leaf in leaves}
    functions = []
    root.visit(functions.append)
    with nn.auto_forward():
        for function in functions:
            outputs = function(*[values.get(x, x) for x in function.inputs])
            for old, new in zip(function.outputs, outputs if isinstance(outputs, tuple) else (outputs,), strict=True):
                values[old] = new
    again = values[root]
    np.testing.assert_allclose(again.d, root.d, rtol=1e-6, atol=1e-6)
    for leaf in leaves:
        leaf.grad.zero()
    again.backward(clear_buffer=True)
    for leaf, grad in zip(leaves, static, strict=True):
        np.testing.assert_allclose(leaf.g, grad, rtol=1e-5, atol=1e-6)


def chain(x, count, factor=0.999):
    for _ in range(count):
        x = F.mul_scalar(x, factor)
    return x


def test_a_chain_of_10000_functions_runs_and_dies():
    x = nn.Variable((2,), need_grad=True)
    x.d = 1
    y = chain(x, 10_000)
    y.forward(clear_no_need_grad=True)
    np.testing.assert_allclose(y.d, 0.999**10_000, rtol=1e-2)
    x.grad.zero()
    y.backward(clear_buffer=True)
    np.testing.assert_allclose(x.g, 0.999**10_000, rtol=1e-2)
    count = []
    y.visit(count.append)
    assert len(count) == 10_000
    del y, count
    gc.collect()


def test_time_grows_with_the_number_of_functions_not_its_square():
    from time import thread_time  # other processes do not matter

    def seconds(count, factor):
        x = nn.Variable((2,), need_grad=True)
        x.d, x.g = 1, 0
        start = thread_time()
        y = chain(x, count, factor)
        y.forward()
        y.backward()
        return thread_time() - start

    # Each compiled: none has the form of another.
    seconds(500, 0.5)
    few, many = min(seconds(1000, f) for f in (0.1, 0.2, 0.3)), min(seconds(8000, f) for f in (0.1, 0.2))
    # 8 times the functions; a quadratic part would show as a factor of 64.
    assert many < 30 * few


def test_graphs_are_freed_without_the_garbage_collector():
    x = nn.Variable((2,), need_grad=True)
    x.d, x.g = 1, 0
    gc.disable()
    try:
        y = F.tanh(F.mul2(x, x))
        y.forward()
        y.backward()
        function = weakref.ref(y.parent)
        del y
        assert function() is None
        with nn.auto_forward():
            y = F.tanh(x)
        y.backward()
        function = weakref.ref(y.parent)
        del y
        assert function() is None
    finally:
        gc.enable()


def test_replay_sees_new_values_of_leaves():
    x = nn.Variable((2,), need_grad=True)
    y = F.mul_scalar(x, 2.0)
    for value in ([1.0, 2.0], np.array([3, 4]), np.array([5.0, 6.0]), np.array([7, 8], np.float32)):
        x.d = value
        y.forward()
        np.testing.assert_array_equal(y.d, 2 * np.asarray(value))
    x.data = nn.NdArray.from_numpy_array(np.array([9.0, 10.0]))
    y.forward()
    np.testing.assert_array_equal(y.d, [18, 20])
    x.data.fill(3)
    y.forward()
    np.testing.assert_array_equal(y.d, [6, 6])


def test_replay_sees_flags_set_in_between():
    x, w = (nn.Variable((2,), need_grad=True) for _ in range(2))
    x.d, w.d = [1, 2], [3, 4]
    y = F.mul2(x, w)
    z = F.sum(F.tanh(y))
    for _ in range(3):
        for need_x, need_w in ((True, True), (False, True), (True, False)):
            x.need_grad, w.need_grad = need_x, need_w
            x.g, w.g = 0, 0
            z.forward()
            z.backward()
            assert bool(np.any(x.g)) == need_x
            assert bool(np.any(w.g)) == need_w
    y.need_grad = False
    x.g, w.g = 0, 0
    z.forward()
    z.backward()
    assert not np.any(x.g)
    assert not np.any(w.g)


def test_reset_shape_is_followed():
    x = nn.Variable((2, 3))
    y = F.sum(F.tanh(x), axis=1)
    x.d = 1
    y.forward()
    x.reset_shape((4, 3), True)
    x.d = 1
    y.forward()
    assert y.shape == (4,)
    np.testing.assert_allclose(y.d, 3 * np.tanh(1), rtol=1e-6)


def test_gradients_of_parameters_share_no_memory():
    a, b = (nn.Variable((3,), need_grad=True) for _ in range(2))
    a.d, b.d = 1, 2
    y = F.add2(a, b)
    y.forward()
    for v in (a, b):
        v.grad.zero()
    y.backward()
    a.g[...] = 5
    np.testing.assert_array_equal(b.g, 1)
    c = nn.Variable((2, 3), need_grad=True)
    c.d = 1
    c.grad.zero()
    z = F.sum(F.reshape(c, (6,)))
    z.forward()
    z.backward()
    c.g += 1
    np.testing.assert_array_equal(c.g, 2)


@pytest.mark.parametrize("make", [lambda x: F.transpose(x, (1, 0)), lambda x: F.slice(x, (0, 0), (1, 3)), F.identity])
def test_results_do_not_change_when_the_input_is_written(make):
    x = nn.Variable((2, 3))
    x.d = np.arange(6, dtype=np.float32).reshape(2, 3)
    y = make(x)
    y.forward()
    before = y.d.copy()
    x.d = 100
    x.d[...] = 7
    np.testing.assert_array_equal(y.d, before)
    a = nn.NdArray.from_numpy_array(np.arange(6, dtype=np.float32).reshape(2, 3))
    b = make(a)
    before = b.data.copy()
    a.data[...] = 7
    np.testing.assert_array_equal(b.data, before)


def test_integer_results_are_read_as_numbers():
    x = nn.Variable.from_numpy_array([[1.0, 5.0, 2.0], [7.0, 0.0, 3.0]], need_grad=True)
    index = F.max(x, axis=1, only_index=True)
    assert F.max(nn.NdArray.from_numpy_array(x.d), axis=1, only_index=True).dtype.kind == "i"
    y = F.mean(index)
    y.forward()
    assert (index.d.dtype.kind, y.d.dtype, float(y.d)) == ("i", np.float32, 0.5)
    value, place = F.max(x, axis=1, with_index=True)
    z = F.sum(F.add2(value, place))
    x.grad.zero()
    z.forward()
    z.backward()
    np.testing.assert_array_equal(x.g, [[0, 1, 0], [1, 0, 0]])
