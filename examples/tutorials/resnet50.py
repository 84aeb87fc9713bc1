"""ResNet-50 from parametric functions: the network that the tutorial on graph converters rewrites.

Source: K. He et al., "Deep Residual Learning for Image Recognition", arXiv:1512.03385. As in most of today's
implementations, the stride of a block is that of its 3 x 3 convolution.
"""

from __future__ import annotations

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

BLOCKS = (3, 4, 6, 3)
"""Blocks of each stage; the maps double and the images halve from one to the next."""


def normalized_convolution(
    x: nn.Variable, maps: int, kernel: int, stride: int = 1, test: bool = False, name: str = "conv"
) -> nn.Variable:
    """A convolution that keeps the size (or divides it by its stride), and batch normalization."""
    with nn.parameter_scope(name):
        size, pad = (kernel, kernel), (kernel // 2, kernel // 2)
        h = PF.convolution(x, maps, size, pad=pad, stride=(stride, stride), with_bias=False)
        return PF.batch_normalization(h, batch_stat=not test)


def bottleneck(x: nn.Variable, maps: int, stride: int, test: bool) -> nn.Variable:
    """Convolutions of 1, 3 and 1 pixels with `maps`, `maps` and 4 * `maps` maps, added to what goes past them."""
    h = F.relu(normalized_convolution(x, maps, 1, 1, test, "reduce"))
    h = F.relu(normalized_convolution(h, maps, 3, stride, test, "spatial"))
    h = normalized_convolution(h, 4 * maps, 1, 1, test, "expand")
    if x.shape != h.shape:
        x = normalized_convolution(x, 4 * maps, 1, stride, test, "past")
    return F.relu(h + x)


def resnet50(x: nn.Variable, maps: int = 64, classes: int = 1000, test: bool = False) -> nn.Variable:
    """Scores ``(B, classes)`` for images ``(B, 3, H, W)``.

    Args:
        x: the images; ResNet-50's are of 224 x 224.
        maps: of the first convolution; the last one has 32 times as many. 64 in ResNet-50.
        classes: what the network tells apart.
        test: normalize by the running statistics, not by those of the batch.
    """
    h = F.relu(normalized_convolution(x, maps, 7, 2, test, "stem"))
    h = F.max_pooling(h, (3, 3), (2, 2), pad=(1, 1), ignore_border=True)
    for stage, blocks in enumerate(BLOCKS):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            with nn.parameter_scope(f"stage{stage}"), nn.parameter_scope(f"block{block}"):
                h = bottleneck(h, maps * 2**stage, stride, test)
    h = F.average_pooling(h, h.shape[2:])
    return PF.affine(h, classes, name="scores")


def set_parameters(seed: int) -> None:
    """Give all parameters values that depend on their names' order and the seed only, running statistics too.

    Weights are those of He's initialization, so that activations stay of one size through all layers.
    """
    random = np.random.RandomState(seed)
    for name, parameter in sorted(nn.get_parameters(grad_only=False).items()):
        values = random.standard_normal(parameter.shape)
        kind = name.rpartition("/")[2]
        if kind == "W":
            inputs = np.prod(parameter.shape[1:]) if len(parameter.shape) > 2 else parameter.shape[0]
            values *= np.sqrt(2 / inputs)
        elif kind in ("gamma", "var"):
            values = 1 + 0.2 * abs(values)
        else:
            values *= 0.1
        parameter.d = values.astype(np.float32)
