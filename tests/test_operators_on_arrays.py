"""Python's operators on variables and arrays: the function each one means, its values, what it refuses."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
from nnabla.errors import ShapeError
from nnabla.ext_utils import get_extension_context

LEFT = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
RIGHT = np.array([[3.0, 1.0, 2.0], [0.5, 2.0, 1.5]], np.float32)

BINARY: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "+": (operator.add, "Add2"),
    "-": (operator.sub, "Sub2"),
    "*": (operator.mul, "Mul2"),
    "/": (operator.truediv, "Div2"),
    "**": (operator.pow, "Pow2"),
    "<": (operator.lt, "Less"),
    "<=": (operator.le, "LessEqual"),
    ">": (operator.gt, "Greater"),
    ">=": (operator.ge, "GreaterEqual"),
}

# With a number on the right, and on the left: the function, and the number that it gets for 2.
SCALAR: dict[str, tuple[tuple[str, float], tuple[str, float]]] = {
    "+": (("AddScalar", 2.0), ("AddScalar", 2.0)),
    "-": (("AddScalar", -2.0), ("RSubScalar", 2.0)),
    "*": (("MulScalar", 2.0), ("MulScalar", 2.0)),
    "/": (("MulScalar", 0.5), ("RDivScalar", 2.0)),
    "**": (("PowScalar", 2.0), ("RPowScalar", 2.0)),
    "<": (("LessScalar", 2.0), ("GreaterScalar", 2.0)),
    "<=": (("LessEqualScalar", 2.0), ("GreaterEqualScalar", 2.0)),
    ">": (("GreaterScalar", 2.0), ("LessScalar", 2.0)),
    ">=": (("GreaterEqualScalar", 2.0), ("LessEqualScalar", 2.0)),
}

IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.iadd,
    "-": operator.isub,
    "*": operator.imul,
    "/": operator.itruediv,
    "**": operator.ipow,
}

NUMBERS = [2, 2.0, True, np.float32(2), np.float64(2), np.int64(2), np.array(2.0), np.ones(1) * 2]


def variable(values: Any) -> nn.Variable:
    return nn.Variable.from_numpy_array(np.asarray(values, np.float32))


def array(values: Any) -> nn.NdArray:
    return nn.NdArray.from_numpy_array(np.asarray(values, np.float32))


def values(result: Any) -> np.ndarray:
    """The numbers of an NdArray, or of a variable after forward."""
    if isinstance(result, nn.NdArray):
        return result.data
    result.forward()
    return result.d


def made_by(y: nn.Variable) -> tuple[str, dict[str, Any]]:
    """Type name and arguments of the function that made a variable."""
    return y.parent.info.type_name, dict(y.parent.info.args)


def functions(y: nn.Variable) -> list[str]:
    """Type names of all functions under a variable."""
    names: list[str] = []
    y.visit(lambda f: names.append(f.info.type_name))
    return names


# ---- two operands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", BINARY)
def test_two_variables_make_the_function_of_that_name(sign: str) -> None:
    """The graph grows by one function; its values are NumPy's."""
    compute, name = BINARY[sign]
    y = compute(variable(LEFT), variable(RIGHT))
    assert isinstance(y, nn.Variable) and made_by(y)[0] == name
    np.testing.assert_allclose(values(y), compute(LEFT, RIGHT), rtol=1e-6)


