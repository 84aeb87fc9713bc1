"""Convolution and deconvolution over any number of spatial axes, grouped, dilated, depthwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, Sizes, positive
from ..graph.operator import Operator, PostOp, Shape, operator
from .axes import normalized
from .convolution_kernels import Geometry, convolution_kernels
from .packed_convolution import is_packable, more_elements, packed_convolution
from .shapes import refuse_empty


class Maps(NamedTuple):
    """A shape taken apart: leading batch axes, channels, spatial axes."""

    batch: Shape
    channels: int
    spatial: Shape
    channel_last: bool

    @property
    def flat(self) -> Shape:
        """``(B, C, L_1, ..., L_N)``."""
        return (math.prod(self.batch), self.channels, *self.spatial)

    @property
    def shape(self) -> Shape:
        """The shape as users see it."""
        if self.channel_last:
            return (*self.batch, *self.spatial, self.channels)
        return (*self.batch, self.channels, *self.spatial)

    def open(self, x: Tensor) -> Tensor:
        """`x` of the user's shape as ``(B, C, L_1, ..., L_N)``."""
        if self.channel_last:
            return x.reshape(-1, *self.spatial, self.channels).movedim(-1, 1)
        return x.reshape(self.flat)

    def close(self, x: Tensor) -> Tensor:
        """The inverse of `open`."""
        return (x.movedim(1, -1) if self.channel_last else x).reshape(self.shape)


