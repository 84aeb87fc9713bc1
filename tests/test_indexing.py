"""Indexing of Variables and NdArrays against NumPy's, with gradients, in all modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

import nnabla as nn
import nnabla.functions as F
from nnabla import _indexing as indexing
from nnabla.errors import ArgumentError, ShapeError

A = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
MASK = A > 8

BASIC: dict[str, Any] = {
    "integer": 1,
    "negative integer": -2,
    "NumPy integer": np.int64(1),
    "integers": (1, 2, 3),
    "slice": slice(1, 2),
    "step": (slice(None), slice(None, None, 2)),
    "reversed": (slice(None), slice(None, None, -1)),
    "reversed with step": (slice(None), slice(None), slice(3, None, -2)),
    "negative start": (slice(None), slice(-2, None)),
    "beyond the ends": slice(-10, 10),
    "empty": slice(2, 1),
    "None": None,
    "integer, None": (1, None),
    "None between": (slice(None), None, 1),
    "ellipsis": Ellipsis,
    "ellipsis, integer": (Ellipsis, 0),
    "None, ellipsis, None": (None, Ellipsis, None),
    "empty tuple": (),
    "mixture": (0, Ellipsis, None, slice(1, 3)),
}

ADVANCED: dict[str, Any] = {
    "list": [0, 1],
    "array": np.array([1, 0, 1]),
    "negative": np.array([-1, 0]),
    "matrix": np.array([[0, 1], [1, 0]]),
    "scalar array": np.array(1),
    "empty list": [],
    "two arrays": (np.array([0, 1]), np.array([2, 0])),
    "lists": ([0, 1], [1, 2], [3, 0]),
    "broadcast arrays": (np.array([[0], [1]]), np.array([0, 2])),
    "array, None": (np.array([1]), None),
    "None, array": (None, np.array([0, 1])),
    "slice, array": (slice(None), np.array([2, 0])),
    "array, slice": (np.array([0, 1]), slice(1, 3)),
    "array, slice, array": (np.array([0, 1]), slice(None), np.array([3, 0])),
    "integer, array": (1, np.array([0, 2])),
    "array, reversed": (np.array([0, 1]), slice(None, None, -1)),
    "ellipsis, array": (Ellipsis, np.array([3, 0])),
    "mask of rows": np.array([True, False]),
    "list mask": [False, True],
    "mask of a matrix": MASK[:, :, 0],
    "mask of all": MASK,
    "mask of nothing": np.zeros(2, bool),
    "slice, mask": (slice(None), np.array([True, False, True])),
    "mask, integer": ([True, False], 1),
}

KEYS = BASIC | ADVANCED
by_key = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)


def variable(values: np.ndarray, need_grad: bool = True) -> nn.Variable:
    """A variable with a zero gradient."""
    x = nn.Variable.from_numpy_array(values, need_grad=need_grad)
    x.grad.zero()
    return x


def ramp(shape: tuple[int, ...]) -> np.ndarray:
    """Distinct gradients: a permuted one would look wrong."""
    return np.arange(1, np.prod(shape, dtype=int) + 1, dtype=np.float32).reshape(shape)


def types(y: nn.Variable) -> list[str]:
    """Type names of the functions that lead to `y`."""
    found: list[str] = []
    y.visit(lambda function: found.append(function.name))
    return found


# ---- reading -----------------------------------------------------------------------------------------------------


@by_key
def test_reading_a_variable(key: Any) -> None:
    """Values, shape, and the gradient that goes back to where each element came from."""
    x = variable(A)
    y = x[key]
    wanted = A[key]
    assert y.shape == wanted.shape
    y.forward()
    assert np.array_equal(y.d, wanted)
    dy = ramp(wanted.shape)
    y.backward(dy)
    dx = np.zeros_like(A)
    np.add.at(dx, key, dy)
    assert np.array_equal(x.g, dx)


@by_key
def test_reading_an_array(key: Any) -> None:
    """A copy, as an NdArray."""
    x = nn.NdArray.from_numpy_array(A)
    y = x[key]
    assert isinstance(y, nn.NdArray)
    assert y.shape == A[key].shape and np.array_equal(y.data, A[key])
    y.data[...] = -1
    assert np.array_equal(x.data, A)


@by_key
def test_reading_in_dynamic_mode(key: Any) -> None:
    """The same values at once."""
    with nn.auto_forward():
        assert np.array_equal(variable(A)[key].d, A[key])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_basic_key(data: st.DataObject) -> None:
    """Reading and writing by random keys of integers, slices, None and ellipsis."""
    key = data.draw(basic_indices(A.shape, allow_newaxis=True))
    x = nn.NdArray.from_numpy_array(A)
    assert np.array_equal(x[key].data, A[key])
    wanted = A.copy()
    wanted[key] = -ramp(wanted[key].shape)
    x[key] = nn.NdArray.from_numpy_array(-ramp(np.shape(A[key])))
    assert np.array_equal(x.data, wanted)


def test_basic_keys_are_slices() -> None:
    """The functions that NNabla 1.39 uses, with the same arguments."""
    graph: list[tuple[str, dict[str, Any]]] = []
    variable(A)[-1, ::2, 1:].visit(lambda f: graph.append((f.info.type_name, f.info.args)))
    assert graph == [
        ("Slice", {"start": [1, 0, 1], "stop": [2, 3, 4], "step": [1, 2, 1]}),
        ("Reshape", {"shape": [2, 3], "inplace": True}),
    ]
    assert types(variable(A)[1:]) == ["Slice"]
    assert types(variable(A)[[0, 1]]) == ["GatherNd"]
    assert types(variable(A)[MASK]) == ["GatherNd"]


@pytest.mark.parametrize("imperative", [False, True], ids=["variable", "array"])
def test_indices_in_arrays(imperative: bool) -> None:
    """Index arrays and masks may be Variables and NdArrays, beside each other and beside NumPy's."""
    array = nn.NdArray.from_numpy_array
    other = array if imperative else variable
    x = other(A)

    def values(y: Any) -> np.ndarray:
        if imperative:
            return y.data
        y.forward()
        return y.d

    for make in (array, nn.Variable.from_numpy_array):
        rows, columns = np.array([1, 0]), np.array([2, 2])
        assert np.array_equal(values(x[make(rows)]), A[rows])
        assert np.array_equal(values(x[make(rows), make(columns)]), A[rows, columns])
        assert np.array_equal(values(x[make(rows), columns]), A[rows, columns])
        assert np.array_equal(values(x[make(rows), None]), A[rows, None])
        assert np.array_equal(values(x[None, make(rows.astype("float32"))]), A[None, rows])
        assert np.array_equal(values(x[make(np.array(1))]), A[1])
        assert np.array_equal(values(x[make(MASK)]), A[MASK])
        assert np.array_equal(values(x[:, make(MASK[0, :, 3])]), A[:, MASK[0, :, 3]])


