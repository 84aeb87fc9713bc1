"""Ready-made modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import functions as F
from .. import parametric_functions as PF
from ..errors import ArgumentError
from .module import Module


def complete_dims(s: Any, dims: int) -> Any:
    """`s` for each of `dims` axes: a sequence of that length as it is, anything else repeated.

    Raises:
        ArgumentError: a sequence of another length.

    Example:
        >>> complete_dims(3, 2), complete_dims((3, 1), 2)
        ((3, 3), (3, 1))
    """
    if not hasattr(s, "__len__"):
        return (s,) * dims
    if len(s) != dims:
        raise ArgumentError(f"complete_dims: s must have length {dims}, and has {len(s)}")
    return s


def get_conv_same_pad(k: Sequence[int]) -> tuple[int, ...]:
    """Padding that keeps the size under a convolution with stride 1 and odd kernel sizes `k`.

    Example:
        >>> get_conv_same_pad((3, 5))
        (1, 2)
    """
    return tuple(int(size) // 2 for size in k)


class ConvBn(Module):
    """2-D convolution without bias that keeps the size, batch normalization, and a function.

    Args:
        outmaps: number of filters.
        kernel: their size, one number or one for each axis; odd.
        stride: step of the filters, one number or one for each axis.
        act: called with the result; default nothing.
    """

    def __init__(
        self,
        outmaps: int,
        kernel: int | Sequence[int] = 1,
        stride: int | Sequence[int] = 1,
        act: Callable[[Any], Any] | None = None,
    ) -> None:
        self.outmaps = outmaps
        self.kernel = kernel
        self.stride = stride
        self.act = act

    def call(self, x: Any, training: bool = True) -> Any:
        """Shape ``(batch, inmaps, height, width)`` to ``(batch, outmaps, height / stride, width / stride)``.

        Args:
            x: input.
            training: normalize by the statistics of the batch, not by the running ones.
        """
        kernel, stride = complete_dims(self.kernel, 2), complete_dims(self.stride, 2)
        h = PF.convolution(x, self.outmaps, kernel, get_conv_same_pad(kernel), stride, with_bias=False)
        h = PF.batch_normalization(h, batch_stat=training)
        return h if self.act is None else self.act(h)


def _relu(x: Any) -> Any:
    return F.relu(x, inplace=True)


class ResUnit(Module):
    """Residual unit with a bottleneck: convolutions of 1, 3 and 1, added to the input.

    Args:
        channels: number of output channels, a multiple of 4; the bottleneck has a quarter of them.
        stride: of the second convolution, and of the one on the input.
        skip_by_conv: add a 1x1 convolution of the input; if False the input itself, which must have the output's shape.

    Source: He et al., "Deep Residual Learning for Image Recognition", arXiv:1512.03385, figure 5.
    """

    def __init__(self, channels: int, stride: int = 1, skip_by_conv: bool = True) -> None:
        self.conv1 = ConvBn(channels // 4, 1, 1, act=_relu)
        self.conv2 = ConvBn(channels // 4, 3, stride, act=_relu)
        self.conv3 = ConvBn(channels, 1)
        self.skip_by_conv = skip_by_conv
        self.skip = ConvBn(channels, 1, stride)

    def call(self, x: Any, training: bool = True) -> Any:
        """Shape ``(batch, inmaps, height, width)`` to ``(batch, channels, height / stride, width / stride)``.

        Args:
            x: input.
            training: has no effect, as in NNabla 1.x: the statistics of the batch are used.
        """
        h = self.conv3(self.conv2(self.conv1(x)))
        s = self.skip(x) if self.skip_by_conv else x
        return F.relu(F.add2(h, s, inplace=True), inplace=True)
