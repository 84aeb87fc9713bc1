"""Regions of interest: images resampled inside of boxes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..dtypes import whole_numbers
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Floats, Int, Sizes
from ..graph.operator import Operator, Shape, operator
from .indexing import first_outside
from .shapes import refuse_empty

# Of all boxes together; they take 12 bytes each.
_MOST_SAMPLES = 1 << 28


@operator("RoiAlign", "roi_align", 1018)
class RoiAlign(Operator):
    r"""Averages of bilinear samples on a grid of cells inside of each box.

    :math:`y_{k, c, i, j} = \frac{1}{|P|} \sum_{p \in P} x_{n_k, c}(p)` over the evenly spaced sampling
    points :math:`P` of cell :math:`(i, j)` of box :math:`k`, in image :math:`n_k`. A box is divided into
    `output_size` cells. Its coordinates are scaled by `spatial_scale` and moved by half a pixel, so that
    pixel `i` covers ``[i, i + 1)``. Between pixels the image is interpolated bilinearly; points more than one
    pixel outside of it count as 0.

    Inputs:
        input: images, shape ``(N, C, H, W)``; ``(N, H, W, C)`` with `channel_last`.
        boxes: index of the image in ``[0, N)``, then the corners ``x1, y1, x2, y2`` in pixels before scaling,
            shape ``(K, 5)``. No gradient.
    Args:
        output_size: rows and columns of cells.
        spatial_scale: factors of the coordinates, vertical and horizontal: height and width of `input` over
            those of the image that boxes refer to.
        sampling_ratio: sampling points along each side of a cell; 0 or less (``None`` stands for -1): as many
            as the cell has pixels, rounded up.
        channel_last: channels are the last axis of `input` and the result; ``None`` stands for ``False``.
    Returns:
        Shape ``(K, C, rows, columns)``, or ``(K, rows, columns, C)`` with `channel_last`. NaN for a box
        without extent, if the number of points follows from its size.
    Raises:
        ShapeError: `input` has not 4 axes, or `boxes` is not ``(K, 5)``.
        ArgumentError: a list has not two entries or absurd ones, or (when values are computed) an image index is out
            of range, or boxes are NaN, or infinite without `sampling_ratio`, or need more than 2**28 pixels.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.roi_align(nn.Variable((2, 3, 32, 32)), nn.Variable((10, 5)), (7, 7)).shape
        (10, 3, 7, 7)

    Source: NNabla function reference, ``RoiAlign``; He et al., Mask R-CNN (arXiv:1703.06870).
    """

    output_size = Sizes(doc="Rows and columns of cells.")
    spatial_scale = Floats((1.0, 1.0), "Factors of the coordinates, vertical and horizontal.")
    sampling_ratio = Int(None, "Sampling points along each side of a cell; 0 or less: by its size.")
    channel_last = Bool(None, "Channels are the last axis of input and the result.")
    held = ("input", "boxes", "y")

    constants = ("boxes",)
    # Of the boxes, in which there is no gradient.
    keeps = grad_is_differentiable = True
    # Half precision knows no coordinates between whole pixels from 1024 on.
    full_precision = True

    def output_shape(self, input: Shape, boxes: Shape) -> Shape:
        refuse_empty(input, "roi_align", "input", first=1)
        if self.sampling_ratio is None:
            self.sampling_ratio = -1
        if self.channel_last is None:
            self.channel_last = False
        if len(input) != 4:
            raise ShapeError("roi_align: input must have 4 axes")
        if len(boxes) != 2 or boxes[1] != 5:
            raise ShapeError("roi_align: boxes must have shape (K, 5)")
        if len(self.output_size) != 2 or min(self.output_size) < 1:
            raise ArgumentError(f"roi_align: output_size must have 2 entries, each at least 1, not {self.output_size}")
        limit = torch.finfo(self.compute_dtype).max
        if len(self.spatial_scale) != 2 or not all(-limit <= s <= limit for s in self.spatial_scale):
            words = f"2 entries, finite in the type to compute in, not {self.spatial_scale}"
            raise ArgumentError(f"roi_align: spatial_scale must have {words}")
        points = 4 * max(boxes[0], 1) * max(self.sampling_ratio, 1) ** 2 * math.prod(self.output_size)
        if points > _MOST_SAMPLES:
            words = f"need {points} pixels of {boxes[0]} boxes; at most {_MOST_SAMPLES} are possible"
            raise ArgumentError(f"roi_align: output_size {self.output_size} and sampling_ratio {words}")
        self._n = input[0]
        self._size = input[1:3] if self.channel_last else input[2:]
        self._channels = input[3] if self.channel_last else input[1]
        self._cells = (boxes[0], *self.output_size)
        # Indices that depend on shapes alone, made when they are first used.
        self._steps: dict[int, Tensor] = {}
        self._cell_of_sample: Tensor | None = None
        return (*self._cells, self._channels) if self.channel_last else (boxes[0], self._channels, *self.output_size)

    def forward(self, input: Tensor, boxes: Tensor) -> Tensor:
        rows = (input if self.channel_last else input.permute(0, 2, 3, 1)).reshape(-1, self._channels)
        index, weight = self._samples(boxes)
        # A box without sampling points is NaN, and has no gradient.
        self.kept = index, weight.nan_to_num(0.0)
        y = torch.nn.functional.embedding_bag(index, rows, mode="sum", per_sample_weights=weight)
        y = y.view(*self._cells, self._channels)
        return y if self.channel_last else y.permute(0, 3, 1, 2).contiguous()

    def _samples(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """For each cell the pixels to add up, counted over all images, and their weights."""
        image = whole_numbers(boxes[:, 0])
        if bool(((image < 0) | (image >= self._n)).any()):
            wrong = first_outside(image, self._n)
            raise ArgumentError(f"roi_align: boxes[:, 0] must be in [0, {self._n}), the images, not {wrong}")
        if bool(boxes.isnan().any()):
            raise ArgumentError("roi_align: boxes must not be NaN")
        y, y_weight = self._along(boxes[:, 2], boxes[:, 4], 0)
        x, x_weight = self._along(boxes[:, 1], boxes[:, 3], 1)
        if y.shape[0] * y.shape[1] * y.shape[2] * x.shape[1] * x.shape[2] > _MOST_SAMPLES:
            words = "too large to take a sample of every pixel; set sampling_ratio"
            raise ArgumentError(f"roi_align: boxes times spatial_scale {self.spatial_scale} are {words}")
        # Pairs of a vertical and a horizontal sample: (K, rows, columns, points * points).
        index = y[:, :, None, :, None] * self._size[1] + x[:, None, :, None, :]
        index = index + (image * (self._size[0] * self._size[1])).view(-1, 1, 1, 1, 1)
        weight = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
        cells = self._cells[0] * self._cells[1] * self._cells[2]
        points = y.shape[2] * x.shape[2]
        return index.reshape(cells, points), weight.reshape(cells, points).to(boxes.dtype)

    def _along(self, start: Tensor, end: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Pixels and weights along one axis: both neighbours of every sampling point, shape (K, cells, 2
        points).
        """
        length, cells, scale = self._size[axis], self.output_size[axis], self.spatial_scale[axis]
        start, end = start * scale - 0.5, end * scale - 0.5
        step = ((end - start) / cells).view(-1, 1, 1)
        if self.sampling_ratio > 0:
            counts = torch.full_like(step, self.sampling_ratio)
        else:
            counts = step.ceil()
        largest = float(counts.max()) if counts.numel() else 1.0
        # Not-a-number fails this, too.
        if not largest * step.numel() * cells <= _MOST_SAMPLES:
            words = f"be finite, and not need {largest:g} sampling points in a cell"
            raise ArgumentError(f"roi_align: boxes times spatial_scale {self.spatial_scale} must {words}")
        most = max(1, int(largest))
        point = self._arange(most, step)
        cell = self._arange(cells, step).view(1, -1, 1)
        at = torch.addcmul(start.view(-1, 1, 1), cell + (point + 0.5) / counts, step)
        # A box without extent has no sampling points: 0 / 0.
        share = (point < counts) & (at >= -1) & (at <= length)
        weight = torch.where(share, 1 / counts, 0.0)
        weight = torch.where(counts == 0, torch.nan, weight)
        at = at.nan_to_num(0.0, 0.0, 0.0).clamp(0, length - 1)
        low = at.floor().clamp_(max=length - 1)
        high = (low + 1).clamp_(max=length - 1)
        part = at - low
        index = torch.cat([low, high], 2).long()
        return index, torch.cat([weight * (1 - part), weight * part], 2)

    def _arange(self, count: int, like: Tensor) -> Tensor:
        found = self._steps.get(count)
        if found is None:
            found = self._steps[count] = torch.arange(count, dtype=like.dtype, device=like.device)
        return found

    def grad(self, need: tuple[bool, ...], dy: Tensor) -> tuple[Tensor | None, ...]:
        if not need[0]:
            return None, None
        index, weight = self.kept
        if not self.channel_last:
            dy = dy.permute(0, 2, 3, 1)
        dy = dy.reshape(-1, self._channels)
        cells, points = index.shape
        cell = self._cell_of_sample
        if cell is None or len(cell) != cells * points:
            cell = torch.arange(cells, device=dy.device).repeat_interleave(points)
            self._cell_of_sample = cell
        # A matrix from cells to pixels. There are products of sparse matrices for float32 and float64.
        dtype = torch.promote_types(dy.dtype, torch.float32)
        spread = torch.sparse_coo_tensor(
            torch.stack([index.reshape(-1), cell]),
            weight.reshape(-1).to(dtype),
            (self._n * self._size[0] * self._size[1], cells),
            check_invariants=False,  # `_samples` has kept to the pixels.
        )
        rows = (spread @ dy.to(dtype)).to(dy.dtype)
        dx = rows.view(self._n, *self._size, self._channels)
        return dx if self.channel_last else dx.permute(0, 3, 1, 2), None
