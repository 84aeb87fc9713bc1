"""No read of a freed array looks like a number."""

import logging

import numpy as np
import pytest

import nnabla as nn
import nnabla._nd_array
import nnabla.functions as F
from nnabla.errors import GraphError
from nnabla.function import PythonFunction

GONE = r"this array has no values any more: a clear option \(clear_buffer or clear_no_need_grad of forward, clear_buff"


def network():
    """Three functions one after the other, of which the first two are freed."""
    x = nn.Variable.from_numpy_array([1.0, 2.0, 3.0], need_grad=True)
    x.grad.zero()
    h = F.add_scalar(x, 1.0)
    s = F.sin(h)
    return x, h, s, F.sum(F.mul_scalar(s, 2.0))


READS = {
    "d": lambda v: v.d,
    "data": lambda v: v.data.data,
    "cast": lambda v: v.data.cast(np.float32),
    "numpy": lambda v: np.asarray(v.data),
    "to_torch": lambda v: v.data.to_torch(),
    "view": lambda v: v.data.view((3, 1)).data,
    "narrow": lambda v: v.data.narrow(0, 0, 2).data,
    "copy_from": lambda v: nn.NdArray((3,)).copy_from(v.data),
    "assigned": lambda v: setattr(nn.NdArray((3,)), "data", v.data),
    "imperative": lambda v: F.sin(v.data),
    "operator": lambda v: v.data + 1,
    "unlinked": lambda v: F.sin(v.get_unlinked_variable()).forward(),
    "masked_fill": lambda v: v.data.masked_fill(np.ones(3), 1),
    "function": lambda v: F.sin(v).parent.forward([v], [nn.Variable((3,))]),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("option", ["clear_buffer", "clear_no_need_grad"])
def test_reading_what_forward_freed(read, option):
    _, h, s, y = network()
    y.forward(**{option: True})
    freed = h if option == "clear_buffer" else s
    with pytest.raises(GraphError, match=GONE):
        READS[read](freed)
    assert freed.data.clear_called


def test_reading_what_backward_freed():
    x, h, s, y = network()
    y.forward()
    y.backward(clear_buffer=True)
    for freed in (h, s):
        with pytest.raises(GraphError, match="To keep them, set persistent=True on the variable"):
            freed.d  # noqa: B018
        with pytest.raises(GraphError, match=GONE):
            freed.g  # noqa: B018
    np.testing.assert_allclose(x.g, 2 * np.cos([2, 3, 4]), rtol=1e-6)
    assert y.d.size == y.g.size == 1


def test_what_is_asked_for_is_kept():
    _, h, s, y = network()
    h.persistent = True
    y.forward(clear_buffer=True)
    np.testing.assert_array_equal(h.d, [2, 3, 4])
    assert s.data.clear_called


WRITES = {
    "d": lambda v: setattr(v, "d", 5),
    "array": lambda v: setattr(v, "d", np.full(3, 5)),
    "fill": lambda v: v.data.fill(5),
    "copy_from": lambda v: v.data.copy_from(nn.NdArray.from_numpy_array(np.full(3, 5.0))),
    "get_data": lambda v: v.data.get_data("w").fill(5),
    "forward": lambda v: (setattr(v.parent.inputs[0], "d", 4), v.parent.forward(v.parent.inputs, [v])),
}


@pytest.mark.parametrize("write", WRITES)
def test_writing_to_what_was_freed(write):
    _, h, _, y = network()
    y.forward(clear_buffer=True)
    WRITES[write](h)
    np.testing.assert_array_equal(h.d, 5)


def test_another_shape_is_a_new_array():
    _, h, _, y = network()
    y.forward(clear_buffer=True)
    h.reset_shape((1, 3))
    with pytest.raises(GraphError, match=GONE):
        h.d  # noqa: B018
    h.reset_shape((4,), force=True)
    np.testing.assert_array_equal(h.d, 0)


def test_the_next_run_computes_it_again():
    x, h, s, y = network()
    for value in (1, 2):
        x.d = value
        y.forward(clear_no_need_grad=True)
        y.backward(clear_buffer=True)
        assert h.data.clear_called
        y.forward()
        np.testing.assert_allclose(s.d, np.sin(value + 1) * np.ones(3), rtol=1e-6)
        np.testing.assert_array_equal(h.d, value + 1)


def test_notebooks_show_that_it_was_freed():
    _, h, _, y = network()
    y.forward(clear_buffer=True)
    assert "freed" in h.data._repr_html_()
    assert "freed" in h._repr_html_()


def test_clear_makes_an_array_new(caplog, monkeypatch):
    """As in NNabla it may be written to element by element then. A read is told once."""
    monkeypatch.setattr(nnabla._nd_array, "_told", False)
    a = nn.NdArray.from_numpy_array([1.0, 2.0])
    with caplog.at_level(logging.WARNING, "nnabla"):
        nn.logger.propagate = True
        for _ in range(2):
            a.clear()
            a.data[0] = -1
            np.testing.assert_array_equal(a.data, [-1, 0])
    assert [r.message for r in caplog.records] == [
        "An array is read whose values clear() has freed: it holds zeros now."
    ]


class InPlace(PythonFunction):
    """Writes to the elements of what it may not read."""

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        outputs[0].d[...] = 3 * inputs[0].d

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        if accum[0]:
            inputs[0].g[...] += 3 * outputs[0].g
        else:
            inputs[0].g[...] = 3 * outputs[0].g

    def grad_depends_input_data(self, i, j):
        return False

    def grad_depends_output_data(self, i, o):
        return False


def test_functions_of_users_write_to_what_was_freed():
    x = nn.Variable.from_numpy_array([1.0, 2.0], need_grad=True)
    h = F.mul_scalar(x, 2.0)
    y = InPlace()(h)
    z = F.sum(F.add_scalar(y, 1.0))
    for _ in range(3):
        x.grad.zero()
        z.forward(clear_no_need_grad=True)
        z.backward(clear_buffer=True)
        np.testing.assert_array_equal(x.g, 6)
        for freed in (h, y):
            with pytest.raises(GraphError, match=GONE):
                freed.d  # noqa: B018
    y.parent.forward([x], [y])
    np.testing.assert_array_equal(y.d, [3, 6])
    y.g, h.need_grad = 1, True
    y.parent.backward([h], [y], [False])
    np.testing.assert_array_equal(h.g, 3)


def test_a_freed_input_is_not_taken_for_one_that_was_not_given():
    """Gamma is optional: without it the gradient would be another one."""
    x = nn.Variable.from_numpy_array(np.arange(6.0).reshape(2, 3), need_grad=True)
    beta, mean, variance = [nn.Variable.from_numpy_array(np.ones((1, 3))) for _ in range(3)]
    gamma = F.mul_scalar(nn.Variable.from_numpy_array(np.ones((1, 3))), 3.0)
    y = F.sum(F.batch_normalization(x, beta, gamma, mean, variance, batch_stat=False))
    x.grad.zero()
    y.forward(clear_buffer=True)
    with pytest.raises(GraphError, match="values are read that were freed by a clear option"):
        y.backward()
    y.forward()
    x.grad.zero()
    y.backward()
    np.testing.assert_allclose(x.g, 3, rtol=1e-4)
