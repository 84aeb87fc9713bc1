"""NdArray: the facts of NNabla 1.39, and the sharing of memory."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError, GraphError, ShapeError


def array(values, dtype=np.float32):
    return nn.NdArray.from_numpy_array(np.asarray(values, dtype))


def test_shape():
    a = nn.NdArray((2, 3, 4))
    assert (a.shape, a.ndim, a.size, a.strides, len(a)) == ((2, 3, 4), 3, 24, [12, 4, 1], 2)
    assert nn.NdArray().shape == ()
    assert [a.size_from_axis(i) for i in (-1, 0, 1, 2, 3)] == [24, 24, 12, 4, 1]
    with pytest.raises(ShapeError, match=r"axis must be at most 3, the number of dimensions, not 4"):
        a.size_from_axis(4)
    with pytest.raises(ShapeError, match=r"must not have negative dimensions, got \(-1, 2\)"):
        nn.NdArray((-1, 2))
    with pytest.raises(TypeError, match="shape must be a sequence of integers"):
        nn.NdArray(("2",))
    for shape in ((2.5, np.float32(3)), [2.0, 3.999], np.array([2, 3]), range(2, 4)):
        assert nn.NdArray(shape).shape == nn.Variable(shape).shape == (2, 3)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"])
def test_setting_an_array_takes_on_its_type(dtype):
    a = nn.NdArray((2, 2))
    values = np.array([[0, 1], [1, 0]], dtype)
    a.data = values
    assert a.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(a.data, values)
    a.data = values[:1]
    np.testing.assert_array_equal(a.data, np.broadcast_to(values[:1], (2, 2)))


def test_setting_a_scalar_fills_and_keeps_the_type():
    a = array([1.0, 2.0], np.float64)
    a.data = 3
    assert a.dtype == np.float64
    np.testing.assert_array_equal(a.data, [3, 3])
    a.data = np.float32(2.5)
    assert a.dtype == np.float64
    np.testing.assert_array_equal(a.data, [2.5, 2.5])
    b = nn.NdArray((2,))
    b.data = 2**60
    assert b.dtype == np.int64
    assert b.data[0] == 2**60


@pytest.mark.parametrize("value", [np.ones(2, complex), "a", None, object()])
def test_what_is_no_number_is_refused_and_changes_nothing(value):
    a = array([1.0, 2.0])
    with pytest.raises((TypeError, ValueError)):
        a.data = value
    np.testing.assert_array_equal(a.data, [1, 2])


def test_a_value_that_does_not_fit_is_refused_and_changes_nothing():
    a = array([[1.0, 2.0]])
    with pytest.raises(ShapeError, match=r"cannot broadcast a value of shape \(3, 2\) to shape \(1, 2\)"):
        a.data = np.ones((3, 2))
    np.testing.assert_array_equal(a.data, [[1, 2]])


@pytest.mark.parametrize(
    ("shape", "given"), [((2, 3), (1, 2, 3)), ((2, 3), (1, 1, 1, 3)), ((), (1, 1)), ((4,), (1, 1))]
)
def test_a_value_may_have_axes_of_length_1_in_front(shape, given):
    """A sample with its axis for the batch goes into an array without, as with NumPy's arrays and NNabla's."""
    value = np.arange(np.prod(given), dtype=np.float32).reshape(given)
    wanted = np.zeros(shape, np.float32)
    wanted[...] = value
    a = nn.NdArray(shape)
    a.data = value
    v = nn.Variable(shape)
    v.d = v.g = value
    for read in (a.data, v.d, v.g):
        assert read.shape == shape
        np.testing.assert_array_equal(read, wanted)
    with pytest.raises(ShapeError, match="cannot broadcast"):
        a.data = np.ones((2, *shape))


def test_data_is_a_view():
    a = nn.NdArray((2, 2))
    view = a.data
    view[0, 1] = 5
    assert a.data[0, 1] == 5
    a.data = np.ones((2, 2), np.float32)
    np.testing.assert_array_equal(view, 1)
    assert np.shares_memory(a.data, view)


def test_values_are_copied_in():
    values = np.ones(3, np.float32)
    a = array(values)
    values[:] = 7
    np.testing.assert_array_equal(a.data, 1)


def test_values_may_be_read_only():
    values = np.broadcast_to(np.arange(3, dtype=np.float32), (2, 3))
    a = nn.NdArray((2, 3))
    a.data = values
    np.testing.assert_array_equal(a.data, values)
    one = np.array(2.0)
    one.flags.writeable = False
    a.data = one
    np.testing.assert_array_equal(a.data, np.full((2, 3), 2.0))


def test_zero_and_fill_are_lazy_and_keep_the_type():
    a = array([1, 2], np.int32)
    a.zero()
    assert a.zeroing
    assert a.dtype == np.int32
    np.testing.assert_array_equal(a.data, [0, 0])
    assert not a.zeroing
    a.fill(4)
    assert not a.zeroing
    np.testing.assert_array_equal(a.data, [4, 4])
    a.fill(0)
    assert not a.zeroing


def test_what_fill_takes():
    """As NNabla 1.39: anything with the value of a real number, in the array's type."""
    a = array([1, 2], np.int32)
    for value, filled in ((True, 1), (np.float32(2.5), 2), (np.int64(4), 4), (np.array(3.0), 3), (np.array([3.0]), 3)):
        a.fill(value)
        assert a.data.tolist() == [filled] * 2
    for value in (None, "3", b"3", 1j, [1], np.ones(2)):
        with pytest.raises(TypeError, match="NdArray.fill: value must be a number, not"):
            a.fill(value)
    for value in (float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="an array of int32 cannot hold (nan|inf)"):
            a.fill(value)
    np.testing.assert_array_equal(a.data, [3, 3])


