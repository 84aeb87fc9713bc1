"""Parts of an array, and arrays around it: slice, pad, shift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._nd_array import integer
from ..errors import ArgumentError, ShapeError
from ..graph.argument import Argument, Ints, Single, Str
from ..graph.operator import Operator, Shape, operator
from .creation import representable
from .kernels import aten


class Bounds(Argument):
    """A list of integers, in which ``None`` stands for a default; held as a tuple."""

    kind = "a sequence of integers or None"
    stored = "repeated int64"
    none = 2**31 - 1

    def cast(self, value: Any) -> tuple[int | None, ...]:
        return tuple([None if v is None else integer(v) for v in value])


class Cut(NamedTuple):
    """What is taken of one axis: elements ``first, first + step, ...`` below `end`, then perhaps reversed.

    `step` is positive. `length` is that of the axis.
    """

    axis: int
    length: int
    first: int
    end: int
    step: int
    reverse: bool

    @property
    def taken(self) -> int:
        """How many elements."""
        return max(0, -((self.first - self.end) // self.step))


def cut(axis: int, length: int, bounds: slice) -> Cut:
    """The cut that Python's slice `bounds` means on an axis of that length."""
    chosen = range(length)[bounds]
    if chosen.step > 0:
        # A longer step leads past the end all the same, and kernels multiply it by strides.
        step = min(chosen.step, max(length, 1))
        return Cut(axis, length, chosen.start, max(chosen.start, chosen.stop), step, False)
    if not chosen:
        return Cut(axis, length, 0, 0, 1, False)
    return Cut(axis, length, chosen[-1], chosen[0] + 1, min(-chosen.step, length), True)


class Cutter:
    """Takes a part of an array, as a view where no axis is reversed; and puts such a part back in its place.

    Args:
        cuts: one for each axis, in order.
    """

    def __init__(self, cuts: Sequence[Cut]) -> None:
        partial = [c for c in cuts if c.reverse or (c.first, c.end, c.step) != (0, c.length, 1)]
        self.shape = tuple([c.taken for c in cuts])
        self.whole = not partial
        self._partial = partial
        self._lengths = tuple([c.length for c in cuts])
        self._reversed = [c.axis for c in partial if c.reverse]
        self._narrow = None
        if len(partial) == 1 and partial[0].step == 1:
            self._narrow = (partial[0].axis, partial[0].first, partial[0].taken)
        self._slices = tuple([slice(c.first, c.end, c.step) for c in cuts])
        # Zeros before and after, last axis first, as torch wants them; where steps skip elements, one axis at
        # a time.
        self._padding = None
        if all(c.step == 1 for c in partial):
            self._padding = [n for c in reversed(cuts) for n in (c.first, c.length - c.first - c.taken)]

    def take(self, x: Tensor) -> Tensor:
        """The part of `x`."""
        if self._narrow is not None:
            x = x.narrow(*self._narrow)
        elif self._partial:
            x = x[self._slices]
        return x.flip(self._reversed) if self._reversed else x

    def write(self, x: Tensor, part: Tensor) -> None:
        """Write `part` to its place in `x`."""
        x[self._slices].copy_(part.flip(self._reversed) if self._reversed else part)

    def put(self, part: Tensor) -> Tensor:
        """An array of zeros with `part` in its place."""
        if self._reversed:
            part = part.flip(self._reversed)
        if self._padding is not None:
            return torch.constant_pad_nd(part, self._padding)
        for c in self._partial:
            lengths = list(part.shape)
            lengths[c.axis] = c.length
            part = aten.slice_backward(part, lengths, c.axis, c.first, c.end, c.step)
        return part


