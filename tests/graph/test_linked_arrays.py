"""A reshape and an unlinked output are the memory of their input, in both directions, for every type.

But for what a docstring says, NNabla 1.39 passes these tests, too.
"""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import GraphError, ShapeError
from nnabla.function import PythonFunction

VALUES = np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3)
NEW = np.array([9, 8, 7, 6, 5, 4], np.float32)
OPTIONS = [{}, {"clear_buffer": True}, {"clear_no_need_grad": True}]


def leaf(values=VALUES, need_grad=True):
    x = nn.Variable(np.shape(values), need_grad=need_grad)
    x.d = values
    x.g = 0
    return x


def made(values=VALUES):
    """A variable that a function makes."""
    return F.add_scalar(leaf(values), 0)


LINKS = {
    "F.reshape": lambda x: F.reshape(x, (6,)),
    "Variable.reshape": lambda x: x.reshape((6,)),
    "unlinked": lambda x: x.reshape((6,), unlink=True),
    "chain": lambda x: F.reshape(F.reshape(x, (3, 2)), (6,)),
    "F.unlink": lambda x: F.reshape(F.unlink(x), (6,)),
    "twin": lambda x: F.reshape(x.get_unlinked_variable(), (6,)),
}
WRITES = {
    "d": lambda a: setattr(a, "data", NEW.reshape(a.shape)),
    "number": lambda a: setattr(a, "data", 3),
    "elements": lambda a: a.data.__setitem__(Ellipsis, NEW.reshape(a.shape)),
    "fill": lambda a: a.fill(3),
    "zero": lambda a: a.zero(),
    "copy_from": lambda a: a.copy_from(nn.NdArray.from_numpy_array(NEW.reshape(a.shape))),
    "cast": lambda a: a.cast(np.float64).__setitem__(Ellipsis, NEW.reshape(a.shape)),
    "integers": lambda a: setattr(a, "data", NEW.astype(np.int64).reshape(a.shape)),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("start", [leaf, made])
def test_writing_to_one_is_writing_to_the_other(start, when, link, write):
    x = start()
    r = LINKS[link](x)
    if when == "after":
        for v in (x, r):
            if v.parent is not None:
                v.forward()
        np.testing.assert_array_equal(r.d, VALUES.reshape(6))
    WRITES[write](r.data)
    expected = {"number": np.full(6, 3), "fill": np.full(6, 3), "zero": np.zeros(6)}.get(write, NEW)
    np.testing.assert_array_equal(x.d, expected.reshape(2, 3))
    assert x.d.dtype == r.d.dtype
    x.d = VALUES
    np.testing.assert_array_equal(r.d, VALUES.reshape(6))
    WRITES[write](x.data)
    np.testing.assert_array_equal(r.d, expected)
    assert x.d.dtype == r.d.dtype


@pytest.mark.parametrize("write", WRITES)
def test_writing_to_a_reshaped_nd_array(write):
    a = nn.NdArray.from_numpy_array(VALUES)
    r = F.reshape(a, (6,))
    WRITES[write](r)
    values = a.data.copy()
    a.data = VALUES
    np.testing.assert_array_equal(r.data, VALUES.reshape(6))
    WRITES[write](a)
    np.testing.assert_array_equal(a.data, values)
    np.testing.assert_array_equal(r.data, values.reshape(6))


def test_what_is_written_reaches_what_follows():
    x = leaf()
    r = F.reshape(x, (6,))
    y = F.sum(r * r)
    y.forward()
    r.d = 2
    y.forward()
    assert y.d == 24
    y.backward()
    np.testing.assert_array_equal(x.g, np.full((2, 3), 4))


def test_cleared_together():
    x = leaf()
    r = F.reshape(x, (6,))
    r.data.clear()
    assert x.data.clear_called
    x.d = 1
    x.data.zero()
    assert r.data.zeroing
    np.testing.assert_array_equal(r.d, 0)


KEEP = {
    "reshape": lambda x: F.reshape(x, (2, 2)),
    "identity": F.identity,
    "unlink": F.unlink,
    "chain": lambda x: F.identity(F.reshape(F.unlink(F.identity(x)), (2, 2))),
}


@pytest.mark.parametrize("keep", KEEP)
@pytest.mark.parametrize("imperative", [False, True])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float64", "uint8", "float16", "bool"])
def test_the_type_is_kept(dtype, imperative, keep):
    values = np.array([1, 0, 3, 4]).astype(dtype)
    if dtype in ("int32", "int64", "float64"):
        values[1] = 16777217  # float32 has no such number
    x = nn.NdArray.from_numpy_array(values) if imperative else leaf(values)
    y = KEEP[keep](x)
    if not imperative:
        y.forward()
        y = y.data
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.data.ravel(), values)


