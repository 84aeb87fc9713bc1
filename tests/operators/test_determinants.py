"""Gradients of determinants are cofactors, of singular matrices, too, where NNabla 1.39 has NaN."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.ext_utils import get_extension_context

RANDOM = np.random.RandomState(7)
# Ranks 0, 1, 2 and 3; exchanges of rows; a determinant that is 0 but for rounding; one singular value among large ones.
MATRICES = np.stack(
    [
        np.zeros((3, 3)),
        np.ones((3, 3)),
        np.outer(RANDOM.standard_normal(3), RANDOM.standard_normal(3)),
        np.arange(9.0).reshape(3, 3),
        np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]) / 10,
        np.diag([1.0, 1.0, 0.0]),
        np.diag([1e-3, 0.0, 1.0]),
        RANDOM.standard_normal((3, 2)) @ RANDOM.standard_normal((2, 3)),
        np.eye(3)[[1, 0, 2]],
        np.eye(3)[[1, 2, 0]],
        RANDOM.standard_normal((3, 3)),
    ]
)


def cofactors(matrix: np.ndarray) -> np.ndarray:
    """By their definition."""
    n = len(matrix)
    found = np.ones((n, n))
    for i, j in np.ndindex(n, n) if n > 1 else ():
        minor = np.delete(np.delete(matrix, i, 0), j, 1)
        found[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return found


def determinants(values: np.ndarray) -> tuple[nn.Variable, nn.Variable]:
    x = nn.Variable.from_numpy_array(values, need_grad=True)
    return x, F.batch_det(x)


@pytest.mark.parametrize(("type_config", "tolerance"), [("float", 2e-5), ("double", 1e-12)])
def test_gradients_are_cofactors(type_config: str, tolerance: float) -> None:
    with nn.context_scope(get_extension_context("cpu", type_config=type_config)):
        x, y = determinants(MATRICES)
        y.forward()
        x.grad.zero()
        dy = np.arange(1.0, len(MATRICES) + 1)
        y.backward(dy)
    np.testing.assert_allclose(y.d, [np.linalg.det(m) for m in MATRICES], atol=tolerance)
    expected = [scale * cofactors(m) for scale, m in zip(dy, MATRICES, strict=True)]
    np.testing.assert_allclose(x.g, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_sizes(n: int) -> None:
    values = RANDOM.standard_normal((3, n, n))
    values[0] = 0
    values[1, -1] = values[1, 0] * 2
    if n == 1:
        values[1] = 0
    with nn.context_scope(get_extension_context("cpu", type_config="double")):
        x, y = determinants(values)
        y.forward()
        x.grad.zero()
        y.backward()
    np.testing.assert_allclose(x.g, [cofactors(m) for m in values], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("matrices", [MATRICES, MATRICES[-3:]], ids=["some singular", "regular"])
def test_second_derivatives(matrices: np.ndarray) -> None:
    """The derivative of a sum of weighted cofactors, by differences of their definition."""
    weights = RANDOM.standard_normal(matrices.shape)
    with nn.context_scope(get_extension_context("cpu", type_config="double")):
        x, y = determinants(matrices)
        (dx,) = nn.grad([y], [x])
        total = F.sum(dx * nn.Variable.from_numpy_array(weights))
        total.forward()
        x.grad.zero()
        total.backward()
        (again,) = nn.grad([F.sum(nn.grad([total], [x])[0] ** 2)], [x])
        again.forward()
    step = 1e-6
    expected = np.zeros_like(matrices)
    for place in np.ndindex(*matrices.shape):
        moved = []
        for sign in (1, -1):
            matrix = matrices[place[0]].copy()
            matrix[place[1:]] += sign * step
            moved.append((cofactors(matrix) * weights[place[0]]).sum())
        expected[place] = (moved[0] - moved[1]) / (2 * step)
    np.testing.assert_allclose(x.g, expected, atol=1e-7)
    assert np.isfinite(again.d).all()


def test_not_a_number_and_nothing() -> None:
    x, y = determinants(np.stack([np.full((2, 2), np.nan), np.eye(2), np.diag([np.inf, 1.0])]))
    y.forward()
    x.grad.zero()
    y.backward()
    assert np.isnan(x.g[0]).all()
    np.testing.assert_array_equal(x.g[1], np.eye(2))
    for shape in ((2, 0, 0), (0, 3, 3)):
        x, y = determinants(np.zeros(shape))
        y.forward()
        y.backward()
        np.testing.assert_array_equal(y.d, np.ones(shape[0]))
        assert x.g.shape == shape


@pytest.mark.parametrize("function", [F.batch_det, F.batch_logdet])
def test_gradient_at_the_present_value(function):
    """Of an input that was changed after forward, as in NNabla."""
    x = nn.Variable.from_numpy_array(np.diag([2.0, 3.0]).astype(np.float32)[None], need_grad=True)
    x.grad.zero()
    y = function(x)
    y.forward()
    x.data.copy_from(nn.NdArray.from_numpy_array(np.diag([5.0, 8.0]).astype(np.float32)[None]))
    y.backward()
    expected = {"batch_det": [[8, 0], [0, 5]], "batch_logdet": [[1 / 5, 0], [0, 1 / 8]]}[function.__name__]
    np.testing.assert_allclose(x.g[0], expected, rtol=1e-6)
