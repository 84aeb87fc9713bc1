"""Random changes of images and other samples: random_crop, random_flip, random_shift, random_erase.

Each sample is changed in its own way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..graph.argument import Bool, Floats, Int, Ints, Single, Sizes, Str, positive
from ..graph.operator import Shape, operator
from .axes import normalized
from .creation import lengths, representable
from .shapes import refuse_empty
from .stochastic import SEED, Stochastic


class Moved(Stochastic):
    """An operator whose result shows elements of `x` at other places, drawn for each sample.

    `kept` is an index into the flattened axes from the first one on that is changed, in the shape of the result so
    flattened; and a mask of the places that show no element of `x`, or None.
    """

    keeps = grad_is_differentiable = True
    base_axis: Any
    constant_value: Any = 0.0

    def placed(self, x: Shape, y: Shape, changed: Iterable[int], name: str) -> None:
        """Remember the shapes, the axes that are changed, and how many axes tell samples apart."""
        self._samples = normalized(self.base_axis, len(x), name, "base_axis")
        self._x, self._y = x, y
        self._changed = sorted(changed)
        first = self._changed[0] if self._changed else len(x) - 1
        self._flat_x = (*x[:first], math.prod(x[first:]))
        self._flat_y = (*y[:first], math.prod(y[first:]))
        self._strides = {axis: math.prod(x[axis + 1 :]) for axis in range(first, len(x))}

    def drawn(self, low: int, high: int, generator: torch.Generator) -> Tensor:
        """An integer in ``[low, high]`` for each sample, with axes of length 1 at the end."""
        samples = self._y[: self._samples]
        drawn = torch.randint(low, high + 1, samples, generator=generator, device=self.device)
        return drawn.view(*samples, *[1] * (len(self._y) - len(samples)))

    def along(self, axis: int) -> Tensor:
        """The positions along an axis of the result."""
        shape = [1] * len(self._y)
        shape[axis] = -1
        return torch.arange(self._y[axis], device=self.device).view(shape)

    def place(self, axis: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """For an axis that is changed, the positions that are shown; and which of them are outside of `x`, or None."""
        raise NotImplementedError

    def places(self, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """What `kept` holds."""
        outside = None
        # Axes are added up from the last one, so that the partial sums stay small.
        index = torch.zeros([1] * len(self._y), dtype=torch.int64, device=self.device)
        for axis, stride in reversed(self._strides.items()):
            position = self.along(axis)
            if axis in self._changed:
                position, beyond = self.place(axis, generator)
                if beyond is not None:
                    outside = beyond if outside is None else outside | beyond
            index = index + position * stride
        first = len(self._flat_y) - 1
        index = index.expand(*index.shape[:first], *self._y[first:]).reshape(*index.shape[:first], -1)
        return index.expand(self._flat_y), outside

    def shown(self, x: Tensor) -> Tensor:
        """The elements of `x` at the places."""
        index, outside = self.kept
        y = x.reshape(self._flat_x).gather(-1, index).view(self._y)
        return y if outside is None else y.masked_fill_(outside, representable(self.constant_value, y.dtype))

    def forward(self, x: Tensor) -> Tensor:
        self.kept = self.places(self.generator())
        return self.shown(x)

    def recompute(self, x: Tensor) -> Tensor:
        if self.kept is None:
            self.kept = self.places(self.replayed())
        return self.shown(x)

    def grad(self, dy: Tensor) -> Tensor:
        index, outside = self.kept
        if outside is not None:
            dy = dy.masked_fill(outside, 0)
        dx = dy.new_zeros(self._flat_x).scatter_add(-1, index, dy.reshape(self._flat_y))
        return dx.view(self._x)


@operator("RandomCrop", "random_crop", 1183)
class RandomCrop(Moved):
    """A part of each sample, at a random place: :math:`y_i = x_{i + o}` along each axis, with an offset
    :math:`o` drawn from all that are possible.

    Inputs:
        x: shape ``(B_1, ..., B_M, D_1, ..., D_N)`` with ``M = base_axis``.
    Args:
        shape: lengths of the part along the last axes of `x`; axes in front stay as they are. Default: all of
            `x`.
        base_axis: number of leading axes that tell samples apart; a negative value counts from the end.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape of `x`, with the last axes as long as `shape` says.
    Raises:
        ArgumentError: `shape` has more entries than `x` has axes, or one is longer than its axis.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.random_crop(nn.Variable((8, 3, 32, 32)), (3, 28, 28)).shape
        (8, 3, 28, 28)

    Source: NNabla function reference, ``RandomCrop``.
    """

    shape = Sizes(None, "Lengths of the part along the last axes.", check=lengths)
    base_axis = Int(1, "Number of leading axes that tell samples apart.")
    seed = Int(-1, SEED)

    def output_shape(self, x: Shape) -> Shape:
        refuse_empty(x, "random_crop")
        if self.shape is None:
            self.shape = x
        first = len(x) - len(self.shape)
        if first < 0 or any(n > d for n, d in zip(self.shape, x[max(first, 0) :], strict=False)):
            raise ArgumentError(f"random_crop: shape must be at most {x}, the shape of x, not {self.shape}")
        y = x[:first] + self.shape
        changed = [axis for axis, (n, d) in enumerate(zip(y, x, strict=True)) if n < d]
        self.placed(x, y, changed, "random_crop")
        return y

    def place(self, axis: int, generator: torch.Generator) -> tuple[Tensor, None]:
        return self.along(axis) + self.drawn(0, self._x[axis] - self._y[axis], generator), None


@operator("RandomFlip", "random_flip", 1184)
class RandomFlip(Moved):
    """Each sample, mirrored along each of some axes with probability one half: :math:`y_i = x_{D - 1 - i}`
    for an axis of length :math:`D`.

    Inputs:
        x: shape ``(B_1, ..., B_M, D_1, ..., D_N)`` with ``M = base_axis``.
    Args:
        axes: the axes; negative ones count from the end. Default: the last axis.
        base_axis: number of leading axes that tell samples apart; a negative value counts from the end.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: an axis is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.random_flip(nn.NdArray.from_numpy_array([[1.0, 2.0]]))
        >>> y.data.tolist() in ([[1.0, 2.0]], [[2.0, 1.0]])
        True

    Source: NNabla function reference, ``RandomFlip``.
    """

    axes = Ints(None, "The axes to mirror along.")
    base_axis = Int(1, "Number of leading axes that tell samples apart.")
    seed = Int(-1, SEED)

    def output_shape(self, x: Shape) -> Shape:
        refuse_empty(x, "random_flip")
        if self.axes is None:
            self.axes = (len(x) - 1,)
        self.placed(x, x, {normalized(axis, len(x), "random_flip", "axes") for axis in self.axes}, "random_flip")
        return x

    def place(self, axis: int, generator: torch.Generator) -> tuple[Tensor, None]:
        position = self.along(axis)
        flips = self.drawn(0, 1, generator) == 1
        return torch.where(flips, self._x[axis] - 1 - position, position), None


@operator("RandomShift", "random_shift", 1185)
class RandomShift(Moved):
    """Each sample, moved along axes by a random distance, :math:`y_i = x_{i - s}`; what moves in is taken
    from the border.

    Distances :math:`s` are whole numbers from ``-shifts`` to `shifts`.

    Inputs:
        x: shape ``(B_1, ..., B_M, D_1, ..., D_N)`` with ``M = base_axis``; no axis of length 0.
    Args:
        shifts: for each of the last axes of `x`, how far elements move at most, in either direction. Default:
            0.
        border_mode: ``"nearest"`` repeats the element at the border; ``"reflect"`` mirrors the sample on its
            edge, so that the element at the border appears twice; ``"constant"`` shows a number.
        constant_value: the number for ``"constant"``.
        base_axis: number of leading axes that tell samples apart; a negative value counts from the end.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: there are more shifts than axes, or `border_mode` is another word.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> y = F.random_shift(nn.NdArray.from_numpy_array([[1.0, 2.0, 3.0]]), (1,))
        >>> y.data.tolist()[0] in ([1.0, 2.0, 3.0], [1.0, 1.0, 2.0], [2.0, 3.0, 3.0])
        True

    Source: NNabla function reference, ``RandomShift``.
    """

    shifts = Ints(None, "How far elements move at most along each of the last axes.")
    border_mode = Str("nearest", "What moves in.", choices=("nearest", "reflect", "constant"))
    constant_value = Single(0.0, "The number for border_mode constant.")
    base_axis = Int(1, "Number of leading axes that tell samples apart.")
    seed = Int(-1, SEED)

    def output_shape(self, x: Shape) -> Shape:
        if self.shifts is None:
            self.shifts = (0,) * len(x)
        self._first = len(x) - len(self.shifts)
        if self._first < 0:
            raise ArgumentError(f"random_shift: shifts must have at most {len(x)} entries, not {len(self.shifts)}")
        if 0 in x:
            raise ShapeError(f"random_shift: x must not be empty, as shape {x} is")
        self.placed(x, x, [self._first + i for i, shift in enumerate(self.shifts) if shift], "random_shift")
        return x

    def place(self, axis: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        length, most = self._x[axis], abs(self.shifts[axis - self._first])
        position = self.along(axis) - self.drawn(-most, most, generator)
        beyond = (position < 0) | (position >= length) if self.border_mode == "constant" else None
        if self.border_mode == "reflect":
            position = position.remainder(2 * length)
            position = torch.minimum(position, 2 * length - 1 - position)
        return position.clamp(0, length - 1), beyond


_PAIR = (lambda pair: len(pair) == 2, "two numbers")
_RATIOS = (lambda pair: len(pair) == 2 and min(pair) >= 0, "two numbers, at least 0 each")


@operator("RandomErase", "random_erase", 1186)
class RandomErase(Stochastic):
    r"""Images with random rectangles replaced by noise.

    A rectangle has the area :math:`S_e = U(s_l, s_h) H W` and the aspect ratio :math:`r_e = U(r_l, r_h)`, so
    the height :math:`h = \lfloor \sqrt{S_e r_e} \rfloor` and the width
    :math:`w = \lfloor \sqrt{S_e / r_e} \rfloor`, at most those of the image. Its first row is one of
    :math:`0, \ldots, H - h`, and row :math:`h` after the first still belongs to it, if the image has it; so for
    columns. :math:`U` is the uniform distribution.

    Inputs:
        x: shape ``(B_1, ..., B_M, C, H, W)`` with ``M = base_axis``, or ``(B_1, ..., B_M, H, W, C)`` with
            `channel_last`.
    Args:
        prob: probability of each rectangle, in [0, 1].
        area_ratios: least and greatest share of the image's area, :math:`s_l` and :math:`s_h`.
        aspect_ratios: least and greatest ratio of height and width, :math:`r_l` and :math:`r_h`.
        replacements: least and greatest value of the noise, which is uniform.
        n: number of rectangles in each image. Default: 1.
        share: the same rectangles for all channels; else each channel has its own.
        inplace: accepted for compatibility; memory is freed by the clear options.
        base_axis: number of leading axes that tell images apart; a negative value counts from the end.
        seed: seed of the function's own random numbers; -1 (default) follows `nnabla.seed`. Every forward
            draws anew.
        channel_last: channels are the last axis.
        ste_fine_grained: the gradient is 0 in rectangles; else it passes unchanged.
    Returns:
        Shape of `x`.
    Raises:
        ShapeError: `x` does not have three axes after `base_axis`.
        ArgumentError: an argument is out of range.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray((1, 1, 4, 4))
        >>> y = F.random_erase(x, 1.0, area_ratios=(1.0, 1.0), aspect_ratios=(1.0, 1.0), replacements=(5.0, 5.0))
        >>> set(y.data.ravel().tolist())
        {5.0}

    Source: Z. Zhong et al., "Random erasing data augmentation", 2017, algorithm 1; the rounding to whole pixels is
    that of NNabla 1.39.
    """

    prob = Single(0.5, "Probability of each rectangle.", check=(lambda p: 0 <= p <= 1, "in [0, 1]"))
    area_ratios = Floats((0.02, 0.4), "Least and greatest share of the area.", check=_RATIOS)
    aspect_ratios = Floats((0.3, 3.3333), "Least and greatest ratio of height and width.", check=_RATIOS)
    replacements = Floats((0.0, 255.0), "Least and greatest value of the noise.", check=_PAIR)
    n = Int(None, "Number of rectangles in each image; default 1.", check=positive)
    share = Bool(True, "The same rectangles for all channels.")
    inplace = Bool(False, "Accepted for compatibility; memory is freed by the clear options.")
    base_axis = Int(1, "Number of leading axes that tell images apart.")
    seed = Int(-1, SEED)
    channel_last = Bool(False, "Channels are the last axis.")
    ste_fine_grained = Bool(True, "The gradient is 0 in rectangles.")
    keeps = grad_is_differentiable = True
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        self.n = 1 if self.n is None else self.n
        axis = normalized(self.base_axis, len(x), "random_erase", "base_axis")
        if len(x) - axis != 3:
            raise ShapeError(f"random_erase: x must have three axes after base_axis, not {len(x) - axis}")
        self._x = x
        self._images = math.prod(x[:axis])
        self._channels, self._height, self._width = (x[-1], *x[-3:-1]) if self.channel_last else x[-3:]
        return x

    def _rectangles(self, generator: torch.Generator) -> Tensor:
        """Which pixels are in a rectangle: ``(images, channels or 1, H, W)``."""
        shape = (5, self.n, self._images, 1 if self.share else self._channels, 1, 1)
        drawn = torch.rand(shape, generator=generator, dtype=torch.float32, device=self.device)
        happens, area, aspect, top, left = drawn
        (least, greatest), (flat, high) = self.area_ratios, self.aspect_ratios
        area = (least + (greatest - least) * area) * (self._height * self._width)
        aspect = flat + (high - flat) * aspect
        height = (area * aspect).sqrt().clamp(max=self._height).floor()
        width = (area / aspect.clamp(min=1e-12)).sqrt().clamp(max=self._width).floor()
        y = torch.arange(self._height, device=self.device)[:, None]
        x = torch.arange(self._width, device=self.device)
        top, left = (top * (self._height - height + 1)).floor(), (left * (self._width - width + 1)).floor()
        inside = (y >= top) & (y <= top + height) & (x >= left) & (x <= left + width) & (happens < self.prob)
        return inside.any(0)

    def _layout(self, mask: Tensor) -> Tensor:
        """A mask by image, channel, row and column, in the layout of `x`."""
        if self.channel_last:
            mask = mask.movedim(1, -1)
        return mask.expand(self._images, *self._x[-3:]).reshape(self._x)

    def _erased(self, x: Tensor, generator: torch.Generator) -> Tensor:
        self.kept = mask = self._layout(self._rectangles(generator))
        least, greatest = self.replacements
        noise = torch.rand(self._x, generator=generator, dtype=torch.float32, device=x.device)
        return torch.where(mask, noise.mul_(greatest - least).add_(least).to(x.dtype), x)

    def forward(self, x: Tensor) -> Tensor:
        return self._erased(x, self.generator())

    def recompute(self, x: Tensor) -> Tensor:
        return self._erased(x, self.replayed())

    def grad(self, dy: Tensor) -> Tensor:
        return dy.masked_fill(self.kept, 0) if self.ste_fine_grained else dy