def test_rows_of_a_large_table():
    table = np.zeros((2**24 + 2, 1), np.float32)
    table[-2:] = [[1], [2]]
    table = nn.NdArray.from_numpy_array(table)
    rows = nn.NdArray.from_numpy_array(np.array([2**24 + 1, 2**24, 0, 2**24 + 1]))
    for keep in KEEP.values():
        np.testing.assert_array_equal(F.embed(keep(rows), table).data.ravel(), [2, 1, 0, 2])


@pytest.mark.parametrize("keep", KEEP)
def test_integers_choose_rows(keep):
    table = leaf(np.arange(12.0).reshape(6, 2))
    y = F.embed(KEEP[keep](leaf(np.array([5, 0, 3, 5]), need_grad=False)), table)
    y.forward()
    np.testing.assert_array_equal(y.d.reshape(4, 2), [[10, 11], [0, 1], [6, 7], [10, 11]])
    y.backward()
    np.testing.assert_array_equal(table.g[:, 0], [1, 0, 0, 1, 0, 2])


# ---- in graphs ---------------------------------------------------------------------------------------------------


def cubes(x):
    """Reshapes in the middle; the gradient of the sum of its squares at x is 6 x^5."""
    h = F.reshape(x * x, (3, 2))
    h = F.reshape(F.reshape(h, (6,)), x.shape)
    return F.reshape(h * x, (-1,))


@pytest.mark.parametrize("forward", OPTIONS[::2])
@pytest.mark.parametrize("backward", OPTIONS[:2])
def test_gradients_and_replays(forward, backward):
    x = leaf()
    r = cubes(x)
    y = F.sum(r * r)
    for i in range(3):
        values = VALUES + i
        x.d = values
        x.g = 0
        y.forward(**forward)
        np.testing.assert_allclose(y.d, np.sum(values**6), rtol=1e-6)
        y.backward(**backward)
        np.testing.assert_allclose(x.g, 6 * values**5, rtol=1e-6)


def test_new_arrays_in_each_run():
    """NNabla 1.39 stays with the array that the leaf had when the reshape was made."""
    x = leaf()
    r = F.reshape(x, (6,))
    y = F.sum(r * r)
    for i in range(3):
        x.data = nn.NdArray.from_numpy_array(VALUES + i)
        np.testing.assert_array_equal(r.d, (VALUES + i).ravel())
        y.forward()
        assert y.d == np.sum((VALUES + i) ** 2)
        x.g = 0
        y.backward()
        np.testing.assert_array_equal(x.g, 2 * (VALUES + i))
        r.d = 1
        np.testing.assert_array_equal(x.d, 1)


def test_a_parameter_in_two_graphs():
    w = leaf()
    first, second = F.sum(F.reshape(w, (3, 2)) * 2), F.sum(F.exp(F.reshape(w, (6,))))
    for value in (1, 2):
        w.d = value
        w.g = 0
        nn.forward_all([first, second])
        assert first.d == 12 * value
        np.testing.assert_allclose(second.d, 6 * np.exp(value), rtol=1e-6)
        first.backward()
        second.backward()
        np.testing.assert_allclose(w.g, 2 + np.full((2, 3), np.exp(value)), rtol=1e-6)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_function_in_place_after_a_reshape(options):
    x = leaf(VALUES - 3)
    y = F.sum(F.relu(F.reshape(x * 2, (6,)), inplace=True) * 3)
    y.forward(**options)
    assert y.d == 36
    if "clear_buffer" not in options:
        y.backward(clear_buffer=True)
        np.testing.assert_array_equal(x.g, np.where(VALUES > 3, 6, 0))


