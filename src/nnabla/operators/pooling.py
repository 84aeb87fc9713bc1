"""Pooling: the maximum, average or sum of windows over two or three spatial axes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .._private_torch import avg_pool2d, avg_pool3d, max_pool2d_with_indices, max_pool3d_with_indices
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Sizes
from ..graph.operator import Operator, Shape, operator
from .kernels import aten
from .layout import channels_last_strides, fast_format, into_format
from .shapes import refuse_empty

# Elements. The places of so many maxima are kept in half of the memory, for the time of a pass over them.
_WORTH_PACKING = 1 << 18

_MAX = {2: max_pool2d_with_indices, 3: max_pool3d_with_indices}
_MAX_ONLY = {2: torch.max_pool2d, 3: torch.max_pool3d}
_MAX_BACKWARD = {
    2: aten.max_pool2d_with_indices_backward,
    3: aten.max_pool3d_with_indices_backward,
}
_AVERAGE = {2: avg_pool2d, 3: avg_pool3d}
_AVERAGE_BACKWARD = {2: aten.avg_pool2d_backward, 3: aten.avg_pool3d_backward}

# Of a window, a step and a margin. The kernels count in 32 bits.
_LONGEST = (1 << 31) - 1
# Elements of x with what is added around it; 32 gigabytes of float32.
_MOST_EXTENDED = 1 << 33


class Pooling(Operator):
    """What poolings have in common: the geometry of windows, and how it is put to ATen's kernels."""

    kernel = Sizes(doc="Size of the windows, for each spatial axis: 2 or 3 entries.")
    stride = Sizes(None, "Step between windows, for each spatial axis; default `kernel`.")
    ignore_border = Bool(True, "Leave out windows that reach over the end of the padded input.")
    pad = Sizes(None, "Elements added on both sides of each spatial axis; default 0.")
    channel_last = Bool(False, "Channels are the last axis of x and the result.")

    # What lies outside of x where x has to be extended first.
    _outside = 0.0

    def output_shape(self, x: Shape) -> Shape:
        refuse_empty(x, self.declaration.name, first=1)
        name, n = self.declaration.name, len(self.kernel)
        if n not in (2, 3):
            raise ArgumentError(f"{name}: kernel must have 2 or 3 entries, not {self.kernel}")
        if len(x) < n + self.channel_last:
            raise ShapeError(f"{name}: x must have {n} spatial axes{' and one of channels' * self.channel_last}")
        if not self.stride:
            self.stride = self.kernel
        if self.pad is None:
            self.pad = (0,) * n
        for argument, least in (("kernel", 1), ("stride", 1), ("pad", 0)):
            values = getattr(self, argument)
            if len(values) != n or min(values) < least:
                raise ArgumentError(f"{name}: {argument} must have {n} entries, each at least {least}, not {values}")
            if max(values) > _LONGEST:
                raise ArgumentError(f"{name}: {argument} must have entries of at most {_LONGEST}, not {values}")
        end = len(x) - self.channel_last
        outer, spatial, channels = x[: end - n], x[end - n : end], x[end:]
        self._arrange(x, outer, spatial)
        return (*outer, *self._counts, *channels)

    def _arrange(self, x: Shape, outer: Shape, spatial: Shape) -> None:
        """Fix how tensors are brought to the kernels and back."""
        n = len(spatial)
        self._user_shape = x
        self._counts = counts = self._window_counts(spatial)
        if self.channel_last:
            self._flat: Shape = (math.prod(outer), x[-1], *spatial)
        else:
            self._flat = (math.prod(outer[:-1]), *(outer[-1:] or (1,)), *spatial)
        self._y_shape = (*outer, *counts, *((x[-1],) if self.channel_last else ()))
        self._plain = len(outer) == 2 and not self.channel_last
        self._enter = into_format(self._flat, fast_format(self, n))
        # Where each element is read once, kernels save less than a change of format takes. With one channel
        # there is none to change.
        self._stays = self._flat[1] > 1 and all(k <= s for k, s in zip(self.kernel, self.stride, strict=True))

        # ATen counts windows by two rules. Where neither gives NNabla's number, a pad is more than half of a window, or
        # the kernel refuses x, x itself is extended.
        self._extension: tuple[int, ...] | None = None
        extended = self._flat
        pad, ceil = self.pad, False
        for ceil in (False, True):
            if (
                all(2 * p <= k for p, k in zip(pad, self.kernel, strict=True))
                and counts == self._aten_counts(spatial, ceil)
                and self._takes(spatial)
            ):
                break
        else:
            ends = [
                max((c - 1) * s + k - length - p, 0)
                for c, s, k, length, p in zip(counts, self.stride, self.kernel, spatial, pad, strict=True)
            ]
            self._extension = tuple(v for pair in zip(reversed(pad), reversed(ends), strict=True) for v in pair)
            extended = (*self._flat[:2], *[a + b + c for a, b, c in zip(pad, spatial, ends, strict=True)])
            self._inside: tuple[Any, ...] = (
                ...,
                *[slice(p, p + d) for p, d in zip(pad, spatial, strict=True)],
            )
            if math.prod(extended) > _MOST_EXTENDED:
                raise ArgumentError(
                    f"{self.declaration.name}: kernel {self.kernel} and pad {pad} reach too far beyond x, {spatial}"
                )
            pad, ceil = (0,) * n, False
        self._windows = (self.kernel, self.stride, pad)
        self._ceil = ceil
        self._extended = extended
        strides = channels_last_strides(extended)
        self._like_strides = strides if fast_format(self, n) is not torch.contiguous_format else None

    def _window_counts(self, spatial: Shape) -> Shape:
        """Number of windows along each axis.

        With `ignore_border` all that lie within the padded input, but at least one; without it all that start
        before the end of `x`.
        """
        found = []
        for length, k, s, p in zip(spatial, self.kernel, self.stride, self.pad, strict=True):
            if self.ignore_border:
                room = length + 2 * p - k
                # One window may be larger than the input by less than a stride: it is cut off.
                found.append(room // s + 1 if room >= 0 else 1 if -room < s else 0)
            else:
                found.append(-(-(length + p) // s))
            if found[-1] < 1:
                raise ShapeError(
                    f"{self.declaration.name}: a window of size {k} does not fit in a spatial axis of "
                    f"length {length} with pad {p} on both sides"
                )
        return tuple(found)

    def _takes(self, spatial: Shape) -> bool:
        """Whether ATen's kernel takes images of this size."""
        return True

    def _aten_counts(self, spatial: Shape, ceil: bool) -> Shape:
        found = []
        for length, k, s, p in zip(spatial, self.kernel, self.stride, self.pad, strict=True):
            room = length + 2 * p - k
            if ceil:
                count = -(-room // s) + 1
                found.append(count - ((count - 1) * s >= length + p))
            else:
                found.append(room // s + 1)
        return tuple(found)

    def _open(self, x: Tensor, outside: float | None = None) -> Tensor:
        """`x` as ``(B, C, L_1, ..., L_N)``, in the kernels' format, extended by `outside` where they need
        it.
        """
        if not self._plain:
            if self.channel_last:
                x = x.reshape(self._flat[0], *self._flat[2:], self._flat[1]).movedim(-1, 1)
            else:
                x = x.reshape(self._flat)
        if not (self._stays and x.is_contiguous()):
            x = self._enter(x)
        if self._extension is not None:
            x = torch.constant_pad_nd(x, self._extension, self._outside if outside is None else outside)
        return x

    def _open_gradient(self, dy: Tensor) -> Tensor:
        """`dy` as ``(B, C, ...)``."""
        if self.channel_last:
            return dy.reshape(self._flat[0], *self._counts, self._flat[1]).movedim(-1, 1)
        return dy.reshape(*self._flat[:2], *self._counts)

    def _close(self, tensor: Tensor, shape: Shape) -> Tensor:
        """A tensor ``(B, C, ...)`` in the user's order of axes."""
        if self._plain:
            return tensor
        return (tensor.movedim(1, -1) if self.channel_last else tensor).reshape(shape)

    def _close_gradient(self, dx: Tensor) -> Tensor:
        if self._extension is not None:
            dx = dx[self._inside]
        return self._close(dx, self._user_shape)

    def _like_x(self, dy: Tensor, y: Tensor) -> Tensor:
        """A tensor with shape and strides of the kernel's input, for kernels that read nothing else of it."""
        if self._like_strides is None or (self._stays and y.is_contiguous()):
            return dy.new_empty(self._extended)
        return dy.new_empty_strided(self._extended, self._like_strides)


@operator("MaxPooling", "max_pooling", 1012)
class MaxPooling(Pooling):
    r"""Maximum of each window, :math:`y_i = \max_k x_{s i + k - p}`, over the last two or three axes.

    Inputs:
        x: shape ``(..., L_1, ..., L_N)``, with N the length of `kernel`; channels last with `channel_last`.
    Args:
        kernel: size of the windows, for each spatial axis: 2 or 3 entries.
        stride: step between windows, for each spatial axis; default `kernel`.
        ignore_border: leave out windows that reach over the end of the padded input; else all windows that
            start inside of `x` count, and are cut off at its end.
        pad: elements added on both sides of each spatial axis, which are never the maximum; less than
            `kernel`; default 0.
        channel_last: channels are the last axis of `x` and the result.
    Returns:
        Shape ``(..., L'_1, ..., L'_N)``. ``L'_i`` is ``(L_i + 2 pad_i - kernel_i) // stride_i + 1`` with
        `ignore_border`, else ``ceil((L_i + pad_i) / stride_i)``. Of equal maxima the first gets the gradient.
    Raises:
        ArgumentError: a list has not one entry for each spatial axis, or an entry is out of range.
        ShapeError: `x` has too few axes, or no window fits.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.max_pooling(nn.Variable((2, 3, 7, 7)), (2, 2)).shape
        (2, 3, 3, 3)
        >>> F.max_pooling(nn.Variable((2, 3, 7, 7)), (2, 2), ignore_border=False).shape
        (2, 3, 4, 4)

    Source: NNabla function reference, ``MaxPooling``.
    """

    keeps = True
    _outside = -math.inf

    def output_shape(self, x: Shape) -> Shape:
        y = super().output_shape(x)
        if any(p >= k for p, k in zip(self.pad, self.kernel, strict=True)):
            raise ArgumentError(f"max_pooling: pad must be less than kernel {self.kernel}, not {self.pad}")
        n = len(self.kernel)
        self._dilation = (1,) * n
        self._max, self._max_only, self._max_backward = _MAX[n], _MAX_ONLY[n], _MAX_BACKWARD[n]
        plane = math.prod(self._flat[2:]) if self._extension is None else 1 << 31
        self._packs = math.prod(self._y_shape) >= _WORTH_PACKING and plane < 1 << 31
        return y

    def forward(self, x: Tensor) -> Tensor:
        y, places = self._max(self._open(x), *self._windows, self._dilation, self._ceil)
        self.kept = places.int() if self._packs else places
        return self._close(y, self._y_shape)

    def infer(self, x: Tensor) -> Tensor:
        y = self._max_only(self._open(x), *self._windows, self._dilation, self._ceil)
        return self._close(y, self._y_shape)

    def grad(self, dy: Tensor) -> Tensor:
        if not self._plain:
            dy = self._open_gradient(dy)
        places = self.kept.long() if self._packs else self.kept
        dx = self._max_backward(dy, self._like_x(dy, places), *self._windows, self._dilation, self._ceil, places)
        return self._close_gradient(dx)


class Averaging(Pooling):
    """Sums of windows, times a factor."""

    def _takes(self, spatial: Shape) -> bool:
        # That for volumes wants them to be as large as a window, whatever the pad.
        return len(spatial) == 2 or all(length >= k for length, k in zip(spatial, self.kernel, strict=True))

    def _arrange_sums(self, count_pad: bool, divisor: int | None) -> None:
        n = len(self.kernel)
        self._average, self._average_backward = _AVERAGE[n], _AVERAGE_BACKWARD[n]
        # On a CPU, ATen has no kernels for averages of volumes in half precision.
        half = self.compute_dtype in (torch.float16, torch.bfloat16)
        self._wide = half and n == 3 and self.device.type == "cpu"
        self._scale: Tensor | None = None
        if self._extension is not None:
            if divisor is None:
                self._scale = self._reciprocals(count_pad)
            divisor = 1
        self._options = (*self._windows, self._ceil, count_pad, divisor)

    def _reciprocals(self, count_pad: bool) -> Tensor:
        """1 over the size of each window, cut off at the ends of the padded (`count_pad`) or bare input."""
        sizes = torch.ones((), dtype=torch.float64)
        for length, k, s, p, count in zip(
            self._flat[2:], self.kernel, self.stride, self.pad, self._counts, strict=True
        ):
            start = torch.arange(count) * s - p
            end = (start + k).clamp(max=length + p)
            if not count_pad:
                start, end = start.clamp(min=0), end.clamp(max=length)
            # The mean of a window that holds no element counts as that of one zero.
            sizes = sizes.unsqueeze(-1) * (end - start).clamp(min=1)
        return sizes.reciprocal().to(self.device, self.compute_dtype)

    def forward(self, x: Tensor) -> Tensor:
        x = self._open(x)
        y = self._average(x.float() if self._wide else x, *self._options)
        if self._scale is not None:
            y.mul_(self._scale)
        return self._close(y.to(x.dtype), self._y_shape)

    def grad(self, dy: Tensor) -> Tensor:
        if not self._plain:
            dy = self._open_gradient(dy)
        dtype = dy.dtype
        if self._wide:
            dy = dy.float()
        if self._scale is not None:
            dy = dy * self._scale
        return self._close_gradient(self._average_backward(dy, self._like_x(dy, dy), *self._options).to(dtype))


@operator("AveragePooling", "average_pooling", 1013)
class AveragePooling(Averaging):
    r"""Mean of each window, :math:`y_i = \frac{1}{|K|} \sum_{k \in K} x_{s i + k - p}`, over the last two or
    three axes.

    Inputs:
        x: shape ``(..., L_1, ..., L_N)``, with N the length of `kernel`; channels last with `channel_last`.
    Args:
        kernel: size of the windows, for each spatial axis: 2 or 3 entries.
        stride: step between windows, for each spatial axis; default `kernel`.
        ignore_border: leave out windows that reach over the end of the padded input; else all windows that
            start inside of `x` count, and are cut off at the end of the padded input.
        pad: zeros added on both sides of each spatial axis; default 0.
        channel_last: channels are the last axis of `x` and the result.
        including_pad: count zeros of the pad as elements of a window.
    Returns:
        Shape ``(..., L'_1, ..., L'_N)``, sizes as in `max_pooling`. 0 for a window that holds nothing but pad, also
        where pad does not count (NNabla 1.39: NaN).
    Raises:
        ArgumentError: a list has not one entry for each spatial axis, or an entry is out of range.
        ShapeError: `x` has too few axes, or no window fits.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.average_pooling(nn.Variable((2, 3, 8, 8)), (3, 3), stride=(2, 2), pad=(1, 1)).shape
        (2, 3, 4, 4)

    Source: NNabla function reference, ``AveragePooling``.
    """

    including_pad = Bool(True, "Count zeros of the pad as elements of a window.")

    def output_shape(self, x: Shape) -> Shape:
        y = super().output_shape(x)
        self._arrange_sums(self.including_pad, None)
        return y


@operator("SumPooling", "sum_pooling", 1015)
class SumPooling(Averaging):
    r"""Sum of each window, :math:`y_i = \sum_k x_{s i + k - p}`, over the last two or three axes.

    Inputs:
        x: shape ``(..., L_1, ..., L_N)``, with N the length of `kernel`; channels last with `channel_last`.
    Args:
        kernel: size of the windows, for each spatial axis: 2 or 3 entries.
        stride: step between windows, for each spatial axis; default `kernel`.
        ignore_border: leave out windows that reach over the end of the padded input; else all windows that
            start inside of `x` count, and are cut off at its end.
        pad: zeros added on both sides of each spatial axis; default 0.
        channel_last: channels are the last axis of `x` and the result.
    Returns:
        Shape ``(..., L'_1, ..., L'_N)``, sizes as in `max_pooling`.
    Raises:
        ArgumentError: a list has not one entry for each spatial axis, or an entry is out of range.
        ShapeError: `x` has too few axes, or no window fits.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.sum_pooling(nn.Variable((2, 3, 8, 8)), (2, 2)).shape
        (2, 3, 4, 4)

    Source: NNabla function reference, ``SumPooling``.
    """

    def output_shape(self, x: Shape) -> Shape:
        y = super().output_shape(x)
        self._arrange_sums(True, 1)
        return y


@operator("GlobalAveragePooling", "global_average_pooling", 1014)
class GlobalAveragePooling(Operator):
    r"""Mean over all axes but the first two, :math:`y_{n, c} = \frac{1}{L} \sum_l x_{n, c, l}` with the
    number :math:`L` of spatial places.

    Inputs:
        x: shape ``(N, C, ...)``.
    Returns:
        Shape ``(N, C, 1, 1)``, whatever the number of spatial axes.
    Raises:
        ShapeError: `x` has fewer than two axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.global_average_pooling(nn.Variable((2, 3, 8, 8))).shape
        (2, 3, 1, 1)

    Source: NNabla function reference, ``GlobalAveragePooling``; Lin et al., Network in Network
    (arXiv:1312.4400).
    """

    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        if len(x) < 2:
            raise ShapeError("global_average_pooling: x must have at least 2 axes")
        self._x = x
        self._axes = tuple(range(2, len(x)))
        self._y = (*x[:2], 1, 1)
        self._factor = 1 / max(1, math.prod(x[2:]))
        self._ones = (*x[:2], *[1] * (len(x) - 2))
        return self._y

    def forward(self, x: Tensor) -> Tensor:
        # An empty tuple of axes would mean all of them.
        y = x.mean(self._axes) if self._axes else x.clone()
        return y.view(self._y)

    def grad(self, dy: Tensor) -> Tensor:
        return (dy * self._factor).reshape(self._ones).expand(self._x)
