"""Images sampled at other places: affine_grid, warp_by_grid, warp_by_flow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import ShapeError
from ..graph.argument import Bool, Ints, Str
from ..graph.operator import Operator, Shape, operator
from .kernels import aten
from .shapes import refuse_empty

# The numbers that torch's kernels take for a mode.
_INTERPOLATION = {"linear": 0, "nearest": 1}
_PADDING = {"zero": 0, "repeat": 1, "reflect": 2}


def sample_backward_2d(
    dy: Tensor, x: Tensor, grid: Tensor, mode: int, padding: int, align_corners: bool, need: list[bool]
) -> tuple[Tensor, Tensor]:
    """`grid_sampler_2d_backward`, for coordinates that are not finite, too.

    On a CPU, the kernel reads and writes beyond the array where a coordinate is NaN, or infinite and to be reflected.
    Such a place has no gradient of `x`, and NaN as that of its coordinate.
    """
    settings = (mode, padding, align_corners, need)
    if x.is_cpu and padding != _PADDING["zero"]:
        wrong = ~grid.isfinite() if padding == _PADDING["reflect"] else grid.isnan()
        if wrong.any():
            dy = dy.masked_fill(wrong.any(-1)[:, None], 0)
            dx, dgrid = aten.grid_sampler_2d_backward(dy, x, grid.masked_fill(wrong, 0), *settings)
            return dx, dgrid.masked_fill(wrong, torch.nan)
    return aten.grid_sampler_2d_backward(dy, x, grid, *settings)


def nearest_pixels(grid: Tensor, lengths: Sequence[int], reflect: bool, align_corners: bool) -> Tensor:
    """A grid of points, moved to the centers of the nearest pixels, in coordinates without `align_corners`.

    A point in the middle between two pixels goes to the one farther from pixel 0, as in NNabla 1.x; torch's kernels
    take the even one. Points outside stay there, except with `reflect`.

    Args:
        grid: coordinates, the last axis of the array first.
        lengths: of the axes, in the order of the coordinates.
        reflect: points outside are mirrored on the border, until they are inside.
        align_corners: what the coordinates -1 and 1 are: centers of the first and last pixels, or outer edges.
    """
    length = torch.tensor(lengths, dtype=grid.dtype, device=grid.device)
    if align_corners:
        at = (grid + 1) * ((length - 1) / 2)
    else:
        at = ((grid + 1) * length - 1) / 2
    if reflect:
        first, period = (0.0, length - 1) if align_corners else (-0.5, length)
        # With a single pixel, the distance between the first and the last one is 0.
        distance, period = (at - first).abs(), period.clamp_min(1)
        rest = distance.fmod(period)
        mirrored = (distance / period).floor() % 2 == 1
        at = torch.where(mirrored, period - rest, rest) + first
        at = torch.minimum(at.clamp_min(0), length - 1)
    whole = at.trunc()
    # Exact, where a sum with 0.5 would be rounded.
    whole += ((at - whole) * 2).trunc()
    return (whole * 2 + 1) / length - 1


@operator("AffineGrid", "affine_grid", 1197)
class AffineGrid(Operator):
    r"""The points of a regular grid under affine maps, for `warp_by_grid`.

    :math:`(x, y)^T = \theta \, (u, v, 1)^T` for the places :math:`(u, v)` of the grid, which goes from -1
    to 1 along each axis; in volumes likewise with a third coordinate.

    Inputs:
        theta: shape ``(B, 2, 3)`` for images or ``(B, 3, 4)`` for volumes; the maps.
    Args:
        size: ``(H, W)`` or ``(D, H, W)``, the grid's lengths.
        align_corners: coordinates -1 and 1 are the centers of the first and last elements, else their outer
            edges.
    Returns:
        Shape ``(B, H, W, 2)`` with coordinates ``(x, y)``, or ``(B, D, H, W, 3)`` with ``(x, y, z)``.
    Raises:
        ShapeError: `theta` does not fit `size`.
        ArgumentError: `size` has another number of entries than 2 or 3, or a negative one.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> identity = nn.NdArray.from_numpy_array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> F.affine_grid(identity, (1, 2), align_corners=True).data
        array([[[[-1.,  0.],
                 [ 1.,  0.]]]], dtype=float32)

    Source: M. Jaderberg et al., "Spatial transformer networks", 2015, equation 1.
    """

    size = Ints(
        doc="The grid's lengths.",
        check=(lambda s: len(s) in (2, 3) and min(s) >= 0, "2 or 3 lengths"),
    )
    align_corners = Bool(False, "Coordinates -1 and 1 are the centers of the first and last elements.")
    outputs = ("grid",)
    # Positions of pixels are not exact in half precision.
    full_precision = True
    held = ("theta",)

    def output_shape(self, theta: Shape) -> Shape:
        n = len(self.size)
        if len(theta) != 3 or theta[1:] != (n, n + 1):
            raise ShapeError(f"affine_grid: theta must have shape (batch, {n}, {n + 1}) for a size of {n} lengths")
        return (theta[0], *self.size, n)

    def _points(self, like: Tensor) -> Tensor:
        """Homogeneous coordinates of all points of the grid, ``(points, n + 1)``."""
        axes = []
        for length in self.size:
            position = torch.arange(length, dtype=like.dtype, device=like.device)
            if not self.align_corners:
                axes.append((position * 2 + 1) / length - 1)
            else:
                axes.append(position * (2 / (length - 1)) - 1 if length > 1 else position)
        # The last axis of the image is x, the first coordinate.
        grids = torch.meshgrid(*axes, indexing="ij")[::-1]
        return torch.stack([*grids, torch.ones_like(grids[0])], -1).reshape(-1, len(self.size) + 1)

    def forward(self, theta: Tensor) -> Tensor:
        return (self._points(theta) @ theta.mT).view(theta.shape[0], *self.size, len(self.size))

    def grad(self, dgrid: Tensor) -> Tensor:
        return dgrid.reshape(dgrid.shape[0], math.prod(self.size), len(self.size)).mT @ self._points(dgrid)


@operator("WarpByGrid", "warp_by_grid", 1198)
class WarpByGrid(Operator):
    r"""Images or volumes, sampled at the points of a grid.

    With mode ``"linear"``,
    :math:`y_c = \sum_{j, i} x_{c, j, i} \max(0, 1 - |v - j|) \max(0, 1 - |u - i|)` for the point that lies at
    :math:`(u, v)` in pixels.

    Inputs:
        x: shape ``(B, C, H, W)`` or ``(B, C, D, H, W)``; with `channel_last`, ``C`` is the last axis.
        grid: shape ``(B, H', W', 2)`` with coordinates ``(x, y)``, or ``(B, D', H', W', 3)`` with ``(x, y,
            z)``, where -1 and 1 are the ends of each axis of `x`.
    Args:
        mode: ``"linear"`` or ``"nearest"``.
        padding_mode: the values outside of `x`: ``"zero"``; ``"repeat"``, those at the border; ``"reflect"``,
            those of `x` mirrored on its border.
        align_corners: coordinates -1 and 1 are the centers of the first and last elements, else their outer
            edges.
        channel_last: channels are the last axis of `x` and of the result.
    Returns:
        Shape ``(B, C, H', W')`` or ``(B, C, D', H', W')``; with `channel_last`, ``C`` is the last axis.
    Raises:
        ShapeError: shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[[[1.0, 2.0, 3.0]]]])
        >>> F.warp_by_grid(x, nn.NdArray.from_numpy_array([[[[0.5, 0.0]]]]), align_corners=True).data
        array([[[[2.5]]]], dtype=float32)

    Source: M. Jaderberg et al., "Spatial transformer networks", 2015, equation 3. NNabla 1.x has no gradient
    for mode ``"nearest"``; here `x` receives one, and that of `grid` is 0.
    """

    mode = Str("linear", "How to find values between elements.", choices=tuple(_INTERPOLATION))
    padding_mode = Str("zero", "The values outside of x.", choices=tuple(_PADDING))
    align_corners = Bool(False, "Coordinates -1 and 1 are the centers of the first and last elements.")
    channel_last = Bool(False, "Channels are the last axis.")
    full_precision = True

    def output_shape(self, x: Shape, grid: Shape) -> Shape:
        n = len(x) - 2
        if n not in (2, 3):
            raise ShapeError(f"warp_by_grid: x must have 4 or 5 axes, not {len(x)}")
        if len(grid) != len(x) or grid[-1] != n or grid[0] != x[0]:
            raise ShapeError(f"warp_by_grid: grid must have shape ({x[0]}, ..., {n}) with {len(x)} axes, not {grid}")
        refuse_empty(x, "warp_by_grid", first=1)
        self._sample: Callable[..., Tensor] = aten.grid_sampler_2d if n == 2 else aten.grid_sampler_3d
        self._sample_backward: Callable[..., tuple[Tensor, Tensor]]
        self._sample_backward = sample_backward_2d if n == 2 else aten.grid_sampler_3d_backward
        # `nearest_pixels` has its own coordinates.
        align_corners = self.align_corners and self.mode == "linear"
        self._settings = (_INTERPOLATION[self.mode], _PADDING[self.padding_mode], align_corners)
        size = grid[1:-1]
        self._lengths = (x[1:-1] if self.channel_last else x[2:])[::-1]
        return (x[0], *size, x[-1]) if self.channel_last else (x[0], x[1], *size)

    def _places(self, grid: Tensor) -> Tensor:
        if self.mode == "linear":
            return grid
        return nearest_pixels(grid, self._lengths, self.padding_mode == "reflect", self.align_corners)

    def forward(self, x: Tensor, grid: Tensor) -> Tensor:
        grid = self._places(grid)
        if self.channel_last:
            x = x.movedim(-1, 1)
        y = self._sample(x, grid, *self._settings)
        return y.movedim(1, -1) if self.channel_last else y

    def grad(self, need: tuple[bool, ...], dy: Tensor, x: Tensor, grid: Tensor) -> tuple[Tensor | None, Tensor | None]:
        if self.channel_last:
            dy, x = dy.movedim(-1, 1), x.movedim(-1, 1)
        dx, dgrid = self._sample_backward(dy, x, self._places(grid), *self._settings, list(need))
        if need[0] and self.channel_last:
            dx = dx.movedim(1, -1)
        return (dx if need[0] else None), (dgrid if need[1] else None)


@operator("WarpByFlow", "warp_by_flow", 1199)
class WarpByFlow(Operator):
    """Images, sampled at each pixel's place moved by a flow field; places outside are moved to the border.

    :math:`y_{c, h, w} = x_c(h + f_{1, h, w}, w + f_{0, h, w})` with the flow :math:`f`, interpolated
    linearly.

    Inputs:
        data: shape ``(B, C, H, W)``.
        flow: shape ``(B, 2, H, W)``: how far to go to the right and down, in pixels.
    Returns:
        Shape of `data`.
    Raises:
        ShapeError: shapes do not fit together.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> flow = nn.NdArray((1, 2, 1, 3))
        >>> flow.data[0, 0] = 0.5
        >>> F.warp_by_flow(nn.NdArray.from_numpy_array([[[[1.0, 2.0, 3.0]]]]), flow).data
        array([[[[1.5, 2.5, 3. ]]]], dtype=float32)

    Source: NNabla function reference, ``WarpByFlow``.
    """

    outputs = ("warped_image",)
    # Positions of pixels are not exact in half precision.
    full_precision = True

    def output_shape(self, data: Shape, flow: Shape) -> Shape:
        refuse_empty(data, "warp_by_flow", "data", first=1)
        if len(data) != 4:
            raise ShapeError(f"warp_by_flow: data must have shape (batch, channels, height, width), not {data}")
        if flow != (data[0], 2, *data[2:]):
            raise ShapeError(f"warp_by_flow: flow must have shape {(data[0], 2, *data[2:])}, not {flow}")
        # A coordinate runs from -1 to 1 over the axis; a single pixel is everywhere.
        self._width, self._height = [max(n - 1, 1) / 2 for n in (data[3], data[2])]
        self._size = data[2:]
        return data

    def _grid(self, flow: Tensor) -> Tensor:
        height, width = self._size
        x = flow[:, 0] + torch.arange(width, dtype=flow.dtype, device=flow.device)
        y = flow[:, 1] + torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
        return torch.stack([x / self._width - 1, y / self._height - 1], -1)

    def forward(self, data: Tensor, flow: Tensor) -> Tensor:
        return aten.grid_sampler_2d(data, self._grid(flow), 0, _PADDING["repeat"], True)

    def grad(
        self, need: tuple[bool, ...], dwarped_image: Tensor, data: Tensor, flow: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        grid = self._grid(flow)
        settings = (0, _PADDING["repeat"], True)
        ddata, dgrid = sample_backward_2d(dwarped_image, data, grid, *settings, list(need))
        dflow = None
        if need[1]:
            dflow = torch.stack([dgrid[..., 0] / self._width, dgrid[..., 1] / self._height], 1)
        return (ddata if need[0] else None), dflow
