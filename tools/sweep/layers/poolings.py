"""Poolings, and the ways back."""

from __future__ import annotations

from typing import Any

from draw import Draw, product
from operators.arrays import distinct, normal
from operators.case import Case, case
from registry import layer


def windows(r: Draw, max_pooling: bool) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Shape of the input, and arguments."""
    n = r.one_of(2, 2, 2, 3)
    axes = []
    ignore_border = r.chance(0.5)
    for _ in range(n):
        k, s = r.randint(1, 4), r.one_of(1, 2, 2, 3, 4)
        p = r.one_of(0, 0, r.randint(0, k - 1), 0 if max_pooling else r.randint(0, k + 1))
        least = max(1, k - 2 * p) if ignore_border else 1
        axes.append((least + r.one_of(0, r.randint(0, 4), r.randint(0, 12)), k, s, p))
    lengths, kernel, stride, pad = zip(*axes, strict=True)
    outer = tuple([r.channels(17 if n == 3 else 33) if i else r.batch() for i in range(r.one_of(0, 1, 2, 2, 2, 2, 3))])
    while product(outer) * product(lengths) > 40_000:
        outer = outer[1:]
    args = {"kernel": kernel, "stride": stride, "pad": pad, "ignore_border": ignore_border}
    if r.chance(0.2):
        return (*outer, *lengths, r.channels(9)), {**args, "channel_last": True}
    return (*outer, *lengths), args


@layer("max_pooling", share=2)
def draw_max(r: Draw) -> Case:
    shape, args = windows(r, True)
    return case("max_pooling", distinct(*shape), args=args)


@layer("average_pooling", share=2)
def draw_average(r: Draw) -> Case:
    shape, args = windows(r, False)
    return case("average_pooling", normal(*shape), args={**args, "including_pad": r.chance(0.5)})


@layer("sum_pooling", share=2)
def draw_sum(r: Draw) -> Case:
    shape, args = windows(r, False)
    return case("sum_pooling", normal(*shape), args=args)


@layer("global_average_pooling")
def draw_global(r: Draw) -> Case:
    return case("global_average_pooling", normal(r.batch(), r.channels(), *r.lengths(r.randint(1, 3), 9)))


@layer("max_pooling_backward")
def draw_max_backward(r: Draw) -> Case:
    """Windows side by side, so that the number of them is plain."""
    n = r.one_of(2, 2, 3)
    kernel, counts = r.lengths(n, 3), r.lengths(n, 6)
    outer = (r.one_of(1, 2, 5), r.channels(17))
    x = tuple([k * count + r.randint(0, k - 1) for k, count in zip(kernel, counts, strict=True)])
    dy, x_shape = (*outer, *counts), (*outer, *x)
    args: dict[str, Any] = {"kernel": kernel}
    if r.chance(0.3):
        dy, x_shape, args["channel_last"] = (outer[0], *counts, outer[1]), (outer[0], *x, outer[1]), True
    return case("max_pooling_backward", normal(*dy), distinct(*x_shape), args=args)


@layer("unpooling")
def draw_unpooling(r: Draw) -> Case:
    n = r.one_of(1, 2, 2, 3, 4)
    outer = tuple([r.channels(9) for _ in range(r.randint(0, 2))])
    lengths, kernel = r.lengths(n, 5), tuple([r.randint(1, 3) for _ in range(n)])
    if r.chance(0.3):
        return case("unpooling", normal(*outer, *lengths, r.channels(9)), args={"kernel": kernel, "channel_last": True})
    return case("unpooling", normal(*outer, *lengths), args={"kernel": kernel})