@operator("Slice", "slice", 1136)
class Slice(Operator):
    r"""A part of an array, by Python's rules for slices on every axis:
    :math:`y_i = x_{\mathrm{start} + i \cdot \mathrm{step}}` along each.

    Inputs:
        x: any shape with at least one axis.
    Args:
        start: first index on each axis; negative ones count from the end. ``None``, for all or one axis,
            means the beginning, or the end where the step is negative.
        stop: one past the last index on each axis. ``None`` means up to the end, or down to the beginning.
        step: distance of neighbours on each axis, not 0; a negative one reverses the order. Default: 1.
            With fewer entries than axes, all three are for the last axes of `x` (give all of them).
    Returns:
        As many axes as `x`; lengths may be 0.
    Raises:
        ArgumentError: a step is 0, numbers of entries differ, or there are more than axes of `x`.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.NdArray.from_numpy_array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
        >>> F.slice(x, start=(0, -1), stop=(2, None), step=(1, -2)).data
        array([[2., 0.],
               [5., 3.]], dtype=float32)
    """

    start = Bounds(None, "First index on each axis.")
    stop = Bounds(None, "One past the last index on each axis.")
    step = Bounds(None, "Distance of neighbours on each axis, not 0.")
    view = True
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        ndim = len(x)
        asked = [(None,) * ndim if bounds is None else bounds for bounds in self._given()]
        count = min(map(len, asked))
        for name, bounds in zip(("start", "stop", "step"), asked, strict=True):
            if len(bounds) > min(count, ndim):
                raise ArgumentError(
                    f"slice: {name} must have {min(count, ndim)} entries, not {len(bounds)}: one for each axis of x, "
                    "or for each of the last ones if start, stop and step are all given for as many"
                )
        starts, stops, given = asked
        steps = tuple([1 if step is None else step for step in given])
        if 0 in steps:
            raise ArgumentError(f"slice: step must not be 0, got {steps}")
        first = ndim - count
        up = [step > 0 for step in steps]
        self.start = tuple([(0 if u else -1) if a is None else a for a, u in zip(starts, up, strict=True)])
        lengths = x[first:]
        self.stop = tuple(
            [(d if u else -d - 1) if b is None else b for b, d, u in zip(stops, lengths, up, strict=True)]
        )
        self.step = steps
        cuts = [cut(i, d, slice(None)) for i, d in enumerate(x[:first])]
        ranges = zip(lengths, self.start, self.stop, steps, strict=True)
        cuts += [cut(i, d, slice(a, b, s)) for i, (d, a, b, s) in enumerate(ranges, first)]
        self._cutter = Cutter(cuts)
        return self._cutter.shape

    def _given(self) -> tuple[Any, Any, Any]:
        """The arguments as the caller wrote them, for when x changes its shape."""
        asked: tuple[Any, Any, Any] | None = self.__dict__.get("_asked")
        if asked is None:
            asked = self._asked = (self.start, self.stop, self.step)
        return asked

    def forward(self, x: Tensor) -> Tensor:
        return self._cutter.take(x)

    def grad(self, dy: Tensor) -> Tensor:
        return dy if self._cutter.whole else self._cutter.put(dy)


def even(pad_width: tuple[int, ...]) -> bool:
    return len(pad_width) % 2 == 0 and all(n >= 0 for n in pad_width)


# For one, two and three axes, the kernels of torch and their gradients.
_REFLECT = (
    (aten.reflection_pad1d, aten.reflection_pad1d_backward),
    (aten.reflection_pad2d, aten.reflection_pad2d_backward),
    (aten.reflection_pad3d, aten.reflection_pad3d_backward),
)
_REPEAT = (
    (aten.replication_pad1d, aten.replication_pad1d_backward),
    (aten.replication_pad2d, aten.replication_pad2d_backward),
    (aten.replication_pad3d, aten.replication_pad3d_backward),
)


