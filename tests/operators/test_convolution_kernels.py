"""Convolutions of every geometry: right values, and only calls of ATen that are known to be safe."""

from __future__ import annotations

import itertools
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
from nnabla.operators import convolution_kernels
from nnabla.operators.convolution_kernels import Geometry, sees_padding_only

from .test_layers import variable
from .trilinear import Convolution


class Calls:
    """What ATen's convolutions are called with, and then computed as usual."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.strides: list[tuple[int, ...]] = []
        self.formats: list[bool] = []
        self.biases: list[bool] = []
        forward, backward = torch.convolution, convolution_kernels._backward

        def spy_forward(x: Any, weight: Any, bias: Any, *rest: Any) -> Any:
            self.note(x, weight, rest)
            self.biases.append(bias is not None)
            return forward(x, weight, bias, *rest)

        def spy_backward(dy: Any, x: Any, weight: Any, bias: Any, *rest: Any) -> Any:
            self.note(x, weight, rest)
            return backward(dy, x, weight, bias, *rest)

        monkeypatch.setattr(torch, "convolution", spy_forward)
        monkeypatch.setattr(convolution_kernels, "_backward", spy_backward)

    def note(self, x: torch.Tensor, weight: torch.Tensor, rest: tuple[Any, ...]) -> None:
        self.strides.append(tuple(rest[0]))
        # Only strides that count elements from the end mean contiguous to ATen, whatever `is_contiguous` says.
        self.formats.append(all(t.stride() == torch.empty(t.shape).stride() for t in (x, weight)))


def check(function: Any, x_shape: tuple, w_shape: tuple, bias: bool = True, **args: Any) -> None:
    """Output and gradients of a convolution or deconvolution against its definition."""
    rng = np.random.RandomState(0)
    n = len(x_shape) - 2
    stride, pad, dilation = (tuple(args.get(k, (v,) * n)) for k, v in (("stride", 1), ("pad", 0), ("dilation", 1)))
    group = args.get("group", 1)
    transposed = function in (F.deconvolution, F.depthwise_deconvolution)
    maps = w_shape[1] * group if transposed else w_shape[0]
    x, w, b = (rng.standard_normal(s).astype("float32") for s in (x_shape, w_shape, (maps,)))
    vs = [nn.Variable.from_numpy_array(a, need_grad=True) for a in (x, w, b)]
    for v in vs:
        v.grad.zero()
    y = function(*vs[: 2 + bias], **args)
    dy = rng.standard_normal(y.shape).astype("float32")
    y.forward()
    y.backward(dy)
    wide, narrow = (y.shape, x_shape) if transposed else (x_shape, y.shape)
    form = Convolution(wide[2:], narrow[2:], w_shape[2:], stride, pad, dilation, group)
    if transposed:
        expected = [form.widened(x, w), form.narrowed(dy, w), form.weight_gradient(dy, x)]
    else:
        expected = [form.narrowed(x, w), form.widened(dy, w), form.weight_gradient(x, dy)]
    found = [y.d, vs[0].g, vs[1].g]
    if bias:
        expected[0] += b.reshape(-1, *[1] * n)
        expected.append(dy.sum((0, *range(2, n + 2)), dtype=np.float64))
        found.append(vs[2].g)
    for a, e in zip(found, expected, strict=True):
        assert a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=0, atol=2e-5 * max(1.0, np.abs(e).max()))


# ---- pointwise with a stride -----------------------------------------------------------------------------------

# No call is needed of which the kernels are known to be unsafe: all have 8 channels and more.
POINTWISE: dict[str, tuple[Any, tuple, tuple, dict]] = {
    "convolution": (F.convolution, (2, 8, 5, 6), (5, 8, 1, 1), {"stride": (2, 2)}),
    "one axis strides": (F.convolution, (2, 8, 5, 6), (5, 8, 1, 1), {"stride": (1, 3)}),
    "stride of one window": (F.convolution, (2, 8, 3, 2), (5, 8, 1, 1), {"stride": (4, 5)}),
    "group": (F.convolution, (2, 16, 5, 6), (6, 8, 1, 1), {"stride": (2, 2), "group": 2}),
    "dilation": (F.convolution, (2, 8, 5, 6), (5, 8, 1, 1), {"stride": (2, 2), "dilation": (3, 2)}),
    "taken away": (F.convolution, (2, 8, 7, 8), (5, 8, 1, 1), {"stride": (2, 2), "pad": (-1, 0)}),
    "1 axis": (F.convolution, (2, 8, 7), (5, 8, 1), {"stride": (2,)}),
    "3 axes": (F.convolution, (2, 8, 3, 4, 5), (5, 8, 1, 1, 1), {"stride": (2, 1, 3)}),
    "deconvolution": (F.deconvolution, (2, 8, 3, 4), (8, 9, 1, 1), {"stride": (2, 3)}),
    "added": (F.deconvolution, (2, 8, 3, 4), (8, 9, 1, 1), {"stride": (2, 3), "output_padding": (1, 2)}),
    "deconvolution on 1 axis": (F.deconvolution, (2, 8, 5), (8, 9, 1), {"stride": (3,)}),
    "deconvolution in groups": (F.deconvolution, (2, 16, 3, 4), (16, 8, 1, 1), {"stride": (2, 2), "group": 2}),
}


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("bias", [True, False])
def test_pointwise_convolutions_never_stride(name: str, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    function, x, w, args = POINTWISE[name]
    calls = Calls(monkeypatch)
    check(function, x, w, bias, **args)
    assert all(set(s) == {1} for s in calls.strides)


def test_layers_of_other_kinds_never_stride_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused, depthwise and binary ones."""
    rng = np.random.RandomState(1)
    x, w, deep = (
        nn.Variable.from_numpy_array(rng.standard_normal(s), need_grad=True)
        for s in ((2, 8, 5, 6), (9, 8, 1, 1), (8, 1, 1))
    )
    expected = F.convolution(x[:, :, ::2, ::2], w)
    expected.forward()
    calls = Calls(monkeypatch)
    for y in (
        F.fused_convolution(x, w, stride=(2, 2), nonlinearity="identity"),
        F.fused_convolution(x, w, stride=(2, 2), nonlinearity="elu", nonlinearity_args=[-1.0]),  # by autograd
        F.depthwise_convolution(x, deep, stride=(2, 2)),
        F.depthwise_deconvolution(x, deep, stride=(2, 2)),
        F.binary_connect_convolution(x, w, nn.Variable(w.shape), stride=(2, 2)),
        F.inq_convolution(x, w, nn.Variable(w.shape), stride=(2, 2)),
    ):
        y.forward()
        y.backward()
        if y.parent.info.type_name == "FusedConvolution" and not y.parent.info.args["nonlinearity_args"]:
            np.testing.assert_allclose(y.d, expected.d, atol=1e-5)
    assert calls.strides and all(set(s) == {1} for s in calls.strides)


