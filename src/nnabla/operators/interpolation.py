"""Arrays at another resolution: interpolate, onnx_resize."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Floats, Int, Ints, Single, Str
from ..graph.call import apply, public
from ..graph.operator import Operator, Shape, operator
from .constants import Array
from .kernels import aten
from .slicing import selected


class Taps(NamedTuple):
    """How the elements of one axis follow from those of the source.

    Attributes:
        axis: the axis.
        indices: for each tap, the element of the source that each element reads; shape ``(taps, length)``.
        weights: what it is multiplied with, of the same shape; or ``None`` for a single tap of weight 1.
    """

    axis: int
    indices: np.ndarray
    weights: np.ndarray | None


class Resampling:
    """A weighted sum of elements along several axes, one axis after the other; and its adjoint.

    Args:
        shape: of the source.
        taps: for each axis that changes.
    """

    def __init__(self, shape: Shape, taps: Sequence[Taps]) -> None:
        self._shape = shape
        self._steps: list[tuple[int, list[Tensor], list[Tensor] | None]] = []
        # From the last axis on: the work is the least where the array is still small, and axes in front cost less.
        for axis, indices, weights in sorted(taps, reverse=True, key=lambda t: t.axis):
            along = [1] * len(shape)
            along[axis] = -1
            self._steps.append(
                (
                    axis,
                    list(torch.from_numpy(np.ascontiguousarray(indices, np.int64))),
                    None
                    if weights is None
                    else [w.view(along) for w in torch.from_numpy(np.ascontiguousarray(weights))],
                )
            )

    @property
    def identity(self) -> bool:
        """Whether nothing changes."""
        return not self._steps

    def _on(self, like: Tensor) -> list[tuple[int, list[Tensor], list[Tensor] | None]]:
        """The steps with tensors of the device and type of `like`."""
        if self._steps:
            _, indices, weights = self._steps[0]
            other_type = weights is not None and weights[0].dtype is not like.dtype
            if indices[0].device != like.device or other_type:
                self._steps = [
                    (axis, [i.to(like.device) for i in index], weight and [w.to(like) for w in weight])
                    for axis, index, weight in self._steps
                ]
        return self._steps

    def take(self, x: Tensor) -> Tensor:
        """The result of resampling; `x` itself where nothing changes."""
        for axis, indices, weights in self._on(x):
            if weights is None:
                x = selected(x, axis, indices[0])
            elif len(indices) == 2:
                # The two weights add up to 1.
                x = selected(x, axis, indices[0]).lerp_(selected(x, axis, indices[1]), weights[1])
            else:
                parts = [selected(x, axis, i) * w for i, w in zip(indices, weights, strict=True)]
                x = torch.stack(parts).sum(0)
        return x

    def put(self, dy: Tensor) -> Tensor:
        """The gradient of the source; `dy` itself where nothing changes."""
        for axis, indices, weights in reversed(self._on(dy)):
            lengths = list(dy.shape)
            lengths[axis] = self._shape[axis]
            dx = dy.new_zeros(lengths)
            for k, index in enumerate(indices):
                dx.index_add_(axis, index, dy if weights is None else dy * weights[k])
            dy = dx
        return dy


# For one, two and three axes, the kernels of torch and their gradients.
_LINEAR = (
    (aten.upsample_linear1d, aten.upsample_linear1d_backward),
    (aten.upsample_bilinear2d, aten.upsample_bilinear2d_backward),
    (aten.upsample_trilinear3d, aten.upsample_trilinear3d_backward),
)


class LinearResampling:
    """The same as `Resampling` for linear interpolation over the last one to three axes, by torch's kernels.

    Args:
        x: shape of the source.
        y: shape of the result.
        count: number of axes, of which the others are the same.
        align_corners: first and last elements lie on each other, else the outer edges of elements.
    """

    identity = False

    def __init__(self, x: Shape, y: Shape, count: int, align_corners: bool) -> None:
        self._x, self._y = x, y
        self._kernel, self._backward = _LINEAR[count - 1]
        self._size, self._align_corners = y[-count:], align_corners
        # Two axes in front, as of batch and channels; the kernels share both out to threads.
        front = x[:-count]
        self._flat = (math.prod(front[:1]), math.prod(front[1:]), *x[-count:])
        self._flat_y = (*self._flat[:2], *self._size)

    def take(self, x: Tensor) -> Tensor:
        y: Tensor = self._kernel(x.reshape(self._flat), self._size, self._align_corners)
        return y.reshape(self._y)

    def put(self, dy: Tensor) -> Tensor:
        dx: Tensor = self._backward(dy.reshape(self._flat_y), self._size, self._flat, self._align_corners)
        return dx.reshape(self._x)


def source_coordinates(length: int, size: int, align_corners: bool, half_pixel: bool) -> np.ndarray:
    """Where the `size` elements of the result lie on an axis of the source of that length.

    Single precision, as in NNabla 1.x: which neighbour is nearest may depend on it.
    """
    i = np.arange(size, dtype=np.float32)
    if size == 1:
        return i
    if align_corners:
        return i * np.float32((length - 1) / (size - 1))
    scale = np.float32(length / size)
    return (i + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel else i * scale


def linear_taps(axis: int, x: np.ndarray, length: int) -> Taps:
    """Linear interpolation at the coordinates `x` of an axis; beyond its ends, the element there."""
    x = np.clip(x, 0, length - 1)
    low = np.floor(x).astype(np.int64)
    high = np.minimum(low + 1, length - 1)
    weight = (x - low).astype(np.float64)
    return Taps(axis, np.stack([low, high]), np.stack([1 - weight, weight]))


# Where elements come from is worked out with the graph: for a resized axis some 50 bytes for each element.
_LONGEST = 1 << 28
# Elements of a result.
_MOST = 1 << 33


def scaled_lengths(scales: Sequence[float], lengths: Sequence[int], function: str, name: str) -> Shape:
    """The lengths multiplied by factors, and rounded down.

    Raises:
        ArgumentError: a factor, which is argument `name`, is not finite, or leads to an absurd length.
    """
    if not all(map(math.isfinite, scales)):
        raise ArgumentError(f"{function}: {name} must be finite, not {scales}")
    for scale, length in zip(scales, lengths, strict=True):
        if scale * length > _MOST:
            raise ArgumentError(f"{function}: {name} must not lead to a length of {scale * length:g}, as in {scales}")
    return tuple([math.floor(s * n) for s, n in zip(scales, lengths, strict=True)])


def refuse_immense(x: Shape, y: Shape, function: str) -> None:
    """Refuse an absurdly large result.

    Raises:
        ArgumentError: it has more than 2 ** 33 elements, or more than 2 ** 28 along an axis that is resized.
    """
    if math.prod(y) > _MOST or any(m > _LONGEST and m != n for n, m in zip(x, y, strict=True)):
        raise ArgumentError(f"{function}: the result would have shape {y}, more than can be interpolated")


@operator("Interpolate", "interpolate", 1167)
class Interpolate(Operator):
    r"""Resize the last axes of an array.

    Element :math:`i` of an axis of length :math:`m` has the value at the place :math:`u` of the source,
    whose axis has the length :math:`n`: :math:`u = i (n - 1) / (m - 1)` with `align_corners`,
    :math:`u = (i + 1 / 2) n / m - 1 / 2` with `half_pixel`, else :math:`u = i n / m`; for :math:`m = 1` it is 0 in
    either way. Between two elements, :math:`y_i = (1 - f) x_k + f x_{k + 1}` with :math:`k = \lfloor u \rfloor` and
    :math:`f = u - k`.

    Inputs:
        x: shape ``(..., N_1, ..., N_D)``, or ``(..., N_1, ..., N_D, C)`` with `channel_last`.
    Args:
        scale: factors for the ``D`` axes; the lengths that follow are rounded down.
        output_size: the lengths of the ``D`` axes, instead of `scale`.
        mode: ``"linear"`` between the neighbours, or ``"nearest"``, the neighbour before.
        align_corners: first and last elements of source and result lie on each other.
        half_pixel: elements are areas, and the outer edges lie on each other.
        half_pixel_for_nn: with mode ``"nearest"``, take the element at ``(i + 0.5) n / m``, as NNabla did up
            to 1.8.
        channel_last: the last axis is that of channels and stays as it is.
    Returns:
        Shape of `x`, with other lengths of the ``D`` axes.
    Raises:
        ValueError: neither `scale` nor `output_size` is given.
        ArgumentError: both `align_corners` and `half_pixel` are given, or a length is negative.
        ShapeError: `x` has too few axes.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.interpolate(nn.NdArray.from_numpy_array([1.0, 3.0]), scale=(2,), mode="linear").data
        array([1., 2., 3., 3.], dtype=float32)

    Source: NNabla function reference, ``interpolate``.
    """

    output_size = Ints(doc="Lengths of the axes.", check=(lambda s: s and min(s) >= 0, "lengths"))
    mode = Str(doc="How to find values between elements.", choices=("nearest", "linear"))
    align_corners = Bool(True, "First and last elements lie on each other.")
    half_pixel = Bool(False, "Elements are areas, and the outer edges lie on each other.")
    half_pixel_for_nn = Bool(False, "Take the element at (i + 0.5) n / m.")
    channel_last = Bool(False, "The last axis is that of channels.")

    def output_shape(self, x: Shape) -> Shape:
        if self.align_corners and self.half_pixel:
            raise ArgumentError("interpolate: align_corners and half_pixel must not both be True")
        count = len(self.output_size)
        first = len(x) - count - self.channel_last
        if first < 0:
            raise ShapeError(f"interpolate: x must have at least {count + self.channel_last} axes, not shape {x}")
        self._y = (*x[:first], *self.output_size, *x[first + count :])
        if any(m > n == 0 for n, m in zip(x, self._y, strict=True)):
            raise ShapeError(f"interpolate: axes to resize must not be empty, as in shape {x}")
        refuse_immense(x, self._y, "interpolate")
        self._resampling: Resampling | LinearResampling
        # With areas, torch takes the middle of the source for a length of 1.
        areas = self.half_pixel and not any(m == 1 < n for n, m in zip(x, self._y, strict=True))
        smooth = self.mode == "linear" and (self.align_corners or areas)
        if smooth and count <= 3 and not self.channel_last and 0 not in x + self._y:
            self._resampling = LinearResampling(x, self._y, count, self.align_corners)
        else:
            changed = [axis for axis in range(first, first + count) if self._y[axis] != x[axis]]
            self._resampling = Resampling(x, [self._taps(x, axis) for axis in changed])
        self.view = self.grad_aliases = self._resampling.identity
        return self._y

    def _taps(self, x: Shape, axis: int) -> Taps:
        length, size = x[axis], self._y[axis]
        coordinates = np.zeros(0)
        if size:
            coordinates = source_coordinates(length, size, self.align_corners, self.half_pixel)
        if self.mode == "linear":
            return linear_taps(axis, coordinates, length)
        if self.half_pixel_for_nn and size:
            coordinates = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(length / size)
        return Taps(axis, np.clip(np.floor(coordinates), 0, length - 1)[np.newaxis], None)

    def forward(self, x: Tensor) -> Tensor:
        return self._resampling.take(x)

    def grad(self, dy: Tensor) -> Tensor:
        return self._resampling.put(dy)


@public
def interpolate(
    x: Array,
    scale: Sequence[float] | None = None,
    output_size: Sequence[int] | None = None,
    mode: str = "linear",
    align_corners: bool = False,
    half_pixel: bool = False,
    half_pixel_for_nn: bool = False,
    channel_last: bool = False,
) -> Any:
    if output_size is None:
        if scale is None:
            raise ValueError("interpolate: either scale or output_size must be given")
        last = len(x.shape) - bool(channel_last)
        if len(scale) > last:
            raise ArgumentError(f"interpolate: scale must have at most {last} entries, not {len(scale)}")
        lengths = x.shape[last - len(scale) : last]
        output_size = scaled_lengths(scale, lengths, "interpolate", "scale")
    resize = Interpolate(output_size, mode, align_corners, half_pixel, half_pixel_for_nn, channel_last)
    return apply(resize, (x,))


interpolate.__doc__ = Interpolate.__doc__


# ---- ONNX
# ----------------------------------------------------------------------------------------------------------

_FLOAT32_MAX = float(np.finfo(np.float32).max)
_NEAREST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@operator("ONNXResize", "onnx_resize", 1168)
class ONNXResize(Operator):
    """Resize an array as the ONNX operator ``Resize`` does.

    Element :math:`i` of an axis has the value at the place :math:`u` of the source. With the lengths
    :math:`n` of the source and :math:`m` of the result, and their ratio or factor :math:`s`, this is

    * :math:`u = (i + 1 / 2) / s - 1 / 2` for ``"half_pixel"``, and for
      ``"pytorch_half_pixel"`` unless :math:`m = 1`, where it is 0;
    * :math:`u = i (n - 1) / (m - 1)` for ``"align_corners"``;
    * :math:`u = i / s` for ``"asymmetric"``;
    * :math:`u = a (n - 1) + i (b - a) (n - 1) / (m - 1)` for ``"tf_crop_and_resize"``, with start :math:`a` and end
      :math:`b` of `roi`.

    Inputs:
        x: any shape with at least one axis.
    Args:
        roi: with ``"tf_crop_and_resize"``, the part to resize: start of each axis, then end of each axis, as
            ratios of the distance between first and last element.
        scales: a factor for each axis; the lengths that follow are rounded down.
        sizes: the length of each axis, instead of `scales`.
        mode: ``"nearest"``, ``"linear"`` or ``"cubic"``.
        coordinate_transformation_mode: where the elements of the result lie on the source: ``"half_pixel"``,
            ``"pytorch_half_pixel"``, ``"align_corners"``, ``"asymmetric"`` or ``"tf_crop_and_resize"``.
        cubic_coeff_a: coefficient of the cubic kernel. Default: -0.75.
        exclude_outside: with mode ``"cubic"``, leave elements outside of the source out, and scale the
            weights of the others up. Default: 0, they count as the element at the border.
        extrapolation_value: with ``"tf_crop_and_resize"``, the value outside of the source. Default: 0.
        nearest_mode: which of two neighbours is taken: ``"round_prefer_floor"``, ``"round_prefer_ceil"``,
            ``"floor"`` or ``"ceil"``.
    Returns:
        Shape `sizes`, or that of `x` with its lengths multiplied by `scales`.
    Raises:
        ArgumentError: both or none of `scales` and `sizes` are given, have another number of entries than `x` has axes,
            or ask for absurd lengths; or `roi` is missing, or not finite in float32.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.onnx_resize(nn.NdArray.from_numpy_array([0.0, 1.0]), scales=(2,), mode="linear").data
        array([0.  , 0.25, 0.75, 1.  ], dtype=float32)

    Source: ONNX operator specification, ``Resize``. NNabla 1.x has no gradient.
    """

    roi = Floats((), "The part to resize.")
    scales = Floats((), "A factor for each axis.")
    sizes = Ints((), "The length of each axis.")
    mode = Str("nearest", "Kind of interpolation.", choices=("nearest", "linear", "cubic"))
    coordinate_transformation_mode = Str(
        "half_pixel",
        "Where the elements of the result lie on the source.",
        choices=("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"),
    )
    cubic_coeff_a = Single(None, "Coefficient of the cubic kernel.")
    exclude_outside = Int(None, "Leave elements outside of the source out.")
    extrapolation_value = Single(None, "The value outside of the source.")
    nearest_mode = Str("round_prefer_floor", "Which of two neighbours is taken.", choices=tuple(_NEAREST))

    def output_shape(self, x: Shape) -> Shape:
        self.cubic_coeff_a = -0.75 if self.cubic_coeff_a is None else self.cubic_coeff_a
        self.exclude_outside = self.exclude_outside or 0
        self.extrapolation_value = self.extrapolation_value or 0.0
        if bool(self.scales) == bool(self.sizes):
            raise ArgumentError("onnx_resize: either scales or sizes must be given, and not both")
        given = self.scales or self.sizes
        if not all(abs(v) < _FLOAT32_MAX for v in self.roi):
            raise ArgumentError(f"onnx_resize: roi must be finite in float32, not {self.roi}")
        if len(given) != len(x):
            raise ArgumentError(f"onnx_resize: scales or sizes must have {len(x)} entries, not {len(given)}")
        crops = self.coordinate_transformation_mode == "tf_crop_and_resize"
        if crops and len(self.roi) != 2 * len(x):
            raise ArgumentError(f"onnx_resize: roi must have {2 * len(x)} entries, not {len(self.roi)}")
        if self.sizes:
            y, scales = self.sizes, tuple([m / n if n else 1.0 for m, n in zip(self.sizes, x, strict=True)])
        else:
            y, scales = scaled_lengths(self.scales, x, "onnx_resize", "scales"), self.scales
        if any(m < 0 or m > n == 0 for n, m in zip(x, y, strict=True)):
            raise ArgumentError(f"onnx_resize: lengths must be at least 0, and 0 where that of x is, not {y} from {x}")
        refuse_immense(x, y, "onnx_resize")
        taps = []
        self._outside: list[tuple[int, np.ndarray]] = []
        for axis, (length, size, scale) in enumerate(zip(x, y, scales, strict=True)):
            if length == size and scale == 1 and not crops:
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                coordinates = self._coordinates(axis, length, size, scale, len(x))
            if not np.isfinite(coordinates).all():
                raise ArgumentError(f"onnx_resize: roi must not lead out of float32, as {self.roi} does")
            taps.append(self._taps(axis, coordinates, length))
            outside = (coordinates < 0) | (coordinates > length - 1)
            if crops and outside.any():
                self._outside.append((axis, outside))
        self._y = y
        self._resampling: Resampling | LinearResampling = Resampling(x, taps)
        align_corners = self.coordinate_transformation_mode == "align_corners"
        if self.mode == "linear" and (align_corners or self.coordinate_transformation_mode == "half_pixel"):
            count = len(x) - min((t.axis for t in taps), default=len(x))
            if 1 <= count <= 3 and 0 not in y and all(m == n * s for m, n, s in zip(y, x, scales, strict=True)):
                self._resampling = LinearResampling(x, y, count, align_corners)
        self.view = self.grad_aliases = self._resampling.identity
        return y

    def _coordinates(self, axis: int, length: int, size: int, scale: float, ndim: int) -> np.ndarray:
        """Places on the source of the elements along one axis, in single precision as in NNabla 1.x."""
        i = np.arange(size, dtype=np.float32)
        mode = self.coordinate_transformation_mode
        if mode == "align_corners":
            return i * np.float32(length - 1) / np.float32(max(size - 1, 1))
        if mode == "asymmetric":
            return i / np.float32(scale)
        if mode == "tf_crop_and_resize":
            start, end = np.float32(self.roi[axis]), np.float32(self.roi[ndim + axis])
            if size == 1:
                return np.array([np.float32(0.5) * (start + end) * np.float32(length - 1)])
            return start * np.float32(length - 1) + i * (end - start) * np.float32(length - 1) / np.float32(size - 1)
        if mode == "pytorch_half_pixel" and size == 1:
            return np.zeros(1, np.float32)
        return (i + np.float32(0.5)) / np.float32(scale) - np.float32(0.5)

    def _taps(self, axis: int, x: np.ndarray, length: int) -> Taps:
        if self.mode == "nearest":
            return Taps(axis, np.clip(_NEAREST[self.nearest_mode](x), 0, length - 1)[np.newaxis], None)
        if self.mode == "linear":
            return linear_taps(axis, x, length)
        a = self.cubic_coeff_a
        low = np.floor(x)
        t = (x - low).astype(np.float64)
        weights = np.stack(
            [
                ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
                ((a + 2) * t - (a + 3)) * t * t + 1,
                ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1,
                ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a,
            ]
        )
        indices = low + np.arange(-1, 3)[:, np.newaxis]
        if self.exclude_outside:
            weights = np.where((indices < 0) | (indices >= length), 0.0, weights)
            weights = weights / weights.sum(0)
        return Taps(axis, np.clip(indices, 0, length - 1), weights)

    def _extrapolated(self, y: Tensor, value: float) -> Tensor:
        for axis, outside in self._outside:
            along = [1] * len(self._y)
            along[axis] = -1
            y = y.masked_fill(torch.from_numpy(outside).to(y.device).view(along), value)
        return y

    def forward(self, x: Tensor) -> Tensor:
        return self._extrapolated(self._resampling.take(x), self.extrapolation_value)

    def grad(self, dy: Tensor) -> Tensor:
        return self._resampling.put(self._extrapolated(dy, 0.0))
