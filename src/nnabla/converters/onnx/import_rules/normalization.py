"""Normalizations."""

from __future__ import annotations

from ...obstacles import Unsupported
from ...reading.graph_reader import GraphReader, Value
from .registry import Node, axis_of, read


@read("BatchNormalization")
def batch_normalization(
    r: GraphReader, n: Node, x: Value, scale: Value, bias: Value, mean: Value, variance: Value
) -> list[Value]:
    if n.opset < 9 and n.has("spatial") and not n.attr("spatial"):
        raise Unsupported("spatial=0 has no counterpart")
    if x.rank < 2:
        raise Unsupported(f"it takes at least 2 axes, not {x.rank}")
    wide = [1, x.shape[1], *[1] * (x.rank - 2)]
    eps = n.attr("epsilon")
    if not n.attr("training_mode"):
        n.refuse_outputs(1)
        # Statistics are not what gradients are for.
        mean, variance = r.frozen(mean), r.frozen(variance)
        given = [r.reshape(v, wide) for v in (bias, scale, mean, variance)]
        y: Value = r("BatchNormalization", x, *given, axes=[1], decay_rate=0.9, eps=eps, batch_stat=False)
        return [y]
    axes = [0, *range(2, x.rank)]
    found = r.reduce("Mean", x, axes)
    rest = r.sub(x, found)
    spread = r.reduce("Mean", r.mul(rest, rest), axes)
    y = _scaled(r, r.mul(rest, r("PowScalar", r.add(spread, eps), val=-0.5)), r.reshape(scale, wide),
                r.reshape(bias, wide))  # fmt: skip
    keep = n.attr("momentum")
    running = [r.add(r.mul(old, keep), r.mul(r.reshape(new, [x.shape[1]]), 1 - keep))
               for old, new in ((mean, found), (variance, spread))]  # fmt: skip
    return [y, *running]


def _scaled(r: GraphReader, x: Value, scale: Value | None, bias: Value | None) -> Value:
    y = x if scale is None else r.mul(x, scale)
    return y if bias is None else r.add(y, bias)


@read("InstanceNormalization")
def instance_normalization(r: GraphReader, n: Node, x: Value, scale: Value, bias: Value) -> Value:
    if x.rank < 3:
        raise Unsupported(f"it takes at least 3 axes, not {x.rank}")
    wide = [1, x.shape[1], *[1] * (x.rank - 2)]
    y: Value = r("InstanceNormalization", x, r.reshape(bias, wide), r.reshape(scale, wide), channel_axis=1,
                 batch_axis=[0], eps=n.attr("epsilon"))  # fmt: skip
    return y


@read("GroupNormalization")
def group_normalization(r: GraphReader, n: Node, x: Value, scale: Value, bias: Value) -> Value:
    groups, wide = n.attr("num_groups"), [1, x.shape[1], *[1] * (x.rank - 2)]
    if groups < 1 or x.shape[1] % groups:
        raise Unsupported(f"{x.shape[1]} channels are not divided into {groups} groups")
    given = []
    for v in (bias, scale):
        if n.opset < 21:
            # One for each group.
            v = r.expand(r.reshape(v, [groups, 1]), [groups, x.shape[1] // groups])
        given.append(r.reshape(v, wide))
    y: Value = r("GroupNormalization", x, *given, num_groups=groups, channel_axis=1, batch_axis=[0],
                 eps=n.attr("epsilon"))  # fmt: skip
    return y


@read("LayerNormalization")
def layer_normalization(r: GraphReader, n: Node, x: Value, scale: Value, bias: Value | None = None) -> list[Value]:
    axis = axis_of(n.attr("axis"), x.rank)
    eps, wide = n.attr("epsilon"), (1,) * axis + x.shape[axis:]
    fits = all(v is None or (1,) * (x.rank - v.rank) + v.shape == wide for v in (scale, bias))
    if fits and axis and not n.wants(1) and not n.wants(2):
        gamma, beta = r.reshape(scale, wide), None if bias is None else r.reshape(bias, wide)
        y: Value = r("LayerNormalization", x, beta, gamma, batch_axis=list(range(axis)), eps=eps, no_bias=beta is None)
        return [y]
    axes = list(range(axis, x.rank))
    mean = r.reduce("Mean", x, axes)
    rest = r.sub(x, mean)
    inverse = r("PowScalar", r.add(r.reduce("Mean", r.mul(rest, rest), axes), eps), val=-0.5)
    return [_scaled(r, r.mul(rest, inverse), scale, bias), mean, inverse]


@read("RMSNormalization")
def rms_normalization(r: GraphReader, n: Node, x: Value, scale: Value) -> Value:
    axes = list(range(axis_of(n.attr("axis"), x.rank), x.rank))
    mean = r.reduce("Mean", r.mul(x, x), axes)
    return r.mul(r.mul(x, r("PowScalar", r.add(mean, n.attr("epsilon")), val=-0.5)), scale)


@read("LpNormalization")
def lp_normalization(r: GraphReader, n: Node, x: Value) -> Value:
    axis = axis_of(n.attr("axis"), x.rank)
    if n.attr("p") == 1:
        norm = r.reduce("Sum", r("Abs", x), [axis])
    else:
        norm = r("PowScalar", r.reduce("Sum", r.mul(x, x), [axis]), val=0.5)
    # Zeros stay zeros.
    return r.div(x, r.add(norm, r("EqualScalar", norm, val=0.0)))