# ---- windows that see padding only -----------------------------------------------------------------------------

# The last axis has no dilation: the kernels are not known to be unsafe there.
PADDING: dict[str, tuple[Any, tuple, tuple, dict]] = {
    "last axis": (F.convolution, (2, 3, 4, 5), (6, 3, 1, 2), {"pad": (0, 2)}),
    "first axis": (F.convolution, (2, 3, 4, 5), (6, 3, 2, 2), {"pad": (2, 0)}),
    "step over x": (F.convolution, (2, 3, 1, 5), (6, 3, 2, 2), {"pad": (1, 0), "dilation": (2, 1)}),
    "one pixel": (F.convolution, (2, 3, 1, 1), (6, 3, 1, 1), {"pad": (1, 0)}),
    "1 axis": (F.convolution, (2, 3, 5), (6, 3, 2), {"pad": (2,)}),
    "3 axes": (F.convolution, (2, 3, 2, 3, 4), (6, 3, 2, 1, 2), {"pad": (0, 1, 0)}),
    "each channel": (F.convolution, (2, 3, 4, 5), (6, 1, 2, 2), {"pad": (2, 2), "group": 3}),
    "between windows": (F.deconvolution, (2, 3, 4, 5), (3, 6, 2, 2), {"stride": (3, 1)}),
    "beyond windows": (F.deconvolution, (2, 3, 4, 5), (3, 6, 2, 2), {"stride": (2, 2), "output_padding": (1, 0)}),
}


