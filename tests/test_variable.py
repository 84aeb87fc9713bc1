"""Variable and graphs: the facts of NNabla 1.39."""

from __future__ import annotations

import copy
import inspect
import pickle
import weakref

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.errors import GraphError, ShapeError


def leaf(values, need_grad=True):
    v = nn.Variable.from_numpy_array(np.asarray(values, np.float32), need_grad=need_grad)
    v.grad.zero()
    return v


def test_construction():
    x = nn.Variable([2, 3], need_grad=True)
    assert (x.shape, x.ndim, x.size, x.need_grad, x.persistent, x.recompute, x.parent) == (
        (2, 3),
        2,
        6,
        True,
        False,
        False,
        None,
    )
    assert repr(x).startswith("<Variable((2, 3), need_grad=True) at 0x")
    assert not nn.Variable((1,)).need_grad
    y = nn.Variable.from_numpy_array(np.ones(3), np.zeros(3), True)
    assert y.d.dtype == np.float64
    np.testing.assert_array_equal(y.g, 0)
    with pytest.raises(ShapeError, match=r"grad must have shape \(3,\), not \(2,\)"):
        nn.Variable.from_numpy_array(np.ones(3), np.zeros(2))
    with pytest.raises(TypeError, match="assign values to .d or .g"):
        x.data = np.ones((2, 3))
    with pytest.raises(ShapeError, match=r"Variable.data: shape must be \(2, 3\), not \(3,\)"):
        x.data = nn.NdArray((3,))


def test_need_grad_is_inherited_and_can_be_overridden():
    x = nn.Variable((2,))
    y = F.tanh(x)
    assert not y.need_grad
    x.need_grad = True
    y.forward()
    assert y.need_grad
    y.need_grad = False
    z = F.sigmoid(y)
    assert not z.need_grad
    assert not z.parent.need_grad


def test_gradients_accumulate_in_leaves_and_are_assigned_in_between():
    x = leaf([1.0, 2.0])
    y = F.tanh(x)
    z = F.add2(y, F.mul2(y, y))
    z.forward()
    z.backward()
    once = x.g.copy()
    np.testing.assert_allclose(y.g, 1 + 2 * y.d, rtol=1e-6)
    z.backward()
    np.testing.assert_allclose(x.g, 2 * once, rtol=1e-6)
    np.testing.assert_allclose(y.g, 1 + 2 * y.d, rtol=1e-6)
    x.grad.zero()
    z.backward()
    np.testing.assert_allclose(x.g, once, rtol=1e-6)
    x.g = 5
    z.backward()
    np.testing.assert_allclose(x.g, 5 + once, rtol=1e-6)


def test_grad_argument_of_backward():
    x = leaf([1.0, 2.0])
    y = F.tanh(x)
    z = F.mul2(y, y)
    z.forward()
    z.g = 7
    factor = 2 * y.d
    for grad, dz in (
        (1, 1), (3, 3), (0.5, 0.5), (np.float32(2), 2), (np.array([1.0, 0.0]), [1, 0]),
        (nn.NdArray.from_numpy_array(np.array([0, 2])), [0, 2]), ([1, 3], [1, 3]), (None, 7),
    ):  # fmt: skip
        z.backward(grad)
        np.testing.assert_allclose(y.g, factor * dz, rtol=1e-6)
        np.testing.assert_array_equal(z.g, 7)
    with pytest.raises(ShapeError, match=r"backward: grad must have shape \(2,\), not \(3,\)"):
        z.backward(np.ones(3))
    with pytest.raises(TypeError, match="must be a number, an array or None, not 'a'"):
        z.backward("a")


def test_what_cannot_run_says_so():
    x = leaf([1.0])
    with pytest.raises(GraphError, match="forward: the variable has no parent function"):
        x.forward()
    with pytest.raises(GraphError, match="backward: the variable has no parent function"):
        x.backward()
    y = F.mul2(F.tanh(x), F.sin(x))
    with pytest.raises(GraphError, match=r"run forward\(\)"):
        y.backward()
    y.forward(clear_buffer=True)
    with pytest.raises(GraphError, match="run forward"):
        y.backward()
    assert not np.any(x.g)


