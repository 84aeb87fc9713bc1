"""Random changes of images for training: image_augmentation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Float, Int, Ints, not_negative, positive
from ..graph.operator import Shape, operator
from .creation import lengths
from .kernels import aten
from .stochastic import SEED, Stochastic

_FACTOR = (lambda value: value >= 1, "at least 1")


@operator("ImageAugmentation", "image_augmentation")
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
        max_scale: greatest factor, at least `min_scale`.
        angle: greatest angle, in radians.
        aspect_ratio: greatest change of the ratio of width and height, at least 1.
        distortion: greatest distortion.
        flip_lr: mirror left and right with probability one half.
        flip_ud: mirror up and down with probability one half.
        brightness: greatest change of brightness.
        brightness_each: draw it for each channel.
        contrast: greatest factor of contrast, at least 1.
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

    shape = Ints(None, "Shape of the results for each image.", check=lengths)
    pad = Ints((0, 0), "Border above and below, to the left and right.", check=(lambda p: len(p) == 2, "two numbers"))
    min_scale = Float(1.0, "Least factor of the size of things.", check=positive)
    max_scale = Float(1.0, "Greatest factor of the size of things.", check=positive)
    angle = Float(0.0, "Greatest angle, in radians.")
    aspect_ratio = Float(1.0, "Greatest change of the ratio of width and height.", check=_FACTOR)
    distortion = Float(0.0, "Greatest distortion.")
    flip_lr = Bool(False, "Mirror left and right.")
    flip_ud = Bool(False, "Mirror up and down.")
    brightness = Float(0.0, "Greatest change of brightness.")
    brightness_each = Bool(False, "Draw it for each channel.")
    contrast = Float(1.0, "Greatest factor of contrast.", check=_FACTOR)
    contrast_center = Float(0.0, "The value that contrast does not change.")
    contrast_each = Bool(False, "Draw it for each channel.")
    noise = Float(0.0, "Greatest standard deviation of noise.", check=not_negative)
    seed = Int(-1, SEED)
    differentiable = False

    def output_shape(self, x: Shape) -> Shape:
        if self.shape is None:
            self.shape = x
        if len(x) < 3 or 0 in x:
            raise ShapeError(f"image_augmentation: x must have shape (..., channels, height, width), not {x}")
        if len(self.shape) < 2:
            raise ArgumentError(f"image_augmentation: shape must end with height and width, not be {self.shape}")
        if self.max_scale < self.min_scale:
            raise ArgumentError(
                f"image_augmentation: max_scale must be at least {self.min_scale}, min_scale, not {self.max_scale}"
            )
        self._images, self._channels = math.prod(x[:-3]), x[-3]
        self._source, self._target = x[-2:], self.shape[-2:]
        return (*x[:-2], *self._target)

    def _uniform(self, low: float, high: float, generator: torch.Generator, each: bool = False) -> Tensor:
        """A number for each image, or for each channel of it; shape ``(images, 1 or channels, 1, 1)``."""
        shape = (self._images, self._channels if each else 1, 1, 1)
        drawn = torch.rand(shape, generator=generator, dtype=torch.float32, device=self.device)
        return low + (high - low) * drawn

    def _offsets(self, size: int, length: int, step: Tensor, pad: int, generator: torch.Generator) -> Tensor:
        """Where the center of the window is on an axis of the source, uniformly among the places inside."""
        first = self._uniform(0, 1, generator) * (length + 2 * pad - size * step) - pad
        return (first + (size - 1) / 2 * step)[:, 0]

    def _grid(self, generator: torch.Generator) -> Tensor:
        """Where each pixel of the result lies in the source, in the coordinates of torch's sampler."""
        (height, width), (h, w) = self._source, self._target
        v = (torch.arange(h, dtype=torch.float32, device=self.device) - (h - 1) / 2)[:, None]
        u = torch.arange(w, dtype=torch.float32, device=self.device) - (w - 1) / 2
        scale = self._uniform(math.log(self.min_scale), math.log(self.max_scale), generator).exp()
        log_aspect = math.log(self.aspect_ratio) / 2
        aspect = self._uniform(-log_aspect, log_aspect, generator).exp()
        angle = self._uniform(-self.angle, self.angle, generator)[:, 0]
        step_x, step_y = 1 / (scale * aspect), aspect / scale
        center_x = self._offsets(w, width, step_x, self.pad[1], generator)
        center_y = self._offsets(h, height, step_y, self.pad[0], generator)
        bulge = self._uniform(-self.distortion, self.distortion, generator).exp()[:, 0] - 1
        # NNabla 1.x distorts around the corner that the four pixels in the middle share.
        across, down = u - 0.5, v - 0.5
        stretch = 1 + bulge * (1 - (2 * across / w) ** 2 - (2 * down / h) ** 2)
        along_x, along_y = (across * stretch + 0.5) * step_x[:, 0], (down * stretch + 0.5) * step_y[:, 0]
        if self.flip_lr:
            along_x = along_x * self._sign(generator)
        if self.flip_ud:
            along_y = along_y * self._sign(generator)
        cos, sin = angle.cos(), angle.sin()
        x = center_x + cos * along_x + sin * along_y
        y = center_y - sin * along_x + cos * along_y
        return torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], -1)

    def _sign(self, generator: torch.Generator) -> Tensor:
        return torch.where(self._uniform(0, 1, generator)[:, 0] < 0.5, -1.0, 1.0)

    def _changed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        # In half precision, coordinates would be off by pixels.
        images = x.reshape(self._images, self._channels, *self._source)
        images = images.to(torch.promote_types(x.dtype, torch.float32))
        grid = self._grid(generator).to(images.dtype)
        # Linear interpolation, the border repeated, coordinates from center to center.
        y = aten.grid_sampler_2d(images, grid, 0, 1, True)
        if self.brightness:
            y = y + self._uniform(-self.brightness, self.brightness, generator, self.brightness_each).to(y.dtype)
        if self.contrast != 1:
            log_contrast = math.log(self.contrast)
            factor = self._uniform(-log_contrast, log_contrast, generator, self.contrast_each).exp().to(y.dtype)
            y = (y - self.contrast_center) * factor + self.contrast_center
        if self.noise:
            noise = torch.empty_like(y).normal_(generator=generator)
            y = y + noise * self._uniform(0, self.noise, generator).to(y.dtype)
        return y.reshape(*x.shape[:-2], *self._target).to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self._changed(x, self.generator())

    def recompute(self, x: Tensor) -> Tensor:
        return self._changed(x, self.replayed())