@pytest.mark.parametrize("name", PADDING)
@pytest.mark.parametrize("bias", [True, False])
def test_windows_in_the_padding_are_computed_in_contiguous_format(
    name: str, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, x, w, args = PADDING[name]
    calls = Calls(monkeypatch)
    check(function, x, w, bias, **args)
    assert calls.formats == [True, True] and calls.biases == [False]


def test_one_pixel_may_lie_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strides of axes of length 1 say channels last after a convolution in that format; `contiguous` leaves them."""
    rng = np.random.RandomState(2)
    x, w1, w2 = (
        nn.Variable.from_numpy_array(rng.standard_normal(s), need_grad=True)
        for s in ((2, 3, 4, 4), (8, 3, 4, 4), (5, 1, 1, 8))
    )
    h = F.transpose(F.convolution(x, w1), (0, 2, 3, 1))
    calls = Calls(monkeypatch)
    y = F.convolution(h, w2, pad=(1, 0), channel_last=True)
    y.forward()
    y.backward()
    assert calls.formats == [True, True]  # The first one is unfolded.
    assert np.all(y.d[:, [0, 2]] == 0) and np.all(y.d[:, 1] != 0)


def test_which_windows_see_padding_only() -> None:
    """Against a look at every element of every window."""
    rng = random.Random(0)
    seen = set()
    for _ in range(3000):
        length, k, s, p, d = (rng.randint(a, b) for a, b in ((1, 7), (1, 4), (1, 5), (0, 9), (1, 9)))
        size = (length + 2 * p - d * (k - 1) - 1) // s + 1
        if length + 2 * p > d * (k - 1):
            missed = any(all(not 0 <= s * m + d * i - p < length for i in range(k)) for m in range(size))
            g = Geometry((1, 1, length), (1, 1, k), (1, 1, size), (s,), (p,), (d,), 1, None)
            assert sees_padding_only(g) == missed, g
            seen.add((False, missed))
        added = rng.randint(0, s - 1)
        size = s * (length - 1) - 2 * p + d * (k - 1) + 1 + added
        if size > 0:
            reached = {s * m + d * i - p for m in range(length) for i in range(k)}
            missed = not reached.issuperset(range(size))
            g = Geometry((1, 1, length), (1, 1, k), (1, 1, size), (s,), (p,), (d,), 1, (added,))
            assert sees_padding_only(g) == missed, g
            seen.add((True, missed))
    assert len(seen) == 4


# ---- few columns -----------------------------------------------------------------------------------------------

UNFOLDED: dict[str, tuple[Any, tuple, tuple, dict]] = {
    "convolution": (F.convolution, (3, 5, 6, 7), (4, 5, 3, 2), {"pad": (1, 1), "stride": (2, 1)}),
    "one element": (F.convolution, (1, 1, 1, 1), (1, 1, 3, 3), {"pad": (1, 1)}),
    "one pixel": (F.convolution, (2, 4, 3, 3), (5, 4, 3, 3), {}),
    "many samples": (F.convolution, (40, 3, 4, 4), (4, 3, 2, 2), {}),
    "deconvolution": (F.deconvolution, (3, 5, 4, 3), (5, 4, 4, 3), {"pad": (1, 0), "stride": (2, 3)}),
    "added": (F.deconvolution, (2, 5, 4, 3), (5, 1, 4, 5), {"pad": (1, 2), "stride": (2, 3), "output_padding": (1, 2)}),
    "from one pixel": (F.deconvolution, (2, 5, 1, 1), (5, 3, 4, 4), {}),
}


@pytest.mark.parametrize("name", UNFOLDED)
@pytest.mark.parametrize("bias", [True, False])
def test_small_convolutions_are_unfolded(name: str, bias: bool) -> None:
    function, x, w, args = UNFOLDED[name]
    check(function, x, w, bias, **args)
    added = args.get("output_padding", (0, 0)) if function is F.deconvolution else None
    geometry = {k: v for k, v in args.items() if k != "output_padding"}
    assert isinstance(kernels_of(x, w, geometry, added)[0], convolution_kernels.Unfolded)


# ---- axes of length 1 ------------------------------------------------------------------------------------------


def odd_strides(values: torch.Tensor, last: bool, factor: int) -> torch.Tensor:
    """The same values, contiguous or channels last, but that strides of spatial axes of length 1 are multiplied."""
    lie = torch.stack(values.unbind(1), -1).movedim(-1, 1) if last else values.contiguous()
    strides = lie.stride()
    spatial = [s * factor if n == 1 else s for n, s in zip(lie.shape[2:], strides[2:], strict=True)]
    return lie.as_strided(lie.shape, (*strides[:2], *spatial))


def kernels_of(
    x: tuple, w: tuple, args: dict, added: tuple | None = None, dtype: torch.dtype = torch.float32
) -> tuple[Any, tuple[int, ...]]:
    """The kernels of a convolution, or with `added` of a deconvolution, and the shape of its output."""
    n = len(x) - 2
    stride, pad, dilation = (args.get(k, (v,) * n) for k, v in (("stride", 1), ("pad", 0), ("dilation", 1)))
    layer = F.convolution if added is None else F.deconvolution
    y = layer(nn.Variable(x), nn.Variable(w), **args, **({} if added is None else {"output_padding": added})).shape
    operator: Any = SimpleNamespace(device=torch.device("cpu"), compute_dtype=dtype)
    g = Geometry(x, w, y, stride, pad, dilation, args.get("group", 1), added)
    return convolution_kernels.convolution_kernels(operator, g), y


@pytest.mark.parametrize("last", list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize(
    ("x", "w", "args", "added"),
    [
        ((1, 48, 2, 1), (48, 16, 1, 1), {"group": 3}, None),
        ((2, 12, 1, 6), (3, 4, 1, 1), {"group": 3}, None),
        ((1, 32, 2, 3), (4, 16, 1, 3), {"group": 2}, None),
        ((1, 16, 1, 3), (2, 16, 1, 3), {}, None),
        ((3, 4, 1, 1), (4, 1, 1, 1), {"group": 4}, None),
        ((1, 1, 5, 1), (2, 1, 3, 1), {}, None),
        # What a stride skips leaves an unusual one in memory where there is one element.
        ((1, 24, 1, 3), (6, 8, 1, 1), {"stride": (4, 1), "group": 3}, None),
        ((1, 48, 2, 1), (48, 16, 1, 1), {"stride": (1, 4), "group": 3}, None),
        ((1, 32, 2, 1), (32, 8, 1, 3), {"group": 2}, (0, 0)),
    ],
)
def test_strides_of_axes_of_length_1_mean_nothing(
    x: tuple[int, ...], w: tuple[int, ...], args: dict, added: tuple[int, ...] | None, last: tuple[bool, bool, bool]
) -> None:
    """ATen's convolutions in groups give wrong numbers for some, and others are refused."""
    kernels, y = kernels_of(x, w, args, added)
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=generator) for shape in (x, w, y)]
    double, _ = kernels_of(x, w, args, added, torch.float64)
    need = (True, True, True)
    wide = [t.double() for t in tensors]
    expected = [double.forward(wide[0], wide[1], None), *double.backward(need, wide[2], *wide[:2])]
    for factors in ((4, 4, 7), (4, 1, 7)):
        odd = [odd_strides(t, lie, factor) for t, lie, factor in zip(tensors, last, factors, strict=True)]
        found = [kernels.forward(odd[0], odd[1], None), *kernels.backward(need, odd[2], *odd[:2])]
        for a, e in zip(found, expected, strict=True):
            torch.testing.assert_close(a.double(), e, rtol=0, atol=1e-5 * float(e.abs().max()))