@pytest.mark.parametrize("options", OPTIONS[1:])
def test_what_users_hold_is_kept(options):
    """A prediction in another shape is there to be looked at; what is computed of it is freed."""
    x = leaf()
    h = x * 2
    r = F.reshape(h, (6,))
    s = r + 1
    y = F.sum(s)
    y.forward(**options)
    assert [v.data.clear_called for v in (h, r, s)] == [False, False, True]
    np.testing.assert_array_equal(h.d.ravel(), r.d)
    y.forward()
    y.backward(clear_buffer=True)
    assert [v.data.clear_called for v in (h, r, s)] == [True, True, True]


@pytest.mark.parametrize("options", OPTIONS[1:])
@pytest.mark.parametrize("held", [None, "x", "y"])
def test_what_only_the_graph_holds_is_freed(options, held):
    """NNabla 1.39 keeps it until backward: such networks take several times the memory."""

    def network():
        h = leaf() * 2
        r = F.reshape(h, (6,))
        return F.sum(r + 1), {None: None, "x": h, "y": r}[held]

    y, kept = network()
    y.forward(**options)
    r = y.parent.inputs[0].parent.inputs[0]
    assert r.parent.info.type_name == "Reshape"
    assert r.data.clear_called == (kept is None)
    assert r.parent.inputs[0].data.clear_called == (kept is None)


def test_recompute():
    """What is recomputed is freed, also where it is shared; NNabla 1.39 keeps it."""
    x = leaf()
    with nn.recompute(True):
        h = F.sin(x * 1)
        r = F.reshape(h, (6,))
        e = F.exp(r)
    y = F.sum(e * e)
    for _ in range(2):
        y.forward(clear_no_need_grad=True)
        assert [v.data.clear_called for v in (h, r, e)] == [True, True, True]
        x.g = 0
        y.backward(clear_buffer=True)
        np.testing.assert_allclose(x.g, 2 * np.exp(2 * np.sin(VALUES)) * np.cos(VALUES), rtol=1e-5)


def test_first_and_second_order_by_nn_grad():
    x = leaf()
    y = F.sum(cubes(x) ** 2)
    (g,) = nn.grad([y], [x])
    (gg,) = nn.grad([F.sum(g)], [x])
    gg.forward()
    np.testing.assert_allclose(g.d, 6 * VALUES**5, rtol=1e-5)
    np.testing.assert_allclose(gg.d, 30 * VALUES**4, rtol=1e-5)
    (between,) = nn.grad([y], [y.parent.inputs[0].parent.inputs[0]])
    between.forward()
    np.testing.assert_allclose(between.d, 2 * VALUES.ravel() ** 3, rtol=1e-6)


def test_dynamic_mode():
    x = leaf()
    with nn.auto_forward():
        r = F.reshape(x, (6,))
        r.d = NEW
        np.testing.assert_array_equal(x.d.ravel(), NEW)
        y = r * r
        x.d = 3
        np.testing.assert_array_equal(r.d, 3)
        np.testing.assert_array_equal(y.d, NEW**2)
        y.backward()
    np.testing.assert_array_equal(x.g, 6)


def test_resized_inputs():
    """NNabla 1.39 refuses the new size: its reshape forgets that a length was -1."""
    x = leaf()
    r = F.reshape(x, (-1,))
    y = r * 2
    y.forward()
    x.reset_shape((3, 3), True)
    x.d = 4
    with pytest.raises(ShapeError, match=r"of shape \(6,\) shares memory with one that has shape \(3, 3\) now"):
        r.d  # noqa: B018
    y.forward()
    assert r.shape == y.shape == (9,)
    r.d = 5
    np.testing.assert_array_equal(x.d, np.full((3, 3), 5))


def test_rewired_graphs():
    h, w = made(), made(VALUES + 10)
    r = F.reshape(h, (6,))
    y = r + 1
    h.rewire_on(w)
    y.forward()
    np.testing.assert_array_equal(y.d, VALUES.ravel() + 11)
    h.d = 3
    np.testing.assert_array_equal(r.d, 3)
    np.testing.assert_array_equal(w.d, h.d)


@pytest.mark.parametrize("options", OPTIONS)
def test_several_at_once(options):
    x = leaf()
    h = x * 2
    r = F.reshape(h, (6,))
    a, b = F.sum(r), F.sum(h * h)
    nn.forward_all([a, b, r], **options)
    assert (a.d, b.d) == (42, 364)
    np.testing.assert_array_equal(r.d, 2 * VALUES.ravel())
    assert not h.data.clear_called