def source_index(i: int, length: int, border_mode: str) -> int:
    """The element that shows at position `i`, anywhere on the line, of an axis of that length.

    Args:
        i: position, counted from the axis's first element; may be negative, or beyond the end.
        length: at least 1.
        border_mode: ``"nearest"`` shows the nearest element; ``"reflect"`` mirrors the axis on its first and
            last element, again and again; ``"symmetric"`` mirrors it on its edges, so that these elements
            appear twice.
    """
    if border_mode == "nearest" or length == 1:
        return min(max(i, 0), length - 1)
    if border_mode == "reflect":
        i %= 2 * (length - 1)
        return min(i, 2 * (length - 1) - i)
    i %= 2 * length
    return min(i, 2 * length - 1 - i)


def selected(x: Tensor, axis: int, index: Tensor) -> Tensor:
    """The elements of `x` that a vector of indices chooses along an axis.

    For the last axis, torch is several times as fast where that is the second one.
    """
    if axis != x.ndim - 1 or axis == 1:
        return x.index_select(axis, index)
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1]).index_select(1, index).view(*x.shape[:-1], index.shape[0])


class Reindexing:
    """Shows for each element along some axes one of the source, and adds gradients back to where they belong.

    Args:
        shape: of the source.
        indices: for each axis that changes, which elements of the source it shows.
    """

    def __init__(self, shape: Shape, indices: dict[int, Sequence[int]]) -> None:
        self._shape = shape
        self._indices = {axis: torch.tensor(tuple(index), dtype=torch.int64) for axis, index in indices.items()}

    @property
    def identity(self) -> bool:
        """Whether nothing changes."""
        return not self._indices

    def _on(self, device: torch.device) -> list[tuple[int, Tensor]]:
        self._indices = {axis: index.to(device) for axis, index in self._indices.items()}
        return list(self._indices.items())

    def take(self, x: Tensor) -> Tensor:
        """What is shown of `x`; `x` itself where nothing changes."""
        for axis, index in self._on(x.device):
            x = selected(x, axis, index)
        return x

    def put(self, dy: Tensor) -> Tensor:
        """The gradient of the source; `dy` itself where nothing changes."""
        for axis, index in reversed(self._on(dy.device)):
            lengths = list(dy.shape)
            lengths[axis] = self._shape[axis]
            dy = dy.new_zeros(lengths).index_add_(axis, index, dy)
        return dy