def network():
    nn.clear_parameters()
    x = nn.Variable((2, 3, 8, 8))
    x.d = np.random.randn(*x.shape)
    v = {"x": x}
    v["conv"] = PF.convolution(x, 4, (3, 3), name="c1")
    v["bn"] = PF.batch_normalization(v["conv"], name="b1")
    v["relu"] = F.relu(v["bn"])
    v["pool"] = F.max_pooling(v["relu"], (2, 2))
    v["sigmoid"] = F.sigmoid(v["pool"])
    v["affine"] = PF.affine(v["sigmoid"], 5, name="a1")
    v["shifted"] = F.add_scalar(v["affine"], 1.0)
    v["square"] = F.mul2(v["shifted"], v["shifted"])
    v["loss"] = F.mean(v["square"])
    return v


def cleared(v):
    return {name for name, variable in v.items() if variable.data.clear_called}


def test_clear_options_free_what_nnabla_frees():
    between = {"conv", "bn", "relu", "pool", "sigmoid", "affine", "shifted", "square"}
    v = network()
    v["loss"].forward()
    assert cleared(v) == set()
    v = network()
    v["loss"].forward(clear_buffer=True)
    assert cleared(v) == between
    v = network()
    v["loss"].forward(clear_no_need_grad=True)
    assert cleared(v) == {"bn", "pool", "affine", "square"}
    v["loss"].backward(clear_buffer=True)
    assert cleared(v) == between
    assert all(v[name].grad.clear_called for name in between)
    assert np.isfinite(v["loss"].d)
    v = network()
    v["bn"].persistent = v["affine"].persistent = True
    v["loss"].forward(clear_no_need_grad=True)
    v["loss"].backward(clear_buffer=True)
    assert cleared(v) == between - {"bn", "affine"}
    assert not v["bn"].grad.clear_called
    with nn.no_grad():
        v = network()
    v["loss"].forward(clear_no_need_grad=True)
    assert cleared(v) == between
    assert all(p.need_grad for p in nn.get_parameters().values())


def test_gradients_pass_through_a_network_made_without():
    """As in a loss on features of a fixed network."""
    image = PF.affine(nn.Variable.from_numpy_array(np.ones((1, 3))), 2, w_init=np.ones((3, 2)), name="made")
    with nn.no_grad():
        feature = PF.affine(image, 2, w_init=np.array([[1, 2], [3, 4]]), name="fixed")
    for param in nn.get_parameters().values():
        param.grad.zero()
    loss = F.sum(feature)
    loss.forward(clear_no_need_grad=True)
    loss.backward(clear_buffer=True)
    grads = {name: param.g.tolist() for name, param in nn.get_parameters().items()}
    assert grads["made/affine/b"] == [3, 7]
    assert grads["fixed/affine/W"] == [[0, 0], [0, 0]]


def test_dynamic_results_without_gradient_keep_nothing():
    x = leaf([1.0, 2.0])
    with nn.auto_forward(), nn.no_grad():
        h = F.tanh(x)
        kept = weakref.ref(h)
        h = F.tanh(h)
    assert kept() is None
    assert h.parent is None
    assert not h.need_grad
    np.testing.assert_allclose(h.d, np.tanh(np.tanh([1, 2])), rtol=1e-6)


def test_no_grad_of_a_built_network():
    v = network()
    assert v["loss"].no_grad() is v["loss"]
    v["loss"].forward()
    assert not any(variable.need_grad for variable in v.values())


def test_forward_all_computes_shared_parts_once():
    x = leaf([1.0, 2.0])
    h = F.tanh(x)
    a, b = F.exp(h), F.sin(h)
    ran = []
    nn.forward_all([a, b], clear_buffer=True, function_pre_hook=lambda f: ran.append(f.name))
    assert ran == ["Tanh", "Exp", "Sin"]
    np.testing.assert_allclose(b.d, np.sin(np.tanh([1, 2])), rtol=1e-6)
    with pytest.raises(TypeError, match=r"variables\[0\] must be a Variable, not int"):
        nn.forward_all([3])


def test_forward_all_leaves_alone_what_no_function_made():
    """A function with all its work switched off returns its input."""
    x = leaf([1.0, 2.0])
    y = F.tanh(x)
    nn.forward_all([x, y, F.fixed_point_quantize(x, quantize=False)], clear_buffer=True)
    nn.forward_all([x])
    np.testing.assert_array_equal(x.d, [1, 2])
    np.testing.assert_allclose(y.d, np.tanh([1, 2]), rtol=1e-6)


def test_visit_follows_inputs_in_order():
    x = leaf([1.0])
    y = F.add2(F.tanh(x), F.relu(x))
    seen = []
    y.visit(lambda f: seen.append(f.info.type_name))
    assert seen == ["Tanh", "ReLU", "Add2"]
    assert y.visit_check(lambda f: f.name == "ReLU") is True
    assert y.visit_check(lambda f: f.name == "Affine") is False