def test_gradients_by_autograd_of_one_pixel_in_groups() -> None:
    """Those of a fused convolution with padding: the gradients that reach the convolution have strides of any kind."""
    found = []
    for config in ("float", "double"):
        rng = np.random.RandomState(6)
        with nn.context_scope(nn.Context([f"cpu:{config}"])):
            shapes = ((16, 32, 1, 3), (6, 16, 1, 1), *[(1, 6, 1, 1)] * 2, (16, 6, 1, 2))
            x, w, beta, gamma, z = xs = [variable(rng, *shape) for shape in shapes]
            statistics = [nn.Variable.from_numpy_array(1 + rng.rand(1, 6, 1, 1)) for _ in range(2)]
            y = F.fused_convolution(
                x, w, None, beta, gamma, *statistics, z, pad=(0, 1, 0, 1), group=2, nonlinearity="tanh", stride=(2, 2)
            )
            order = (0, 3, 2, 1)
            t = F.transpose(y, order)
            loss = F.sum(t * nn.Variable.from_numpy_array(rng.standard_normal(t.shape)))
            loss.forward()
            loss.backward()
            found.append([y.d.copy(), *[v.g.copy() for v in xs]])
    for single, double in zip(*found, strict=True):
        np.testing.assert_allclose(single, double, rtol=0, atol=2e-5 * np.abs(double).max())