class Tripled(PythonFunction):
    @property
    def name(self):
        return "Tripled"

    def min_outputs(self):
        return 1

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        outputs[0].d = inputs[0].d * 3

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        if propagate_down[0]:
            dx = outputs[0].g * 3
            inputs[0].g = inputs[0].g + dx if accum[0] else dx


@pytest.mark.parametrize("options", OPTIONS[::2])
def test_functions_of_users_in_front_and_behind(options):
    x = leaf()
    s = F.reshape(Tripled()(F.reshape(Tripled()(x), (6,))), (3, 2))
    y = F.sum(s * s)
    for _ in range(2):
        x.g = 0
        y.forward(**options)
        assert y.d == 81 * np.sum(VALUES**2)
        y.backward(clear_buffer=True)
        np.testing.assert_array_equal(x.g, 162 * VALUES)


def test_hooks_see_and_write_to_what_is_shared():
    x = leaf()
    h = x * 2
    r = F.reshape(h, (6,))
    y = F.sum(r * 3)
    names = []

    def write(function):
        names.append(function.info.type_name)
        if names[-1] == "Reshape":
            function.outputs[0].d = 1

    y.forward(function_post_hook=write)
    assert names == ["MulScalar", "Reshape", "MulScalar", "Sum"]
    assert y.d == 18
    np.testing.assert_array_equal(h.d, 1)


def test_half_precision():
    """Computes in half precision around what it shares, whatever the type of the leaf."""
    x = leaf(VALUES.astype(np.float64))
    with nn.context_scope(nn.Context(["cpu:half"])):
        h = F.reshape(x, (6,))
        r = F.reshape(h * 2, (3, 2))
        y = F.sum(r * r)
    y.forward()
    assert (h.data.dtype, r.data.dtype, y.data.dtype) == (np.float64, np.float16, np.float16)
    assert y.d == 364
    y.backward()
    np.testing.assert_array_equal(x.g, 8 * VALUES)


def test_a_copy_on_demand():
    x = leaf()
    r = F.reshape(x, (6,), inplace=False)
    y = r + 1
    y.forward()
    r.d = 0
    np.testing.assert_array_equal(x.d, VALUES)


def test_results_in_the_callers_array():
    x = leaf()
    out = nn.NdArray((6,))
    r = F.reshape(x, (6,), outputs=[out])
    r.forward()
    out.data = 0
    np.testing.assert_array_equal(x.d, VALUES)


# ---- written to an input -----------------------------------------------------------------------------------------

PLACES = [[1, 3]]
MASK = [0, 1, 0, 1]


def scattered(data, out, add=False):
    return F.scatter_nd(data, PLACES, out=out, add=add)


def masked(data, out):
    mask = nn.NdArray.from_numpy_array(np.array(MASK))
    if isinstance(data, nn.Variable):
        mask = leaf(np.array(MASK), need_grad=False)
    return F.bool_scatter(data, mask, out)


scatters = pytest.mark.parametrize("scatter", [scattered, masked])


def data():
    return leaf(np.array([5.0, 6.0]))


@scatters
def test_scatter_writes_to_an_nd_array(scatter):
    out = nn.NdArray.from_numpy_array(np.zeros(4))
    y = scatter(nn.NdArray.from_numpy_array(np.array([5.0, 6.0])), out)
    np.testing.assert_array_equal(out.data, [0, 5, 0, 6])
    y.fill(3)
    np.testing.assert_array_equal(out.data, 3)


@scatters
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scatter_writes_to_a_leaf(scatter, dtype):
    out = leaf(np.zeros(4, dtype), need_grad=False)
    y = scatter(data(), out)
    np.testing.assert_array_equal(out.d, 0)
    y.forward()
    np.testing.assert_array_equal(out.d, [0, 5, 0, 6])
    y.d = 7
    np.testing.assert_array_equal(out.d, 7)
    assert y.parent.inplace_data(2) == 2


def test_scatter_adds_in_each_run():
    out = leaf(np.zeros(4), need_grad=False)
    y = scattered(data(), out, add=True)
    for i in range(3):
        y.forward()
        np.testing.assert_array_equal(out.d, [0, 5 * (i + 1), 0, 6 * (i + 1)])