def test_equality_goes_by_buffers():
    x = leaf([1.0, 2.0])
    y = F.relu(x)
    u = y.get_unlinked_variable(need_grad=True)
    assert u == y
    assert hash(u) == hash(y)
    assert u is not y
    assert u.parent is None
    assert u.need_grad
    assert x != y
    assert y.parent.inputs[0] == x
    assert {x: 1, y: 2}[u] == 2


def test_unlinked_variables_cut_backward():
    x = leaf([1.0, 2.0])
    y = F.tanh(x)
    u = y.get_unlinked_variable(need_grad=True)
    z = F.mul2(u, u)
    y.forward()
    z.forward()
    u.grad.zero()
    z.backward()
    assert not np.any(x.g)
    y.backward(None)
    np.testing.assert_allclose(x.g, 2 * y.d * (1 - y.d**2), rtol=1e-5)


@pytest.mark.parametrize("call, ways", [(lambda u, y: u * y, 1), (lambda u, y: y * u, 2)])
def test_a_twin_in_the_same_graph_gets_a_gradient_and_passes_none_on(call, ways):
    """The order of the inputs matters, as in NNabla: the two share one gradient, which the variable assigns to."""
    x = leaf([1.0, 2.0])
    y = x * 3
    u = y.get_unlinked_variable(need_grad=True)
    z = call(u, y)
    for _ in range(2):
        z.forward()
        x.grad.zero()
        z.backward(clear_buffer=True)
        np.testing.assert_allclose(x.g, ways * 9 * x.d)


def test_a_twin_alone_reads_values_as_they_were():
    x = leaf([1.0, 2.0])
    y = x * 3
    u = y.get_unlinked_variable()
    z = F.exp(u) + y
    z.forward()
    z.forward()
    np.testing.assert_allclose(z.d, np.exp([3, 6]) + np.array([3, 6]), rtol=1e-6)


@pytest.mark.parametrize("hook", [None, lambda function: None])
def test_values_filled_after_forward_are_what_backward_reads(hook):
    x = leaf([2.0, 2.0])
    h = x * x
    y = F.exp(h)
    z = F.sum(h * h + y)
    z.forward()
    h.data.fill(3)
    y.data.zero()
    z.data.zero()
    z.backward(function_post_hook=hook)
    np.testing.assert_allclose(x.g, (2 * 3 + 0) * 2 * x.d)
    with nn.auto_forward():
        h = F.exp(x)
        z = F.sum(h)
    h.data.fill(5)
    x.grad.zero()
    z.backward()
    np.testing.assert_allclose(x.g, 5)


@pytest.mark.parametrize("hook", [None, lambda function: None])
@pytest.mark.parametrize("dtype", ["float64", "float16", "int32"])
def test_values_of_another_type_set_after_forward(dtype, hook):
    x = leaf(np.eye(2))
    h = F.mul_scalar(x, 2.0)
    y = F.sum(F.relu(F.affine(h, h)))
    for _ in range(2):
        y.forward()
        h.d = np.full((2, 2), 3, dtype)
        x.grad.zero()
        y.backward(function_pre_hook=hook)
        dy = np.eye(2)
        np.testing.assert_array_equal(x.g, 2 * (dy @ h.d.T + h.d.T @ dy))


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
@pytest.mark.parametrize("hook", [None, lambda function: None])
def test_values_of_another_type_after_forward_are_read_converted(dtype, hook):
    """NumPy's doubles and integers, put in between layers."""
    x, w = leaf([[1.0, 2.0]]), leaf([[1.0, 0.0], [2.0, 1.0]])
    h = F.relu(x)
    y = F.affine(h, w)
    y.forward()
    h.d = np.array([[3, 4]], dtype)
    y.backward(function_post_hook=hook)
    np.testing.assert_allclose(w.g, [[3, 3], [4, 4]])
    np.testing.assert_allclose(x.g, [[1, 3]])
    w.grad.zero()
    with nn.auto_forward():
        h = F.relu(x)
        h.d = (h.d * 2).astype(dtype)
        y = F.affine(h, w)
    np.testing.assert_allclose(y.d, [[10, 4]])
    y.backward(function_post_hook=hook)
    np.testing.assert_allclose(w.g, [[2, 2], [4, 4]])

    def fill(function):
        if function.name == "ReLU":
            h.d = np.array([[5, 6]], dtype)

    y.forward(function_post_hook=fill)
    np.testing.assert_allclose(y.d, [[17, 6]])


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_a_hook_may_change_gradients(dtype):
    x, w = leaf([[1.0, 2.0]]), leaf([[1.0, 0.0], [2.0, 1.0]])
    h = F.affine(x, w)
    y = F.affine(h, w)

    def half(function):
        if function.outputs[0] == h:
            h.g = (h.g / 2).astype(dtype)

    y.forward()
    y.backward(function_pre_hook=half)
    np.testing.assert_allclose(x.g, np.ones((1, 2)) @ w.d.T / 2 @ w.d.T)