class Convolving(Operator):
    """What convolutions have in common: the geometry, and how tensors are brought to kernels and back."""

    base_axis = Int(1, "Number of leading axes kept as batch; a negative value counts from the end.")
    pad = Sizes(None, "Zeros added on both sides of each spatial axis, elements taken away where negative; default 0.")
    stride = Sizes(None, "Step between windows, for each spatial axis; default 1.")
    dilation = Sizes(None, "Step between the elements of a window, for each spatial axis; default 1.")

    def _split(self, x: Shape, channel_last: bool = False) -> Maps:
        """Take the shape of `x` apart, and settle the arguments that depend on the number of spatial axes."""
        name = self.declaration.name
        axis = normalized(self.base_axis, len(x), name, "base_axis")
        n = len(x) - axis - 1
        if n < 1:
            raise ArgumentError(f"{name}: base_axis must leave a channel axis and at least 1 spatial axis of {x}")
        self.pad = self._one_for_each_axis("pad", n, 0)
        self.stride = self._one_for_each_axis("stride", n, 1, 1)
        self.dilation = self._one_for_each_axis("dilation", n, 1, 1)
        refuse_empty(x, name, first=axis)
        if channel_last:
            return Maps(x[:axis], x[-1], x[axis:-1], True)
        return Maps(x[:axis], x[axis], x[axis + 1 :], False)

    def _one_for_each_axis(self, argument: str, n: int, default: int, least: int | None = None) -> Shape:
        value: Shape | None = getattr(self, argument)
        if value is None:
            return (default,) * n
        if len(value) != n or (least is not None and min(value) < least):
            limit = "" if least is None else f" of at least {least}"
            raise ArgumentError(f"{self.declaration.name}: {argument} must have {n} entries{limit}, not {value}")
        return value

    def _bind(self, x: Maps, y: Maps, weight: Shape, group: int, output_padding: Shape | None = None) -> Shape:
        """Fix what `_convolve` and `_gradients` do; the shape of the output.

        Args:
            x: the input.
            y: the output.
            weight: shape of the weight without channel-last order: two channel axes (outer, inner), then
                spatial.
            group: number of groups.
            output_padding: given for a deconvolution.
        """
        self._x, self._y = x, y
        self._group = group
        self._transposed = output_padding is not None
        self.map_axis = len(x.batch) + (len(x.spatial) if x.channel_last else 0)
        self._geometry = Geometry(x.flat, weight, y.flat, self.stride, self.pad, self.dilation, group, output_padding)
        self._kernels = convolution_kernels(self, self._geometry)
        # Where an axis has length 1, strides may differ although the memory is the same.
        self._restride = 1 in weight
        self._plain = len(x.batch) == 1 and not x.channel_last
        return y.shape

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self._plain:
            return self._kernels.forward(x, weight, bias)
        return self._y.close(self._kernels.forward(self._x.open(x), self._open_weight(weight), bias))

    @property
    def packs(self) -> bool:  # type: ignore[override]
        return is_packable(self, self._geometry, self._kernels)

    @property
    def packed_size(self) -> int:  # type: ignore[override]
        return more_elements(self, self._geometry, self._kernels)

    def folded(self, weight: Tensor, bias: Tensor | None, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        maps = self._y.channels
        moved = shift if bias is None else torch.addcmul(shift, bias.double(), scale)
        moved = moved.expand(maps).to(weight.dtype)
        scale = scale.expand(maps)
        if not self._transposed:
            return (weight * scale.view(-1, *[1] * (weight.ndim - 1))).to(weight.dtype), moved
        # Each group of the channels, which come first, has output maps of its own.
        ordered = self._ordered(weight)
        groups = ordered.reshape(self._group, -1, *ordered.shape[1:])
        factors = scale.view(self._group, 1, -1, *[1] * (ordered.ndim - 2))
        made = (groups * factors).to(weight.dtype).view(ordered.shape)
        return self._as_given(made).contiguous(), moved

    def packed(
        self, weight: Tensor, bias: Tensor | None, adds: bool, post: PostOp | None
    ) -> Callable[..., Tensor] | None:
        found = packed_convolution(self._geometry, self._kernels, self._ordered(weight), bias, adds, post)
        if found is None or self._plain:
            return found
        kernel, x_opened, y_opened, close = found, self._x.open, self._y.open, self._y.close
        if adds:
            return lambda x, other: close(kernel(x_opened(x), y_opened(other)))
        return lambda x: close(kernel(x_opened(x)))

    def _ordered(self, weight: Tensor) -> Tensor:
        """The weight with both axes of channels first."""
        return self._open_weight(weight)

    def _as_given(self, weight: Tensor) -> Tensor:
        """The inverse of `_ordered`."""
        return self._close_weight(weight)

    def _gradients(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, ...]:
        plain = self._plain
        if not plain:
            x, dy, weight = self._x.open(x), self._y.open(dy), self._open_weight(weight)
        dx, dw, db = self._kernels.backward(need, dy, x, weight)
        if need[1]:
            # Solvers update all parameters in one kernel if gradients have the strides of their parameters.
            dw = (dw if plain else self._close_weight(dw)).contiguous()
            if self._restride:
                dw = dw.view(-1).view(dw.shape)
        if need[0] and not plain:
            dx = self._x.close(dx)
        return dx, dw, db

    def _open_weight(self, weight: Tensor) -> Tensor:
        return weight.movedim(-1, 1) if self._x.channel_last else weight

    def _close_weight(self, dw: Tensor) -> Tensor:
        return dw.movedim(1, -1) if self._x.channel_last else dw

    def _window(self, x: Maps, kernel: Shape) -> Shape:
        """Sizes of a convolution's output."""
        sizes = []
        for i, (length, k, p, s, d) in enumerate(
            zip(x.spatial, kernel, self.pad, self.stride, self.dilation, strict=True)
        ):
            if k < 1 or length + 2 * p < d * (k - 1) + 1:
                raise ShapeError(
                    f"{self.declaration.name}: a dilated kernel of size {d * (k - 1) + 1} does not fit in "
                    f"spatial axis {i} of x, {length} long with pad {p} on both sides"
                )
            sizes.append((length + 2 * p - d * (k - 1) - 1) // s + 1)
        return tuple(sizes)

    def _transposed_window(self, x: Maps, kernel: Shape, output_padding: Shape) -> Shape:
        """Sizes of a deconvolution's output: those of the convolution's input that would give `x`."""
        sizes = []
        for i, length in enumerate(x.spatial):
            reach = self.dilation[i] * (kernel[i] - 1) + 1
            size = self.stride[i] * (length - 1) - 2 * self.pad[i] + reach + output_padding[i]
            if kernel[i] < 1 or size < 1:
                raise ShapeError(f"{self.declaration.name}: spatial axis {i} of the output would have length {size}")
            sizes.append(size)
        return tuple(sizes)

    def _check_bias(self, bias: Shape | None, channels: int) -> None:
        if bias is not None and bias != (channels,):
            raise ShapeError(f"{self.declaration.name}: bias must have shape {(channels,)}, one for each output map")

    def _weight_in_order(self, weight: Shape, x: Maps) -> Shape:
        """The weight's shape with its channel axes first."""
        n = len(x.spatial)
        if len(weight) != n + 2:
            raise ShapeError(f"{self.declaration.name}: weight must have {n + 2} axes, 2 for channels and {n} spatial")
        refuse_empty(weight, self.declaration.name, "weight")
        return (weight[0], weight[-1], *weight[1:-1]) if x.channel_last else weight


@operator("Convolution", "convolution", 1005)
class Convolution(Convolving):
    r"""Convolution (in the sense of deep learning: a cross-correlation) over any number of spatial axes.

    :math:`y_{o, l} = b_o + \sum_{c, k} w_{o, c, k} \, x_{c, s l + d k - p}` with stride :math:`s`, dilation
    :math:`d` and pad :math:`p`; `x` is 0 outside of its bounds.

    Inputs:
        x: shape ``(M_1, ..., M_B, C, L_1, ..., L_N)`` with ``B = base_axis``; channels last with
            `channel_last`.
        weight: shape ``(C', C / group, K_1, ..., K_N)``; with `channel_last`
            ``(C', K_1, ..., K_N, C / group)``.
        bias: shape ``(C',)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        pad: zeros on both sides of each spatial axis; default 0.
        stride: step between windows, for each spatial axis; default 1.
        dilation: step between the elements of a window, for each spatial axis; default 1.
        group: number of groups that channels are divided into; each output map sees the channels of one
            group.
        channel_last: channels are the last axis of `x`, `weight` and the result.
    Returns:
        Shape ``(M_1, ..., M_B, C', L'_1, ..., L'_N)``, where ``L'_i`` is
        ``(L_i + 2 pad_i - dilation_i (K_i - 1) - 1) // stride_i + 1``; channels last with `channel_last`.
    Raises:
        ShapeError: `weight` or `bias` does not fit to `x`, or a window is larger than the padded input.
        ArgumentError: a list has not one entry for each spatial axis, an entry is too small, or `group` does
            not divide the numbers of channels.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.Variable((2, 3, 8, 8)), nn.Variable((16, 3, 3, 3))
        >>> F.convolution(x, w, pad=(1, 1), stride=(2, 2)).shape
        (2, 16, 4, 4)

    Source: NNabla function reference, ``Convolution``; Chen et al., DeepLab (arXiv:1606.00915) for dilation.
    """

    group = Int(1, "Number of groups that channels are divided into.", check=positive)
    channel_last = Bool(False, "Channels are the last axis of x, weight and the result.")
    is_bilinear = True

    def output_shape(self, x: Shape, weight: Shape, bias: Shape | None = None) -> Shape:
        maps = self._split(x, self.channel_last)
        ordered = self._weight_in_order(weight, maps)
        outmaps, kernel = ordered[0], ordered[2:]
        if maps.channels % self.group or outmaps % self.group:
            raise ArgumentError(
                f"convolution: group must divide the channels of x, {maps.channels}, and the output maps, "
                f"{outmaps}, not be {self.group}"
            )
        if ordered[1] * self.group != maps.channels:
            axis = len(weight) - 1 if self.channel_last else 1
            raise ShapeError(
                f"convolution: weight.shape[{axis}] must be {maps.channels // self.group}, the channels of x in a group"
            )
        self._check_bias(bias, outmaps)
        y = Maps(maps.batch, outmaps, self._window(maps, kernel), self.channel_last)
        return self._bind(maps, y, ordered, self.group)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._convolve(x, weight, bias)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, ...]:
        return self._gradients(need, dy, x, weight)


@operator("Deconvolution", "deconvolution", 1008)
class Deconvolution(Convolving):
    r"""Deconvolution (transposed convolution): what the gradient of a convolution does to `x`, plus a bias.

    :math:`y_{o, m} = b_o + \sum_{c, l, k} w_{c, o, k} \, x_{c, l}` over all places :math:`l` and elements
    :math:`k` of the window with :math:`s l + d k - p = m`, where :math:`s` is the stride, :math:`d` the
    dilation and :math:`p` the pad.

    Inputs:
        x: shape ``(M_1, ..., M_B, C, L_1, ..., L_N)`` with ``B = base_axis``; channels last with
            `channel_last`.
        weight: shape ``(C, C' / group, K_1, ..., K_N)``; with `channel_last`
            ``(C, K_1, ..., K_N, C' / group)``.
        bias: shape ``(C',)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        pad: elements cut from both sides of each spatial axis of the result; default 0.
        stride: step between the windows of the result, for each spatial axis; default 1.
        dilation: step between the elements of a window, for each spatial axis; default 1.
        group: number of groups that channels are divided into.
        channel_last: channels are the last axis of `x`, `weight` and the result.
        output_padding: elements added at the end of each spatial axis of the result, less than `stride`;
            default 0. Convolutions with a stride give the same size for several inputs; this says which one
            is meant.
    Returns:
        Shape ``(M_1, ..., M_B, C', L'_1, ..., L'_N)``, where ``L'_i`` is
        ``stride_i (L_i - 1) - 2 pad_i + dilation_i (K_i - 1) + 1 + output_padding_i``.
    Raises:
        ShapeError: `weight` or `bias` does not fit to `x`, or a size of the result would be below 1.
        ArgumentError: a list has not one entry for each spatial axis, an entry is out of range, or `group`
            does not divide the numbers of channels.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x, w = nn.Variable((2, 16, 4, 4)), nn.Variable((16, 3, 3, 3))
        >>> F.deconvolution(x, w, pad=(1, 1), stride=(2, 2), output_padding=(1, 1)).shape
        (2, 3, 8, 8)

    Source: NNabla function reference, ``Deconvolution``.
    """

    group = Int(1, "Number of groups that channels are divided into.", check=positive)
    channel_last = Bool(False, "Channels are the last axis of x, weight and the result.")
    output_padding = Sizes(None, "Elements added at the end of each spatial axis of the result; default 0.")
    is_bilinear = True

    def output_shape(self, x: Shape, weight: Shape, bias: Shape | None = None) -> Shape:
        maps = self._split(x, self.channel_last)
        ordered = self._weight_in_order(weight, maps)
        outmaps, kernel = ordered[1] * self.group, ordered[2:]
        if self.output_padding != ():
            self.output_padding = self._one_for_each_axis("output_padding", len(kernel), 0, 0)
        added = self.output_padding or (0,) * len(kernel)
        if any(o >= s for o, s in zip(added, self.stride, strict=True)):
            raise ArgumentError(
                f"deconvolution: output_padding must be less than stride {self.stride}, not {self.output_padding}"
            )
        if maps.channels % self.group:
            raise ArgumentError(
                f"deconvolution: group must divide the channels of x, {maps.channels}, not be {self.group}"
            )
        if ordered[0] != maps.channels:
            raise ShapeError(f"deconvolution: weight.shape[0] must be {maps.channels}, the channels of x")
        self._check_bias(bias, outmaps)
        sizes = self._transposed_window(maps, kernel, added)
        y = Maps(maps.batch, outmaps, sizes, self.channel_last)
        return self._bind(maps, y, ordered, self.group, added)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._convolve(x, weight, bias)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, ...]:
        return self._gradients(need, dy, x, weight)


