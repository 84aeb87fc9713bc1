"""Remainders and shifts of bits, where the original has no gradient, and wants integers."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError, ShapeError
from nnabla.ext_utils import get_extension_context

from .check_vjp import check_vjp


def test_gradient_of_a_remainder() -> None:
    """Both inputs, away from the jumps, and where one is broadcast."""
    rng = np.random.RandomState(17)
    x0 = np.array([[5.3, -7.1, 2.2], [0.4, -0.9, 8.8]])
    for x1 in (np.array([[2.0, 3.0, -1.5], [0.7, 2.5, 3.3]]), np.array([[2.0, 3.0, -1.5]])):
        with nn.context_scope(get_extension_context("cpu", type_config="double")):
            check_vjp(lambda xs: [F.mod2(*xs)], [x0, x1], (0, 1), rng)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
def test_shifts_are_numpys(dtype: str) -> None:
    """Whole numbers of any type, in all modes; one input may be broadcast."""
    x = np.array([[5, 4, 100], [0, 1, 27]])
    for shift in (np.array([[1, 0, 3], [2, 5, 2]]), np.array([[2], [1]])):
        for direction, compute in (("LEFT", np.left_shift), ("RIGHT", np.right_shift)):
            whole = np.int64 if dtype == "float32" else np.dtype(dtype)
            expected = compute(x.astype(whole), shift.astype(whole))
            a, s = (nn.NdArray.from_numpy_array(v.astype(dtype)) for v in (x, shift))
            assert np.array_equal(F.bit_shift(a, s, direction=direction).data, expected)
            v, w = nn.Variable(x.shape), nn.Variable(shift.shape)
            v.d, w.d = x.astype(dtype), shift.astype(dtype)
            y = F.bit_shift(v, w, direction)
            y.forward()
            assert np.array_equal(y.d, expected) and y.d.dtype == whole


def test_what_is_refused() -> None:
    """Another direction, and shapes that do not fit."""
    x = nn.Variable((2, 3))
    with pytest.raises(ArgumentError, match=r"bit_shift: direction must be one of \['LEFT', 'RIGHT'\], not 'UP'"):
        F.bit_shift(x, x, direction="UP")
    for function in (F.bit_shift, F.mod2):
        with pytest.raises(ShapeError, match="must have the same number of axes, not 2 and 1"):
            function(x, nn.Variable((3,)))