@pytest.mark.parametrize("kinds", [(array, array), (array, variable), (variable, array)])
@pytest.mark.parametrize("sign", BINARY)
def test_an_array_among_the_operands_computes_at_once(sign: str, kinds: tuple[Any, Any]) -> None:
    """The result is an NdArray, whatever the other operand is."""
    compute = BINARY[sign][0]
    y = compute(kinds[0](LEFT), kinds[1](RIGHT))
    assert isinstance(y, nn.NdArray) and y.dtype == np.float32
    np.testing.assert_allclose(y.data, compute(LEFT, RIGHT), rtol=1e-6)


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("sign", SCALAR)
def test_numbers_become_arguments(sign: str, number: Any) -> None:
    """Every kind of number, on either side of a variable or an array; a boolean counts as 1."""
    compute = BINARY[sign][0]
    value = float(np.asarray(number).reshape(()))
    for swapped in (False, True):
        name, argument = SCALAR[sign][swapped]
        if value == 1:
            argument = {2.0: 1.0, -2.0: -1.0, 0.5: 1.0}[argument]
        expected = compute(value, LEFT) if swapped else compute(LEFT, value)
        for kind in (variable, array):
            y = compute(number, kind(LEFT)) if swapped else compute(kind(LEFT), number)
            if kind is variable:
                assert made_by(y)[0] == name and made_by(y)[1]["val"] == argument
            assert type(y) is type(kind(LEFT))
            np.testing.assert_allclose(values(y), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (2, 1), (3,)])
@pytest.mark.parametrize("sign", BINARY)
def test_numpy_arrays_are_constants(sign: str, shape: tuple[int, ...]) -> None:
    """On either side; with fewer axes they are broadcast as NumPy does it; no gradient goes to them."""
    compute = BINARY[sign][0]
    constant = np.full(shape, 2.0) + np.arange(shape[-1]) % 2
    for kind in (variable, array):
        for swapped in (False, True):
            operands = (constant, kind(LEFT)) if swapped else (kind(LEFT), constant)
            y = compute(*operands)
            assert type(y) is type(kind(LEFT))
            np.testing.assert_allclose(
                values(y), compute(constant, LEFT) if swapped else compute(LEFT, constant), rtol=1e-6
            )
    x = variable(LEFT)
    constants = [v for v in compute(x, constant).parent.inputs if v != x]
    assert [v.need_grad for v in constants] == [False]


def test_a_constant_keeps_its_values() -> None:
    """Changing the NumPy array later changes nothing in the graph, in whatever order its memory is."""
    source = np.asfortranarray(RIGHT.copy())
    y = variable(LEFT) + source
    source[:] = 0
    assert np.array_equal(values(y), LEFT + RIGHT)


@pytest.mark.parametrize("sign", BINARY)
def test_other_operands_are_refused(sign: str) -> None:
    """Python's own TypeError names the operator and both types."""
    compute = BINARY[sign][0]
    for other in ([1, 2, 3], None, "2", 2j, np.array(["a", "b"]), np.ones(3, complex), object()):
        for kind in (variable, array):
            for operands in ((kind(LEFT), other), (other, kind(LEFT))):
                with pytest.raises(TypeError):
                    compute(*operands)


@pytest.mark.parametrize("sign", BINARY)
def test_shapes_that_do_not_fit_are_refused(sign: str) -> None:
    """The message names the function; the number of axes of two variables must be equal."""
    compute, name = BINARY[sign]
    for other in (variable(np.ones((2, 4))), array(np.ones((3, 2))), np.ones((4, 3)), variable(np.ones(3))):
        with pytest.raises(ShapeError, match=rf"in {name}\("):
            compute(variable(LEFT), other)
    with pytest.raises(ShapeError, match="same number of axes, not 2 and 3"):
        compute(array(LEFT), np.ones((2, 2, 3)))


def test_division_by_the_number_zero_is_refused() -> None:
    """As in Python; a zero in an array gives an infinity instead."""
    for x in (variable(LEFT), array(LEFT)):
        with pytest.raises(ZeroDivisionError):
            x / 0
    assert (array([1.0]) / array([0.0])).data.tolist() == [np.inf]


# ---- one operand -------------------------------------------------------------------------------------------


def test_signs_and_abs() -> None:
    """Minus is a product with -1; plus is the operand itself."""
    x, a = variable(LEFT - 3), array(LEFT - 3)
    assert made_by(-x) == ("MulScalar", {"val": -1.0, "inplace": False})
    assert +x is x and +a is a
    assert np.array_equal((-a).data, 3 - LEFT)
    assert made_by(abs(x))[0] == "Abs"
    assert np.array_equal(abs(a).data, np.abs(LEFT - 3))