# ---- more than three spatial axes ------------------------------------------------------------------------------

MANY: dict[str, tuple[Any, tuple, tuple, dict]] = {
    "convolution": (F.convolution, (2, 3, 4, 3, 4, 5), (4, 3, 2, 2, 3, 2), {}),
    "all arguments": (
        F.convolution,
        (2, 4, 5, 4, 4, 5),
        (6, 2, 2, 3, 3, 2),
        {"pad": (1, 2, 1, 0), "stride": (2, 1, 1, 2), "dilation": (2, 1, 1, 3), "group": 2},
    ),
    "first axis in the padding": (F.convolution, (1, 2, 2, 2, 3, 3), (2, 2, 1, 2, 2, 1), {"pad": (2, 0, 0, 1)}),
    "taken away": (F.convolution, (1, 2, 5, 3, 3, 4), (2, 2, 2, 2, 2, 2), {"pad": (-1, 0, 1, -1)}),
    "pointwise": (F.convolution, (2, 8, 3, 4, 3, 2), (5, 8, 1, 1, 1, 1), {"stride": (2, 1, 2, 1)}),
    "each channel": (F.convolution, (2, 3, 3, 3, 2, 4), (6, 1, 2, 2, 1, 2), {"group": 3}),
    "5 axes": (F.convolution, (2, 2, 3, 2, 3, 2, 3), (3, 2, 2, 1, 2, 1, 2), {"pad": (1, 0, 1, 0, 0)}),
    "deconvolution": (F.deconvolution, (2, 3, 4, 3, 2, 3), (3, 4, 2, 2, 3, 2), {}),
    "all arguments of a deconvolution": (
        F.deconvolution,
        (2, 4, 3, 2, 3, 3),
        (4, 3, 2, 3, 2, 2),
        {
            "pad": (1, 1, 0, 1),
            "stride": (2, 1, 3, 2),
            "dilation": (2, 1, 1, 2),
            "group": 2,
            "output_padding": (1, 0, 2, 0),
        },
    ),
    "added": (F.deconvolution, (1, 2, 2, 2, 2, 2), (2, 3, 2, 2, 1, 2), {"pad": (-1, 0, -2, 0)}),
    "deconvolution over 5 axes": (F.deconvolution, (1, 2, 2, 2, 2, 1, 2), (2, 3, 2, 1, 2, 2, 1), {"stride": (2,) * 5}),
}


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("config", ["float", "double"])
def test_any_number_of_axes(name: str, config: str) -> None:
    function, x, w, args = MANY[name]
    with nn.context_scope(nn.Context([f"cpu:{config}"])):
        check(function, x, w, bias=config == "float", **args)


def test_other_layers_over_four_axes() -> None:
    """Depthwise, fused and channel-last ones are convolutions that were judged above."""
    rng = np.random.RandomState(3)
    x, w, b = (
        nn.Variable.from_numpy_array(rng.standard_normal(s)) for s in ((2, 3, 3, 4, 3, 4), (6, 1, 2, 2, 2, 3), (6,))
    )
    args = {"pad": (1, 0, 1, 0), "stride": (1, 2, 1, 1)}
    expected = F.convolution(x, w, b, group=3, **args)
    depthwise = F.depthwise_convolution(x, F.reshape(w, (6, 2, 2, 2, 3)), b, multiplier=2, **args)
    fused = F.fused_convolution(x, w, b, group=3, nonlinearity="tanh", **args)
    last = F.convolution(F.transpose(x, (0, 2, 3, 4, 5, 1)), F.transpose(w, (0, 2, 3, 4, 5, 1)), b, group=3,
                         channel_last=True, **args)  # fmt: skip
    back = F.depthwise_deconvolution(x, F.reshape(w[:3], (3, 2, 2, 2, 3)), **args)
    expected_back = F.deconvolution(x, w[:3], group=3, **args)
    nn.forward_all([expected, depthwise, fused, last, back, expected_back])
    np.testing.assert_allclose(depthwise.d, expected.d, atol=1e-5)
    np.testing.assert_allclose(fused.d, np.tanh(expected.d), atol=1e-5)
    np.testing.assert_allclose(np.moveaxis(last.d, -1, 1), expected.d, atol=1e-5)
    np.testing.assert_allclose(back.d, expected_back.d, atol=1e-5)