class Depthwise(Convolving):
    """A convolution or deconvolution whose weight has one axis of channels."""

    def _ordered(self, weight: Tensor) -> Tensor:
        return weight.unsqueeze(1)

    def _as_given(self, weight: Tensor) -> Tensor:
        return weight.squeeze(1)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._convolve(x, weight.unsqueeze(1), bias)

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, ...]:
        dx, dw, db = self._gradients(need, dy, x, weight.unsqueeze(1))
        return dx, None if dw is None else dw.squeeze(1), db

    def _check_weight(self, weight: Shape, x: Maps, first: int) -> Shape:
        """The kernel's spatial shape."""
        n = len(x.spatial)
        if len(weight) != n + 1 or weight[0] != first:
            raise ShapeError(f"{self.declaration.name}: weight must have {first} as first axis, then {n} spatial axes")
        return weight[1:]


@operator("DepthwiseConvolution", "depthwise_convolution", 1007)
class DepthwiseConvolution(Depthwise):
    r"""Convolution of each channel with kernels of its own.

    :math:`y_{o, l} = b_o + \sum_k w_{o, k} \, x_{\lfloor o / M \rfloor, s l + d k - p}` with `multiplier`
    :math:`M`, stride :math:`s`, dilation :math:`d` and pad :math:`p`; `x` is 0 outside of its bounds.

    Inputs:
        x: shape ``(M_1, ..., M_B, C, L_1, ..., L_N)`` with ``B = base_axis``.
        weight: shape ``(C * multiplier, K_1, ..., K_N)``.
        bias: shape ``(C * multiplier,)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        pad: zeros on both sides of each spatial axis; default 0.
        stride: step between windows, for each spatial axis; default 1.
        dilation: step between the elements of a window, for each spatial axis; default 1.
        multiplier: number of output maps for each channel.
    Returns:
        Shape ``(M_1, ..., M_B, C * multiplier, L'_1, ..., L'_N)``, sizes as in `convolution`.
    Raises:
        ShapeError: `weight` or `bias` does not fit to `x`, or a window is larger than the padded input.
        ArgumentError: a list has not one entry for each spatial axis, or an entry is too small.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.depthwise_convolution(nn.Variable((2, 8, 5, 5)), nn.Variable((16, 3, 3)), multiplier=2).shape
        (2, 16, 3, 3)

    Source: NNabla function reference, ``DepthwiseConvolution``; Chollet, Xception (arXiv:1610.02357).
    """

    multiplier = Int(1, "Number of output maps for each channel.", check=positive)

    def output_shape(self, x: Shape, weight: Shape, bias: Shape | None = None) -> Shape:
        maps = self._split(x)
        outmaps = maps.channels * self.multiplier
        kernel = self._check_weight(weight, maps, outmaps)
        self._check_bias(bias, outmaps)
        y = Maps(maps.batch, outmaps, self._window(maps, kernel), False)
        return self._bind(maps, y, (outmaps, 1, *kernel), maps.channels)


