"""Resampling and what else reads images at computed places; transforms of signals."""

from __future__ import annotations

from typing import Any

from draw import Draw
from operators.arrays import Array, explicit, normal, uniform
from operators.case import Case, case
from operators.cases.layers_more import correlation
from operators.cases.signal import istft, stft
from registry import layer


@layer("interpolate", share=2)
def draw_interpolate(r: Draw) -> Case:
    n = r.one_of(1, 2, 2, 2, 3)
    outer = tuple([r.channels(17) for _ in range(r.one_of(0, 1, 2, 2))])
    mode = r.one_of("linear", "linear", "nearest")
    args: dict[str, Any] = {"mode": mode, "output_size": r.lengths(n, 17)}
    args |= r.one_of({}, {"align_corners": True}, {"align_corners": False, "half_pixel": True})
    lengths = r.lengths(n, 9)
    if r.chance(0.2):
        return case("interpolate", normal(*outer, *lengths, r.channels(9)), args={**args, "channel_last": True})
    return case("interpolate", normal(*outer, *lengths), args=args)


@layer("onnx_resize")
def draw_resize(r: Draw) -> Case:
    x = (r.one_of(1, 2), r.channels(9), *r.lengths(2, 9))
    mode = r.one_of("nearest", "linear", "cubic")
    transform = r.one_of("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    args = {"sizes": (*x[:2], *r.lengths(2, 14)), "mode": mode, "coordinate_transformation_mode": transform}
    return case("onnx_resize", normal(*x), args=args)


@layer("affine_grid")
def draw_affine_grid(r: Draw) -> Case:
    n = r.one_of(2, 2, 3)
    return case(
        "affine_grid", normal(r.batch(), n, n + 1), args={"size": r.lengths(n, 9), "align_corners": r.chance(0.5)}
    )


def points(*shape: int) -> Array:
    """Coordinates, some of them outside."""
    return uniform(*shape, low=-1.3, high=1.3)


@layer("warp_by_grid", share=2, kinks=True, tolerance=1e-3)
def draw_warp_by_grid(r: Draw) -> Case:
    n, batch, channels = r.one_of(2, 2, 3), r.one_of(1, 2, 3), r.channels(17)
    lengths = r.lengths(n, 9)
    args = {
        "mode": r.one_of("linear", "linear", "nearest"),
        "padding_mode": r.one_of("zero", "repeat", "reflect"),
        "align_corners": r.chance(0.5),
    }
    grid = points(batch, *r.lengths(n, 9), n)
    if r.chance(0.3):
        return case("warp_by_grid", normal(batch, *lengths, channels), grid, args={**args, "channel_last": True})
    return case("warp_by_grid", normal(batch, channels, *lengths), grid, args=args)


@layer("warp_by_flow", kinks=True, tolerance=1e-3)
def draw_warp_by_flow(r: Draw) -> Case:
    batch, lengths = r.one_of(1, 2, 3), r.lengths(2, 12)
    return case("warp_by_flow", normal(batch, r.channels(17), *lengths), normal(batch, 2, *lengths, scale=2.0))


@layer("roi_align", kinks=True, tolerance=1e-3)
def draw_roi_align(r: Draw) -> Case:
    batch, channels, lengths = r.one_of(1, 2, 3), r.channels(17), r.lengths(2, 12)
    boxes = []
    for _ in range(r.one_of(1, 2, 7)):
        x, y = r.uniform(-3, lengths[1]), r.uniform(-3, lengths[0])
        boxes.append([r.randrange(batch), x, y, x + r.uniform(0.5, 9), y + r.uniform(0.5, 9)])
    args: dict[str, Any] = {"output_size": r.lengths(2, 5), "sampling_ratio": r.one_of(-1, 1, 2, 3)}
    shape = (batch, channels, *lengths)
    if r.chance(0.3):
        shape, args["channel_last"] = (batch, *lengths, channels), True
    return case("roi_align", normal(*shape), explicit(boxes, real=False), args=args)


@layer("patch_correlation")
def draw_patch_correlation(r: Draw) -> Case:
    patch, lengths = r.lengths(2, 3), r.lengths(2, 7)
    padding = tuple([max(0, p - length) + r.one_of(0, 0, 1, 2) for p, length in zip(patch, lengths, strict=True)])
    args = {
        "patch": patch,
        "padding": padding,
        "shift": (r.randint(0, 2), r.randint(0, 2)),
        "patch_step": (r.randint(1, 2), r.randint(1, 2)),
        "shift_step": (r.randint(1, 2), r.randint(1, 2)),
    }
    batch, channels = r.one_of(1, 2), r.channels(9)
    if r.chance(0.3):
        return correlation((batch, *lengths, channels), channel_last=True, **args)
    return correlation((batch, channels, *lengths), **args)


@layer("stft")
def draw_stft(r: Draw) -> Case:
    size = r.one_of(4, 7, 8, 15, 16)
    return stft(
        (r.one_of(1, 2, 5), size + r.randint(0, 30)), size - r.randint(0, 2), r.randint(1, size), size,
        center=r.chance(0.5), window_type=r.one_of("hanning", "hamming", "rectangular"),
    )  # fmt: skip


@layer("istft")
def draw_istft(r: Draw) -> Case:
    size = r.one_of(8, 16)
    return istft(
        (r.one_of(1, 2, 5), size // 2 + 1, r.randint(4, 12)), size, size // 4, size,
        center=True, window_type=r.one_of("hamming", "rectangular"),
    )  # fmt: skip