def test_indices_that_a_graph_computes() -> None:
    """Indices are read when the graph runs."""
    x, i = variable(A), nn.Variable((2,))
    y = x[F.add_scalar(i, 1)]
    for first in ([0, 0], [-1, 0]):
        i.d = first
        y.forward()
        assert np.array_equal(y.d, A[np.array(first) + 1])
    with pytest.raises(NotImplementedError, match="beside slices"):
        x[i, 0:1]


def test_iteration() -> None:
    """Rows, one after the other."""
    rows = list(variable(A))
    nn.forward_all(rows)
    assert [row.d.tolist() for row in rows] == A.tolist()
    assert [row.data.tolist() for row in nn.NdArray.from_numpy_array(A)] == A.tolist()


# ---- writing -----------------------------------------------------------------------------------------------------


@by_key
def test_writing_to_an_array(key: Any) -> None:
    """Arrays, NdArrays, Variables and numbers, to the array's own memory."""
    value = -ramp(A[key].shape)
    for what in (value, nn.NdArray.from_numpy_array(value), nn.Variable.from_numpy_array(value), 7.5):
        x = nn.NdArray.from_numpy_array(A)
        memory = x.data
        x[key] = what
        wanted = A.copy()
        wanted[key] = 7.5 if isinstance(what, float) else value
        assert np.array_equal(x.data, wanted)
        assert np.shares_memory(x.data, memory)


