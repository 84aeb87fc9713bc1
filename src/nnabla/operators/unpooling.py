"""The way back from pooling: values spread over windows, and gradients sent to where maxima were."""

from __future__ import annotations

import math

from torch import Tensor

from .._private_torch import upsample_nearest1d, upsample_nearest2d, upsample_nearest3d
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Sizes
from ..graph.operator import Operator, Shape, operator
from .kernels import aten
from .layout import fast_format, into_format
from .pooling import MaxPooling

_SPREAD = {1: upsample_nearest1d, 2: upsample_nearest2d, 3: upsample_nearest3d}
_GATHER = {
    1: aten.upsample_nearest1d_backward,
    2: aten.upsample_nearest2d_backward,
    3: aten.upsample_nearest3d_backward,
}


@operator("Unpooling", "unpooling", 1016)
class Unpooling(Operator):
    r"""Each value repeated over a window, :math:`y_{k_1 i_1 + j_1, k_2 i_2 + j_2} = x_{i_1, i_2}`.

    Inputs:
        x: shape ``(..., L_1, ..., L_N)``, with N the length of `kernel`; channels last with `channel_last`.
    Args:
        kernel: size of the windows, for each of the last axes (before the channels with `channel_last`).
        channel_last: channels are the last axis of `x` and the result.
    Returns:
        Shape ``(..., L_1 * kernel_1, ..., L_N * kernel_N)``.
    Raises:
        ArgumentError: `kernel` has an entry below 1.
        ShapeError: `x` has too few axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([[1.0, 2.0]])
        >>> y = F.unpooling(x, (2, 2))
        >>> y.forward()
        >>> y.d
        array([[1., 1., 2., 2.],
               [1., 1., 2., 2.]], dtype=float32)

    Source: NNabla function reference, ``Unpooling``.
    """

    kernel = Sizes(doc="Size of the windows, for each of the last axes.")
    channel_last = Bool(False, "Channels are the last axis of x and the result.")

    def output_shape(self, x: Shape) -> Shape:
        kernel, n = self.kernel, len(self.kernel)
        if any(k < 1 for k in kernel):
            raise ArgumentError(f"unpooling: kernel must have entries of at least 1, not {kernel}")
        if len(x) < n + self.channel_last:
            raise ShapeError(f"unpooling: x must have {n + self.channel_last} axes or more")
        end = len(x) - self.channel_last
        outer, spatial, channels = x[: end - n], x[end - n : end], x[end:]
        large = tuple([d * k for d, k in zip(spatial, kernel, strict=True)])
        self._x, self._y = x, (*outer, *large, *channels)
        self._same = self._x == self._y
        self._native = 1 <= n <= 3 and 0 not in x
        if self._native:
            # Up to three axes ATen's nearest-neighbour kernels do it.
            self._flat: Shape = (math.prod(outer[:-1]), *(outer[-1:] or (1,)), *spatial)
            if self.channel_last:
                self._flat = (math.prod(outer), *channels, *spatial)
            self._spread, self._gather, self._large = _SPREAD[n], _GATHER[n], large
            self._enter = into_format(self._flat, fast_format(self, n))
        # Otherwise each axis is followed by one to repeat it over.
        pairs = [v for d, k in zip(spatial, kernel, strict=True) for v in (d, k)]
        self._pairs = (*outer, *pairs, *channels)
        self._before = (*outer, *[v for d in spatial for v in (d, 1)], *channels)
        self._repeats = tuple(range(len(outer) + 1, len(outer) + 2 * n, 2))
        return self._y

    def _open(self, tensor: Tensor, spatial: Shape) -> Tensor:
        if self.channel_last:
            return tensor.reshape(self._flat[0], *spatial, self._flat[1]).movedim(-1, 1)
        return tensor.reshape(*self._flat[:2], *spatial)

    def _close(self, tensor: Tensor, shape: Shape) -> Tensor:
        return (tensor.movedim(1, -1) if self.channel_last else tensor).reshape(shape)

    def forward(self, x: Tensor) -> Tensor:
        if self._same:
            return x.clone()
        if not self._native:
            return x.reshape(self._before).expand(self._pairs).reshape(self._y)
        x = self._enter(self._open(x, self._flat[2:]))
        return self._close(self._spread(x, self._large), self._y)

    def grad(self, dy: Tensor) -> Tensor:
        if self._same:
            return dy.clone()
        if not self._native:
            return dy.reshape(self._pairs).sum(self._repeats).view(self._x)
        dx = self._gather(self._open(dy, self._large), self._large, self._flat)
        return self._close(dx, self._x)


@operator("MaxPoolingBackward", "max_pooling_backward", 1222)
class MaxPoolingBackward(MaxPooling):
    r"""The gradient of `max_pooling` as a function: each `dy` goes to the maximum of its window in `x`.

    So :math:`y_j` is the sum of those :math:`dy_i` for which window :math:`i` has its first maximum at
    :math:`j`.

    Inputs:
        dy: shape of the result of ``max_pooling(x, ...)``.
        x: shape ``(..., L_1, ..., L_N)``, with N the length of `kernel`; channels last with `channel_last`.
            Its gradient is 0.
    Args:
        kernel: as in `max_pooling`.
        stride: as in `max_pooling`.
        ignore_border: as in `max_pooling`.
        pad: as in `max_pooling`.
        channel_last: as in `max_pooling`.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: a list has not one entry for each spatial axis, or an entry is out of range.
        ShapeError: `dy` or `x` has another shape.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable.from_numpy_array([[1.0, 2.0], [4.0, 3.0]])
        >>> dx = F.max_pooling_backward(nn.Variable.from_numpy_array([[5.0]]), x, (2, 2))
        >>> dx.forward()
        >>> dx.d
        array([[0., 0.],
               [5., 0.]], dtype=float32)

    Source: NNabla function reference, ``MaxPoolingBackward``.
    """

    outputs = ("dx",)
    infer = None  # type: ignore[assignment]
    held = ("dy", "x")

    def output_shape(self, dy: Shape, x: Shape) -> Shape:  # type: ignore[override]
        expected = super().output_shape(x)
        if dy != expected:
            raise ShapeError(f"max_pooling_backward: dy must have shape {expected}, that of the pooled x")
        return x

    def forward(self, dy: Tensor, x: Tensor) -> Tensor:  # type: ignore[override]
        _, self.kept = self._max(self._open(x), *self._windows, self._dilation, self._ceil)
        return MaxPooling.grad(self, dy)

    def grad(self, need: tuple[bool, ...], ddx: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        ddy = zeros = None
        if need[0]:
            flat = self._open(ddx, outside=0.0).flatten(2)
            ddy = self._close(flat.gather(2, self.kept.flatten(2)).view(self.kept.shape), self._y_shape)
        if need[1]:
            zeros = ddx.new_zeros(self._user_shape)
        return ddy, zeros