# Sizes of x, of the weight, the other arguments, and for a deconvolution its output padding.
DIFFERENTIATED: dict[str, tuple] = {
    "direct": ((2, 2, 3, 4), (4, 1, 2, 2), {"stride": (2, 1), "pad": (1, 0), "dilation": (1, 2), "group": 2}, None),
    "pointwise": ((2, 2, 3, 4), (3, 2, 1, 1), {"stride": (2, 2)}, None),
    "in the padding": ((1, 2, 2, 2), (2, 2, 1, 2), {"pad": (1, 2)}, None),
    "taken away": ((1, 2, 4, 3), (2, 2, 2, 2), {"pad": (-1, 0)}, None),
    "deconvolution": ((2, 2, 2, 2), (2, 1, 2, 1), {"stride": (2, 2), "group": 2}, (1, 0)),
    "4 axes": ((1, 1, 2, 2, 2, 2), (1, 1, 2, 1, 2, 1), {"pad": (1, 0, 0, 0)}, None),
}


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_derivatives_up_to_the_third(name: str) -> None:
    """By differences, of what autograd makes of the kernels: it must not see ATen's convolutions."""
    x, w, args, added = DIFFERENTIATED[name]
    kernels, y = kernels_of(x, w, args, added, torch.float64)
    generator = torch.Generator().manual_seed(0)
    xt, wt, bt, dyt = (
        torch.randn(s, dtype=torch.float64, generator=generator, requires_grad=True) for s in (x, w, (y[1],), y)
    )
    fast = {"fast_mode": True}
    assert torch.autograd.gradcheck(kernels.forward, (xt, wt, bt), **fast)
    assert torch.autograd.gradcheck(lambda *t: kernels.backward((True,) * 3, *t), (dyt, xt, wt), **fast)
    assert torch.autograd.gradgradcheck(lambda *t: kernels.backward((True,) * 3, *t), (dyt, xt, wt), **fast)
    seen = []
    roots = [kernels.forward(xt, wt, bt), *kernels.backward((True,) * 3, dyt, xt, wt)]
    pending = [r.grad_fn for r in roots]
    while pending:
        node = pending.pop()
        seen.append(node.name())
        pending += [following for following, _ in node.next_functions if following is not None]
    assert any("_Forward" in s for s in seen) and not any("Convolution" in s for s in seen)


@pytest.mark.parametrize("function", [F.convolution, F.deconvolution])
def test_second_derivative_over_four_axes(function: Any) -> None:
    """y is linear in w: the gradient of the sum of squared gradients of w, by differences."""
    rng = np.random.RandomState(4)
    with nn.context_scope(nn.Context(["cpu:double"])):
        x, w = (
            nn.Variable.from_numpy_array(rng.standard_normal(s), need_grad=True)
            for s in ((1, 2, 3, 2, 3, 2), (2, 2, 2, 1, 2, 2))
        )
        y = F.sum(F.sin(function(x, w, pad=(1, 0, 0, 1), stride=(2, 1, 1, 1))))
        (dw,) = nn.grad([y], [w])
        loss = F.sum(dw**2)
        x.grad.zero(), w.grad.zero()
        loss.forward()
        loss.backward()
        direction, start, gradient = rng.standard_normal(x.shape), x.d.copy(), x.g.copy()
        found = []
        for step in (1e-5, -1e-5):
            x.d = start + step * direction
            loss.forward()
            found.append(float(loss.d))
    assert (found[0] - found[1]) / 2e-5 == pytest.approx(float((gradient * direction).sum()), rel=1e-6)