@by_key
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_writing_to_a_variable(key: Any, dynamic: bool) -> None:
    """The graph replaces the elements, and their gradient goes to what was written."""
    value = -ramp(A[key].shape)
    wanted = A.copy()
    wanted[key] = value
    x, v = variable(A), variable(value)
    with nn.auto_forward(dynamic):
        h = F.mul_scalar(x, 1.0)
        h[key] = v
        y = F.mul_scalar(h, 2.0)
    if not dynamic:
        y.forward()
    assert np.array_equal(y.d, 2 * wanted)
    dy = ramp(A.shape)
    y.backward(dy)
    written = np.zeros_like(A, bool)
    written[key] = True
    assert np.array_equal(x.g, np.where(written, 0, 2 * dy))
    assert np.array_equal(v.g, 2 * dy[key])


@pytest.mark.parametrize("shape", [(), (4,), (1, 4), (3, 1), (3, 4)])
def test_values_are_broadcast(shape: tuple[int, ...]) -> None:
    """To the shape that the key selects, and gradients are summed back."""
    value = np.asarray(-ramp(shape))
    x = nn.NdArray.from_numpy_array(A)
    x[1] = value
    wanted = A.copy()
    wanted[1] = value
    assert np.array_equal(x.data, wanted)
    h, v = F.mul_scalar(variable(A), 1.0), variable(value)
    h[1] = v
    h.forward()
    assert np.array_equal(h.d, wanted)
    h.backward(1)
    assert np.array_equal(v.g, np.full(shape, 12 / max(value.size, 1)))


def test_functions_applied_before_see_what_was_written() -> None:
    """Writing changes the variable, for all who use it."""
    h = F.mul_scalar(variable(A), 2.0)
    before = F.add_scalar(h, 1.0)
    h[0] = 5
    h[:, 1] = 6
    after = F.add_scalar(h, 1.0)
    nn.forward_all([before, after])
    wanted = 2 * A
    wanted[0] = 5
    wanted[:, 1] = 6
    assert np.array_equal(before.d, wanted + 1) and np.array_equal(after.d, wanted + 1)


def test_writing_what_was_read_before() -> None:
    """Reading takes the place in the graph that the variable has at the time of forward: after all writing."""
    x = variable(A)
    h = F.mul_scalar(x, 1.0)
    row = F.identity(h[0])
    other = F.mul_scalar(x, 3.0)
    other[1] = row
    other.forward()
    assert np.array_equal(other.d[1], A[0]) and np.array_equal(other.d[0], 3 * A[0])


@pytest.mark.parametrize("dynamic", [False, True])
def test_writing_what_was_read_from_the_same_variable(dynamic: bool) -> None:
    """What leads to the value reads the variable as it was before, and nothing leads to itself."""
    rows = ramp((3, 4))
    x = variable(rows)
    x.grad.zero()
    with nn.auto_forward(dynamic):
        h = F.mul_scalar(x, 2.0)
        scaled = F.mul_scalar(h, 10.0)
        h[0] = h[1] * 3 + scaled[1]
        h[2] = h[0] * 4
        y = F.sum(h)
    if not dynamic:
        y.forward()
    y.backward()
    row = 2 * rows[1]
    assert np.array_equal(h.d, [13 * row, row, 52 * row])
    assert np.array_equal(x.g, [0 * row, 0 * row + 2 * 66, 0 * row])


