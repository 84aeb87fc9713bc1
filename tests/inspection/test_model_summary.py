"""`nnabla.summary`: layers, shapes, parameters, operations."""

from __future__ import annotations

import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

from .networks import lenet_loss


def test_lenet():
    loss, _ = lenet_loss(batch=2)
    found = nn.summary(loss)
    assert found.parameters == sum(v.size for v in nn.get_parameters().values()) == 416 + 6416 + 12850 + 510
    assert found.trained == found.parameters
    assert [layer.type for layer in found.layers][:3] == ["Convolution", "MaxPooling", "ReLU"]
    first = found.layers[0]
    assert (first.name, first.inputs, first.outputs) == ("conv1/conv", ((2, 1, 28, 28),), ((2, 16, 24, 24),))
    convolutions = 2 * 2 * 16 * (24 * 24 * 25 + 8 * 8 * 16 * 25)
    assert found.operations == convolutions + 2 * 2 * (256 * 50 + 50 * 10)


def test_shared_and_fixed_parameters():
    nn.clear_parameters()
    x = nn.Variable((2, 3))
    y = PF.batch_normalization(x, name="bn")
    both = [PF.affine(y, 3, name="a"), PF.affine(y, 3, name="a")]
    found = nn.summary(both)
    assert [layer.parameters for layer in found.layers] == [12, 12, 0]
    assert (found.parameters, found.trained) == (24, 18)
    assert str(found).splitlines()[-1] == "24 parameters (18 trained), 72 FLOP in a forward"
    assert repr(found) == str(found)


def test_notebook():
    x = nn.Variable((2, 3))
    html = nn.summary(F.relu(x))._repr_html_()
    assert "<td>ReLU</td>" in html and "0 parameters" in html


def test_several_outputs():
    ys = F.split(nn.Variable((2, 3)), axis=1)
    assert nn.summary(ys).layers[0].outputs == ((2,), (2,), (2,))


def test_bad_calls():
    with pytest.raises(TypeError, match="summary: variables must be Variables, not int"):
        nn.summary([3])