def test_clear():
    a = array([1.0, 2.0])
    assert not a.clear_called
    assert a.modification_count == 1
    a.clear()
    assert a.clear_called
    assert a.modification_count == 0
    np.testing.assert_array_equal(a.data, [0, 0])
    assert not a.clear_called


def test_the_type_outlives_the_values():
    """As in NNabla 1.39, after `clear` and what may follow it."""
    for then in (lambda a: None, nn.NdArray.zero, lambda a: a.fill(2), lambda a: setattr(a, "data", 1)):
        a = array([1, 2], np.float64)
        a.clear()
        then(a)
        assert a.data.dtype == np.float64


def test_get_data():
    a = array([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        a.get_data("r")[0] = 3
    assert a.get_data("rw", np.int32).dtype == np.int32
    assert a.dtype == np.int32
    a.get_data("w", np.float64)[:] = 4
    np.testing.assert_array_equal(a.data, [4, 4])
    with pytest.raises(ArgumentError, match="mode must be 'r', 'w' or 'rw', not 'x'"):
        a.get_data("x")


def test_cast_and_data_ptr():
    a = array([1.5, 2.5])
    assert a.cast(np.int64).tolist() == [1, 2]
    assert a.cast(np.float32, nn.Context()) is None
    pointer = a.data_ptr(np.float32)
    assert pointer == a.data.ctypes.data
    assert a.data_ptr(np.float64) != pointer
    assert a.dtype == np.float64


def test_copy_from():
    a, b = nn.NdArray((2,)), array([1, 2], np.int64)
    assert a.copy_from(b) is a
    assert a.dtype == np.float32
    assert a.copy_from(b, use_current_context=False).dtype == np.int64
    with pytest.raises(ShapeError, match=r"shape of arr must be \(2,\), not \(3,\)"):
        a.copy_from(nn.NdArray((3,)))
    with pytest.raises(TypeError, match="arr must be an NdArray, not list"):
        a.copy_from([1, 2])


def test_views_share_memory():
    a = array(np.arange(6).reshape(2, 3))
    view, part = a.view((3, -1)), a.narrow(0, 1, 1)
    part.data[...] = 9
    np.testing.assert_array_equal(a.data, [[0, 1, 2], [9, 9, 9]])
    np.testing.assert_array_equal(view.data, [[0, 1], [2, 9], [9, 9]])
    with pytest.raises(ShapeError, match="cannot view shape"):
        a.view((4,))
    for start, length in ((1, 2), (-1, 1), (0, -1)):
        with pytest.raises(ShapeError, match="leave axis 0 of length 2"):
            a.narrow(0, start, length)
    assert a.narrow(0, 2, 0).shape == (0, 3)
    for dim in (1, -1, -2, 2):
        with pytest.raises(ShapeError, match=f"dim must be 0, not {dim}"):
            a.narrow(dim, 0, 1)
    with pytest.raises(ShapeError, match="and the array have an axis"):
        nn.NdArray().narrow(0, 0, 1)
    with pytest.raises(GraphError, match="a part of another array cannot be cleared"):
        part.clear()
    inner = a.narrow(0, 0, 2).narrow(0, 1, 1)
    inner += 1
    np.testing.assert_array_equal(a.data, [[0, 1, 2], [10, 10, 10]])
    inner -= 1
    assert a.masked_fill(np.array([True, False, False]), -1) is a
    np.testing.assert_array_equal(a.data[:, 0], [-1, -1])


def test_views_follow_the_array_to_other_memory():
    a = nn.NdArray((2, 3))
    view, part = a.view((-1,)), a.narrow(0, 1, 1)
    values = np.arange(6).reshape(2, 3)
    for given in (values, values.astype(np.float64), values.astype(np.float32)):
        a.data = given
        np.testing.assert_array_equal(view.data, given.ravel(), strict=True)
        np.testing.assert_array_equal(part.data, given[1:], strict=True)
    a.fill(3)
    np.testing.assert_array_equal(view.data, [3] * 6)
    part.fill(1)
    np.testing.assert_array_equal(a.data, [[3, 3, 3], [1, 1, 1]])
    part.data = [[4, 5, 6]]
    assert a.dtype == np.int64
    np.testing.assert_array_equal(view.data, [3, 3, 3, 4, 5, 6])
    view.data = values.ravel() + 0.5
    np.testing.assert_array_equal(a.data, values + 0.5)
    view.zero()
    assert a.zeroing
    np.testing.assert_array_equal(F.add_scalar(part, 1).data, [[1, 1, 1]])
    view.view((3, 2)).cast(np.float16)
    assert a.dtype == np.float16
    a.clear()
    assert view.clear_called


def test_interchange_without_copies():
    a = array(np.arange(4))
    assert np.shares_memory(np.asarray(a), a.data)
    assert np.asarray(a, dtype=np.float64).dtype == np.float64
    assert np.shares_memory(np.from_dlpack(a), a.data)
    assert torch.from_dlpack(a).data_ptr() == a.data.ctypes.data
    assert a.to_torch().data_ptr() == a.data.ctypes.data
    tensor = torch.ones(3)
    shared = nn.NdArray.from_torch(tensor)
    shared.data[:] = 5
    assert tensor.tolist() == [5, 5, 5]
    a.data = torch.arange(4) * 2
    assert a.data.tolist() == [0, 2, 4, 6]


def test_identity_and_display():
    a, b = array([1.0]), array([1.0])
    assert a == a
    assert a != b
    assert len({a, b, a}) == 2
    assert bool(nn.NdArray((0,)))
    assert repr(a).startswith("<NdArray((1,)) at 0x")
    assert "float32" in a._repr_html_()
    with pytest.raises(TypeError, match="0-d"):
        len(nn.NdArray())


def test_imperative_mode_computes_at_once():
    a = array([-1, 2], np.int32)
    b = F.relu(a)
    assert isinstance(b, nn.NdArray)
    assert b.dtype == np.float32
    np.testing.assert_array_equal(b.data, [0, 2])
    out = nn.NdArray((2,))
    assert F.relu(a, outputs=[out]) is out
    np.testing.assert_array_equal(out.data, [0, 2])
    with pytest.raises(ShapeError, match=r"outputs\[0\] must have shape \(2,\), not \(3,\)"):
        F.relu(a, outputs=[nn.NdArray((3,))])


def test_a_new_array_reads_as_zeros():
    assert not np.any(nn.NdArray((100, 100)).data)


def test_copies_have_memory_of_their_own():
    a = array([1.0, 2.0])
    waiting, view = nn.NdArray((2,)), a.view((2, 1))
    waiting.zero()
    for copied in (copy.copy, copy.deepcopy):
        b = copied(a)
        b.data[0] = 5
        np.testing.assert_array_equal(a.data, [1, 2])
        np.testing.assert_array_equal(b.data, [5, 2])
        np.testing.assert_array_equal(F.add_scalar(b, 1).data, [6, 3])
        assert copied(waiting).zeroing
        c = copied(view)
        c.data[0] = 7
        np.testing.assert_array_equal(view.data, [[1], [2]])
    both = copy.deepcopy([a, a])
    assert both[0] is both[1] is not a
    with pytest.raises(TypeError, match="an NdArray cannot be pickled"):
        pickle.dumps(a)
