"""Functions written by users, in every mode."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.function import PythonFunction


class Product(PythonFunction):
    """The example of the manual, in our words."""

    @property
    def name(self):
        return "Product"

    def min_outputs(self):
        return 1

    def setup_impl(self, inputs, outputs):
        if inputs[0].shape != inputs[1].shape:
            raise ValueError("shapes differ")
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        outputs[0].data.copy_from(F.mul2(inputs[0].data, inputs[1].data))

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        dy = outputs[0].grad
        for i, other in ((0, inputs[1]), (1, inputs[0])):
            if not propagate_down[i]:
                continue
            dx = F.mul2(dy, other.data)
            if accum[i]:
                grad = inputs[i].grad
                grad += dx
            else:
                inputs[i].grad.copy_from(dx)

    def grad_depends_output_data(self, i, o):
        return False


class Twice(PythonFunction):
    def min_outputs(self):
        return 2

    def setup_impl(self, inputs, outputs):
        for y in outputs:
            y.reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        outputs[0].d = inputs[0].d * 2
        outputs[1].d = inputs[0].d * 3

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        g = 2 * outputs[0].g + 3 * outputs[1].g
        if propagate_down[0]:
            inputs[0].g = inputs[0].g + g if accum[0] else g


def leaf(values):
    v = nn.Variable.from_numpy_array(np.asarray(values, np.float32), need_grad=True)
    v.grad.zero()
    return v


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("clear", [False, True])
def test_in_the_middle_of_a_graph(dynamic, clear):
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    with nn.auto_forward(dynamic):
        h = F.tanh(a)
        y = Product()(h, b)
        z = F.sum(F.add2(Product()(y, h), h))
    if not dynamic:
        z.forward(clear_no_need_grad=clear)
    z.backward(clear_buffer=clear)
    t = np.tanh(a.d)
    np.testing.assert_allclose(float(z.d), np.sum(t * t * b.d + t), rtol=1e-6)
    np.testing.assert_allclose(b.g, t * t, rtol=1e-5)
    np.testing.assert_allclose(a.g, (2 * t * b.d + 1) * (1 - t * t), rtol=1e-5)


def test_gradients_accumulate_in_leaves():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = Product()(a, b)
    y.forward()
    y.backward()
    y.backward()
    np.testing.assert_allclose(a.g, 2 * b.d)
    # The same variable twice: both parts are summed.
    c = leaf([3.0])
    y = Product()(c, c)
    y.forward()
    y.backward()
    np.testing.assert_allclose(c.g, [6.0])


def test_several_outputs_some_unused():
    a = leaf([1.0, 2.0])
    first, _ = Twice()(a)
    z = F.sum(first)
    z.forward()
    z.backward()
    np.testing.assert_array_equal(a.g, [2, 2])


def test_imperative():
    a = nn.NdArray.from_numpy_array(np.array([1.0, 2.0]))
    y = Product()(a, a)
    assert isinstance(y, nn.NdArray)
    np.testing.assert_array_equal(y.data, [1, 4])


class Weighted(Product):
    """Has arguments to show."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    @property
    def args(self):
        return {"scale": self.scale}


def test_arguments_are_shown():
    function = Weighted(3)(leaf([1.0]), leaf([1.0])).parent
    assert function.args == function.arguments == function.info.args == {"scale": 3}
    plain = Product()
    plain.args = "of the command line"
    assert plain(leaf([1.0]), leaf([1.0])).parent.args == {}


def test_what_it_is_called_and_where_it_runs():
    y = Product()(leaf([1.0]), leaf([1.0]))
    # As in NNabla 1.39, where the node calls back to the function.
    assert (y.parent.name, y.parent.info.type_name, y.parent.args) == ("Callback", "Product", {})
    assert (str(y.parent), repr(y.parent), Product().name) == ("Callback", "Callback", "Product")
    context = nn.Context(["cpu:double"])
    assert Product(context).ctx is context
    assert Product().ctx == nn.get_current_context()
    with pytest.raises(TypeError, match="ctx must be a nnabla.Context or None, not int"):
        Product(3)
    with pytest.raises(ValueError, match="shapes differ"):
        Product()(leaf([1.0]), leaf([1.0, 2.0]))


def test_errors_of_the_user_come_out_as_they_are():
    class Broken(PythonFunction):
        def setup_impl(self, inputs, outputs):
            outputs[0].reset_shape(inputs[0].shape, True)

        def forward_impl(self, inputs, outputs):
            raise KeyError("mine")

    y = Broken()(leaf([1.0]))
    with pytest.raises(KeyError, match="mine"):
        y.forward()
    with pytest.raises(NotImplementedError, match="Nothing must define setup_impl"):
        type("Nothing", (PythonFunction,), {})()(leaf([1.0]))


def test_one_object_may_be_called_often():
    f = Product()
    a = leaf([2.0])
    y, z = f(a, a), f(a, a)
    nn.forward_all([y, z])
    assert y.parent is not z.parent
    np.testing.assert_array_equal(y.d, z.d)