def test_writing_to_an_input() -> None:
    """An input of the graph can be set before every forward, and keeps its arrays."""
    x = nn.Variable.from_numpy_array(A)
    data = x.data
    x[0] = 9
    x[1, 1] = 7
    assert x.data is data
    y = F.mul_scalar(x, 2.0)
    for values in (A, A.astype("float64") + 1, A.astype("int32") - 1):
        x.d = values
        for clear in (False, True):
            y.forward(clear_buffer=clear)
            wanted = 2 * values
            wanted[0], wanted[1, 1] = 18, 14
            assert np.array_equal(y.d, wanted)


def test_writing_to_a_scalar() -> None:
    """A scalar has one element."""
    x = nn.NdArray.from_numpy_array(np.float32(1))
    x[...] = 2
    x[()] = nn.NdArray.from_numpy_array(np.float32(3))
    assert x.data == 3
    h, v = F.mul_scalar(variable(np.float32(1)), 2.0), variable(np.float32(5))
    h[...] = v
    h.forward()
    assert h.d == 5
    h.backward(3)
    assert v.g == 3


def test_writing_keeps_the_type_of_the_context() -> None:
    """An array of integers becomes one of the type that functions compute in, as in NNabla 1.39."""
    x = nn.NdArray.from_numpy_array(np.arange(3, dtype=np.int32))
    x[0] = 1.5
    assert x.dtype == np.float32 and x.data.tolist() == [1.5, 1, 2]


# ---- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key,error,message",
    [
        (5, IndexError, "index 5 is out of bounds for axis 0 with size 2"),
        ((slice(None), -4), IndexError, "index -4 is out of bounds for axis 1 with size 3"),
        ((0, 0, 0, 0), IndexError, "too many indices"),
        ((Ellipsis, Ellipsis), IndexError, "single ellipsis"),
        (1.0, TypeError, "invalid index 1.0"),
        ("a", TypeError, "invalid index 'a'"),
        (np.array(["a"]), TypeError, "invalid index"),
        (np.array([True, False, True]), IndexError, "boolean index did not match"),
        ((np.array([0, 1]), np.array([0, 1, 2])), IndexError, "broadcast"),
        ((slice(None), np.array([3])), IndexError, "out of bounds"),
    ],
)
def test_wrong_keys(key: Any, error: type[Exception], message: str) -> None:
    """Refused at once, for reading and writing, and nothing is written."""
    for x in (variable(A), nn.NdArray.from_numpy_array(A)):
        with pytest.raises(error, match=message):
            x[key]
        with pytest.raises(error, match=message):
            x[key] = 1
    assert np.array_equal(x.data, A)
    x = variable(A)
    with pytest.raises(error):
        x[key] = 1
    assert x.parent is None


def test_wrong_values() -> None:
    """A value that does not broadcast to the selected shape is refused, and nothing is written."""
    x, v = nn.NdArray.from_numpy_array(A), F.mul_scalar(variable(A), 1.0)
    for value in (np.ones(3), np.ones((2, 1, 1, 1)), nn.NdArray((2, 4))):
        for target in (x, v):
            with pytest.raises(ShapeError, match="does not broadcast"):
                target[0] = value
    with pytest.raises(TypeError):
        x[0] = "a"
    assert np.array_equal(x.data, A) and v.parent.name == "MulScalar"


def test_indices_out_of_range() -> None:
    """Index arrays are checked when they are used."""
    x = nn.NdArray.from_numpy_array(A)
    for key in ([2], [-3], (np.array([0]), np.array([7]))):
        with pytest.raises(ArgumentError, match="must be in"):
            x[key]
        with pytest.raises(ArgumentError, match="must be in"):
            x[key] = 1
    assert np.array_equal(x.data, A)


