"""What may stand for a number or a list of them: all that NNabla 1.39 takes, with the same meaning.

What each call computes is recorded from it by the tables of cases (fractions in ``unusual``); here, that other kinds of
numbers mean the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.errors import ArgumentError

X = np.arange(24.0).reshape(2, 3, 4) ** 1.5
IMAGE = np.arange(72.0).reshape(2, 1, 6, 6) % 7


def value(call: Callable[[Any], Any], x: np.ndarray = X) -> np.ndarray:
    result = call(nn.NdArray.from_numpy_array(x))
    return np.array(result.data)


ONE = [
    np.int64(1), np.int8(1), np.uint64(1), np.float32(1.9), np.float64(1.0), np.float16(1.5), np.bool_(True), True,
    1.0, 1.999, np.array(1), np.array(1.9), np.array([1]), np.array([[1.5]]),
]  # fmt: skip


@pytest.mark.parametrize("one", ONE, ids=repr)
def test_an_integer(one: Any) -> None:
    np.testing.assert_array_equal(value(lambda x: F.softmax(x, axis=one)), value(lambda x: F.softmax(x, axis=1)))
    np.testing.assert_array_equal(value(lambda x: F.flip(x, axes=[one])), value(lambda x: F.flip(x, axes=[1])))
    if np.ndim(one) == 0 and not isinstance(one, np.ndarray):
        np.testing.assert_array_equal(value(lambda x: F.sum(x, axis=one)), value(lambda x: F.sum(x, axis=1)))


@pytest.mark.parametrize("minus", [-0.5, np.float32(-0.9), -1e-30])
def test_a_negative_fraction_is_cut_off_towards_zero(minus: Any) -> None:
    np.testing.assert_array_equal(value(lambda x: F.softmax(x, axis=minus)), value(lambda x: F.softmax(x, axis=0)))


@pytest.mark.parametrize(
    "axes",
    [(0, 1), [0, 1], np.array([0, 1]), np.array([0.0, 1.7]), range(2), {0, 1}, [np.float32(0), True]],
    ids=repr,
)
def test_several_axes(axes: Any) -> None:
    np.testing.assert_array_equal(value(lambda x: F.sum(x, axis=axes)), X.astype("float32").sum((0, 1)))


@pytest.mark.parametrize(
    "half", [0.5, np.float16(0.5), np.float32(0.5), np.array(0.5), np.array([0.5]), np.array([[0.5]])], ids=repr
)
def test_a_number(half: Any) -> None:
    np.testing.assert_array_equal(value(lambda x: F.elu(-x, alpha=half)), value(lambda x: F.elu(-x, alpha=0.5)))
    np.testing.assert_array_equal(
        value(lambda x: F.random_erase(x, prob=0.0, area_ratios=(half, half)), IMAGE), IMAGE.astype("float32")
    )


@pytest.mark.parametrize("axes", [1, 1.0, np.int64(1), np.float32(1.5), [1], (1,), {1}, np.array([1]), range(1, 2)])
@pytest.mark.parametrize("function", ["batch_normalization", "fused_batch_normalization", "tensor_normalization"])
def test_axes_of_channels(function: str, axes: Any) -> None:
    parameters = () if function == "tensor_normalization" else (None,) * 4

    def normalized(axes: Any) -> np.ndarray:
        y = getattr(F, function)(nn.Variable.from_numpy_array(X), *parameters, axes=axes)
        y.forward()
        return np.array(y.d)

    np.testing.assert_array_equal(normalized(axes), normalized([1]))


@pytest.mark.parametrize("pair", [np.array([2, 1]), [2.5, 1.0], (np.int64(2), np.float32(1))], ids=repr)
def test_sizes_of_patches(pair: Any) -> None:
    np.testing.assert_array_equal(
        value(lambda x: F.patch_correlation(x, x, patch=pair, shift=pair), IMAGE),
        value(lambda x: F.patch_correlation(x, x, patch=(2, 1), shift=(2, 1)), IMAGE),
    )


@pytest.mark.parametrize("maps", [5, 5.0, 5.9, np.int64(5), np.float32(5), (5,), np.array([5])], ids=repr)
def test_numbers_of_maps(maps: Any) -> None:
    with nn.parameter_scope("maps"):
        assert PF.affine(nn.Variable((2, 3)), maps).shape == (2, 5)
        with pytest.raises(TypeError, match="affine: n_outmaps must be an integer or several, not 'five'"):
            PF.affine(nn.Variable((2, 3)), "five")


@pytest.mark.parametrize(
    "other", ["1", b"1", None, [], [1], {}, float("nan"), float("inf"), np.array([1, 1]), np.array([])]
)
def test_no_integers(other: Any) -> None:
    with pytest.raises(ArgumentError, match="crelu: axis must be an integer"):
        F.crelu(nn.Variable((2, 3)), axis=other)
