"""Parameters by name, and what is registered when something fails."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla import parameter
from nnabla.errors import ShapeError
from nnabla.initializer import ConstantInitializer


def names(grad_only=False):
    return list(nn.get_parameters(grad_only=grad_only))


def test_scopes_nest_and_names_have_slashes():
    x = nn.Variable((5, 2))
    with nn.parameter_scope("foo"):
        h = PF.affine(x, 3)
        with nn.parameter_scope("bar/baz"):
            PF.affine(h, 4, name="last")
        assert names() == ["affine/W", "affine/b", "bar/baz/last/affine/W", "bar/baz/last/affine/b"]
        nn.clear_parameters()
    assert names() == []


def test_an_existing_parameter_is_found_again():
    x = nn.Variable((5, 2))
    y = PF.affine(x, 3, name="a")
    z = PF.affine(x, 3, name="a")
    w = nn.get_parameters()["a/affine/W"]
    assert y.parent.inputs[1] == z.parent.inputs[1] == w
    assert parameter.get_parameter("a/affine/W") is w
    assert parameter.get_parameter("a/affine/X") is None
    assert parameter.get_parameter("a") is None
    fixed = PF.affine(x, 3, name="a", fix_parameters=True).parent.inputs[1]
    assert fixed == w
    assert not fixed.need_grad
    assert w.need_grad


def test_another_shape_is_refused_and_nothing_changes():
    PF.affine(nn.Variable((2, 3)), 4, name="a")
    with pytest.raises(ValueError, match=r"size of existing parameter 'W' \(3, 4\) is different .* \(5, 4\)"):
        PF.affine(nn.Variable((2, 5)), 4, name="a")
    assert {k: v.shape for k, v in nn.get_parameters().items()} == {"a/affine/W": (3, 4), "a/affine/b": (4,)}


def test_a_failing_parametric_function_registers_nothing():
    x = nn.Variable((2, 3, 4, 4))
    with pytest.raises(ShapeError):
        PF.convolution(x, 4, (30, 30), name="c")
    with pytest.raises(ShapeError):
        PF.affine(x, 4, w_init=np.ones((3, 4)), name="a")
    with pytest.raises(ShapeError, match=r"initializer of 'W' must return shape"):
        PF.affine(x, 4, w_init=lambda shape: np.ones(3), name="a")
    with pytest.raises(ValueError):
        PF.convolution(x, 4, (3, 3), group=2)
    assert names() == []
    PF.affine(x, 4, name="a")
    before = {k: v.d.copy() for k, v in nn.get_parameters().items()}
    with pytest.raises(TypeError):
        PF.affine(x, 4, base_axis="x", name="a")
    assert names() == list(before)


def test_get_parameter_or_create():
    create = parameter.get_parameter_or_create
    w = create("s/t/w", (2, 3), ConstantInitializer(2), need_grad=False)
    assert (w.shape, w.need_grad, w.d[0, 0], w.name) == ((2, 3), False, 2, "w")
    trained = create("s/t/w", need_grad=False, as_need_grad=True)
    assert trained == w
    assert trained.need_grad
    assert names(grad_only=True) == []
    assert create("array", None, np.ones((2, 2))).shape == (2, 2)
    with pytest.raises(ShapeError, match=r"initial value of 'other' must have shape \(2,\), not \(3,\)"):
        create("other", (2,), np.ones(3))
    with pytest.raises(ValueError, match="shape of the new parameter 'other' must be given"):
        create("other")
    assert names() == ["s/t/w", "array"]
    assert names(grad_only=True) == ["array"]


def test_a_layer_says_which_of_the_parameters_it_finds_are_trained():
    # Weights converted from elsewhere: from_numpy_array asks for no gradients unless told, and knows no statistics.
    parameter.set_parameter("affine/W", nn.Variable.from_numpy_array(np.ones((3, 2))))
    parameter.set_parameter("bn/mean", nn.Variable.from_numpy_array(np.ones((1, 2)), need_grad=True))
    PF.batch_normalization(PF.affine(nn.Variable((4, 3)), 2), axes=[1])
    assert names(grad_only=True) == ["affine/W", "affine/b", "bn/beta", "bn/gamma"]
    assert nn.get_parameters()["affine/W"].d.tolist() == np.ones((3, 2)).tolist()
    kept = nn.get_parameters()["affine/W"]
    parameter.get_parameter_or_create("affine/W", (3, 2), need_grad=False)
    assert not kept.need_grad


def test_flags_set_later_do_not_reach_into_graphs():
    y = F.sum(PF.affine(nn.Variable.from_numpy_array(np.ones((1, 3))), 2))
    for param in nn.get_parameters().values():
        param.need_grad = False
    for param in nn.get_parameters(grad_only=False).values():
        param.grad.zero()
    y.forward()
    y.backward()
    assert nn.get_parameters(grad_only=False)["affine/W"].g.tolist() == np.ones((3, 2)).tolist()
    assert names(grad_only=True) == []


def test_set_and_pop():
    v = nn.Variable((3,), need_grad=True)
    parameter.set_parameter("m/n", v)
    with pytest.raises(ValueError, match="'m' is a scope already"):
        parameter.set_parameter("m", v)
    with pytest.raises(ValueError, match="'n' is a parameter already"), nn.parameter_scope("m/n"):
        pass
    with pytest.raises(TypeError, match="param must be a Variable, not int"):
        parameter.set_parameter("x", 3)
    assert parameter.pop_parameter("m/n") is v
    assert parameter.pop_parameter("m/n") is None
    for key in ("", "nothing/at/all"):
        assert parameter.pop_parameter(key) is None
    # As on NNabla 1.39: a scope goes with all that it holds.
    parameter.set_parameter("outer/inner/w", v)
    parameter.set_parameter("outer/inner/v", v)
    assert parameter.pop_parameter("outer/inner/w/x") is None
    assert list(parameter.pop_parameter("outer/inner").items()) == [("w", v), ("v", v)]
    assert "outer" not in parameter.root_scope
    assert len(nn.get_current_parameter_scope()) == 0


@pytest.mark.parametrize("bad", [None, 3])
def test_a_scope_name_must_be_a_string(bad):
    with pytest.raises(TypeError, match="the name must be a string"), nn.parameter_scope(bad):
        pass


def test_the_scope_is_left_after_an_error():
    with pytest.raises(RuntimeError), nn.parameter_scope("a"):
        raise RuntimeError
    PF.affine(nn.Variable((1, 1)), 1)
    assert names() == ["affine/W", "affine/b"]


def test_initial_values_are_those_of_nnabla():
    # The first two values that NNabla 1.39 draws for each layer in this order.
    x = nn.Variable((2, 3, 8, 8))
    PF.affine(x, 4)
    PF.convolution(x, 4, (3, 3))
    PF.convolution(nn.Variable((2, 8, 8, 4)), 4, (3, 3), channel_last=True, group=2, name="last")
    PF.deconvolution(x, 4, (3, 3))
    PF.batch_normalization(x)
    PF.batch_normalization(x, axes=[1, 2], no_scale=True, name="n")
    PF.embed(nn.Variable((2,)), 5, 6)
    PF.affine(x, (4, 2), base_axis=2, name="q", with_bias=False)
    found = {k: (v.shape, v.need_grad, v.d.ravel()[:2].tolist()) for k, v in nn.get_parameters(grad_only=False).items()}
    expected = {
        "affine/W": ((192, 4), True, [-0.11703675, 0.01753288]),
        "affine/b": ((4,), True, [0, 0]),
        "conv/W": ((4, 3, 3, 3), True, [-0.01907978, 0.2964317]),
        "conv/b": ((4,), True, [0, 0]),
        "last/conv/W": ((4, 3, 3, 2), True, [-0.23546775, 0.03962767]),
        "last/conv/b": ((4,), True, [0, 0]),
        "deconv/W": ((3, 4, 3, 3), True, [-0.00895797, -0.04217981]),
        "deconv/b": ((4,), True, [0, 0]),
        "bn/beta": ((1, 3, 1, 1), True, [0, 0]),
        "bn/gamma": ((1, 3, 1, 1), True, [1, 1]),
        "bn/mean": ((1, 3, 1, 1), False, [0, 0]),
        "bn/var": ((1, 3, 1, 1), False, [1, 1]),
        "n/bn/beta": ((1, 3, 8, 1), True, [0, 0]),
        "n/bn/mean": ((1, 3, 8, 1), False, [0, 0]),
        "n/bn/var": ((1, 3, 8, 1), False, [1, 1]),
        "embed/W": ((5, 6), True, [1.0166357, -0.42962626]),
        "q/affine/W": ((64, 4, 2), True, [-0.21051094, 0.11414034]),
    }
    assert list(found) == list(expected)
    for name, (shape, need_grad, values) in expected.items():
        assert found[name][:2] == (shape, need_grad), name
        np.testing.assert_allclose(found[name][2], values, rtol=1e-6, err_msg=name)


def test_param_init_of_batch_normalization():
    x = nn.Variable((2, 3, 8, 8))
    PF.batch_normalization(x, param_init={"gamma": np.full((1, 3, 1, 1), 3.0), "beta": ConstantInitializer(2)})
    assert {k: v.d.ravel()[0] for k, v in nn.get_parameters(grad_only=False).items()} == {
        "bn/beta": 2, "bn/gamma": 3, "bn/mean": 0, "bn/var": 1,
    }  # fmt: skip


def test_hooks_on_weights():
    x = nn.Variable.from_numpy_array(np.ones((1, 2), np.float32))
    y = PF.affine(
        x, 1, w_init=np.ones((2, 1)), apply_w=lambda w: F.mul_scalar(w, 3.0), apply_b=lambda b: F.add_scalar(b, 1.0)
    )
    y.forward()
    assert y.d[0, 0] == 7


def test_parametric_function_api():
    @PF.parametric_function_api("myscope", [("W", "weight", "(n,)", True)])
    def my(inp, n, w_init=None, fix_parameters=False):
        """Adds a vector."""
        return F.add2(inp, parameter.get_parameter_or_create("W", (1, n), w_init, True, not fix_parameters))

    my(nn.Variable((2, 3)), 3)
    my(nn.Variable((2, 3)), 3, name="zz")
    my(nn.Variable((2, 3)), 3, None, True, "positional")
    assert names() == ["myscope/W", "zz/myscope/W", "positional/myscope/W"]
    assert str(inspect.signature(my)) == "(inp, n, w_init=None, fix_parameters=False, name=None)"
    assert my.__name__ == "my"
    assert "weight" in my.__doc__


def test_parametric_functions_are_plain_functions():
    for name in set(PF.__all__) - {"LSTMCell"}:
        function = getattr(PF, name)
        assert inspect.isfunction(function)
        assert function.__module__.startswith("nnabla.parametric_functions")
        assert function.__doc__


def test_the_module_shows_no_grad():
    """As on NNabla 1.39, where scripts that make their own layers read it, and set it."""
    module = nn.parameter
    assert module.current_no_grad is False
    with nn.no_grad():
        assert module.current_no_grad is True
        with nn.no_grad(False):
            assert module.current_no_grad is False
    assert module.current_no_grad is False
    module.current_no_grad = True
    try:
        assert not module.get_parameter_or_create("w", (2,)).need_grad
    finally:
        module.current_no_grad = False
    assert module.get_parameter_or_create("w", (2,)).need_grad


def test_the_type_of_first_values():
    """NNabla 1.39 keeps the type of every array until a solver makes it float32; here floats are float32 at once."""
    create = nn.parameter.get_parameter_or_create
    for i, dtype in enumerate((np.int64, np.int32, np.uint8, np.bool_)):
        for shape in ((2,), None):
            w = create(f"w{i}", shape, np.array([1, 0], dtype))
            assert (w.shape, w.data.dtype, w.d.tolist()) == ((2,), np.dtype(dtype), [1, 0])
    assert create("large", None, np.array([16777217])).d.tolist() == [16777217]
    assert create("drawn", (2,), nn.initializer.UniformIntInitializer((0, 10))).data.dtype == np.int64
    for i, values in enumerate((np.array([0.5, 2]), np.array([0.5, 2], np.float16), [0.5, 2], lambda shape: [0.5, 2])):
        w = create(f"f{i}", (2,), values)
        assert w.data.dtype == np.float32 and w.d.tolist() == [0.5, 2]
    with nn.context_scope(nn.Context(["cpu:double"])):
        assert create("double", None, np.array([1 / 3])).d.tolist() == [1 / 3]
        assert create("single", (2,), nn.initializer.NormalInitializer()).data.dtype == np.float32
    with pytest.raises(TypeError, match="initializer must be an array or a callable, not a Variable"):
        create("v", (2,), nn.Variable((2,)))
    w = nn.get_parameters()["w0"]
    loss = F.sum(w * w)
    loss.forward()
    w.grad.zero()
    loss.backward()
    solver = S.Sgd(0.1)
    solver.set_parameters({"w0": w})
    solver.update()
    assert w.data.dtype == np.float32
    np.testing.assert_allclose(w.d, [0.8, 0.0], rtol=1e-6)


def test_a_number_as_the_shape():
    create = nn.parameter.get_parameter_or_create
    assert create("w", 3).shape == create("w", (3,)).shape == create("w", [3.0]).shape == (3,)
