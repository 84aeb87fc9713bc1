"""Which intermediate variables keep their values under the clear options: those that NNabla 1.39 keeps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.graph.operator import registry

GRADIENT_READS = Path(__file__).parents[1] / "reference" / "gradient_reads.json"

OPTIONS = [{"clear_buffer": True}, {"clear_no_need_grad": True}]
either = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))


def cleared(*variables):
    return [v.data.clear_called for v in variables]


def start():
    """A variable that a function made."""
    x = nn.Variable((2, 2))
    x.d = 1
    return F.sin(x)


@either
def test_what_only_the_graph_reads_is_freed(options):
    h = start()
    r = F.relu(h)
    s = h + r
    y = F.sum(s)
    y.forward(**options)
    assert cleared(h, r, s, y) == [True, True, True, False]


@either
def test_what_another_graph_reads_is_kept(options):
    h = start()
    prediction = F.exp(h)
    loss, error = F.sum(prediction), F.mean(prediction)
    loss.forward(**options)
    assert cleared(h, prediction, loss) == [True, False, False]
    np.testing.assert_allclose(prediction.d, np.exp(np.sin(1)), rtol=1e-6)
    error.forward(**options)
    assert cleared(h, prediction, error) == [True, False, False]
    # A graph that is gone reads nothing.
    del error
    loss = F.sum(prediction)
    loss.forward(**options)
    assert cleared(prediction) == [True]


@either
def test_forward_all_keeps_what_several_of_its_variables_are_made_of(options):
    h = start()
    r = F.relu(h)
    s = h + r
    loss, error = F.sum(s), F.mean(s)
    nn.forward_all([loss, error], **options)
    assert cleared(h, r, s, loss, error) == [True, True, False, False, False]
    h = start()
    a, b = F.exp(h), F.cos(h)
    loss, error = F.sum(a), F.sum(b)
    nn.forward_all([loss, error], **options)
    assert cleared(h, a, b, loss, error) == [False, True, True, False, False]
    # One of the variables leads to the other.
    h = start()
    a = F.exp(h)
    y = F.sum(a)
    for variables in ([a, y], [y, a]):
        nn.forward_all(variables, **options)
        assert cleared(h, a, y) == [True, False, False]


@either
@pytest.mark.parametrize("trained", [False, True])
def test_outputs_that_are_held_but_not_read_are_kept(options, trained):
    x = nn.Variable((4, 2), need_grad=trained)
    x.d = 1
    a, b = F.split(F.sin(x), axis=1)
    y = F.sum(F.exp(a))
    y.forward(**options)
    assert cleared(a, b, y) == [True, False, False]
    np.testing.assert_allclose(b.d, np.full(4, np.sin(1)), rtol=1e-6)


def test_the_last_state_of_an_lstm_is_there_for_the_next_sequence():
    """Neither forward nor backward frees it, in a loop that carries it over without `persistent`."""
    nn.clear_parameters()
    x, h, c = nn.Variable((3, 2, 4)), nn.Variable((1, 1, 2, 5)), nn.Variable((1, 1, 2, 5))
    x.d = np.random.RandomState(0).randn(*x.shape)
    h.d = c.d = 0
    y, hn, cn = PF.lstm(x, h, c)
    loss = F.mean(y * y)
    for _ in range(2):
        loss.forward(clear_no_need_grad=True)
        loss.backward(clear_buffer=True)
        h.d, c.d = hn.d, cn.d
        assert h.d.any() and c.d.any()


@either
def test_a_sink_keeps_values_and_gradients_of_its_inputs(options):
    x = nn.Variable.from_numpy_array([1.0, 2.0, 3.0], need_grad=True)
    a = F.sin(x)
    b = F.cos(a)
    h = F.mul_scalar(b, 2.0)
    c = F.exp(h)
    y = F.sink(a, b, c)
    for _ in range(2):
        x.grad.zero()
        y.forward(**options)
        assert cleared(a, b, h, c) == [False, False, True, False]
        np.testing.assert_allclose(b.d, np.cos(np.sin([1, 2, 3])), rtol=1e-6)
    if "clear_buffer" in options:
        y.forward()
    y.backward(clear_buffer=True)
    assert cleared(a, b, h, c) == [False, False, True, False]
    # Seen on NNabla 1.39: only b and c have nothing but 1 from the sink, and what reaches a is added.
    np.testing.assert_array_equal(c.g, 1)
    db = 1 + 2 * np.exp(2 * np.cos(np.sin([1, 2, 3])))
    np.testing.assert_allclose(b.g, db, rtol=1e-6)
    da = 1 - db * np.sin(np.sin([1, 2, 3]))
    np.testing.assert_allclose(a.g, da, rtol=1e-5)
    np.testing.assert_allclose(x.g, da * np.cos([1, 2, 3]), rtol=1e-5)


@either
def test_losses_that_are_reached_by_a_sink(options):
    """The example that gave the part its name: 0.0 was read for both."""
    h = start()
    a, b = F.sum(h), F.mean(F.exp(h))
    F.sink(a, b).forward(**options)
    np.testing.assert_allclose([a.d, b.d], [4 * np.sin(1), np.exp(np.sin(1))], rtol=1e-6)


@either
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("inside", [True, False])
def test_the_array_of_an_output_that_a_leaf_was_given_is_kept(options, when, inside):
    """NNabla 1.39 frees it in most cases."""
    x, h0 = nn.Variable.from_numpy_array([1.0, 2.0], need_grad=True), nn.Variable((2,))
    h0.d = 0
    carried = h0 if inside else nn.Variable((2,))
    h = F.tanh(x + h0)
    y = F.sum(F.mul_scalar(h, 2.0))
    if when == "after":
        y.forward(**options)
        assert cleared(h) == ["clear_buffer" in options]
        h.d = 0
    carried.data = h.data
    state = np.zeros(2)
    for _ in range(3):
        y.forward(**options)
        state = np.tanh(np.array([1, 2]) + (state if inside else 0))
        np.testing.assert_allclose(carried.d, state, rtol=1e-6)
        assert carried.data is h.data
    y.forward()
    y.backward(clear_buffer=True)
    assert carried.d.all()


def test_backward_keeps_what_no_gradient_goes_through():
    """As seen on NNabla 1.39."""
    x, c = nn.Variable.from_numpy_array([1.0, 2.0], need_grad=True), nn.Variable.from_numpy_array([3.0, 4.0])
    fixed = F.sin(c)
    trained = F.sin(x)
    y = F.sum(trained * fixed)
    y.forward()
    x.grad.zero()
    y.backward(clear_buffer=True)
    assert cleared(fixed, trained) == [False, True]
    np.testing.assert_allclose(fixed.d, np.sin([3, 4]), rtol=1e-6)
    x.need_grad = False
    y.forward()
    y.backward(clear_buffer=True)
    assert cleared(fixed, trained) == [False, False]


# Where the gradient of NNabla reads more, and the value is freed here all the same.
FREED = {
    "ReLU6": "what is before it is the largest there is in a mobile network, and is written over",
}


def test_what_the_gradients_of_nnabla_read_is_kept():
    """Scripts look at it after ``forward(clear_no_need_grad=True)``."""
    recorded = json.loads(GRADIENT_READS.read_text(encoding="utf-8"))
    freed = {}
    for name, reads in recorded.items():
        operator = registry[name]
        if not operator.differentiable:
            continue
        declared = [i.name for i in operator.declaration.inputs]
        names = {**{f"x{i}": n for i, n in enumerate(declared)}, **{f"y{i}": n for i, n in enumerate(operator.outputs)}}
        if operator.declaration.variadic:
            names.update(dict.fromkeys([read for read in reads if read.startswith("x")], declared[0]))
        lists = {"x": declared, "y": operator.outputs}
        kept = set(operator.held) | {lists[role][i] for role, i in operator.declaration.grad_roles if role in lists}
        if operator.grad is None:
            kept.update(declared)
        if not {names[read] for read in reads} <= kept:
            freed[name] = reads
    assert freed.keys() == FREED.keys()


@pytest.mark.parametrize("function", [F.elu, lambda x: F.maximum_scalar(x, 0.5), F.tan])
def test_what_only_the_gradient_of_nnabla_reads_is_there(function):
    x = nn.Variable.from_numpy_array([1.0, -2.0], need_grad=True)
    h = F.add_scalar(x, 1.0)
    y = F.sum(function(h))
    y.forward(clear_no_need_grad=True)
    np.testing.assert_array_equal(h.d, [2, -1])
    x.grad.zero()
    y.backward(clear_buffer=True)
    assert cleared(h) == [True]
