"""Convolutions and deconvolutions of every kind."""

from __future__ import annotations

from typing import Any, NamedTuple

from draw import Draw, product
from operators.arrays import normal, positive
from operators.case import Case, case
from operators.cases.layers import convolution, deconvolution
from operators.cases.layers_more import deformable, depthwise, separable
from operators.cases.quantization import binary_convolution, incremental
from registry import layer

# Elements of the largest array of a geometry.
MOST = 60_000


class Window(NamedTuple):
    """Spatial sizes and arguments of a convolution."""

    lengths: tuple[int, ...]
    kernel: tuple[int, ...]
    pad: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def arguments(self) -> dict[str, Any]:
        return {"pad": self.pad, "stride": self.stride, "dilation": self.dilation}

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple([
            (length + 2 * p - d * (k - 1) - 1) // s + 1
            for length, k, p, s, d in zip(*self, strict=True)
        ])  # fmt: skip


def window(r: Draw, n: int, least_pad: int = 0) -> Window:
    """Of a convolution."""
    pointwise = r.chance(0.3)
    same = r.chance(0.3)
    axes = []
    for _ in range(n):
        k = 1 if pointwise else r.one_of(1, 2, 3, 3, 3, 4, 5, 7)
        s, d = r.one_of(1, 1, 2, 2, 3, 4), r.one_of(1, 1, 1, 2, 3)
        reach = d * (k - 1) + 1
        p = reach // 2 if same else r.one_of(0, 0, 0, r.randint(0, k), r.randint(0, reach + 2))
        if least_pad < 0 and r.chance(0.05):
            p = -r.randint(1, 2)
        least = max(1, reach - 2 * p, 1 - 2 * p)
        length = least + r.one_of(0, r.randint(0, 3), r.randint(0, 12))
        if r.chance(0.3):
            length = max(least, s * (-(-length // s)))
        axes.append((length, k, p, s, d))
    return Window(*zip(*axes, strict=True))


def transposed_window(r: Draw, n: int, least_pad: int = 0) -> tuple[Window, tuple[int, ...]]:
    """Of a deconvolution, and its output padding."""
    pointwise = r.chance(0.3)
    axes, added = [], []
    for _ in range(n):
        k = 1 if pointwise else r.one_of(1, 2, 3, 3, 4, 5)
        s, d = r.one_of(1, 1, 2, 2, 3), r.one_of(1, 1, 1, 2, 3)
        o = r.one_of(0, r.randint(0, s - 1))
        length = r.length(10)
        size = s * (length - 1) + d * (k - 1) + 1 + o
        p = r.one_of(0, 0, min(k // 2, (size - 1) // 2), r.randint(0, min((size - 1) // 2, 4)))
        if least_pad < 0 and r.chance(0.05):
            p = -r.randint(1, 2)
        axes.append((length, k, p, s, d))
        added.append(o)
    return Window(*zip(*axes, strict=True)), tuple(added)


def spatial_axes(r: Draw) -> int:
    return r.one_of(1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 4)


def channels(r: Draw, group: int, lengths: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, int]:
    """Numbers of channels and maps in a group, so that arrays stay small."""
    most = max(1, MOST // (group * max(product(lengths), product(kernel))))
    inner = r.channels(min(65, most))
    return inner, r.channels(min(65, max(1, most // inner if product(kernel) > 9 else most)))


def batch_of(r: Draw, elements: int) -> int:
    return max(1, min(r.batch(), MOST // max(1, elements)))


def last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of (first, channels, spatial...), with the channels at the end."""
    return (shape[0], *shape[2:], shape[1])


@layer("convolution", share=8)
def draw_convolution(r: Draw) -> Case:
    n = spatial_axes(r)
    w = window(r, n, least_pad=-1)
    group = r.one_of(1, 1, 1, 1, 2, 3, 4)
    inner, outer = channels(r, group, w.lengths, w.kernel)
    batch = batch_of(r, group * max(inner * product(w.lengths), outer * product(w.counts)))
    x, weight = (batch, group * inner, *w.lengths), (group * outer, inner, *w.kernel)
    args = {**w.arguments, "group": group}
    if r.chance(0.15):
        return convolution(last(x), last(weight), r.chance(0.5), channel_last=True, **args)
    if r.chance(0.1):
        return convolution(x[1:], weight, r.chance(0.5), base_axis=0, **args)
    if r.chance(0.1):
        return convolution((2, *x), weight, r.chance(0.5), base_axis=2, **args)
    return convolution(x, weight, r.chance(0.5), grad=gradients(r), **args)


def gradients(r: Draw) -> tuple[int, ...] | None:
    """Some kernels compute one gradient only where the others are not wanted."""
    return r.one_of(None, None, None, None, (0,), (1,))


@layer("deconvolution", share=5)
def draw_deconvolution(r: Draw) -> Case:
    n = spatial_axes(r)
    w, added = transposed_window(r, n, least_pad=-1)
    group = r.one_of(1, 1, 1, 1, 2, 3, 4)
    sizes = tuple(
        [length * s + k * d for length, k, s, d in zip(w.lengths, w.kernel, w.stride, w.dilation, strict=True)]
    )
    inner, outer = channels(r, group, sizes, w.kernel)
    batch = batch_of(r, group * outer * product(sizes))
    x, weight = (batch, group * outer, *w.lengths), (group * outer, inner, *w.kernel)
    args = {**w.arguments, "group": group, "output_padding": added}
    bias = group * inner * r.one_of(0, 1)
    if r.chance(0.15):
        return deconvolution(last(x), last(weight), bias, channel_last=True, **args)
    if r.chance(0.1):
        return deconvolution(x[1:], weight, bias, base_axis=0, **args)
    return deconvolution(x, weight, bias, grad=gradients(r), **args)


@layer("depthwise_convolution", share=2)
def draw_depthwise_convolution(r: Draw) -> Case:
    w = window(r, spatial_axes(r))
    multiplier = r.one_of(1, 1, 1, 2, 3)
    c = r.channels(max(1, min(65, MOST // (multiplier * product(w.lengths) * product(w.kernel)))))
    x = (batch_of(r, c * multiplier * product(w.lengths)), c, *w.lengths)
    bias = c * multiplier * r.one_of(0, 1)
    return depthwise(
        "depthwise_convolution", x, (c * multiplier, *w.kernel), bias, multiplier=multiplier, **w.arguments
    )


@layer("depthwise_deconvolution", share=2)
def draw_depthwise_deconvolution(r: Draw) -> Case:
    w, _ = transposed_window(r, spatial_axes(r))
    # Without output padding, a size may be 0.
    pad = tuple([
        min(p, (s * (length - 1) + d * (k - 1)) // 2)
        for length, k, p, s, d in zip(*w, strict=True)
    ])  # fmt: skip
    divisor, maps = r.one_of(1, 1, 2, 3), r.channels(24)
    x = (batch_of(r, 8 * divisor * maps * product(w.lengths)), divisor * maps, *w.lengths)
    args = w._replace(pad=pad).arguments
    bias = maps * r.one_of(0, 1)
    return depthwise("depthwise_deconvolution", x, (divisor * maps, *w.kernel), bias, divisor=divisor, **args)


@layer("fused_convolution", share=3, kinks=True)
def draw_fused_convolution(r: Draw) -> Case:
    n = r.one_of(1, 2, 2, 2, 3)
    w = window(r, n)
    group = r.one_of(1, 1, 1, 2)
    inner, outer = channels(r, group, w.lengths, w.kernel)
    pads: list[int] = []
    mode = r.one_of("constant", "constant", "reflect", "repeat")
    for length, p in zip(w.lengths, w.pad, strict=True):
        most = length - 1 if mode == "reflect" else 9
        pads += [min(p, most), min(p + r.one_of(0, 0, 1), most)]
    lengths = tuple([length + pads[2 * i] + pads[2 * i + 1] for i, length in enumerate(w.lengths)])
    kernel = tuple([
        min(k, (length - 1) // d + 1) for k, length, d in zip(w.kernel, lengths, w.dilation, strict=True)
    ])  # fmt: skip
    counts = Window(lengths, kernel, (0,) * n, w.stride, w.dilation).counts
    norm = r.chance(0.5)
    batch = max(batch_of(r, group * inner * product(lengths)), 4 if norm else 1)
    parameters = (1, group * outer, *[1] * n)
    nonlinearity, args = r.one_of(
        ("identity", ()), ("relu", ()), ("sigmoid", ()), ("tanh", ()), ("leaky_relu", (0.1,)), ("elu", (1.0,))
    )
    batch_stat = r.chance(0.7) and batch * product(counts) >= 4
    inputs = [normal(batch, group * inner, *w.lengths), normal(group * outer, inner, *kernel, scale=0.5)]
    inputs += [None if norm else normal(group * outer)]
    inputs += (
        [normal(*parameters), positive(*parameters), normal(*parameters), positive(*parameters)] if norm else [None] * 4
    )
    inputs += [normal(batch, group * outer, *counts) if r.chance(0.3) else None]
    return case(
        "fused_convolution",
        *inputs,
        args=dict(
            pad=tuple(pads), pad_mode=mode, stride=w.stride, dilation=w.dilation, group=group, eps=0.01,
            batch_stat=batch_stat, nonlinearity=nonlinearity, nonlinearity_args=args,
            **({"constant_value": 0.5} if r.chance(0.3) else {}),
        ),
        grad=tuple([i for i in (0, 1, 2, 3, 4, 7) if inputs[i] is not None]),
        updates=(5, 6) if norm and batch_stat else (),
    )  # fmt: skip


@layer("deformable_convolution", share=2, kinks=True, tolerance=1e-3)
def draw_deformable_convolution(r: Draw) -> Case:
    w = window(r, 2)
    # Offsets are given for the pixels of x: there are no more windows than these allow.
    pad = tuple([
        p if (count - 1) * s < length else 0
        for length, p, s, count in zip(w.lengths, w.pad, w.stride, w.counts, strict=True)
    ])  # fmt: skip
    kernel = tuple([
        min(k, (length + 2 * p - 1) // d + 1)
        for length, k, p, d in zip(w.lengths, w.kernel, pad, w.dilation, strict=True)
    ])  # fmt: skip
    group, deformable_group = r.one_of((1, 1), (1, 1), (2, 1), (1, 2), (2, 2), (3, 3))
    inner, maps = r.one_of(1, 2, 3, 4, 8), r.one_of(1, 2, 3, 8)
    c = group * deformable_group * inner
    x = (min(3, r.batch()), c, *w.lengths)
    return deformable(
        x, (group * maps, c // group, *kernel), product(kernel) * deformable_group, r.chance(0.5), r.chance(0.5),
        pad=pad, stride=w.stride, dilation=w.dilation, group=group, deformable_group=deformable_group,
    )  # fmt: skip


@layer("adaptive_separable_convolution")
def draw_separable(r: Draw) -> Case:
    x = r.lengths(2, 10)
    taps = tuple([r.randint(1, length) for length in x])
    size = tuple([length - k + 1 for length, k in zip(x, taps, strict=True)])
    given = tuple([r.one_of(least, r.randint(least, length)) for least, length in zip(size, x, strict=True)])
    return separable((min(3, r.batch()), r.channels(9), *x), taps, given)


@layer("binary_connect_convolution", kinks=True)
def draw_binary_connect(r: Draw) -> Case:
    return _binary(r, alpha=False)


@layer("binary_weight_convolution", kinks=True)
def draw_binary_weight(r: Draw) -> Case:
    return _binary(r, alpha=True)


def _binary(r: Draw, alpha: bool) -> Case:
    x, weight, args = _plain(r)
    return binary_convolution(x, weight, alpha, r.chance(0.5), **args)


@layer("inq_convolution", kinks=True)
def draw_inq(r: Draw) -> Case:
    x, weight, args = _plain(r)
    return incremental("inq_convolution", x, weight, r.chance(0.5), r.chance(0.5), inq_iterations=(0, 1), **args)


def _plain(r: Draw) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes and arguments of a convolution."""
    w = window(r, r.one_of(1, 2, 2, 3))
    group = r.one_of(1, 1, 2)
    inner, outer = channels(r, group, w.lengths, w.kernel)
    x = (batch_of(r, group * inner * product(w.lengths)), group * inner, *w.lengths)
    return x, (group * outer, inner, *w.kernel), {**w.arguments, "group": group}