@pytest.mark.parametrize("name", ["bool_fill_", "masked_fill_"])
def test_filling_a_variable_where_a_mask_is(name: str) -> None:
    """In a graph, at once, and with an array as mask; what was filled passes no gradient."""
    wanted = np.where(MASK, -5, 2 * A)
    x = nn.Variable.from_numpy_array(A, need_grad=True)
    mask = nn.Variable.from_numpy_array(MASK)
    y = getattr(x * 2, name)(mask, -5)
    assert y.parent.info.type_name == "BoolFill" and y.need_grad
    y.forward()
    x.grad.zero()
    y.backward()
    assert np.array_equal(y.d, wanted)
    assert np.array_equal(x.g, np.where(MASK, 0, 2))
    with nn.auto_forward():
        h = x * 2
        y = getattr(h, name)(mask, -5)
        assert np.array_equal(y.d, wanted) and np.array_equal(h.d, wanted)
        x.grad.zero()
        y.backward()
        assert np.array_equal(x.g, np.where(MASK, 0, 2))
    h = nn.Variable.from_numpy_array(2 * A)
    result = getattr(h, name)(mask.data, -5)
    assert isinstance(result, nn.NdArray)
    assert np.array_equal(result.data, wanted) and np.array_equal(h.d, wanted)
    with pytest.raises(ShapeError, match="bool_fill"):
        getattr(x, name)(nn.Variable((5,)), 0)


# ---- names of the module -------------------------------------------------------------------------------

ALL = slice(None)


@pytest.mark.parametrize(
    ("key", "prepared"),
    [
        ([1], ([1, ALL], [slice(1, 2, 1), ALL], (1, None), (2, None), (1, None))),
        ([1, 2], ([1, 2], [slice(1, 2, 1), slice(2, 3, 1)], (1, 2), (2, 3), (1, 1))),
        ([..., 1], ([ALL, 1], [ALL, slice(1, 2, 1)], (None, 1), (None, 2), (None, 1))),
        ([slice(None, None, -1)], (*[[slice(None, None, -1), ALL]] * 2, (None, None), (None, None), (-1, None))),
        (
            [slice(-2, None), slice(0, 10, 3)],
            (*[[slice(-2, None), slice(0, 10, 3)]] * 2, (-2, 0), (None, 10), (None, 3)),
        ),
    ],
)
def test_names_for_basic_keys(key, prepared):
    """What NNabla 1.39 was seen to return."""
    x = nn.NdArray.from_numpy_array(np.arange(12.0).reshape(3, 4))
    found = indexing.basic_getsetitem_prepare(x, key)
    assert found == prepared
    wanted = x.data[tuple(key)]
    np.testing.assert_array_equal(indexing.basic_getitem(x, key).data, wanted)
    sliced = x[tuple(found[1])]
    assert indexing.basic_getsetitem_result_shape(x, key, sliced) == wanted.shape
    indexing.basic_setitem(x, key, 9.0)
    np.testing.assert_array_equal(x.data[tuple(key)], np.full(wanted.shape, 9.0))


def test_names_for_index_arrays():
    x = nn.NdArray.from_numpy_array(np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(indexing.advanced_getitem(x, ([0, 1], [1, 2])).data, [1, 6])
    np.testing.assert_array_equal(indexing.advanced_getitem(x, [[0, 2]]).data, x.data[[0, 2]])
    indexing.advanced_setitem(x, [np.array([True, False, True])], 9.0)
    np.testing.assert_array_equal(x.data, [[9] * 4, [4, 5, 6, 7], [9] * 4])
    for kind in (nn.NdArray, nn.Variable):
        y = indexing.broadcast(kind.from_numpy_array(np.arange(4.0)), (3, 4))
        assert isinstance(y, kind) and y.shape == (3, 4)
    mask = np.array([True, False])
    numbers = mask.astype(int)
    candidates = [
        mask,
        numbers,
        nn.NdArray.from_numpy_array(mask),
        nn.NdArray.from_numpy_array(numbers),
        nn.Variable.from_numpy_array(mask),
        [True, False],
        (True,),
        [1, 0],
        [],
        [[True]],
        True,
        [True, 1],
    ]
    for name, positions in (
        ("numpy_boolean_ndarray", [0]),
        ("nnabla_boolean_ndarray", [2]),
        ("nnabla_boolean_variable", [4]),
        ("python_boolean_sequence", [5, 6]),
    ):
        is_one = getattr(indexing, f"is_{name}")
        assert [i for i, value in enumerate(candidates) if is_one(value)] == positions
