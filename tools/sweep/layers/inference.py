"""Convolutions with fixed parameters, fused with what follows them: normalization, a sum, an activation."""

from __future__ import annotations

from draw import Draw
from operators.arrays import normal, positive
from operators.case import Case, case
from registry import layer

from .convolutions import batch_of, channels, window

ACTIVATIONS = ("", "relu", "relu", "relu6", "sigmoid", "tanh", "swish", "gelu", "leaky_relu", "hard_tanh")


@layer("inference", share=6, tolerance=5e-4)
def draw_inference(r: Draw) -> Case:
    w = window(r, 2, least_pad=-1)
    depthwise = r.chance(0.15)
    group = r.channels(33) if depthwise else r.one_of(1, 1, 1, 1, 1, 2, 3, 4)
    inner, outer = (1, r.one_of(1, 1, 2)) if depthwise else channels(r, group, w.lengths, w.kernel)
    lengths, counts = w.lengths[0] * w.lengths[1], w.counts[0] * w.counts[1]
    batch = batch_of(r, group * max(inner * lengths, outer * counts))
    maps = group * outer
    vector = (1, maps, 1, 1)
    adds = r.chance(0.4)
    return case(
        "inference",
        normal(batch, group * inner, *w.lengths),
        normal(maps, inner, *w.kernel),
        normal(maps) if r.chance(0.5) else None,
        *([normal(*vector), normal(*vector), normal(*vector), positive(*vector)] if r.chance(0.7) else [None] * 4),
        normal(batch, maps, *w.counts) if adds else None,
        args={**w.arguments, "group": group, "activation": r.choice(ACTIVATIONS)},
        grad=(),
    )


@layer("inference_winograd", tolerance=5e-4)
def draw_winograd(r: Draw) -> Case:
    """With as many channels and tiles as minimal filtering takes."""
    batch, lengths, pad = r.one_of(4, 5, 9), (r.randint(9, 14), r.randint(9, 14)), (r.randint(0, 2), r.randint(0, 2))
    inner, maps = r.one_of(128, 129, 144), r.one_of(128, 131, 160)
    counts = [n + 2 * p - 2 for n, p in zip(lengths, pad, strict=True)]
    vector = (1, maps, 1, 1)
    return case(
        "inference",
        normal(batch, inner, *lengths),
        normal(maps, inner, 3, 3, scale=0.03),
        normal(maps) if r.chance(0.5) else None,
        *([normal(*vector), normal(*vector), normal(*vector), positive(*vector)] if r.chance(0.7) else [None] * 4),
        normal(batch, maps, *counts) if r.chance(0.4) else None,
        args={"pad": pad, "activation": r.choice(ACTIVATIONS)},
        grad=(),
    )
