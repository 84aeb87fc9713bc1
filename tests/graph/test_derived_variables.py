"""Classes derived from `Variable`: `__new__` makes all of a variable, and `__init__` resets nothing, as in NNabla."""

import inspect

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F


class Scaled(nn.Variable):
    """With arguments of its own in `__new__`."""

    def __new__(cls, shape, scale, need_grad=True, **more):
        made = super().__new__(cls, shape, need_grad)
        made.scale = scale
        return made


class Initialized(Scaled):
    def __init__(self, shape, scale, need_grad=True):
        super().__init__()


class Tagged(nn.Variable):
    """With `__init__` alone."""

    def __init__(self, tag, *shape):
        super().__init__(shape, need_grad=True)
        self.tag = tag


def facts(variable):
    return type(variable), variable.shape, variable.need_grad


def test_new_makes_all_of_a_variable():
    assert facts(nn.Variable.__new__(nn.Variable, (2, 3), need_grad=True)) == (nn.Variable, (2, 3), True)
    assert nn.Variable.__new__(nn.Variable, (2, 3), True, "info").info == "info"
    assert facts(nn.Variable.__new__(nn.Variable)) == (nn.Variable, (), False)


@pytest.mark.parametrize("arguments", [((), {}), (((5,),), {}), (((2, 3), False), {}), ((), {"info": 1})])
def test_init_resets_nothing(arguments):
    v = nn.Variable((2, 3), need_grad=True)
    v.d = np.arange(6).reshape(2, 3)
    v.name = "v"
    y = F.sin(v)
    v.__init__(*arguments[0], **arguments[1])
    assert (facts(v), v.name, v.info) == ((nn.Variable, (2, 3), True), "v", None)
    np.testing.assert_array_equal(v.d, np.arange(6).reshape(2, 3))
    assert v.function_references == [y.parent]


@pytest.mark.parametrize("cls", [Scaled, Initialized])
def test_new_with_arguments_of_its_own(cls):
    v = cls((2, 3), 7)
    assert (facts(v), v.scale) == ((cls, (2, 3), True), 7)
    assert not cls((2, 3), 7, need_grad=False).need_grad
    v.d = 2
    y = F.sum(v)
    y.forward()
    v.g = 0
    y.backward()
    np.testing.assert_array_equal(v.g, 1)
    assert y.parent.inputs[0] is v
    assert type(v.get_unlinked_variable()) is nn.Variable


def test_arguments_that_only_new_knows():
    assert Scaled((2,), 7, more=3).shape == (2,)


def test_init_alone_with_arguments_of_its_own():
    """NNabla 1.39 hands these arguments to Variable."""
    v = Tagged("t", 2, 3)
    assert (facts(v), v.tag) == ((Tagged, (2, 3), True), "t")


def test_signatures():
    assert list(inspect.signature(nn.Variable).parameters) == ["shape", "need_grad", "info"]
    assert list(inspect.signature(Scaled).parameters) == ["shape", "scale", "need_grad", "more"]
    assert list(inspect.signature(Tagged).parameters) == ["tag", "shape"]
    with pytest.raises(TypeError, match="unexpected keyword argument 'shapes'"):
        nn.Variable(shapes=(2,))
