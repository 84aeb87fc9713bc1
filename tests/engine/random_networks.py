"""Random networks for inference: layers, normalizations by running statistics, scales, sums, activations and poolings,
put together in any order, some of them in double precision, and some results kept.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

from .fused_networks import Network

ACTIVATIONS = (F.relu, F.relu, F.sigmoid, F.tanh, F.swish, F.gelu, F.leaky_relu, F.relu6, F.elu)


class _Builder(NamedTuple):
    """
    Attributes:
        r: what is drawn next.
        axis: that of the channels of images.
        made: every value but parameters, in the order in which they were made.
    """

    r: random.Random
    axis: int
    made: list[nn.Variable]

    def axis_of(self, h: nn.Variable) -> int:
        """That of the channels."""
        return self.axis if len(h.shape) > 2 else 1

    def lengths(self, h: nn.Variable) -> list[int]:
        """Of the spatial axes."""
        return [n for i, n in enumerate(h.shape[1:], 1) if i != self.axis]

    def name(self) -> str:
        return str(len(self.made))

    def row(self, h: nn.Variable, kind: str) -> nn.Variable:
        """A parameter with a number for each channel, or, now and then, one for all."""
        shape, axis = [1] * len(h.shape), self.axis_of(h)
        shape[axis] = self.r.choice([1, h.shape[axis], h.shape[axis]])
        return nn.parameter.get_parameter_or_create(f"{self.name()}/{kind}", tuple(shape))

    def convolution(self, h: nn.Variable) -> nn.Variable:
        r, last = self.r, self.axis != 1
        channels = h.shape[self.axis]
        options: dict[str, object] = {"with_bias": r.random() < 0.5, "name": self.name()}
        pads, kernel, strides, dilations = [], [], [], []
        for length in self.lengths(h):
            k, d = r.choice([1, 1, 2, 3, 3, 5]), r.choice([1, 1, 1, 2])
            reach = d * (k - 1) + 1
            p = r.choice([reach // 2, reach // 2, 0, k])
            pads.append(max(p, -(-(reach - length) // 2)))
            kernel.append(k)
            strides.append(r.choice([1, 1, 1, 2, 3]))
            dilations.append(d)
        if r.random() < 0.3:
            kernel, pads = [1] * len(kernel), [0] * len(kernel)
        options |= {"pad": pads, "stride": strides, "dilation": dilations}
        kind = r.random()
        if kind < 0.12 and not last:
            return PF.depthwise_convolution(h, kernel, multiplier=r.choice([1, 2]), **options)
        axes = zip(self.lengths(h), kernel, pads, strides, dilations, strict=True)
        if kind < 0.22 and all(n <= 12 and s * (n - 1) + d * (k - 1) >= 2 * p for n, k, p, s, d in axes):
            return PF.deconvolution(h, r.choice([1, 4, 6]), kernel, channel_last=last, **options)
        group = r.choice([n for n in (1, 1, 1, 1, 2, 3, 4) if channels % n == 0])
        return PF.convolution(h, group * r.choice([1, 2, 4, 9]), kernel, group=group, channel_last=last, **options)

    def normalized(self, h: nn.Variable) -> nn.Variable:
        axis = 2 if self.r.random() < 0.1 and len(h.shape) > 2 else self.axis_of(h)
        given = {"no_scale": self.r.random() < 0.1, "no_bias": self.r.random() < 0.1}
        return PF.batch_normalization(h, axes=[axis], batch_stat=False, name=self.name(), **given)

    def affine(self, h: nn.Variable) -> nn.Variable:
        return PF.affine(h, self.r.choice([1, 3, 8, 17]), with_bias=self.r.random() < 0.7, name=self.name())

    def scaled(self, h: nn.Variable) -> nn.Variable:
        made: list[Callable[[], nn.Variable]] = [
            lambda: h * 0.5,
            lambda: h + 1,
            lambda: h * self.row(h, "gamma"),
            lambda: self.row(h, "gamma") * h,
            lambda: self.row(h, "beta") + h,
        ]
        return self.r.choice(made)()

    def summed(self, h: nn.Variable) -> nn.Variable:
        other = self.r.choice([v for v in self.made if v.shape == h.shape] or [h])
        return self.r.choice([h + other, other + h])

    def pooled(self, h: nn.Variable) -> nn.Variable:
        sizes = [min(n, self.r.choice([1, 2, 2, 3])) for n in self.lengths(h)]
        pool = self.r.choice([F.max_pooling, F.average_pooling])
        return pool(h, sizes, stride=[min(n, 2) for n in sizes], channel_last=self.axis != 1)

    def other(self, h: nn.Variable) -> nn.Variable:
        """Something that nothing is fused with."""
        made: list[Callable[[], nn.Variable]] = [
            lambda: F.concatenate(h, F.tanh(h), axis=self.axis_of(h)),
            lambda: F.identity(h),
            lambda: F.sin(h),
            lambda: F.transpose(F.transpose(h, [1, 0, *range(2, len(h.shape))]), [1, 0, *range(2, len(h.shape))]),
        ]
        return self.r.choice(made)()

    def layer(self, h: nn.Variable) -> nn.Variable:
        """What may be fused: a layer and what follows it."""
        h = self.convolution(h) if len(h.shape) > 2 else self.affine(h)
        self.made.append(h)
        for follows, chance in ((self.normalized, 0.6), (self.scaled, 0.2), (self.summed, 0.4)):
            if self.r.random() < chance:
                h = follows(h)
                self.made.append(h)
        return self.r.choice(ACTIVATIONS)(h) if self.r.random() < 0.6 else h

    def step(self, h: nn.Variable) -> nn.Variable:
        kind = self.r.random()
        if kind < 0.55:
            return self.layer(h)
        if kind < 0.65:
            return self.r.choice([self.normalized, self.scaled])(h)
        if kind < 0.75:
            return self.r.choice(ACTIVATIONS)(h)
        if kind < 0.83 and len(h.shape) > 2:
            return self.pooled(h)
        if kind < 0.9:
            return self.summed(h)
        return self.other(h)


def random_network(seed: int) -> Network:
    """The same network for the same seed."""
    r = random.Random(seed)
    axis = r.choice([1, 1, 1, 1, 3])
    lengths, channels = [r.choice([1, 4, 7, 8]), r.choice([1, 4, 7, 8])], r.choice([1, 3, 4, 8])
    x = nn.Variable((r.choice([1, 2, 3]), *([channels, *lengths] if axis == 1 else [*lengths, channels])))
    builder = _Builder(r, axis, [x])
    h = builder.layer(x)
    builder.made.append(h)
    steps = r.randint(1, 8)
    # From here on there are vectors instead of images.
    flat = r.randint(1, 2 * steps)
    for i in range(steps):
        with nn.context_scope(nn.Context(["cpu:double"]) if r.random() < 0.07 else nn.get_current_context()):
            if i == flat:
                h = F.reshape(h, (h.shape[0], -1))
            h = builder.step(h)
        builder.made.append(h)
        h.persistent = r.random() < 0.07
    return x, (F.sum(h) if r.random() < 0.3 else h)
