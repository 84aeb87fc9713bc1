"""Which intermediate variables keep their values under the clear options: those that NNabla 1.39 keeps."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

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