@operator("Pad", "pad", 1137)
class Pad(Operator):
    """An array with a border around it: along each axis :math:`y_{i + b} = x_i`, where :math:`b` is the
    width of the border before it.

    Inputs:
        x: any shape.
    Args:
        pad_width: for each of the last axes of `x` in order, the number of elements before and after it, as
            one flat list, ``(before_0, after_0, before_1, ...)``. Axes in front that it does not mention get
            no border.
        mode: what the border shows: ``"constant"``, a number; ``"reflect"``, `x` mirrored on its first and
            last elements, over and over if the border is wider than `x`; ``"repeat"``, the nearest element.
        constant_value: the number for ``"constant"``.
    Returns:
        Every axis longer by its two border widths.
    Raises:
        ArgumentError: `pad_width` has an odd number of entries, more than two for each axis, or a negative
            one.
        ShapeError: an axis without elements cannot be reflected or repeated.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.pad(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0]), (2, 1), mode="reflect").data
        array([3., 2., 1., 2., 3., 2.], dtype=float32)
    """

    pad_width = Ints(doc="Border widths of the last axes.", check=(even, "an even number of widths, at least 0 each"))
    mode = Str("constant", "What the border shows.", choices=("constant", "reflect", "repeat"))
    constant_value = Single(0.0, "The number for mode constant.")
    grad_aliases = True

    def output_shape(self, x: Shape) -> Shape:
        widths = self.pad_width
        axes = len(widths) // 2
        if axes > len(x):
            raise ArgumentError(
                f"pad: pad_width must have at most {2 * len(x)} entries for x of shape {x}, not {len(widths)}"
            )
        lead = len(x) - axes
        pairs = [(0, 0)] * lead + list(zip(widths[::2], widths[1::2], strict=True))
        self._x = x
        self._y = y = tuple([a + d + b for d, (a, b) in zip(x, pairs, strict=True)])
        self._inner = tuple([slice(a, a + d) for d, (a, _) in zip(x, pairs, strict=True)])
        # torch wants the last axis first.
        self._widths = [n for pair in reversed(pairs) for n in pair]
        self._value = representable(self.constant_value, self.compute_dtype)
        self._kernels = None
        self._reindexing = None
        if self.mode == "constant" or not any(widths):
            return y
        padded = [i for i, pair in enumerate(pairs) if any(pair)]
        for i in padded:
            if not x[i]:
                raise ShapeError(f"pad: axis {i} of x has no elements to {self.mode}")
        narrow = all(max(pairs[i]) < x[i] for i in padded) if self.mode == "reflect" else True
        count = len(x) - padded[0]
        if count <= 3 and narrow and all(x):
            self._kernels = (_REFLECT if self.mode == "reflect" else _REPEAT)[count - 1]
            self._flat = (-1, *x[padded[0] :])
            self._flat_y = (-1, *y[padded[0] :])
            self._widths = self._widths[: 2 * count]
        else:
            border = "nearest" if self.mode == "repeat" else "reflect"
            self._reindexing = Reindexing(
                x, {i: [source_index(k - pairs[i][0], x[i], border) for k in range(y[i])] for i in padded}
            )
        return y

    def forward(self, x: Tensor) -> Tensor:
        if self._kernels is not None:
            return self._kernels[0](x.reshape(self._flat), self._widths).view(self._y)
        if self._reindexing is not None:
            return self._reindexing.take(x)
        return torch.constant_pad_nd(x, self._widths, self._value)

    def grad(self, dy: Tensor) -> Tensor:
        if self._kernels is not None:
            # The kernel asks for x, of which it reads the shape alone.
            flat = dy.reshape(self._flat_y)
            like = dy.new_empty(()).expand((flat.shape[0], *self._flat[1:]))
            return self._kernels[1](flat, like, self._widths).view(self._x)
        if self._reindexing is not None:
            return self._reindexing.put(dy)
        return dy[self._inner]


@operator("Shift", "shift", 1144)
class Shift(Operator):
    """Elements moved along axes, :math:`y_i = x_{i - s}`; what moves in is taken from the border.

    Inputs:
        x: any shape.
    Args:
        shifts: for each of the last axes of `x`, how far elements move to higher indices; negative: to lower
            ones. Default: 0 for all axes.
        border_mode: ``"nearest"`` repeats the element at the border; ``"reflect"`` mirrors `x` on its edge,
            so that the element at the border appears twice.
    Returns:
        Shape of `x`.
    Raises:
        ArgumentError: there are more shifts than axes, or `border_mode` is another word.
    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> F.shift(nn.NdArray.from_numpy_array([1.0, 2.0, 3.0, 4.0]), (2,), "reflect").data
        array([2., 1., 1., 2.], dtype=float32)
    """

    shifts = Ints(None, "How far elements move along each of the last axes.")
    border_mode = Str("nearest", "What moves in.", choices=("nearest", "reflect"))

    def output_shape(self, x: Shape) -> Shape:
        if self.shifts is None:
            self.shifts = (0,) * len(x)
        first = len(x) - len(self.shifts)
        if first < 0:
            raise ArgumentError(f"shift: shifts must have at most {len(x)} entries, not {len(self.shifts)}")
        border = "nearest" if self.border_mode == "nearest" else "symmetric"
        self._reindexing = Reindexing(
            x,
            {
                axis: [source_index(i - shift, x[axis], border) for i in range(x[axis])]
                for axis, shift in enumerate(self.shifts, first)
                if shift
            },
        )
        self.view = self.grad_aliases = self._reindexing.identity
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self._reindexing.take(x)

    def grad(self, dy: Tensor) -> Tensor:
        return self._reindexing.put(dy)