class Scaled(PythonFunction):
    """Twice its input; how results are put down varies."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        if self.way == "exchange":
            outputs[0].data = inputs[0].data * 2
        else:
            outputs[0].d = inputs[0].d * 2

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        if self.way == "exchange":
            g = outputs[0].grad * 2
            inputs[0].grad = inputs[0].grad + g if accum[0] else g
            return
        if self.way == "in place":
            outputs[0].g *= 2
        g = outputs[0].g if self.way == "in place" else outputs[0].g * 2
        if accum[0]:
            inputs[0].g += g
        else:
            inputs[0].g = g


@pytest.mark.parametrize("way", ["add", "in place", "exchange"])
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize(
    "build, expected",
    [
        (lambda h, f: F.add2(f(h), h), 9),
        (lambda h, f: F.add2(h, f(h)), 9),
        (lambda h, f: F.sum(F.add2(F.mul_scalar(h, 5.0), f(h))), 21),
        (lambda h, f: f(h), 6),
        (lambda h, f: F.add2(f(h), f(h)), 12),
    ],
)
def test_gradients_that_others_have_as_well_may_be_written_to(way, clear, build, expected):
    """Add2 gives both inputs the same gradient, and that of the root is the same in each call."""
    x = leaf([1.0, 2.0])
    y = build(F.mul_scalar(x, 3.0), Scaled(way))
    for _ in range(3):
        x.grad.zero()
        y.forward()
        y.backward(clear_buffer=clear)
        np.testing.assert_array_equal(x.g, [expected] * 2)
    np.testing.assert_allclose(y.d.sum(), expected * 3)


class InAnotherType(Scaled):
    def __init__(self, result, gradient):
        super().__init__("add")
        self.result, self.gradient = result, gradient

    def forward_impl(self, inputs, outputs):
        outputs[0].d = (inputs[0].d * 2).astype(self.result)

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        inputs[0].g = (outputs[0].g * 2).astype(self.gradient)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("context", ["float", "double", "half", "bfloat16"])
@pytest.mark.parametrize("result", ["float64", "float16", "int32"])
@pytest.mark.parametrize("gradient", ["float32", "float64", "int32"])
def test_results_and_gradients_may_have_any_type(dynamic, context, result, gradient):
    w = leaf([[1.0, 2.0], [0.0, 1.0]])
    with nn.context_scope(nn.Context([f"cpu:{context}"])), nn.auto_forward(dynamic):
        y = F.affine(InAnotherType(result, gradient)(F.affine(w, w)), w)
    if not dynamic:
        y.forward()
    y.backward()
    a = np.array([[1.0, 2.0], [0.0, 1.0]])
    dy = 2 * np.ones((2, 2)) @ a.T
    np.testing.assert_array_equal(y.d, 2 * a @ a @ a)
    np.testing.assert_array_equal(w.g, a.T @ dy + dy @ a.T + (2 * a @ a).T @ np.ones((2, 2)))


class SquareInDoubles(Scaled):
    """Written with NumPy, which makes doubles and integers of its own accord."""

    def __init__(self, dtype):
        super().__init__("add")
        self.dtype = dtype

    def forward_impl(self, inputs, outputs):
        outputs[0].d = (inputs[0].d ** 2).astype(self.dtype)

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        if propagate_down[0]:
            g = (2 * inputs[0].d * outputs[0].g).astype(self.dtype)
            inputs[0].g = inputs[0].g + g if accum[0] else g


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.float16])
def test_values_of_another_type_are_read_converted(dtype, dynamic, clear):
    """As those of an input are: NumPy's doubles in front of and behind layers with weights."""
    x, w = leaf([[1.0, 2.0, 3.0]]), leaf([[1.0, 2.0], [0.0, 1.0], [2.0, 0.0]])
    with nn.auto_forward(dynamic):
        h = SquareInDoubles(dtype)(x)
        f = SquareInDoubles(dtype)(F.affine(h, w))
        y = F.sum(F.concatenate(F.transpose(f, (1, 0)), F.constant(1, (2, 1)), axis=1))
    y.forward(clear_no_need_grad=clear)
    y.backward(clear_buffer=clear)
    before = np.array([[1.0, 4.0, 9.0]])
    between = before @ w.d
    assert y.d.dtype == np.float32
    np.testing.assert_allclose(y.d, np.sum(between**2) + 2)
    np.testing.assert_allclose(w.g, before.T @ (2 * between))
    np.testing.assert_allclose(x.g, 2 * x.d * (2 * between @ w.d.T))
    if not clear:
        assert h.d.dtype == dtype


class Filled(SquareInDoubles):
    def forward_impl(self, inputs, outputs):
        outputs[0].data.fill(3)

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        inputs[0].grad.fill(5)


@pytest.mark.parametrize("dynamic", [False, True])
def test_arrays_that_are_only_filled(dynamic):
    """A constant takes no memory before it is read."""
    x = leaf([1.0, 2.0])
    with nn.auto_forward(dynamic):
        y = F.exp(Filled(np.float32)(x * 2))
    y.forward()
    y.backward()
    np.testing.assert_allclose(y.d, np.exp([3.0, 3.0]), rtol=1e-6)
    np.testing.assert_allclose(x.g, [10, 10])


@pytest.mark.parametrize(
    "name", ["view", "outputs", "context", "device", "present", "grad", "kept", "wiring", "prototype", "restart"]
)
def test_attributes_may_have_any_name(name):
    """What NNabla 1.39 has no name for belongs to the user."""
    x = leaf([1.0, 2.0])
    function = Product()
    setattr(function, name, "mine")
    z = F.sum(F.exp(function(x, x)))
    for _ in range(2):
        z.forward(clear_no_need_grad=True)
        x.grad.zero()
        z.backward(clear_buffer=True)
        np.testing.assert_allclose(x.g, 2 * np.array([1, 2]) * np.exp([1, 4]), rtol=1e-6)
    assert getattr(function, name) == "mine"
    public = {n for n in dir(function) if not n.startswith("_")} - {name}
    assert public == {
        "backward_impl", "ctx", "forward_impl", "grad_depends_input_data", "grad_depends_output_data", "min_outputs",
        "name", "setup_impl",
    }  # fmt: skip


def test_one_object_may_be_called_several_times():
    a, b, c = leaf([1.0]), leaf([2.0]), leaf([5.0])
    function = Product()
    y = function(function(a, b), c)
    y.forward()
    y.backward()
    assert [v.g[0] for v in (a, b, c)] == [10, 5, 2]
