"""Activations, arithmetic, comparisons and reductions: their messages, and what no single case can show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError, ShapeError
from nnabla.ext_utils import get_extension_context


def v(*shape: int) -> nn.Variable:
    return nn.Variable(shape)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: F.add2(v(2, 3), v(3)),
        ShapeError,
        "add2: both inputs must have the same number of axes, not 2 and 1",
    ),
    (lambda: F.mul2(v(2, 3), v(2, 4)), ShapeError, r"mul2: shapes \(2, 3\) and \(2, 4\) cannot be broadcast"),
    (lambda: F.less(v(2, 3), v(2, 4)), ShapeError, r"less: shapes \(2, 3\) and \(2, 4\) cannot be broadcast"),
    (
        lambda: F.maximum2(v(2), v(2, 1)),
        ShapeError,
        "maximum2: both inputs must have the same number of axes",
    ),
    (
        lambda: F.add_n(v(2), v(2), v(3)),
        ShapeError,
        r"add_n: x2 must have the shape of x0, \(2,\), not \(3,\)",
    ),
    (lambda: F.mul_n(v(2), v(1)), ShapeError, r"mul_n: x1 must have the shape of x0, \(2,\), not \(1,\)"),
    (lambda: F.add_scalar(v(2), "x"), ArgumentError, "add_scalar: val must be a number, not 'x'"),
    (lambda: F.softplus(v(2), beta=0), ArgumentError, "softplus: beta must be other than 0, not 0.0"),
    (
        lambda: F.prelu(v(2, 3), v(2)),
        ShapeError,
        r"x1 must have one element or shape \(3,\), axis 1 of x0, not \(2,\)",
    ),
    (lambda: F.prelu(v(), v()), ArgumentError, r"prelu: base_axis must be in \[0, 0\), not 1"),
    (lambda: F.crelu(v(2, 3), axis=2), ArgumentError, r"crelu: axis must be in \[-2, 2\), not 2"),
    (lambda: F.celu(v(2), axis=-2), ArgumentError, r"celu: axis must be in \[-1, 1\), not -2"),
    (lambda: F.softmax(v()), ArgumentError, r"softmax: axis must be in \[0, 0\), not -1"),
    (lambda: F.log_softmax(v(2), axis=1), ArgumentError, r"log_softmax: axis must be in \[-1, 1\), not 1"),
    (lambda: F.sum(v(2, 3), axis=2), ArgumentError, r"sum: axes must be in \[-2, 2\), not 2"),
    (lambda: F.mean(v(2, 3), axis=(1, -1)), ArgumentError, r"mean: axes must be distinct, not \(1, -1\)"),
    (
        lambda: F.sum(v(2, 3), axis="0"),
        ArgumentError,
        "sum: axes must be a sequence of integers, not '0'",
    ),
    (
        lambda: F.max(v(2, 0), axis=1),
        ShapeError,
        r"max: there is nothing to reduce over axes \(1,\) of \(2, 0\)",
    ),
    (lambda: F.min(v(0)), ShapeError, r"min: there is nothing to reduce over axes \(0,\) of \(0,\)"),
    (lambda: F.norm(v(2), p=0.5), ArgumentError, "norm: p must be at least 1, not 0.5"),
    (
        lambda: F.norm(v(0), p=np.inf),
        ShapeError,
        r"norm: there is nothing to reduce over axes \(0,\) of \(0,\)",
    ),
    (lambda: F.cumsum(v()), ArgumentError, r"cumsum: axis must be in \[0, 0\), not 0"),
    (lambda: F.reduce(v(2), op="max"), ArgumentError, "reduce: op must be 'sum' or 'mean', not 'max'"),
    (lambda: F.searchsorted(v(2, 3), v(3, 3)), ShapeError, "must have the same shape but for the last axis"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[m[:30] for _, _, m in REFUSED])
def test_messages(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    """Function, argument, what was given and what is allowed."""
    with pytest.raises(error, match=message):
        call()


def test_a_mean_follows_the_batch_size() -> None:
    """The divisor is not the one of the first shape, even after the graph ran often."""
    x = nn.Variable((4, 3), need_grad=True)
    losses = [F.mean(x), F.reduce_mean(x), F.mean(x, axis=0)]
    for batch in (4, 4, 4, 8, 2):
        x.reset_shape((batch, 3), True)
        x.d = np.arange(batch * 3).reshape(batch, 3)
        for loss, count in zip(losses, (batch * 3, batch * 3, batch), strict=True):
            loss.forward()
            np.testing.assert_allclose(loss.d, x.d.mean(0 if loss.shape else None))
            x.grad.zero()
            loss.backward()
            np.testing.assert_allclose(x.g, np.full((batch, 3), 1 / count), rtol=1e-6)


def test_the_largest_absolute_value_is_a_norm() -> None:
    """p = infinity, of which NNabla 1.39 makes 1; equal elements share the gradient."""
    x = nn.Variable.from_numpy_array([[1.0, -3.0, 3.0], [0.0, 0.0, 0.0], [-5.0, 2.0, 1.0]], need_grad=True)
    y = F.norm(x, p=np.inf, axis=1)
    y.forward()
    x.grad.zero()
    y.backward(np.array([2.0, 1.0, 3.0]))
    assert y.d.tolist() == [3.0, 0.0, 5.0]
    assert x.g.tolist() == [[0.0, -1.0, 1.0], [0.0, 0.0, 0.0], [-3.0, 0.0, 0.0]]


def test_the_zero_vector_has_no_direction() -> None:
    """The gradient of its norm is 0, where NNabla 1.39 gives NaN."""
    for p in (1.5, 2.0, 3.0):
        x = nn.Variable.from_numpy_array([[0.0, 0.0], [3.0, 4.0]], need_grad=True)
        y = F.norm(x, p=p, axis=1)
        y.forward()
        x.grad.zero()
        y.backward()
        assert x.g[0].tolist() == [0.0, 0.0] and np.isfinite(x.g).all()


@pytest.mark.parametrize(
    ("values", "expected"), [([2.0, 0.0, 3.0], [0.0, 6.0, 0.0]), ([0.0, 0.0, 3.0], [0.0, 0.0, 0.0])]
)
def test_products_with_zeros_have_gradients(values: list[float], expected: list[float]) -> None:
    """The product of the other factors, also where some are 0."""
    x = nn.Variable.from_numpy_array(values, need_grad=True)
    factors = [nn.Variable.from_numpy_array(f, need_grad=True) for f in values]
    for leaf in (x, *factors):
        leaf.grad.zero()
    for y in (F.prod(x), F.mul_n(*factors)):
        y.forward()
        y.backward()
    assert x.g.tolist() == expected
    assert [float(f.g) for f in factors] == expected


@pytest.mark.parametrize("config", ["float", "double", "half", "bfloat16"])
def test_rounding_is_exact_in_every_type(config: str) -> None:
    """Halves go away from zero, and the number before one half does not."""
    with nn.context_scope(get_extension_context("cpu", type_config=config)):
        dtype = {"float": np.float32, "double": np.float64, "half": np.float16, "bfloat16": np.float32}[config]
        below = 0.5 - 2.0**-9 if config == "bfloat16" else float(np.nextafter(dtype(0.5), dtype(0)))
        x = np.array([0.5, 1.5, -2.5, below, -below, 100.5, np.inf, -np.inf, 0.0], dtype)
        y = F.round(nn.NdArray.from_numpy_array(x)).data.astype(np.float64)
    assert y.tolist() == [1.0, 2.0, -3.0, 0.0, 0.0, 101.0, np.inf, -np.inf, 0.0]


def test_nan_is_passed_on() -> None:
    """Where NNabla 1.39 drops some, as NumPy does not."""
    a = nn.NdArray.from_numpy_array(np.array([1.0, np.nan, 3.0], np.float32))
    b = nn.NdArray.from_numpy_array(np.array([2.0, 2.0, np.nan], np.float32))
    for y in (F.maximum2(a, b), F.minimum2(a, b)):
        assert np.isnan(y.data).tolist() == [False, True, True]
    for y in (F.relu(a), F.maximum_scalar(a, 0.5), F.minimum_scalar(a, 0.5), F.clip_by_value(a, 0, 2)):
        assert np.isnan(y.data).tolist() == [False, True, False]
    assert np.isnan(F.max(a).data) and np.isnan(F.min(a).data) and np.isnan(F.sum(a).data)


def test_truth_values_take_part_as_constants() -> None:
    """A mask made of the input itself passes no gradient, and those of the other factor as they are."""
    x = nn.Variable.from_numpy_array([-1.0, 2.0, 3.0], need_grad=True)
    y = F.sum(x * (x > 0))
    y.forward()
    x.grad.zero()
    y.backward()
    assert x.g.tolist() == [0.0, 1.0, 1.0]


def test_comparisons_document_themselves() -> None:
    """The sections that all comparisons share are part of the documentation of each."""
    for function in (F.equal, F.less_scalar, F.logical_and, F.logical_not, F.logical_or_scalar):
        for section in ("Whether", "Inputs:", "Returns:", "Source: NNabla function reference"):
            assert section in function.__doc__


def test_derivatives_at_zero_are_those_of_nnabla() -> None:
    x = nn.Variable.from_numpy_array([[-1.0, 0.0, 2.0]], need_grad=True)
    dy = np.arange(1.0, 7.0).reshape(1, 6)
    for y, expected in (
        (F.prelu(x, nn.Variable.from_numpy_array(0.25)), [0.25, 2, 3]),
        (F.crelu(x), [-4, -5, 3]),
    ):
        y.forward()
        x.grad.zero()
        y.backward(dy[:, : y.size])
        assert x.g.tolist() == [expected]