def test_equality_means_identity() -> None:
    """Comparing values is `F.equal`; so variables and arrays can be keys."""
    for kind in (variable, array):
        x, y = kind(LEFT), kind(LEFT)
        assert x == x and x != y and {x: 1, y: 2}[y] == 2
        assert x != 1.0


# ---- in place ----------------------------------------------------------------------------------------------


def is_in_place(sign: str, other: Any) -> bool:
    """What NNabla 1.39 was seen to do: sums always, products with a number, powers never."""
    return sign in "+-" or (sign in "*/" and np.isscalar(other))


@pytest.mark.parametrize("sign", IN_PLACE)
def test_an_array_changes_in_place_or_is_made_anew(sign: str) -> None:
    """In place, the object, its memory and the NumPy view of it stay; else the old array keeps its values."""
    compute = IN_PLACE[sign]
    for other in (
        2,
        np.float32(2),
        array(RIGHT),
        variable(RIGHT),
        RIGHT,
        RIGHT[:1],
        RIGHT[0],
        array(RIGHT[:, :1]),
    ):
        a = array(LEFT)
        view = a.data
        number = other.d if isinstance(other, nn.Variable) else other.data if isinstance(other, nn.NdArray) else other
        y = compute(a, other)
        wanted = BINARY[sign][0](LEFT, number)
        np.testing.assert_allclose(y.data, wanted, rtol=1e-6)
        assert (y is a) == is_in_place(sign, other)
        np.testing.assert_allclose(view, wanted if y is a else LEFT, rtol=1e-6)
        assert np.shares_memory(view, a.data)


@pytest.mark.parametrize("sign", IN_PLACE)
def test_an_array_of_another_type_is_converted(sign: str) -> None:
    """Functions compute in the context's type, which an array of integers then takes on."""
    same = nn.NdArray.from_numpy_array(LEFT.astype(np.int32))
    a = IN_PLACE[sign](same, 2)
    assert a.dtype == np.float32
    assert same.dtype == (np.float32 if is_in_place(sign, 2) else np.int32)
    np.testing.assert_allclose(a.data, BINARY[sign][0](LEFT, 2), rtol=1e-6)


@pytest.mark.parametrize("sign", IN_PLACE)
def test_what_does_not_fit_in_place_changes_nothing(sign: str) -> None:
    """A result of another shape than the array, or an operand of another kind."""
    a = array(LEFT[:1])
    for other in (array(LEFT), np.ones((2, 3)), array([1.0, 2.0, 3.0]), array(np.ones((1, 2)))):
        if is_in_place(sign, other):
            with pytest.raises(
                ShapeError, match=r"=: cannot broadcast shape .* to \(1, 3\), that of the array to change"
            ):
                IN_PLACE[sign](a, other)
    for other in ([1, 2, 3], None, "2"):
        with pytest.raises(TypeError):
            IN_PLACE[sign](a, other)
    assert np.array_equal(a.data, LEFT[:1])


def test_a_new_array_may_be_larger() -> None:
    """As on NNabla 1.39: what broadcasts to more than the array was is made anew."""
    column = array([[1.0], [2.0]])
    y = IN_PLACE["*"](column, array([[3.0, 4.0], [5.0, 6.0]]))
    assert np.array_equal(y.data, [[3, 4], [10, 12]]) and np.array_equal(column.data, [[1], [2]])
    y = IN_PLACE["**"](column, array([[3.0, 4.0], [5.0, 6.0]]))
    assert np.array_equal(y.data, [[1, 1], [32, 64]]) and np.array_equal(column.data, [[1], [2]])


@pytest.mark.parametrize("sign", IN_PLACE)
def test_a_variable_becomes_a_new_one(sign: str) -> None:
    """The graph grows, the old variable keeps its values."""
    x = variable(LEFT)
    y = IN_PLACE[sign](x, 2)
    assert y is not x and y.parent.inputs == [x]
    np.testing.assert_allclose(values(y), BINARY[sign][0](LEFT, 2), rtol=1e-6)
    assert np.array_equal(x.d, LEFT)