@pytest.mark.parametrize("options", OPTIONS[::2])
@pytest.mark.parametrize(
    ("scatter", "expected", "dx"),
    [
        (scattered, [2, 5, 2, 6], [8, 0, 8, 0]),
        (masked, [2, 5, 2, 6], [8, 0, 8, 0]),
        (lambda d, o: scattered(d, o, add=True), [2, 7, 2, 8], [8, 28, 8, 32]),
    ],
    ids=["scatter_nd", "bool_scatter", "add"],
)
def test_gradients_of_scatter(options, scatter, expected, dx):
    """NNabla 1.39 has no gradient for the `out` of scatter_nd, which worked examples give here."""
    x, d = leaf(np.ones(4)), data()
    out = x * 2
    s = scatter(d, out)
    y = F.sum(s * s)
    for _ in range(2):
        x.g = d.g = 0
        y.forward(**options)
        np.testing.assert_array_equal(s.d, expected)
        np.testing.assert_array_equal(out.d, expected)
        y.backward()
        np.testing.assert_array_equal(x.g, dx)
        np.testing.assert_array_equal(d.g, 2 * np.array(expected)[[1, 3]])


def test_one_scatter_after_the_other():
    """A worked example, as above."""
    x, d = leaf(np.ones(4)), data()
    out = x * 2
    t = F.scatter_nd(d, [[0, 3]], out=scattered(d, out))
    y = F.sum(t * t)
    y.forward()
    np.testing.assert_array_equal(out.d, [5, 5, 2, 6])
    y.backward()
    np.testing.assert_array_equal(x.g, [0, 0, 8, 0])
    np.testing.assert_array_equal(d.g, [20, 12])


@scatters
@pytest.mark.parametrize(
    ("make", "dx"),
    [
        (F.exp, [np.e, 0, np.e, 0]),  # Its gradient reads what it put out.
        (lambda x: F.reshape(F.reshape(x, (2, 2)), (4,)), [1, 0, 1, 0]),
    ],
    ids=["exp", "reshape"],
)
def test_what_a_gradient_needs_is_not_written_over(scatter, make, dx):
    """NNabla 1.39 refuses to write there."""
    x = leaf(np.ones(4))
    out = make(x)
    y = scatter(data(), out)
    y.forward()
    before = out.d.copy()
    np.testing.assert_array_equal(y.d, [before[0], 5, before[2], 6])
    y.backward()
    np.testing.assert_allclose(x.g, dx, rtol=1e-6)
    np.testing.assert_array_equal(out.d, before)


@scatters
def test_what_others_take_is_not_written_over(scatter):
    """NNabla 1.39 refuses to write there."""
    x = leaf(np.ones(4))
    out = x * 2
    other = F.sin(out)
    y = F.sum(scatter(data(), out)) + F.sum(other)
    y.forward()
    y.backward()
    np.testing.assert_array_equal(out.d, 2)
    np.testing.assert_allclose(x.g, 2 * np.cos(2) + np.array([2, 0, 2, 0]), rtol=1e-6)


REFUSED = [
    lambda s, out: F.sum(F.sin(out)) + F.sum(s),  # before it is written over
    lambda s, out: F.sum(s) + F.sum(F.exp(out)),  # after
]


@pytest.mark.parametrize("use", REFUSED, ids=["before", "after"])
@pytest.mark.parametrize("scatter", [("scatter_nd", scattered, "out"), ("bool_scatter", masked, "output")])
@pytest.mark.parametrize("start", [lambda x: x, lambda x: x * 2], ids=["leaf", "made"])
def test_gradients_that_need_what_was_written_over_are_refused(start, scatter, use):
    name, call, argument = scatter
    x = leaf(np.ones(4))
    out = start(x)
    y = use(call(data(), out), out)
    y.forward()
    message = f"backward: {name} has written over values that (sin|exp) needs; give it no {argument}, or another one"
    with pytest.raises(GraphError, match=message):
        y.backward()


def test_a_record_kept_for_a_gradient_is_not_written_over():
    """Of a function whose gradient is derived: autograd holds its input."""
    x = leaf(np.ones(4))
    s = scattered(data(), x)
    y = F.sum(F.erf(x)) + F.sum(F.pow_scalar(x, 3.0)) + F.sum(s)
    y.forward()
    with pytest.raises(GraphError, match="has written over values"):
        y.backward()
