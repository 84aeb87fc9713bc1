"""Functions of several types in one graph: what is converted, and what need not be there to be converted."""

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
from nnabla.engine.steps import LeafSlot
from nnabla.graph.operator import Kind
from nnabla.graph.variable import Buffers


@pytest.mark.parametrize("clear_buffer", [False, True])
def test_an_input_that_no_gradient_reads_may_be_gone(clear_buffer):
    """Its reader has another type; the gradient of ReLU goes by the output."""
    x = nn.Variable.from_numpy_array(np.array([[1.0, -2.0]], np.float32))
    x.need_grad = True
    x.grad.zero()
    with nn.context_scope(nn.Context(["cpu:double"])):
        h = F.mul_scalar(x, 3)
    y = F.relu(h)
    y.forward(clear_no_need_grad=True)
    y.backward(clear_buffer=clear_buffer)
    np.testing.assert_array_equal(x.g, [[3, 0]])


def test_real_numbers_of_another_type_among_integers():
    """A function that takes integers as they are converts anything else."""
    x = nn.Variable.from_numpy_array(np.array([5.5, -5.5]))
    with nn.context_scope(nn.Context(["cpu:double"])):
        h = F.mul_scalar(x, 1)
    y = F.mod2(h, nn.Variable.from_numpy_array(np.array([3.0, 3.0])))
    y.forward()
    assert y.d.dtype == np.float32
    np.testing.assert_array_equal(y.d, [2.5, -2.5])


def test_integers_move_to_the_device_of_their_reader():
    array = nn.NdArray.from_numpy_array(np.array([1, 2], np.int32))
    slot = LeafSlot(Buffers(array), torch.float32, torch.device("meta"), Kind.WHOLE)
    slot.load()
    assert slot._tensor.device.type == "meta"
    assert slot._tensor.dtype is torch.int32
