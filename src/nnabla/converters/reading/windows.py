"""Where the windows of convolutions and poolings lie."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from itertools import product

from ..obstacles import Unsupported
from .graph_reader import GraphReader, Value

# Of windows with gaps, which are put together from so many slices.
_MOST_ELEMENTS = 400


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows over the axes from the third on.

    Args:
        kernel, strides, dilations: for each axis.
        before, after: the border that the model asks for.
        lengths: how many windows there are.
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    before: list[int]
    after: list[int]
    lengths: list[int]

    @staticmethod
    def over(
        x: Value,
        kernel: list[int],
        strides: list[int] | None = None,
        dilations: list[int] | None = None,
        pads: list[int] | None = None,
        auto: str = "NOTSET",
        ceil_mode: bool = False,
    ) -> Windows:
        """Those over an array.

        Args:
            x: the array.
            kernel: for each axis from the third on.
            strides, dilations: the same; ``None`` for 1.
            pads: the border before each axis, then after each; ``None`` for none.
            auto: how the border is found, in ONNX's words.
            ceil_mode: whether a last window may reach beyond the border.

        Raises:
            Unsupported: they do not fit together.
        """
        count = x.rank - 2
        if count < 1 or len(kernel) != count:
            raise Unsupported(f"a kernel of {len(kernel)} axes does not fit to an array of {x.rank}")
        strides, dilations = strides or [1] * count, dilations or [1] * count
        pads = pads or [0] * 2 * count
        if len(strides) != count or len(dilations) != count or len(pads) != 2 * count:
            raise Unsupported(f"strides, dilations and pads do not fit to {count} axes")
        if min([*strides, *dilations, *kernel]) < 1:
            raise Unsupported("kernel, strides and dilations must be at least 1")
        if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
            raise Unsupported(f"auto_pad {auto!r} is not known")
        before, after, lengths = list(pads[:count]), list(pads[count:]), []
        for i, size in enumerate(x.shape[2:]):
            extent = (kernel[i] - 1) * dilations[i] + 1
            if auto.startswith("SAME"):
                length = -(-size // strides[i])
                total = max((length - 1) * strides[i] + extent - size, 0)
                before[i] = total // 2 if auto == "SAME_UPPER" else total - total // 2
                after[i] = total - before[i]
            else:
                if auto == "VALID":
                    before[i] = after[i] = 0
                room = size + before[i] + after[i] - extent
                length = room // strides[i] + 1
                if ceil_mode:
                    length = -(-room // strides[i]) + 1
                    # A window that starts in the border at the end is left out.
                    if (length - 1) * strides[i] >= size + before[i]:
                        length -= 1
            lengths.append(length)
            if length < 1:
                raise Unsupported(f"the window is larger than axis {i + 2}")
        return Windows(kernel, list(strides), list(dilations), before, after, lengths)

    @property
    def symmetric(self) -> bool:
        """Whether the border is as wide at both ends, and not negative."""
        return self.before == self.after and min(self.before) >= 0

    @property
    def dilated(self) -> bool:
        """Whether there are gaps between the elements of a window."""
        return any(d > 1 and k > 1 for d, k in zip(self.dilations, self.kernel, strict=True))

    def ends(self, x: Value) -> list[int]:
        """How far the last window reaches beyond the end of each axis."""
        found = []
        for i, size in enumerate(x.shape[2:]):
            last = (self.lengths[i] - 1) * self.strides[i] + (self.kernel[i] - 1) * self.dilations[i] + 1
            found.append(last - self.before[i] - size)
        return found

    def whole(self, x: Value) -> bool:
        """Whether the last windows end inside of the border."""
        return all(e <= a for e, a in zip(self.ends(x), self.after, strict=True))

    def bordered(self, r: GraphReader, x: Value, value: float) -> Value:
        """`x` with the border that the windows need; nothing of it is left over."""
        ends = self.ends(x)
        x = r.pad(x, [0, 0, *[max(b, 0) for b in self.before]], [0, 0, *[max(e, 0) for e in ends]], value)
        cuts: dict[int, tuple[int, int | None, int]] = {}
        for i, b in enumerate(self.before):
            first = max(-b, 0)
            reach = (self.lengths[i] - 1) * self.strides[i] + (self.kernel[i] - 1) * self.dilations[i] + 1
            cuts[i + 2] = (first, first + reach, 1)
        return r.cut(x, cuts)

    def elements(self, r: GraphReader, x: Value) -> Iterator[Value]:
        """For each place in a window, what stands there in all windows; `x` has its border."""
        if math.prod(self.kernel) > _MOST_ELEMENTS:
            raise Unsupported(f"a window of {math.prod(self.kernel)} elements with gaps is too large")
        for place in product(*[range(k) for k in self.kernel]):
            cuts: dict[int, tuple[int, int | None, int]] = {}
            for i, at in enumerate(place):
                first = at * self.dilations[i]
                cuts[i + 2] = (first, first + (self.lengths[i] - 1) * self.strides[i] + 1, self.strides[i])
            yield r.cut(x, cuts)
