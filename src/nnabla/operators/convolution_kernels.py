"""The kernels that convolutions and deconvolutions end in: every call of ATen's is in this file, but for those with
fixed parameters (`packed_convolution`).

Which kernels a convolution gets follows from its geometry. They work on tensors ``(B, C, L_1, ..., L_N)`` and on
weights ``(outer, inner, K_1, ..., K_N)``.

Two faults of oneDNN, the library that ATen calls, are kept away from here, whatever the CPU:

- The weight gradient of a pointwise convolution with a stride, channels last, writes beyond its workspace where there
  are few channels (uxlfoundation/oneDNN issue 6035): a corrupt heap, wrong numbers, or a hang. Pointwise convolutions
  never have a stride here: what it skips is left out first, which is faster, too.
- A forward convolution, channels last, with a bias, follows a null pointer where a window sees padding only
  (uxlfoundation/oneDNN issue 5942). Such convolutions are computed in contiguous format.

For the same reason no compiler gets to see a convolution (`refuse_tracing`): it might choose other formats.

ATen's own part goes wrong where axes of length 1 have unusual strides, see `layout`: nothing gets there with such.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from .._private_torch import unfolded_convolution, unfolded_convolution_backward, unfolded_deconvolution
from ..graph.operator import Operator, Shape
from ..graph.tracing import refuse_tracing
from .kernels import aten
from .layout import fast_format, into_contiguous, into_format, usual_strides
from .many_axes import MOST_AXES, ManyAxes, without_leading_axes
from .narrowed_convolution import Crop, NarrowX, NarrowY, Skip

_backward = aten.convolution_backward

_NOT_TRACED = "chooses kernels that a compiler would not keep to"


class Geometry(NamedTuple):
    """All sizes of a convolution, or of a deconvolution: the one with an `output_padding`.

    Args:
        x, y: shapes of input and output, ``(B, C, L_1, ..., L_N)``.
        weight: ``(outer, inner, K_1, ..., K_N)``; outer are the output maps of a convolution and the channels of a
            deconvolution, inner the others in one group.
        stride, pad, dilation: for each spatial axis. A negative pad takes elements away.
        group: number of groups.
        output_padding: of a deconvolution.
    """

    x: Shape
    weight: Shape
    y: Shape
    stride: Shape
    pad: Shape
    dilation: Shape
    group: int
    output_padding: Shape | None

    @property
    def kernel(self) -> Shape:
        return self.weight[2:]


class ConvolutionKernels(Protocol):
    """What computes one geometry."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The output."""
        ...

    def backward(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        """Gradients of x, weight and bias; None where `need` does not ask for one."""
        ...


def convolution_kernels(operator: Operator, g: Geometry) -> ConvolutionKernels:
    """The kernels for a geometry on the device and in the type of `operator`."""
    narrow: type[NarrowX] | type[NarrowY] = NarrowX if g.output_padding is None else NarrowY
    if min(g.pad) < 0:
        # ATen knows no negative ones.
        crop = Crop(g)
        return narrow(crop, convolution_kernels(operator, crop.inner), g)
    if operator.device.type == "cpu" and math.prod(g.kernel) == 1 and not any(g.pad) and max(g.stride) > 1:
        skip = Skip(g)
        channels_last = fast_format(operator, len(g.kernel)) is not torch.contiguous_format
        product = channels_last and g.group == 1
        return narrow(skip, _Product(g) if product else convolution_kernels(operator, skip.inner), g)
    if len(g.kernel) > MOST_AXES:
        return ManyAxes(g, convolution_kernels(operator, without_leading_axes(g)))
    if operator.device.type == "cpu" and sees_padding_only(g):
        return _Contiguous(g)
    return Unfolded(g) if is_worth_unfolding(operator, g) else Direct(g, _way_in(operator, g))


def forward_of_part(
    g: Geometry, kernels: ConvolutionKernels
) -> tuple[Geometry, Callable[[Tensor], Tensor] | None] | None:
    """What the forward of a convolution comes to where ATen's kernels, or a product of matrices, see a part of x only.

    Returns:
        The geometry of the convolution of that part, which has no stride if it is pointwise, and what takes the part;
        None for all of x. Or None, where other kernels are needed.
    """
    takes: Callable[[Tensor], Tensor] | None = None
    while isinstance(kernels, NarrowX):
        g, takes = kernels.part.inner, _one_after_the_other(takes, kernels.part.narrow)
        kernels = kernels.inner
    return (g, takes) if isinstance(kernels, (Direct, _Product)) else None


def _one_after_the_other(
    first: Callable[[Tensor], Tensor] | None, then: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    return then if first is None else lambda x: then(first(x))


# ---- ATen's kernels -------------------------------------------------------------------------------------------


class Direct:
    """ATen's kernels.

    Args:
        enter: brings x into the memory format to work in; the others follow.
    """

    def __init__(self, g: Geometry, enter: Callable[[Tensor], Tensor]) -> None:
        self._enter = enter
        self._settle_weight, self._settle_dy = usual_strides(g.weight), usual_strides(g.y)
        transposed = g.output_padding is not None
        output_padding = g.output_padding or (0,) * len(g.kernel)
        self._arguments = (g.stride, g.pad, g.dilation, transposed, output_padding, g.group)
        self._bias = (g.y[1],)
        self._each_map = (-1, *[1] * len(g.kernel))

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        refuse_tracing(_NOT_TRACED)
        if x.requires_grad or weight.requires_grad:
            y: Tensor = _Forward.apply(self, x, weight)
            return y if bias is None else y + bias.view(self._each_map)
        if self._settle_weight is not None:
            weight = self._settle_weight(weight)
        return self._convolve(self._enter(x), weight, bias)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.convolution(x, weight, bias, *self._arguments)

    def backward(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        refuse_tracing(_NOT_TRACED)
        if dy.requires_grad or x.requires_grad or weight.requires_grad:
            dx, dw = _Backward.apply(self, need, dy, x, weight)
            return dx, dw, dy.sum([0, *range(2, dy.ndim)]) if need[2] else None
        if self._settle_weight is not None:
            weight = self._settle_weight(weight)
        if self._settle_dy is not None:
            dy = self._settle_dy(dy)
        return self._gradients(need, dy, self._enter(x), weight)

    def _gradients(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        dx, dw, db = _backward(dy, x, weight, self._bias, *self._arguments, need)
        return dx, dw, db


# For autograd. Its own derivatives of ATen's convolutions are such convolutions again, of geometries and strides that
# nobody has looked at. But <dy, convolution(x, weight)> is linear in each of the three: its derivatives of any order
# are the three gradients of a convolution, with some of its tensors in the place of others.


class _Forward(torch.autograd.Function):
    """A convolution without a bias."""

    @staticmethod
    def forward(ctx: Any, kernels: Direct, x: Tensor, weight: Tensor) -> Tensor:
        ctx.kernels = kernels
        ctx.save_for_backward(x, weight)
        return kernels.forward(x.detach(), weight.detach(), None)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx, dw, _ = ctx.kernels.backward((*ctx.needs_input_grad[1:], False), dy, *ctx.saved_tensors)
        return None, dx, dw


class _Backward(torch.autograd.Function):
    """The gradients of x and the weight."""

    @staticmethod
    def forward(ctx: Any, kernels: Direct, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> Any:
        ctx.kernels = kernels
        ctx.save_for_backward(dy, x, weight)
        ctx.set_materialize_grads(False)
        return kernels.backward((*need[:2], False), dy.detach(), x.detach(), weight.detach())[:2]

    @staticmethod
    def backward(ctx: Any, ddx: Tensor | None, ddw: Tensor | None) -> Any:
        kernels: Direct = ctx.kernels
        dy, x, weight = ctx.saved_tensors
        _, _, need_dy, need_x, need_weight = ctx.needs_input_grad
        to_dy = to_x = to_weight = None
        if ddx is not None:
            if need_dy:
                to_dy = kernels.forward(ddx, weight, None)
            if need_weight:
                to_weight = kernels.backward((False, True, False), dy, ddx, weight)[1]
        if ddw is not None:
            if need_dy:
                more = kernels.forward(x, ddw, None)
                to_dy = more if to_dy is None else to_dy + more
            if need_x:
                to_x = kernels.backward((True, False, False), dy, x, ddw)[0]
        return None, None, to_dy, to_x, to_weight


class Unfolded(Direct):
    """Small ones: the windows of x as columns of a matrix, channels last, and a product with that.

    oneDNN takes longer to bring weights into layouts of its own, and gradients back: on one core, for 16 to 32 maps of
    8 x 8 with windows of 4 x 4, batch 8, 95 microseconds against 61, and 252 against 110 for the gradients.
    """

    def __init__(self, g: Geometry) -> None:
        super().__init__(g, into_format(g.x, torch.channels_last))
        self._enter_dy = into_format(g.y, torch.channels_last)
        self._enter_weight = into_format(g.weight, torch.channels_last)
        self._window = g.kernel, g.stride, g.pad
        self._more = g.output_padding, g.dilation

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        kernel, stride, pad = self._window
        weight = self._enter_weight(weight)
        y: Tensor
        if self._more[0] is None:
            y = unfolded_convolution(x, weight, kernel, bias, stride, pad)
        else:
            y = unfolded_deconvolution(x, weight, kernel, bias, stride, pad, *self._more)
        return y

    def _gradients(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        dy, weight = self._enter_dy(dy), self._enter_weight(weight)
        if self._more[0] is None:
            dx, dw, db = unfolded_convolution_backward(dy, x, weight, *self._window, need)
            return dx, dw, db
        # The gradient of a deconvolution's input is a convolution, and so are x and dy to each other.
        kernel, stride, pad = self._window
        return (
            unfolded_convolution(dy, weight, kernel, None, stride, pad) if need[0] else None,
            unfolded_convolution_backward(x, dy, weight, *self._window, (False, True, False))[1] if need[1] else None,
            dy.sum((0, 2, 3)) if need[2] else None,
        )


# Elements. With more columns, oneDNN is faster.
_FEW_COLUMNS = 1 << 16


def is_worth_unfolding(operator: Operator, g: Geometry) -> bool:
    """Whether `Unfolded` knows a geometry, and is faster."""
    if operator.device.type != "cpu" or operator.compute_dtype is not torch.float32 or len(g.kernel) != 2:
        return False
    windows = g.y if g.output_padding is None else g.x
    columns = windows[0] * math.prod(windows[2:]) * math.prod(g.weight[1:])
    return g.group == 1 and g.dilation == (1, 1) and math.prod(g.kernel) > 1 and 0 < columns <= _FEW_COLUMNS


class _Contiguous:
    """ATen's kernels in contiguous format, without a bias: where a window sees padding only."""

    def __init__(self, g: Geometry) -> None:
        self._direct = Direct(g, into_contiguous(g.x))
        # A weight that lies channels last makes maps do so.
        self._enter_weight = into_contiguous(g.weight)
        self._bias = (-1, *[1] * len(g.kernel))

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = self._direct.forward(x, self._enter_weight(weight), None)
        return y if bias is None else y.add_(bias.view(self._bias))

    def backward(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        return self._direct.backward(need, dy, x, self._enter_weight(weight))


class _Product:
    """Pointwise: the product of a matrix with the channels of each pixel. The result lies channels last.

    Where the stride leaves a quarter of the pixels, this is up to 5 times as fast as the convolution of them, and never
    slower; of all pixels, the convolution may be faster.
    """

    def __init__(self, g: Geometry) -> None:
        self._transposed = g.output_padding is not None

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        matrix = self._matrix(weight).t()
        pixels = x.movedim(1, -1)
        rows = pixels.flatten(0, -2)
        y = rows @ matrix if bias is None else torch.addmm(bias, rows, matrix)
        return y.view(*pixels.shape[:-1], -1).movedim(-1, 1)

    def backward(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Any, Any, Any]:
        dy_pixels = dy.movedim(1, -1)
        dy_rows = dy_pixels.flatten(0, -2)
        dx = dw = db = None
        if need[0]:
            dx = (dy_rows @ self._matrix(weight)).view(*dy_pixels.shape[:-1], -1).movedim(-1, 1)
        if need[1]:
            x_rows = x.movedim(1, -1).flatten(0, -2)
            dw = (x_rows.t() @ dy_rows if self._transposed else dy_rows.t() @ x_rows).view(weight.shape)
        if need[2]:
            db = dy_rows.sum(0)
        return dx, dw, db

    def _matrix(self, weight: Tensor) -> Tensor:
        """(output maps, channels)."""
        matrix = weight.flatten(1)
        return matrix.t() if self._transposed else matrix


def _way_in(operator: Operator, g: Geometry) -> Callable[[Tensor], Tensor]:
    """What brings x into the memory format in which the kernels are fastest."""
    memory_format = fast_format(operator, len(g.kernel))
    # oneDNN's blocks of weights are slow to make from and to bring back to the plain order for
    # channels-last maps, which shows where the weight is larger than the maps: 512 channels at 7 x 7,
    # batch of 4, one core: forward 17.7 against 11.6 ms, weight gradient 23.1 against 16.6 ms.
    if operator.device.type == "cpu" and math.prod(g.kernel) > 1 and math.prod(g.weight) > 2 * math.prod(g.x):
        memory_format = torch.contiguous_format
    # With one channel in a group neither format is worth a conversion: x stays in the one that it comes in.
    if g.group == g.x[1] > 1:
        return usual_strides(g.x) or _as_it_comes
    return into_format(g.x, memory_format)


def _as_it_comes(x: Tensor) -> Tensor:
    return x


def sees_padding_only(g: Geometry) -> bool:
    """Whether a window of a convolution lies in the padding with all its elements, along some axis; or an element of a
    deconvolution's output in none of the windows.
    """
    axes = zip(g.x[2:], g.y[2:], g.kernel, g.stride, g.pad, g.dilation, strict=True)
    missed = _window_in_padding if g.output_padding is None else _outside_of_windows
    return any(missed(*axis) for axis in axes)


def _window_in_padding(length: int, windows: int, k: int, s: int, p: int, d: int) -> bool:
    if (windows - 1) * s - p >= length or p > d * (k - 1):
        return True
    # What is left are windows that begin before x, with an element in it or beyond, and step over it.
    return d > length and any(i * s < p and (i * s - p) % d >= length for i in range(min(windows, d)))


def _outside_of_windows(length: int, size: int, k: int, s: int, p: int, d: int) -> bool:
    if d == 1 and s <= k:
        # Windows overlap or touch.
        return size + p > s * (length - 1) + k
    if size > length * k:
        return True  # there are fewer elements in windows
    missed = bytearray(b"\1") * size
    for first in range(-p, d * (k - 1) - p + 1, d):
        # Windows put their elements here and every s further, those that are within y.
        low, high = max(-(first // s), 0), min((size - 1 - first) // s, length - 1)
        if low <= high:
            missed[first + s * low : first + s * high + 1 : s] = bytes(high - low + 1)
    return any(missed)