@operator("DepthwiseDeconvolution", "depthwise_deconvolution", 1009)
class DepthwiseDeconvolution(Depthwise):
    r"""Deconvolution of each channel with a kernel of its own; the results of `divisor` channels are added.

    :math:`y_{o, m} = b_o + \sum_{c, l, k} w_{c, k} \, x_{c, l}` over all channels :math:`c` with
    :math:`\lfloor c / D \rfloor = o`, for `divisor` :math:`D`, and all places :math:`l` and elements
    :math:`k` of the window with :math:`s l + d k - p = m`, as in `deconvolution`.

    Inputs:
        x: shape ``(M_1, ..., M_B, C, L_1, ..., L_N)`` with ``B = base_axis``.
        weight: shape ``(C, K_1, ..., K_N)``.
        bias: shape ``(C / divisor,)``, or ``None`` for no bias.
    Args:
        base_axis: number of leading axes kept as batch; a negative value counts from the end.
        pad: elements cut from both sides of each spatial axis of the result; default 0.
        stride: step between the windows of the result, for each spatial axis; default 1.
        dilation: step between the elements of a window, for each spatial axis; default 1.
        divisor: number of input maps for each output map.
    Returns:
        Shape ``(M_1, ..., M_B, C / divisor, L'_1, ..., L'_N)``, sizes as in `deconvolution`.
    Raises:
        ShapeError: `weight` or `bias` does not fit to `x`, or a size of the result would be below 1.
        ArgumentError: a list has not one entry for each spatial axis, an entry is too small, or `divisor`
            does not divide the number of channels.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.depthwise_deconvolution(nn.Variable((2, 8, 5, 5)), nn.Variable((8, 3, 3)), divisor=2).shape
        (2, 4, 7, 7)

    Source: NNabla function reference, ``DepthwiseDeconvolution``.
    """

    divisor = Int(1, "Number of input maps for each output map.", check=positive)

    def output_shape(self, x: Shape, weight: Shape, bias: Shape | None = None) -> Shape:
        maps = self._split(x)
        if maps.channels % self.divisor:
            raise ArgumentError(
                f"depthwise_deconvolution: divisor must divide the channels of x, {maps.channels}, "
                f"not be {self.divisor}"
            )
        outmaps = maps.channels // self.divisor
        kernel = self._check_weight(weight, maps, maps.channels)
        self._check_bias(bias, outmaps)
        sizes = self._transposed_window(maps, kernel, (0,) * len(kernel))
        y = Maps(maps.batch, outmaps, sizes, False)
        return self._bind(maps, y, (maps.channels, 1, *kernel), outmaps, (0,) * len(kernel))
