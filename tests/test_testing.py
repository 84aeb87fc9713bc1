"""`nnabla.testing`: comparison with a tolerance, and what the clear options free when, as NNabla 1.39 frees it."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.testing import assert_allclose
from nnabla.testing import clear_called_flag_recorder as recorder


def test_tolerance():
    assert_allclose(np.array([1.0 + 1.05e-5, 9e-7]), np.array([1.0, 0.0]))
    assert_allclose(np.ones((2, 2)), 1)
    assert_allclose([np.nan], [np.nan])
    for actual, desired, options in (
        ([1.0 + 1.2e-5], [1.0], {}),
        ([np.nan], [np.nan], {"equal_nan": False}),
        (np.ones((2, 1)), np.ones(2), {}),
        ([1.0], [1.001], {"rtol": 0.0, "atol": 1e-4}),
    ):
        with pytest.raises(AssertionError, match=r"Not equal to tolerance rtol=.*\nthe text"):
            assert_allclose(actual, desired, err_msg="the text", **options)


@pytest.fixture(autouse=True)
def recording():
    recorder.activate_clear_called_flag_recorder()
    yield
    recorder.deactivate_clear_called_flag_recorder()
    assert recorder.get_input_clear_called_flags() == recorder.get_output_clear_called_flags() == []


NOT, DATA, GRAD, BOTH = (False, False), (True, False), (False, True), (True, True)


def chain() -> nn.Variable:
    h = PF.affine(nn.Variable.from_numpy_array(np.ones((2, 3))), 4, name="a")
    return F.sum(F.tanh(F.sigmoid(F.relu(h))))


@pytest.mark.parametrize(
    ("options", "freed"),
    [
        ({}, [[NOT] * 3, [NOT], [NOT], [NOT], [NOT]]),
        ({"clear_no_need_grad": True}, [[NOT] * 3, [DATA], [NOT], [NOT], [NOT]]),
        ({"clear_buffer": True}, [[NOT] * 3, [DATA], [DATA], [DATA], [DATA]]),
    ],
)
def test_forward_of_a_chain(options, freed):
    chain().forward(**options)
    assert recorder.get_input_clear_called_flags() == freed
    assert recorder.get_output_clear_called_flags() == [[NOT]] * 5


def test_backward_of_a_chain():
    y = chain()
    y.forward(clear_no_need_grad=True)
    recorder.deactivate_clear_called_flag_recorder()
    recorder.activate_clear_called_flag_recorder()
    y.backward(clear_buffer=True)
    assert recorder.get_input_clear_called_flags() == [[NOT], [NOT], [NOT], [DATA], [NOT] * 3]
    assert recorder.get_output_clear_called_flags()[1:] == [[BOTH]] * 4


def branches(need_grad: bool) -> nn.Variable:
    x = nn.Variable.from_numpy_array(np.ones((2, 3)), need_grad=need_grad)
    a = F.relu(x)
    c, d = F.split(a + F.sigmoid(a), axis=0)
    return c * d


@pytest.mark.parametrize("need_grad", [False, True])
@pytest.mark.parametrize("option", ["clear_buffer", "clear_no_need_grad"])
def test_forward_of_branches(option, need_grad):
    branches(need_grad).forward(**{option: True})
    kept = NOT if need_grad and option == "clear_no_need_grad" else DATA
    assert recorder.get_input_clear_called_flags() == [[NOT], [NOT], [kept] * 2, [DATA], [kept] * 2]
    assert recorder.get_output_clear_called_flags() == [[NOT], [NOT], [NOT], [NOT] * 2, [NOT]]


def test_records_add_up_until_deactivated():
    y = chain()
    y.forward(clear_buffer=True)
    recorder.activate_clear_called_flag_recorder()
    y.forward(clear_buffer=True)
    assert len(recorder.get_input_clear_called_flags()) == 10
    recorder.deactivate_clear_called_flag_recorder()
    y.forward(clear_buffer=True)
    assert recorder.get_input_clear_called_flags() == []
    with nn.auto_forward():
        branches(True)
    assert recorder.get_output_clear_called_flags() == []


def test_without_the_recorder_small_arrays_are_freed_together():
    """A plan that was compiled for the recorder does not serve others, nor the other way round."""
    recorder.deactivate_clear_called_flag_recorder()
    y = chain()
    y.forward(clear_buffer=True)
    steps = len(y._plans[True, False].bound.steps)
    recorder.activate_clear_called_flag_recorder()
    y.forward(clear_buffer=True)
    assert len(y._plans[True, False, "watched"].bound.steps) == steps + 3
    recorder.deactivate_clear_called_flag_recorder()
    y.forward(clear_buffer=True)
    assert len(y._plans[True, False].bound.steps) == steps