def test_rewire_on():
    a, b = leaf(np.ones((2, 3))), leaf(np.full((2, 3), 0.5))
    ya = F.mul_scalar(a, 2.0)
    yb = F.tanh(b)
    ya.forward()
    yb.forward()
    a.rewire_on(yb)
    assert yb.parent is None
    with pytest.raises(GraphError, match="forward: the variable has no parent function"):
        yb.forward()
    assert a.parent.name == "Tanh"
    assert a == yb
    ya.forward()
    np.testing.assert_allclose(ya.d, 2 * np.tanh(0.5), rtol=1e-6)
    ya.backward()
    np.testing.assert_allclose(b.g, 2 * (1 - np.tanh(0.5) ** 2), rtol=1e-5)
    with pytest.raises(ShapeError, match=r"shape of var must be \(2, 3\), not \(3, 3\)"):
        a.rewire_on(nn.Variable((3, 3)))


def test_reshape_shares_memory():
    x = nn.Variable((2, 3))
    x.d = np.arange(6).reshape(2, 3)
    y = x.reshape((3, 2))
    assert y.parent.name == "Reshape"
    y.forward()
    u = x.reshape((-1,), unlink=True)
    assert u.parent is None
    x.d[...] = 7
    np.testing.assert_array_equal(u.d, 7)


def test_an_unlinked_reshape_follows_its_variable():
    x = nn.Variable((2, 3), need_grad=True)
    u = x.reshape((3, 2), unlink=True)
    x.d = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(u.d, [[0, 1], [2, 3], [4, 5]])
    u.d = [[5, 4], [3, 2], [1, 0]]
    np.testing.assert_array_equal(x.d, [[5, 4, 3], [2, 1, 0]])
    x.grad.zero()
    loss = F.sum(u**2)
    loss.forward()
    loss.backward()
    np.testing.assert_array_equal(x.g, 2 * x.d)
    h = x * 2
    v = h.reshape((6,), unlink=True)
    for value in (1, 3):
        x.d = value
        h.forward()
        np.testing.assert_array_equal(v.d, [2 * value] * 6)


def test_an_unlinked_reshape_in_the_same_graph():
    """It shows what its variable has by then, also under the clear options."""
    for options in ({}, {"clear_no_need_grad": True}, {"clear_buffer": True}):
        x = nn.Variable((1, 2))
        h = F.mul_scalar(x, 3.0)
        view = h.reshape((2,), unlink=True)
        y = F.add2(F.sum(F.tanh(h)), F.sum(F.tanh(view)))
        for values in ([[1.0, 2.0]], [[-0.25, 0.5]]):
            x.d = values
            y.forward(**options)
            np.testing.assert_allclose(y.d, 2 * np.tanh(3 * np.array(values)).sum(), rtol=1e-6)


def test_what_is_written_to_a_kept_gradient_stays_there():
    x = nn.Variable.from_numpy_array(np.ones(2), need_grad=True)
    a, b = F.mul_scalar(x, 3.0).apply(persistent=True), F.mul_scalar(x, 5.0).apply(persistent=True)
    y, given = F.add2(a, b), nn.NdArray.from_numpy_array(np.ones(2, np.float32))
    y.forward()
    for grad in (1, 1, given, given):
        x.grad.zero()
        y.backward(grad, clear_buffer=True)
        np.testing.assert_array_equal(x.g, [8, 8])
        a.g[...] = 7
        np.testing.assert_array_equal(b.g, [1, 1])
    np.testing.assert_array_equal(given.data, [1, 1])


def test_reset_shape():
    x = nn.Variable((2, 3))
    x.reset_shape((6, 1))
    assert x.shape == (6, 1)
    with pytest.raises(ShapeError, match="has 5 elements"):
        x.reset_shape((5,))
    x.reset_shape((5,), True)
    assert (x.shape, x.d.shape, x.g.shape) == ((5,), (5,), (5,))


