"""Average pooling where windows hold nothing but padding: NNabla 1.39 divides by zero there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

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