def test_an_array_operates_on_itself() -> None:
    """Reading and writing the same memory."""
    a = b = array(LEFT)
    a += a
    a *= a
    assert np.array_equal(a.data, (2 * LEFT) ** 2)
    assert np.array_equal(b.data, 2 * LEFT)


def test_waiting_fills_take_part() -> None:
    """`zero` and `fill` are carried out when an operator needs the values."""
    a = nn.NdArray((2, 3))
    a.fill(3)
    b = nn.NdArray((2, 3))
    b.zero()
    assert np.array_equal((a + b).data, np.full((2, 3), 3.0))
    b += a
    b -= 1
    assert np.array_equal(b.data, np.full((2, 3), 2.0))


# ---- modes and contexts ------------------------------------------------------------------------------------


def test_gradients_flow_through_an_expression() -> None:
    """d/dx of (2 - x) * (x / 4) ** 2 + 3 / x, by hand."""
    x = nn.Variable.from_numpy_array(LEFT, need_grad=True)
    y = (2 - x) * (x / 4) ** 2 + 3 / x
    y.forward()
    x.grad.zero()
    y.backward()
    np.testing.assert_allclose(x.g, (4 * LEFT - 3 * LEFT**2) / 16 - 3 / LEFT**2, rtol=1e-5)


def test_auto_forward_computes_at_once() -> None:
    """In dynamic mode the variable that an operator returns has its values."""
    with nn.auto_forward():
        y = variable(LEFT) * 2 + RIGHT
    assert np.array_equal(y.d, LEFT * 2 + RIGHT)


def test_the_context_decides_on_the_type() -> None:
    """Double precision in, double precision out; in place, too."""
    with nn.context_scope(get_extension_context("cpu", type_config="double")):
        a = array([1.0])
        b = a + 1e-12
        a += np.array([1e-12])
    assert b.dtype == a.dtype == np.float64
    assert b.data[0] - 1 == pytest.approx(1e-12, rel=1e-3) and a.data[0] == b.data[0]


def test_a_graph_that_runs_often_gives_the_same_every_time() -> None:
    """Operators keep their number as a tensor from the third use on."""
    x = nn.Variable.from_numpy_array(LEFT, need_grad=True)
    y = 0.1 - (x * 0.3 + 0.7) ** 2 / 0.9
    results = []
    for _ in range(4):
        y.forward()
        x.grad.zero()
        y.backward()
        results.append((y.d.copy(), x.g.copy()))
    for d, g in results[1:]:
        assert np.array_equal(d, results[0][0]) and np.array_equal(g, results[0][1])


# ---- matrix products ---------------------------------------------------------------------------------------

SHAPES = [
    ((3,), (3,), ["Mul2", "Sum"]),
    ((2, 3), (3,), ["Reshape", "Affine", "Reshape"]),
    ((3,), (3, 2), ["Reshape", "Affine", "Reshape"]),
    ((2, 3), (3, 4), ["Affine"]),
    ((5, 2, 3), (5, 3, 4), ["BatchMatmul"]),
    ((5, 2, 3), (3, 4), ["Reshape", "BatchMatmul"]),
    ((2, 3), (5, 3, 4), ["Reshape", "BatchMatmul"]),
    ((5, 2, 3), (3,), ["Reshape", "BatchMatmul", "Reshape"]),
    ((3,), (5, 3, 4), ["Reshape", "BatchMatmul", "Reshape"]),
    ((6, 5, 2, 3), (5, 3, 4), ["Reshape", "BatchMatmul"]),
    ((6, 1, 2, 3), (1, 5, 3, 4), ["BatchMatmul"]),
    ((1, 2, 3), (5, 3, 4), ["BatchMatmul"]),
    ((3,), (6, 5, 3, 4), ["Reshape", "BatchMatmul", "Reshape"]),
    ((0, 3), (3, 4), ["Affine"]),
]