def test_function_node():
    x, w = leaf(np.ones((2, 3))), leaf(np.ones((3, 4)))
    y = F.affine(x, w)
    f = y.parent
    assert (f.name, f.info.type_name, f.info.args, f.args, f.arguments, repr(f)) == (
        "Affine",
        "Affine",
        {"base_axis": 1},
        {"base_axis": 1},
        {"base_axis": 1},
        "Affine",
    )
    assert f.inputs == [x, w]
    assert f.outputs == [y]
    assert f.min_outputs() == 1
    assert f.grad_depends_input_data(0, 1)
    assert not f.grad_depends_output_data(0, 0)
    assert x.function_references == [f]
    twice, other = F.add2(x, x), F.tanh(x)
    assert x.function_references == [f, twice.parent, other.parent]
    assert (f.rank, y.rank) == (0, 1)
    f.tags["a"] = "b"
    assert f.info.tags == {"a": "b"}
    other = nn.Variable((2, 4))
    f.setup([x, w], [other])
    f.forward([x, w], [other])
    np.testing.assert_array_equal(other.d, 3)
    other.g = 1
    f.backward([x, w], [other])
    np.testing.assert_array_equal(x.g, 4)
    f.backward([x, w], [other], accum=[True, False])
    np.testing.assert_array_equal(x.g, 8)
    np.testing.assert_array_equal(w.g, 2)
    again = f(x, w)
    again.forward()
    np.testing.assert_array_equal(again.d, 3)


def test_another_parent():
    """It leads to the function, which computes its own outputs, as in NNabla 1.39."""
    x = leaf([1.0, 2.0])
    y, z = F.sin(x), nn.Variable((2,))
    z.parent = y.parent
    assert (z.parent, z.need_grad, y.parent.outputs) == (y.parent, False, [y])
    visited = []
    z.visit(visited.append)
    assert visited == [y.parent]
    z.forward()
    np.testing.assert_array_equal(z.d, 0)
    np.testing.assert_allclose(y.d, np.sin([1, 2]), rtol=1e-6)
    w = F.exp(z)
    w.forward(clear_no_need_grad=True)
    np.testing.assert_array_equal(w.d, 1)
    x.grad.zero()
    w.backward(clear_buffer=True)
    z.backward()
    np.testing.assert_array_equal(x.g, 0)
    with pytest.raises(TypeError, match="Variable.parent must be a Function, not NoneType"):
        z.parent = None


def test_an_output_that_nobody_held_is_found_again():
    x = leaf(np.ones((2, 3)))
    first = F.split(x, axis=0)[0]
    outputs = first.parent.outputs
    assert outputs[0] is first
    first.forward()
    np.testing.assert_array_equal(outputs[1].d, 1)


def test_function_constructors():
    from nnabla import function

    relu = function.ReLU(nn.get_current_context(), inplace=False)
    assert relu(nn.Variable((2,))).shape == (2,)
    assert (relu.name, relu.args, relu.inputs, relu.context.backend) == ("ReLU", {"inplace": False}, [], ["cpu:float"])
    assert list(inspect.signature(function.Pad).parameters) == ["ctx", "pad_width", "mode", "constant_value"]
    with pytest.raises(AttributeError, match="NoSuchFunction"):
        function.NoSuchFunction  # noqa: B018
    with pytest.raises(TypeError, match="ReLU: ctx must be a nnabla.Context, not bool"):
        function.ReLU(True)
    assert {"ReLU", "PythonFunction", "ProtoFunction"} <= set(dir(function))
    assert isinstance(nn.Variable(), function.UnsafeVariable)
    assert function.ProtoVariable is nn.ProtoVariable


def test_functions_of_ones_own_are_given_the_context():
    """The decorator of NNabla's own functions, under its three paths."""

    @F.function_api
    def clipped(ctx, x, inplace=False, n_outputs=-1, outputs=None):
        """Text."""
        function = nn.function.ReLU(ctx, inplace)
        return function(x, n_outputs=n_outputs, auto_forward=nn.get_auto_forward(), outputs=outputs)

    assert clipped.__name__ == "clipped" and clipped.__doc__ == "Text."
    assert str(inspect.signature(clipped)) == "(x, inplace=False, n_outputs=-1, outputs=None)"
    x = nn.Variable.from_numpy_array([-1.0, 2.0])
    with nn.context_scope(nn.Context(["cpu:double"])):
        y = clipped(x, True)
    y.forward()
    assert (y.d.tolist(), y.data.dtype, y.parent.args) == ([0, 2], np.float64, {"inplace": True})
    assert clipped(x=x.data).data.tolist() == [0, 2]
    with nn.auto_forward():
        assert clipped(x).d.tolist() == [0, 2]
    with pytest.raises(TypeError, match="ctx"):
        clipped(x, ctx=nn.get_current_context())
    with pytest.raises(TypeError, match="function_api: the first argument of <lambda> must be named 'ctx'"):
        F.function_api(lambda x: x)
    for module in (nn.function_bases, nn.normalization_functions):
        assert module.function_api is F.function_api


