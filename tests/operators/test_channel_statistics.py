"""Batch normalization against float64, in each layout and type: above all where means are large beside deviations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
from nnabla.ext_utils import get_extension_context
from nnabla.operators.channel_statistics import normalized_by, normalized_by_batch

EPS = 1e-5

# By their layout: channels last and first, and neither; of each, few and many samples.
ARRAYS: dict[str, Callable[[int], torch.Tensor]] = {
    "matrix": lambda n: torch.randn(64 * n, 24),
    "one column": lambda n: torch.randn(128 * n, 1),
    "channels last": lambda n: torch.randn(4 * n, 16, 6, 5).contiguous(memory_format=torch.channels_last),
    "planes": lambda n: torch.randn(4 * n, 11, 6, 5),
    "small planes": lambda n: torch.randn(16 * n, 9, 2, 2),
    "a slice": lambda n: torch.randn(8 * n, 9, 6, 7)[::2, :, 1:, ::2],
}
SIZES = [1, 100]
# Of the mean, in standard deviations.
OFFSETS = [0.0, 3.0, 10.0, 1000.0, 1e6]


def in_double(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Result, mean and variance by the definition."""
    axes = [i for i in range(x.ndim) if i != 1]
    wide, column = x.double(), (-1,) + (1,) * (x.ndim - 2)
    variance, mean = torch.var_mean(wide, axes, correction=0)
    y = (wide - mean.view(column)) / (variance + EPS).sqrt().view(column)
    return y * weight.double().view(column) + bias.double().view(column), mean, variance


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ARRAYS)
def test_by_batch(layout: str, size: int, offset: float) -> None:
    """Results, statistics and what moves towards them; and the memory format stays."""
    torch.manual_seed(size)
    x = ARRAYS[layout](size) + offset
    channels = x.shape[1]
    weight, bias = torch.linspace(0.5, 2, channels), torch.linspace(-1, 1, channels)
    mean, variance = torch.linspace(3, 4, channels), torch.linspace(1, 2, channels)
    expected_y, expected_mean, expected_variance = in_double(x, weight, bias)
    count = x.numel() // channels
    moved_mean = 0.75 * mean.double() + 0.25 * expected_mean
    moved_variance = 0.75 * variance.double() + 0.25 * expected_variance * count / (count - 1)
    y, found_mean, inverse = normalized_by_batch(x, weight, bias, (mean, variance), 0.25, EPS)
    # ATen adds up squares one by one: for 12800 samples, an error of 1e-5.
    torch.testing.assert_close(y.double(), expected_y, rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(found_mean.double(), expected_mean, rtol=2e-5 if offset < 4 else 2e-7, atol=1e-6)
    torch.testing.assert_close(inverse.double(), (expected_variance + EPS).rsqrt(), rtol=2e-5, atol=0)
    torch.testing.assert_close(mean.double(), moved_mean, rtol=1e-5 if offset < 4 else 1e-6, atol=1e-6)
    # With means of a million, the first estimate has an error of a thousandth.
    torch.testing.assert_close(variance.double(), moved_variance, rtol=4e-5, atol=0)
    if layout != "a slice":
        assert y.stride() == x.stride()


def test_precision_of_large_planes() -> None:
    """Sums over planes are more precise than ATen's kernel."""
    torch.manual_seed(3)
    for offset in OFFSETS:
        x = torch.randn(32, 4, 40, 40) + offset
        y, _, _ = normalized_by_batch(x, None, None, (None, None), 0.1, EPS)
        expected, _, _ = in_double(x, torch.ones(4), torch.zeros(4))
        torch.testing.assert_close(y.double(), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("offset", [0.0, 3.5, 4.5, 1000.0])
@pytest.mark.parametrize("spread", [1.0, 1e-3, 0.0])
def test_when_differences_are_normalized(monkeypatch: pytest.MonkeyPatch, offset: float, spread: float) -> None:
    """Where a mean is more than 4 deviations, which `eps` is no part of. One other channel does not change that."""
    calls = []
    kernel = torch.native_batch_norm
    monkeypatch.setattr(torch, "native_batch_norm", lambda *args: calls.append(None) or kernel(*args))
    x = torch.randn(1000, 2)
    x = (x - x.mean(0)) / x.std(0)
    x[:, 1] = (x[:, 1] + offset) * spread if spread else offset
    normalized_by_batch(x, None, None, (None, None), 0.1, EPS)
    assert len(calls) == (2 if offset > 4 or (offset and not spread) else 1)


@pytest.mark.parametrize("parameters", ["none", "weight", "bias", "both"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ARRAYS)
def test_a_constant_channel_becomes_the_bias(layout: str, size: int, parameters: str) -> None:
    """Exactly: 1000.1 times the number of samples cannot be added up exactly in float32."""
    x = torch.full_like(ARRAYS[layout](size), 1000.1)
    channels = x.shape[1]
    weight = torch.linspace(0.5, 2, channels) if parameters in ("weight", "both") else None
    bias = torch.linspace(-1, 1, channels) if parameters in ("bias", "both") else torch.zeros(channels)
    y, mean, _ = normalized_by_batch(x, weight, bias if bias.any() else None, (None, None), 0.1, EPS)
    assert torch.equal(mean, x.movedim(1, -1).reshape(-1, channels)[0])
    assert torch.equal(y.movedim(1, -1).reshape(-1, channels), bias.expand(x.numel() // channels, -1))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ARRAYS)
def test_by_running_statistics(layout: str, size: int) -> None:
    """Means of a million: NNabla 1.39 is off by 2e-7 for results near 1."""
    x = ARRAYS[layout](size) + 1e6
    channels = x.shape[1]
    mean, variance = torch.full((channels,), 1e6), torch.linspace(0.5, 2, channels)
    column = (-1,) + (1,) * (x.ndim - 2)
    given = x.clone(memory_format=torch.preserve_format)
    for weight, bias in ((torch.full((channels,), 0.75), torch.linspace(-1, 1, channels)), (None, None)):
        expected = (x.double() - mean.view(column)) / (variance.double() + EPS).sqrt().view(column)
        if weight is not None and bias is not None:
            expected = expected * weight.view(column) + bias.double().view(column)
        y = normalized_by(x, weight, bias, mean, variance, EPS)
        torch.testing.assert_close(y.double(), expected, rtol=2e-7, atol=2e-7)
        assert torch.equal(given, x)


def column(values: Any) -> nn.Variable:
    return nn.Variable.from_numpy_array(np.asarray(values).reshape(1, -1), need_grad=True)


def plain(x: nn.Variable, batch_stat: bool, mean: float) -> nn.Variable:
    return F.batch_normalization(x, column([0]), column([1]), column([mean]), column([1]), batch_stat=batch_stat)


def fused(x: nn.Variable, batch_stat: bool, mean: float) -> nn.Variable:
    return F.fused_batch_normalization(x, column([0]), column([1]), column([mean]), column([1]), batch_stat=batch_stat)


def convolved(x: nn.Variable, batch_stat: bool, mean: float) -> nn.Variable:
    x = F.reshape(x, (x.shape[0], 1, 1, 1))
    statistics = column([0]), column([1]), column([mean]), column([1])
    y = F.fused_convolution(x, F.constant(1, (1, 1, 1, 1)), None, *statistics, batch_stat=batch_stat)
    return F.reshape(y, (x.shape[0], 1))


def with_statistics(x: nn.Variable, batch_stat: bool, mean: float) -> nn.Variable:
    y, _, _ = F.batch_normalization(x, column([0]), column([1]), column([mean]), column([1]), output_stat=True)
    return y


@pytest.mark.parametrize("type_config", ["float", "half", "bfloat16", "double"])
@pytest.mark.parametrize("function", [plain, fused, convolved, with_statistics])
@pytest.mark.parametrize("samples", [7, 100, 5000])
def test_functions_of_a_constant_column(function: Callable[..., nn.Variable], samples: int, type_config: str) -> None:
    """0, and so is the gradient with respect to x of any gradient that is the same for all samples."""
    with nn.context_scope(get_extension_context("cpu", type_config=type_config)):
        x = nn.Variable.from_numpy_array(np.full((samples, 1), 1000.1), need_grad=True)
        y = function(x, True, 0.0)
        y.forward()
        assert not y.d.any()
        x.grad.zero()
        y.backward(1)
        assert np.isfinite(x.g).all()


@pytest.mark.parametrize("function", [plain, fused, convolved])
def test_functions_with_large_running_means(function: Callable[..., nn.Variable]) -> None:
    x = nn.Variable.from_numpy_array((1e6 + np.random.RandomState(5).standard_normal((64, 1))).astype(np.float32))
    expected = (x.d.astype(np.float64) - 1e6) / np.sqrt(1 + EPS)
    for clear in (False, True):
        y = function(x, False, 1e6)
        y.forward(clear_buffer=clear)
        np.testing.assert_allclose(
            y.d, expected if function is plain else np.maximum(expected, 0), rtol=2e-7, atol=2e-7
        )


def test_one_far_sample_is_the_bias() -> None:
    """Its variance, divided by one less than the number of samples, is no number."""
    x, bias = torch.full((1, 2, 1), 1000.1), torch.tensor([0.5, -2.0])
    running = torch.zeros(2), torch.ones(2)
    y, mean, _ = normalized_by_batch(x, None, bias, running, 0.1, 1e-5)
    assert torch.equal(y.flatten(), bias)
    assert torch.equal(mean, x.flatten())
    torch.testing.assert_close(running[0], torch.full((2,), 100.01))


@pytest.mark.parametrize("shape", [(4, 32, 2, 1), (4, 32, 1, 2), (1, 32, 7, 1), (4, 32, 1, 1)], ids=str)
@pytest.mark.parametrize("batch_stat", [True, False])
@pytest.mark.parametrize("kind", ["plain", "fused", "fused convolution", "padded fused convolution"])
def test_gradients_that_come_in_another_order_of_axes(kind: str, batch_stat: bool, shape: tuple[int, ...]) -> None:
    """With an axis of length 1, strides of a transpose tell another memory format than those of the input."""
    rng = np.random.RandomState(5)
    pads = {"fused convolution": (0, 0), "padded fused convolution": (0, 1, 0, 0)}
    x = rng.randn(*shape)
    parameters = [rng.randn(1, 32, 1, 1), rng.rand(1, 32, 1, 1) + 0.5]
    running = [rng.randn(1, 32, 1, 1), rng.rand(1, 32, 1, 1) + 0.5]
    weight, found = rng.randn(32, 32, 1, 1), {}
    for config in ("float", "double"):
        with nn.context_scope(get_extension_context("cpu", type_config=config)):
            wanted = [nn.Variable.from_numpy_array(a, need_grad=True) for a in (x, *parameters)]
            moved = [nn.Variable.from_numpy_array(a) for a in running]
            if kind == "plain":
                y = F.batch_normalization(*wanted, *moved, batch_stat=batch_stat)
            elif kind == "fused":
                y = F.fused_batch_normalization(*wanted, *moved, batch_stat=batch_stat, nonlinearity="relu")
            else:
                w = nn.Variable.from_numpy_array(weight)
                y = F.fused_convolution(
                    wanted[0],
                    w,
                    None,
                    *wanted[1:],
                    *moved,
                    pad=pads[kind],
                    batch_stat=batch_stat,
                    nonlinearity="identity",
                )
            order = (0, 2, 1, 3)
            factor = np.random.RandomState(6).randn(*y.shape).transpose(order)
            for v in wanted:
                v.grad.zero()
            loss = F.sum(F.transpose(y, order) * nn.Variable.from_numpy_array(factor))
            loss.forward()
            loss.backward()
            found[config] = [v.g.copy() for v in wanted]
    for single, double in zip(found["float"], found["double"], strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)
