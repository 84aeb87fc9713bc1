"""`BatchNormalizationInOutAdapter`: several channel axes as one, and back."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError


@pytest.mark.parametrize(
    ("ndim", "axes", "order"), [(4, [1, 3], [0, 2, 1, 3]), (3, [-1, 0], [1, 0, 2]), (3, [], [0, 1, 2])]
)
@pytest.mark.parametrize("kind", [nn.Variable, nn.NdArray])
def test_together_and_apart(kind, ndim, axes, order):
    values = np.random.RandomState(0).randn(*[2, 3, 4, 5][:ndim]).astype(np.float32)
    adapter = F.BatchNormalizationInOutAdapter(ndim, axes)
    outer = ndim - len(axes)
    assert adapter.transpose_axes == order and len(adapter.outer_axes) == outer and adapter.transposed_shape is None
    moved = values.transpose(order)
    x = kind.from_numpy_array(values)
    y = adapter(x)
    back = adapter.inv(y)
    if kind is nn.Variable:
        back.forward()
        y, back = y.data, back.data
    np.testing.assert_array_equal(y.data, moved.reshape(*moved.shape[:outer], -1))
    np.testing.assert_array_equal(back.data, values)


def test_normalization_over_several_axes_is_that_of_one():
    rng = np.random.RandomState(1)
    x = nn.Variable.from_numpy_array(rng.randn(2, 3, 4, 5))
    adapter = F.BatchNormalizationInOutAdapter(4, [1, 3])
    parameters = [nn.Variable.from_numpy_array(rng.rand(1, 3, 1, 5)) for _ in range(4)]
    flat = [nn.Variable.from_numpy_array(p.d.reshape(1, 1, 15)) for p in parameters]
    y = adapter.inv(F.batch_normalization(adapter(x), *flat, axes=[2]))
    expected = F.batch_normalization(x, *parameters, axes=[1, 3])
    nn.forward_all([y, expected])
    np.testing.assert_allclose(y.d, expected.d, rtol=1e-5, atol=1e-6)


def test_wrong_use():
    with pytest.raises(ArgumentError, match="axes must not have one entry only here, not \\[1\\]"):
        F.BatchNormalizationInOutAdapter(4, [1])
    with pytest.raises(ArgumentError, match="the adapter must be called on x before its inv on y"):
        F.BatchNormalizationInOutAdapter(4, [1, 2]).inv(nn.Variable((2, 3)))