@pytest.mark.parametrize(("left", "right", "graph"), SHAPES)
def test_matrix_products_are_numpys(left: tuple[int, ...], right: tuple[int, ...], graph: list[str]) -> None:
    """Values, shapes and the functions that NNabla 1.39 makes, for variables, arrays and NumPy arrays."""
    rng = np.random.RandomState(7)
    a, b = rng.standard_normal(left), rng.standard_normal(right)
    expected = np.matmul(a, b)
    y = variable(a) @ variable(b)
    assert y.shape == expected.shape and functions(y) == graph
    for result in (
        y,
        array(a) @ array(b),
        array(a) @ variable(b),
        variable(a) @ b,
        a @ variable(b),
        a @ array(b),
    ):
        np.testing.assert_allclose(values(result), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (4,)), ((2, 3), (4, 2)), ((2, 3), (4,)), ((3,), (4, 2)), ((), (3,)), ((3,), ())],
)
def test_matrix_products_that_do_not_fit_are_refused(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """The message shows both shapes."""
    with pytest.raises(ShapeError, match="@: ") as error:
        variable(np.ones(left)) @ variable(np.ones(right))
    assert str(left) in str(error.value) and str(right) in str(error.value)
    with pytest.raises(ShapeError, match="@: "):
        array(np.ones(left)) @ array(np.ones(right))


def test_matrix_products_take_no_numbers() -> None:
    """As in NumPy."""
    for other in (2, 2.0, None, [1, 2, 3]):
        with pytest.raises(TypeError):
            variable(LEFT) @ other
        with pytest.raises(TypeError):
            other @ array(LEFT)


# ---- NumPy's dot -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (6, 3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 4)),
        ((), (3,)),
        ((2, 2), ()),
        ((), ()),
        ((6, 5, 2, 3), (7, 3, 4)),
    ],
)
def test_dot_is_numpys(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """Values and shapes, for all kinds of operands, with and without a place for the result."""
    rng = np.random.RandomState(8)
    a, b = np.asarray(rng.standard_normal(left)), np.asarray(rng.standard_normal(right))
    expected = np.dot(a, b)
    dot = nn.functions.dot
    for x0, x1 in ((variable(a), variable(b)), (array(a), array(b)), (array(a), b), (a, variable(b))):
        y = dot(x0, x1)
        assert y.shape == expected.shape
        np.testing.assert_allclose(values(y), expected, rtol=1e-4, atol=1e-5)
    out = nn.NdArray(expected.shape)
    assert dot(array(a), array(b), out=out) is out
    np.testing.assert_allclose(out.data, expected, rtol=1e-4, atol=1e-5)
    target = nn.Variable(expected.shape)
    assert dot(variable(a), variable(b), out=target) is target
    np.testing.assert_allclose(values(target), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dot(a, b), expected)


def test_dot_of_a_scalar_variable_has_a_gradient() -> None:
    """NNabla 1.39 takes the scalar's value when the graph is built; here it is read when the graph runs."""
    s = nn.Variable.from_numpy_array(2.0, need_grad=True)
    x = variable(LEFT)
    y = nn.functions.dot(s, x)
    s.d = 3.0
    assert np.array_equal(values(y), 3 * LEFT)
    s.grad.zero()
    y.backward()
    assert s.g == LEFT.sum()


def test_dot_refuses_what_does_not_fit() -> None:
    """Shapes, kinds of operands, and the place for the result."""
    dot = nn.functions.dot
    with pytest.raises(ShapeError, match=r"dot: the last axis of \(2, 3\) and the last but one axis of \(4, 3\)"):
        dot(variable(np.ones((2, 3))), variable(np.ones((4, 3))))
    with pytest.raises(ShapeError, match=r"dot: out must have the shape of the result, \(2, 4\), not \(4, 2\)"):
        dot(array(np.ones((2, 3))), array(np.ones((3, 4))), out=nn.NdArray((4, 2)))
    with pytest.raises(TypeError, match="dot: out must be a NdArray, as the result is, not Variable"):
        dot(array(np.ones((2, 3))), array(np.ones((3, 4))), out=nn.Variable((2, 4)))
    with pytest.raises(TypeError, match="dot: b must be a Variable, an NdArray, or real numbers, not 'x'"):
        dot(array(np.ones((2, 3))), "x")
