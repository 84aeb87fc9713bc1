"""Random changes of images for training: image_augmentation."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Int, Single, Sizes, not_negative, positive
from ..graph.operator import Shape, operator
from .creation import lengths
from .kernels import aten
from .stochastic import SEED, Stochastic


@operator("ImageAugmentation", "image_augmentation", 1187)
class ImageAugmentation(Stochastic):
    r"""Images, scaled, turned, distorted, mirrored, cut out, and with other brightness, contrast and noise,
    at random.

    Each image is changed in its own way. With :math:`U` for uniform numbers:

    * a pixel of the result, at :math:`(u, v)` from pixel :math:`(w / 2, h / 2)`, the center for a result of
      :math:`w` columns and :math:`h` rows counted from 0, is at :math:`(1 + d (1 - r^2)) (u, v)` before
      distortion, with :math:`\log (1 + d) = U(-distortion, distortion)` and :math:`r` the distance from the
      center, in half image lengths along each axis;
    * that is divided by the scale, :math:`\log s = U(\log min\_scale, \log max\_scale)`, and by the square
      root of the aspect ratio for one axis, multiplied for the other,
      :math:`\log a = U(-\log aspect\_ratio, \log aspect\_ratio)`;
    * and turned by :math:`U(-angle, angle)`, and moved to where the window of the result lies in the padded
      image, uniformly. The value there is interpolated linearly; beyond the border, it is the one at the
      border;
    * then :math:`y = (x + b - c_0) c + c_0`, plus noise, with :math:`b = U(-brightness, brightness)`,
      :math:`\log c = U(-\log contrast, \log contrast)` and :math:`c_0` the `contrast_center`. The noise is
      normal, its standard deviation :math:`U(0, noise)` for each image.

    Inputs:
        x: shape ``(..., C, H, W)``.
    Args:
        shape: shape of the results for each image, of which the last two lengths, height and width, count.
            Default: shape of `x`.
        pad: pixels of border above and below, and to the left and right.
        min_scale: least factor of the size of things in the image, positive.
        max_scale: greatest factor. (The two may be exchanged.)
        angle: greatest angle, in radians.
        aspect_ratio: greatest change of the ratio of width and height, or its reciprocal; positive.
        distortion: greatest distortion.
        flip_lr: mirror left and right with probability one half.
        flip_ud: mirror up and down with probability one half.
        brightness: greatest change of brightness.
        brightness_each: draw it for each channel.
        contrast: greatest factor of contrast, or its reciprocal, which is the least; positive.
        contrast_center: the value that contrast does not change.
        contrast_each: draw it for each channel.
        noise: greatest standard deviation of noise.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape ``(..., C, H', W')``. There is no gradient.
    Raises:
        ShapeError: `x` has less than three axes.
        ArgumentError: an argument is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.image_augmentation(nn.Variable((8, 3, 32, 32)), shape=(3, 28, 28), angle=0.1, flip_lr=True).shape
        (8, 3, 28, 28)

    Source: NNabla function reference, ``ImageAugmentation``.
    """

    shape = Sizes(None, "Shape of the results for each image.", check=lengths)
    pad = Sizes((0, 0), "Border above and below, to the left and right.", check=(lambda p: len(p) == 2, "two numbers"))
    min_scale = Single(1.0, "Least factor of the size of things.", check=positive)
    max_scale = Single(1.0, "Greatest factor of the size of things.", check=positive)
    angle = Single(0.0, "Greatest angle, in radians.")
    aspect_ratio = Single(1.0, "Greatest change of the ratio of width and height.", check=positive)
    distortion = Single(0.0, "Greatest distortion.")
    flip_lr = Bool(False, "Mirror left and right.")
    flip_ud = Bool(False, "Mirror up and down.")
    brightness = Single(0.0, "Greatest change of brightness.")
    brightness_each = Bool(False, "Draw it for each channel.")
    contrast = Single(1.0, "Greatest factor of contrast.", check=positive)
    contrast_center = Single(0.0, "The value that contrast does not change.")
    contrast_each = Bool(False, "Draw it for each channel.")
    noise = Single(0.0, "Greatest standard deviation of noise.", check=not_negative)
    seed = Int(-1, SEED)
    differentiable = False

    def output_shape(self, x: Shape) -> Shape:
        if self.shape is None:
            self.shape = x
        if len(x) < 3 or 0 in x[-3:]:
            raise ShapeError(f"image_augmentation: x must have shape (..., channels, height, width), not {x}")
        if len(self.shape) < 2:
            raise ArgumentError(f"image_augmentation: shape must end with height and width, not be {self.shape}")
        self._images, self._channels = math.prod(x[:-3]), x[-3]
        self._source, self._target = x[-2:], self.shape[-2:]
        # What is drawn once for each image, in the order in which `_grid` takes it.
        log_aspect = math.log(self.aspect_ratio) / 2
        ranges = [
            (math.log(self.min_scale), math.log(self.max_scale)),
            (-log_aspect, log_aspect),
            (-self.angle, self.angle),
            (-self.distortion, self.distortion),
            *[(0, 1)] * 4,
        ]
        low, high = torch.tensor(ranges, dtype=torch.float32, device=self.device).T.reshape(2, -1, 1, 1, 1)
        self._low, self._range = low, high - low
        self._places: list[Tensor] | None = None
        return (*x[:-2], *self._target)

    def _uniform(self, low: float, high: float, generator: torch.Generator, each: bool = False) -> Tensor:
        """A number for each image, or for each channel of it; shape ``(images, 1 or channels, 1, 1)``."""
        shape = (self._images, self._channels if each else 1, 1, 1)
        drawn = torch.rand(shape, generator=generator, dtype=torch.float32, device=self.device)
        return drawn.mul_(high - low).add_(low)

    def _grid(self, generator: torch.Generator) -> Tensor:
        """Where each pixel of the result lies in the source, in the coordinates of torch's sampler."""
        (height, width), (h, w) = self._source, self._target
        shape = (len(self._low), self._images, 1, 1)
        drawn = torch.rand(shape, generator=generator, dtype=torch.float32, device=self.device)
        log_scale, log_aspect, angle, log_bulge, *rest = torch.addcmul(self._low, self._range, drawn).unbind()
        first_x, first_y, mirror_x, mirror_y = rest
        step_x: Any = 1 / self.min_scale
        step_y: Any = step_x
        if self.min_scale != self.max_scale or self.aspect_ratio != 1:
            step_x, step_y = (-log_scale - log_aspect).exp_(), (log_aspect - log_scale).exp_()
        center_x = _center(first_x, w, width, step_x, self.pad[1])
        center_y = _center(first_y, h, height, step_y, self.pad[0])
        if self._places is None:
            # Those of the result, from its center.
            self._places = [torch.arange(n, dtype=torch.float32, device=self.device) - (n - 1) / 2 for n in (h, w)]
        u, v = self._places[1], self._places[0][:, None]
        if self.distortion:
            # NNabla 1.x distorts around the corner that the four pixels in the middle share.
            u, v = u - 0.5, v - 0.5
            stretch = 1 + log_bulge.expm1() * (1 - (2 * u / w) ** 2 - (2 * v / h) ** 2)
            u, v = u * stretch + 0.5, v * stretch + 0.5
        if self.flip_lr:
            step_x = torch.where(mirror_x < 0.5, step_x, -step_x)
        if self.flip_ud:
            step_y = torch.where(mirror_y < 0.5, step_y, -step_y)
        u, v = u * step_x, v * step_y
        cos, sin = angle.cos(), angle.sin()
        x = center_x + cos * u + sin * v
        y = center_y - sin * u + cos * v
        return torch.stack([x * (2 / max(width - 1, 1)), y * (2 / max(height - 1, 1))], -1).sub_(1)

    def _changed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        # In half precision, coordinates would be off by pixels.
        images = x.reshape(self._images, self._channels, *self._source)
        images = images.to(torch.promote_types(x.dtype, torch.float32))
        grid = self._grid(generator).to(images.dtype)
        # Linear interpolation, the border repeated, coordinates from center to center.
        y = aten.grid_sampler_2d(images, grid, 0, 1, True)
        if self.brightness:
            y.add_(self._uniform(-self.brightness, self.brightness, generator, self.brightness_each))
        if self.contrast != 1:
            log_contrast = math.log(self.contrast)
            factor = self._uniform(-log_contrast, log_contrast, generator, self.contrast_each).exp_()
            y.sub_(self.contrast_center).mul_(factor).add_(self.contrast_center)
        if self.noise:
            noise = torch.empty_like(y).normal_(generator=generator)
            y.addcmul_(noise, self._uniform(0, self.noise, generator).to(y.dtype))
        return y.reshape(*x.shape[:-2], *self._target).to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self._changed(x, self.generator())

    def recompute(self, x: Tensor) -> Tensor:
        return self._changed(x, self.replayed())


def _center(first: Tensor, size: int, length: int, step: Any, pad: int) -> Tensor:
    """Where the center of a window is on an axis of the source; `first`, in [0, 1), says which of the places inside."""
    return first * (length + 2 * pad - size * step) + ((size - 1) / 2 * step - pad)
