"""Windows of poolings: averages of nothing but padding, where NNabla 1.39 divides by zero, and maxima of many."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F


def shares(length: int, count: int, k: int, s: int, p: int) -> np.ndarray:
    """Which elements of an axis each window holds: 1 or 0, shape (count, length)."""
    start = s * np.arange(count)[:, None] - p
    i = np.arange(length)
    return ((start <= i) & (i < start + k)).astype(np.float64)


GEOMETRIES = [
    ((2, 2, 2, 3), dict(kernel=(1, 1), stride=(1, 1), pad=(1, 2))),
    ((1, 3, 2, 3), dict(kernel=(1, 2), stride=(2, 1), pad=(1, 3))),
    ((1, 3, 3, 3), dict(kernel=(2, 2), stride=(3, 3), pad=(2, 2), ignore_border=False)),
    ((1, 2, 2, 2, 2), dict(kernel=(1, 1, 1), stride=(1, 1, 1), pad=(1, 0, 1))),
    ((2, 2, 3, 2, 4), dict(kernel=(2, 1, 3), stride=(2, 2, 1), pad=(2, 1, 4))),
    ((1, 2, 1, 2, 3), dict(kernel=(4, 1, 2), stride=(1, 1, 2), pad=(2, 1, 0))),  # A volume smaller than a window.
    ((1, 1, 1, 1), dict(kernel=(1, 1), stride=(1, 1), pad=(1, 1))),
]


@pytest.mark.parametrize("config", ["float", "double"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("number", range(len(GEOMETRIES)))
def test_the_mean_of_a_window_in_the_padding_is_zero(number: int, last: bool, config: str) -> None:
    shape, args = GEOMETRIES[number]
    rng = np.random.RandomState(number)
    with nn.context_scope(nn.Context([f"cpu:{config}"])):
        values = rng.standard_normal(shape)
        x = nn.Variable.from_numpy_array(np.moveaxis(values, 1, -1) if last else values, need_grad=True)
        x.grad.zero()
        y = F.average_pooling(x, including_pad=False, channel_last=last, **args)
        counts = y.shape[1:-1] if last else y.shape[2:]
        dy = rng.standard_normal((*shape[:2], *counts))
        y.forward()
        y.backward(np.moveaxis(dy, 1, -1) if last else dy)
    found, gradient = [np.moveaxis(a, -1, 1) if last else a for a in (y.d, x.g)]
    axes = [
        shares(length, count, k, s, p)
        for length, count, k, s, p in zip(shape[2:], counts, args["kernel"], args["stride"], args["pad"], strict=True)
    ]
    expected = np.zeros((*shape[:2], *counts))
    expected_gradient = np.zeros(shape)
    empty = 0
    for place in itertools.product(*map(range, counts)):
        share = np.ones(())
        for axis, m in zip(axes, place, strict=True):
            share = share[..., None] * axis[m]
        empty += share.sum() == 0
        share = share / max(share.sum(), 1)
        expected[(..., *place)] = (values * share).sum(tuple(range(2, values.ndim)))
        expected_gradient += dy[(..., *place)].reshape(*shape[:2], *[1] * len(counts)) * share
    assert empty > 0
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)


@pytest.mark.parametrize("function", [F.average_pooling, F.sum_pooling, F.max_pooling])
def test_volumes_smaller_than_a_window_are_pooled_with_their_padding(function: Callable[..., nn.Variable]) -> None:
    values = np.arange(1.0, 7).reshape(1, 1, 1, 2, 3)
    x = nn.Variable.from_numpy_array(values, need_grad=True)
    x.grad.zero()
    y = function(x, (3, 2, 4), stride=(1, 1, 1), pad=(1, 1, 1))
    y.forward()
    y.backward()
    # One window along the first axis and three along the second, cut off at both ends; two along the last.
    sums = [[[6, 6], [21, 21], [15, 15]]]
    if function is F.max_pooling:
        assert y.d.tolist() == [[[[[3, 3], [6, 6], [6, 6]]]]] and x.g.tolist() == [[[[[0, 0, 2], [0, 0, 4]]]]]
    else:
        factor = 24 if function is F.average_pooling else 1
        np.testing.assert_allclose(y.d[0, 0] * factor, sums, rtol=1e-6)
        np.testing.assert_allclose(x.g * factor, np.full(x.shape, 4), rtol=1e-6)


def test_places_of_many_maxima_take_half_of_the_memory() -> None:
    """The same values and gradients as image by image, where there are too few for that."""
    rng = np.random.RandomState(0)
    x = nn.Variable.from_numpy_array(rng.standard_normal((5, 1, 512, 512)).astype(np.float32), need_grad=True)
    y = F.max_pooling(x, (2, 2))
    y.forward()
    assert y.parent._operator.kept.dtype is torch.int32
    dy = rng.standard_normal(y.shape).astype(np.float32)
    x.grad.zero()
    y.backward(dy)
    part = nn.Variable((1, 1, 512, 512), need_grad=True)
    one = F.max_pooling(part, (2, 2))
    for i in range(5):
        part.d = x.d[i : i + 1]
        one.forward()
        assert one.parent._operator.kept.dtype is torch.int64
        part.grad.zero()
        one.backward(dy[i : i + 1])
        np.testing.assert_array_equal(one.d, y.d[i : i + 1])
        np.testing.assert_array_equal(part.g, x.g[i : i + 1])