def test_paths_that_lead_elsewhere():
    assert nn._variable.Variable is nn.Variable and nn._variable.Context is nn.Context
    assert nn._computation_graph.forward_all is nn.forward_all
    assert isinstance(nn.NdArray((2,)).to_torch(), nn._array.Array)


def test_apply():
    x = nn.Variable((2,)).apply(persistent=True, name="x", need_grad=True)
    assert (x.persistent, x.name, x.need_grad) == (True, "x", True)
    with pytest.raises(AttributeError, match="foo"):
        x.apply(foo=1)


def test_clear_all_graph_links():
    x = leaf([1.0])
    h = F.tanh(x)
    y = F.relu(h)
    y.clear_all_graph_links()
    assert y.parent is None
    assert h.parent is None


@pytest.mark.parametrize("bad", [3, None, np.ones(3), "x", [1]])
def test_an_input_of_another_type_is_refused_by_name(bad):
    with pytest.raises(TypeError, match="affine: input weight must be a Variable or an NdArray"):
        F.affine(nn.Variable((2, 3)), bad)


def test_calls_are_checked_like_python_calls():
    x = nn.Variable((2,))
    with pytest.raises(TypeError, match=r"relu\(\) got an unexpected keyword argument 'foo'"):
        F.relu(x, foo=1)
    with pytest.raises(TypeError, match=r"affine\(\) missing required argument: 'weight'"):
        F.affine(x)
    with pytest.raises(TypeError, match=r"relu\(\) got multiple values for argument 'x'"):
        F.relu(x, x=x)
    with pytest.raises(TypeError, match="positional arguments"):
        F.relu(x, False, -1, None, 5)


def test_copies():
    """NNabla 1.39 refuses all; here those are made that make sense."""
    x = nn.Variable.from_numpy_array([1.0, 2.0], grad=[3.0, 4.0], need_grad=True)
    x.apply(name="x", persistent=True, info=[1])
    other = x.get_unlinked_variable()
    same = copy.copy(x)
    assert same == x and same is not x and (same.name, same.need_grad, same.persistent) == ("x", True, True)
    assert same.info is x.info
    F.exp(same)
    assert x.function_references == []
    own, of_other = copy.deepcopy([x, other])
    assert own == of_other and own != x
    assert (own.name, own.need_grad, own.persistent, own.info) == ("x", True, True, [1]) and own.info is not x.info
    own.d, own.g = 5, 6
    np.testing.assert_array_equal([x.d, x.g], [[1, 2], [3, 4]])
    y = F.exp(x)
    for copied in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a Variable that a function made cannot be copied"):
            copied(y)
    for variable in (x, y):
        with pytest.raises(TypeError, match="a Variable cannot be pickled; save parameters with"):
            pickle.dumps(variable)


def test_a_copy_of_a_derived_class():
    class Named(nn.Variable):
        pass

    x = Named((2,))
    x.notes = [1]
    same, own = copy.copy(x), copy.deepcopy(x)
    assert type(same) is type(own) is Named
    assert same.notes is x.notes is not own.notes == [1]


def test_names():
    """As in NNabla 1.39: of the variable, not of what it shares; parameters in graphs have theirs."""
    x = nn.Variable((2, 3)).apply(name="x")
    assert x.get_unlinked_variable().name == ""
    y = PF.affine(x, 2, name="layer")
    assert [v.name for v in y.parent.inputs] == ["x", "W", "b"]
    assert [v.name for v in nn.get_parameters().values()] == ["", ""]


def test_forward_all_of_one():
    x = nn.Variable.from_numpy_array([[1.0], [2.0]])
    y = F.exp(x)
    nn.forward_all(y)
    np.testing.assert_allclose(y.d, np.exp(x.d), rtol=1e-6)
    assert y.function_references == []
