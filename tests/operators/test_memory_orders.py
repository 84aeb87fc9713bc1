"""Inputs and gradients that are views, transposed or with gaps: values and gradients are those of dense arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F


def channels_last(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim), 1)


class Dense:
    """Leaves of which a layer's inputs are made."""

    def leaf(self, values: np.ndarray) -> np.ndarray:
        """What the leaf holds where the input has these values."""
        return values

    def input(self, x: nn.Variable) -> nn.Variable:
        return x

    def gradient(self, of_leaf: np.ndarray) -> np.ndarray:
        """That of the input."""
        return of_leaf


class Transposed(Dense):
    """The second axis of an input is the last one in memory, as channels-last images have it."""

    def leaf(self, values):
        return values.transpose(channels_last(values.ndim)) if values.ndim > 1 else values

    def input(self, x):
        return F.transpose(x * 1.0, tuple(np.argsort(channels_last(x.ndim)))) if x.ndim > 1 else x

    def gradient(self, of_leaf):
        return of_leaf.transpose(np.argsort(channels_last(of_leaf.ndim))) if of_leaf.ndim > 1 else of_leaf


class EveryOther(Dense):
    """Between any two elements of an input there is one that is not part of it. Axes of length 1 have odd strides."""

    def leaf(self, values):
        spread = np.zeros([2 * n if n > 1 else 1 for n in values.shape], np.float32)
        spread[(slice(None, None, 2),) * values.ndim] = values
        return spread

    def input(self, x):
        return F.slice(x * 1.0, (0,) * x.ndim, x.shape, (2,) * x.ndim)

    def gradient(self, of_leaf):
        return of_leaf[(slice(None, None, 2),) * of_leaf.ndim]


class Mixed(Dense):
    """Images are transposed, vectors have gaps."""

    def leaf(self, values):
        return _chosen(values.shape).leaf(values)

    def input(self, x):
        return _chosen(x.shape).input(x)

    def gradient(self, of_leaf):
        return _chosen(of_leaf.shape).gradient(of_leaf)


def _chosen(shape: tuple[int, ...]) -> Dense:
    return Transposed() if sum(n > 1 for n in shape) > 1 else EveryOther()


def results(call: Callable[..., nn.Variable], values: list[np.ndarray], layout: Dense) -> list[np.ndarray]:
    """The first output, and the gradients of all inputs for a gradient of it that is as `layout` says, too."""
    leaves = [nn.Variable.from_numpy_array(layout.leaf(v), need_grad=True) for v in values]
    for leaf in leaves:
        leaf.grad.zero()
    y = call(*map(layout.input, leaves))
    y = y[0] if isinstance(y, tuple) else y
    weight = np.random.RandomState(1).standard_normal(y.shape).astype(np.float32)
    loss = F.sum(y * layout.input(nn.Variable.from_numpy_array(layout.leaf(weight))))
    loss.forward()
    loss.backward()
    return [y.d.copy(), *(layout.gradient(leaf.g.copy()) for leaf in leaves)]


def weight_normalization(dim: int) -> Callable[..., nn.Variable]:
    return lambda w, g: F.weight_normalization(w, g, dim, eps=0.1)


def group_normalization(x, beta, gamma):
    return F.group_normalization(x, beta, gamma, 2, eps=0.1)


def instance_normalization(x, beta, gamma):
    return F.instance_normalization(x, beta, gamma, eps=0.1)


def batch_normalization(batch_stat: bool) -> Callable[..., nn.Variable]:
    def call(x, beta, gamma):
        if batch_stat:
            mean, variance = nn.Variable(beta.shape), nn.Variable(beta.shape)
        else:
            mean, variance = beta * 0.5, gamma**2.0
        return F.batch_normalization(x, beta, gamma, mean, variance, eps=0.1, batch_stat=batch_stat)

    return call


def fused_convolution(x, weight, beta, gamma):
    mean, variance = nn.Variable(beta.shape), nn.Variable(beta.shape)
    return F.fused_convolution(x, weight, None, beta, gamma, mean, variance, None, eps=0.1, nonlinearity="sigmoid")


def lstm(x, h, c, weight, bias):
    return F.lstm(x, h, c, weight, None, bias, bidirectional=weight.shape[0] == 2)


@pytest.mark.parametrize("layout", [Transposed(), EveryOther(), Mixed()], ids=["transposed", "every other", "mixed"])
@pytest.mark.parametrize(
    ("call", "shapes"),
    [
        (weight_normalization(0), [(3, 4, 5, 2), (3,)]),
        (weight_normalization(0), [(1, 4, 3), (1,)]),
        (weight_normalization(2), [(4, 3, 5), (5,)]),
        (weight_normalization(3), [(5, 4, 1, 3), (3,)]),
        *[
            (norm, [shape, parameter, parameter])
            for norm in (group_normalization, instance_normalization)
            for shape in [(1, 6, 3, 1), (2, 6, 1, 4), (2, 6, 3, 5), (1, 6, 5), (2, 6, 1, 3, 2), (2, 6, 1, 1)]
            for parameter in [(1, 6, *(1,) * (len(shape) - 2))]
        ],
        (batch_normalization(True), [(4, 6, 3, 5), (1, 6, 1, 1), (1, 6, 1, 1)]),
        (batch_normalization(False), [(4, 6, 3, 5), (1, 6, 1, 1), (1, 6, 1, 1)]),
        (fused_convolution, [(4, 6, 3, 5), (8, 6, 1, 2), (1, 8, 1, 1), (1, 8, 1, 1)]),
        (lstm, [(3, 2, 4), (1, 1, 2, 5), (1, 1, 2, 5), (1, 4, 5, 9), (1, 1, 4, 5)]),
        (lstm, [(3, 1, 4), (1, 2, 1, 5), (1, 2, 1, 5), (2, 4, 5, 9), (1, 2, 4, 5)]),
    ],
)
def test_views_are_computed_with_as_dense_arrays_are(call, shapes, layout):
    rng = np.random.RandomState(0)
    values = [rng.uniform(0.5, 1.5, shape).astype(np.float32) * (-1) ** rng.randint(0, 2, shape) for shape in shapes]
    values = [v.astype(np.float32) for v in values]
    for found, expected in zip(results(call, values, layout), results(call, values, Dense()), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
