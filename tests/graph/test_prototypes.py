"""A call like one before starts from a copy of its operator, and cannot be told from a first one."""

import gc
import weakref
from functools import partial
from types import FunctionType

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.function as nodes
import nnabla.functions as F
from nnabla.errors import ArgumentError, ShapeError
from nnabla.graph.operator import Operator, registry
from nnabla.graph.prototype import _MOST

from ..operators.cases import ALL
from ..operators.observe import REFUSALS, call, variables


@pytest.fixture(autouse=True)
def forgotten():
    for cls in registry.values():
        cls.prototypes.clear()


def test_nodes_share_nothing_that_changes():
    """What forward keeps for the gradient belongs to one node."""
    x0, x1 = (nn.Variable((2, 3), need_grad=True) for _ in range(2))
    x0.d, x1.d = [[3, 1, 2], [1, 2, 3]], [[1, 2, 3], [3, 2, 1]]
    y0, y1 = F.max(x0, axis=1), F.max(x1, axis=1)
    assert registry["Max"].prototypes
    assert y0.parent._operator is not y1.parent._operator
    nn.forward_all([y0, y1])
    x0.g = x1.g = 0
    y0.backward()
    y1.backward()
    np.testing.assert_array_equal(x0.g, [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(x1.g, [[0, 0, 1], [1, 0, 0]])


def test_draws_of_nodes_differ():
    masks = [F.dropout(nn.Variable.from_numpy_array(np.ones((64,))), 0.5) for _ in range(2)]
    nn.forward_all(masks)
    assert (masks[0].d != masks[1].d).any()


def test_contexts_are_told_apart():
    x = nn.Variable((2,))
    double, half = nn.Context(["cpu:double"]), nn.Context(["cpu:half"])
    found = []
    for context in (double, half, double):
        with nn.context_scope(context):
            y = F.exp(x)
        y.forward()
        found.append(y.d.dtype)
    assert found == [np.float64, np.float16, np.float64]


def test_a_context_changed_in_place():
    context = nn.Context(["cpu:float"])
    x = nn.Variable((2,))
    with nn.context_scope(context):
        F.exp(x)
        context.backend = ["cpu:double"]
        y = F.exp(x)
    y.forward()
    assert y.d.dtype == np.float64


@pytest.mark.parametrize("first", [0.0, -0.0])
def test_signs_of_zero_are_told_apart(first):
    x = nn.NdArray.from_numpy_array([1.0])
    assert np.signbit(F.mul_scalar(x, first).data)[0] == np.signbit(first)
    assert np.signbit(F.mul_scalar(x, -first).data)[0] == np.signbit(-first)


def test_equal_values_of_other_types_mean_the_same():
    x = nn.Variable((1, 1, 5, 5))
    w = nn.Variable((1, 1, 3, 3))
    for pad in ((1, 1), (1.0, 1.0), [1, 1], np.array([1, 1])):
        y = F.convolution(x, w, pad=pad)
        assert y.shape == (1, 1, 5, 5)
        assert y.parent.info.args["pad"] == [1, 1]
        assert all(type(p) is int for p in y.parent.info.args["pad"])


def test_errors_come_again():
    x, w = nn.Variable((2, 3)), nn.Variable((4, 5))
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"weight.shape\[0\] must be 3"):
            F.affine(x, w)
        with pytest.raises(ArgumentError):
            F.softmax(x, axis=2)


def test_memory_is_bounded_and_holds_no_variables():
    for n in range(1, 2 * _MOST):
        F.relu(nn.Variable((n,)))
    assert 0 < len(registry["ReLU"].prototypes) <= _MOST
    x = nn.Variable((7, 7), need_grad=True)
    dead = weakref.ref(x)
    F.relu(x)
    del x
    gc.collect()
    assert dead() is None


def test_optional_inputs_are_told_apart():
    x, w, b = nn.Variable((2, 3)), nn.Variable((3, 4)), nn.Variable((4,))
    x.d, w.d, b.d = 1, 1, 1
    for bias, expected in ((b, 4), (None, 3), (b, 4)):
        y = F.affine(x, w, bias)
        y.forward()
        np.testing.assert_array_equal(y.d, np.full((2, 4), expected))


@pytest.mark.parametrize("no_scale, no_bias", [(False, True), (True, False), (True, True)])
def test_nodes_without_inputs_that_their_arguments_rule_out(no_scale, no_bias):
    """As a network's file lists them."""
    x, beta, gamma, mean, variance = (nn.Variable(s) for s in ((2, 3), *[(1, 3)] * 4))
    x.d, beta.d, gamma.d, mean.d, variance.d = np.arange(6).reshape(2, 3), 5, 2, 0, 1
    parameters = [v for v, gone in ((beta, no_bias), (gamma, no_scale)) if not gone]
    node = nodes.BatchNormalization(nn.Context(), (1,), 0.9, 1e-5, True, no_scale, no_bias)
    y = node(x, *parameters, mean, variance)
    y.forward()
    expected = np.array([[-1.0] * 3, [1.0] * 3]) * (1 if no_scale else 2) + (0 if no_bias else 5)
    np.testing.assert_allclose(y.d, expected, rtol=1e-4)


class _Number:
    """Converts to a float, as arguments of many libraries do, and may change."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return self.value


def _filled(value):
    return torch.tensor(value)


@pytest.mark.parametrize("make, change", [(_Number, "__init__"), (_filled, "fill_")])
def test_arguments_that_change(make, change):
    x = nn.NdArray.from_numpy_array([1.0])
    number = make(0.5)
    assert F.add_scalar(x, number).data[0] == 1.5
    getattr(number, change)(2.0)
    assert F.add_scalar(x, number).data[0] == 3.0


def test_a_generator_is_used_up():
    x = nn.Variable((2, 3))
    order = (axis for axis in (1, 0))
    assert F.transpose(x, order).shape == (3, 2)
    with pytest.raises((ShapeError, ArgumentError)):
        F.transpose(x, order)


@pytest.mark.parametrize("first", [0.0, -0.0])
def test_signs_of_zero_in_lists_are_told_apart(first):
    x = nn.Variable((1, 3, 4, 4))
    for low in (first, -first):
        found = F.random_erase(x, replacements=(low, 1.0)).parent.info.args["replacements"][0]
        assert np.signbit(found) == np.signbit(low)


def _changing(value):
    """What two operators must not share, as far as `value` leads to it."""
    if isinstance(value, (Operator, torch.Generator)):
        return [value]
    if isinstance(value, (tuple, list)):
        return [found for v in value for found in _changing(v)]
    if isinstance(value, dict):
        return _changing(list(value.values()))
    if isinstance(value, partial):
        return _changing([value.func, *value.args, *value.keywords.values()])
    if isinstance(value, FunctionType):
        return _changing([cell.cell_contents for cell in value.__closure__ or ()])
    if type(value).__module__.startswith("nnabla.operators"):
        return _changing(list(vars(value).values()))
    return _changing([getattr(value, "__self__", None)]) if callable(value) else []


def test_prototypes_hold_nothing_that_changes():
    """Neither an operator, nor a method of one, nor random numbers: in no case of any function."""
    checked = 0
    for case in ALL:
        if case.is_node:
            continue
        try:
            call(case, variables(case, case.arrays()))
        except REFUSALS:
            continue
        for name, cls in registry.items():
            for prototype in cls.prototypes.values():
                assert _changing([v for k, v in prototype.state.items() if k != "context"]) == [], f"{name} in {case}"
                checked += 1
            cls.prototypes.clear()
    assert checked > 1000
