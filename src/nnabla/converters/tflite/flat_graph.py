"""`FlatGraph`: the tensors and operators of a TFLite model, before they become bytes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclasses.dataclass
class Quantization:
    """What integers stand for: ``(q - zero_point) * scale``.

    Attributes:
        scale: float32; one, or one for each element along `axis`.
        zero_point: int64; as many.
        axis: of the scales, where there are several.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int = 0

    def spread(self, values: np.ndarray, rank: int) -> np.ndarray:
        """Scales or zero points in a shape that broadcasts against the tensor."""
        return values.reshape([-1 if a == self.axis else 1 for a in range(rank)]) if values.size > 1 else values

    def quantized(self, x: np.ndarray, dtype: Any) -> np.ndarray:
        """The integers that stand for numbers, halves to even, limited to the range of `dtype`."""
        kind = np.iinfo(dtype)
        steps = np.rint(x.astype(np.float64) / self.spread(self.scale.astype(np.float64), x.ndim))
        return np.clip(steps + self.spread(self.zero_point, x.ndim), kind.min, kind.max).astype(dtype)

    def numbers(self, q: np.ndarray) -> np.ndarray:
        """What integers stand for, in float32."""
        # Differences of integers of 8 and 16 bits are exact in float32.
        kind = np.float32 if q.dtype.itemsize <= 2 else np.float64
        zero, scale = (self.spread(v.astype(kind), q.ndim) for v in (self.zero_point, self.scale))
        return np.asarray((q.astype(kind) - zero) * scale, np.float32)


@dataclasses.dataclass
class Tensor:
    """A tensor.

    Attributes:
        shape: lengths of the axes.
        dtype: of its numbers.
        data: of a constant, else ``None``.
        name: as users see it.
        quantization: what its integers stand for, else ``None``.
        unread: of a tensor in a file, its type, if that is not read.
    """

    shape: Shape
    dtype: np.dtype
    data: np.ndarray | None = None
    name: str = ""
    quantization: Quantization | None = None
    unread: str = ""


@dataclasses.dataclass
class Operation:
    """A call of an operator.

    Attributes:
        code: name of the operator, ``"CONV_2D"``.
        inputs: numbers of tensors; -1 for one that is not given.
        outputs: numbers of tensors.
        options: name of the table of options, or ``""``.
        values: options by name, as the schema spells them.
    """

    code: str
    inputs: list[int]
    outputs: list[int]
    options: str
    values: dict[str, Any]


class FlatGraph:
    """Collects tensors and operators.

    Attributes:
        tensors, operations: in order.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operations: list[Operation] = []
        self._constants: dict[tuple[Any, ...], int] = {}

    def shape(self, tensor: int) -> Shape:
        """Shape of a tensor."""
        return self.tensors[tensor].shape

    def rank(self, tensor: int) -> int:
        """Number of axes of a tensor."""
        return len(self.tensors[tensor].shape)

    def add(self, shape: Sequence[int], name: str = "", dtype: Any = np.float32) -> int:
        """A new tensor; its number."""
        self.tensors.append(Tensor(tuple(shape), np.dtype(dtype), None, name))
        return len(self.tensors) - 1

    def constant(
        self, values: Any, dtype: Any = np.float32, quantization: Quantization | None = None, name: str = ""
    ) -> int:
        """The number of a constant; equal ones are there once, with the first name that one is given."""
        data = np.asarray(values, dtype, order="C")
        key: tuple[Any, ...] = (data.shape, data.dtype.str, data.tobytes())
        if quantization is not None:
            key += (quantization.scale.tobytes(), quantization.zero_point.tobytes(), quantization.axis)
        if key not in self._constants:
            self.tensors.append(Tensor(data.shape, data.dtype, data, "", quantization))
            self._constants[key] = len(self.tensors) - 1
        found = self._constants[key]
        self.tensors[found].name = self.tensors[found].name or name
        return found

    def integers(self, values: Sequence[int]) -> int:
        """The number of a constant row of int32."""
        return self.constant(np.asarray(list(values), np.int32), np.int32)

    def value(self, tensor: int) -> np.ndarray | None:
        """What a constant holds; ``None`` of any other tensor."""
        return self.tensors[tensor].data

    def op(
        self,
        code: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: str = "",
        dtype: Any = np.float32,
        **values: Any,
    ) -> int:
        """Add an operator with one output; the number of that."""
        output = self.add(shape, dtype=dtype)
        self.operations.append(Operation(code, list(inputs), [output], options, values))
        return output

    def ops(
        self,
        code: str,
        inputs: Sequence[int],
        shapes: Sequence[Sequence[int]],
        dtypes: Sequence[Any],
        options: str = "",
        **values: Any,
    ) -> list[int]:
        """Add an operator with several outputs; their numbers."""
        outputs = [self.add(shape, dtype=dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        self.operations.append(Operation(code, list(inputs), outputs, options, values))
        return outputs

    # ---- what rules often need ---------------------------------------------------------------------------

    def both(self, code: str, a: int, b: int) -> int:
        """``ADD``, ``MUL``, ... of two tensors that are broadcast."""
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        return self.op(code, [a, b], shape, _OPTIONS_OF_BOTH.get(code, ""))

    def scalar(self, code: str, x: int, value: float) -> int:
        """``ADD``, ``MUL``, ... of a tensor and a number."""
        return self.both(code, x, self.constant(np.float32(value)))

    def compare(self, code: str, a: int, b: int | float) -> int:
        """Truth values of ``EQUAL``, ``GREATER``, ... of two tensors that are broadcast, or of one and a number."""
        b = b if isinstance(b, int) else self.constant(np.float32(b))
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        words = "".join([word.capitalize() for word in code.split("_")])
        return self.op(code, [a, b], shape, f"{words}Options", np.bool_)

    def where(self, truth: int, a: int, b: int) -> int:
        """`a` where truth values say so, else `b`; all are broadcast."""
        shape = np.broadcast_shapes(self.shape(truth), self.shape(a), self.shape(b))
        return self.op("SELECT_V2", [truth, a, b], shape, "SelectV2Options", self.tensors[a].dtype)

    def cast(self, x: int, dtype: Any) -> int:
        """Numbers of another type. A number that was a truth value is that again."""
        before, after = self.tensors[x].dtype, np.dtype(dtype)
        if before == after:
            return x
        data = self.value(x)
        if data is not None:
            return self.constant(data.astype(after), after)
        made = next((o for o in reversed(self.operations) if o.outputs == [x]), None)
        if made is not None and made.code == "CAST" and self.tensors[made.inputs[0]].dtype == after == np.bool_:
            return made.inputs[0]
        if after == np.bool_:
            return self.compare("NOT_EQUAL", x, 0.0)
        kinds = {"InDataType": _TYPE_NUMBERS[before.name], "OutDataType": _TYPE_NUMBERS[after.name]}
        return self.op("CAST", [x], self.shape(x), "CastOptions", after, **kinds)

    def each(self, code: str, x: int, options: str = "", **values: Any) -> int:
        """An operator of each element."""
        return self.op(code, [x], self.shape(x), options, **values)

    def reshape(self, x: int, shape: Sequence[int]) -> int:
        """The same elements in another shape."""
        if tuple(shape) == self.shape(x):
            return x
        data = self.value(x)
        if data is not None:
            return self.constant(data.reshape(shape), data.dtype, name=self.tensors[x].name)
        return self.op("RESHAPE", [x, self.integers(shape)], shape, "ReshapeOptions", NewShape=list(shape))

    def transpose(self, x: int, axes: Sequence[int]) -> int:
        """Axes in another order. Constants are turned here, and two orders in a row become one."""
        axes = list(axes)
        data = self.value(x)
        if data is not None:
            return self.constant(data.transpose(axes), data.dtype, name=self.tensors[x].name)
        made = next((o for o in reversed(self.operations) if o.outputs == [x]), None)
        if made is not None and made.code == "TRANSPOSE":
            before = self.value(made.inputs[1])
            assert before is not None
            x, axes = made.inputs[0], [int(before[a]) for a in axes]
        if axes == sorted(axes):
            return x
        shape = [self.shape(x)[a] for a in axes]
        return self.op("TRANSPOSE", [x, self.integers(axes)], shape, "TransposeOptions", self.tensors[x].dtype)

    def gather(self, x: int, indices: Sequence[int], axis: int) -> int:
        """Elements along an axis."""
        shape = list(self.shape(x))
        if list(indices) == list(range(shape[axis])):
            return x
        shape[axis] = len(indices)
        return self.op("GATHER", [x, self.integers(indices)], shape, "GatherOptions", Axis=axis)

    def concat(self, parts: Sequence[int], axis: int) -> int:
        """Tensors one behind the other along an axis."""
        shape = list(self.shape(parts[0]))
        shape[axis] = sum([self.shape(p)[axis] for p in parts])
        return self.op("CONCATENATION", parts, shape, "ConcatenationOptions", Axis=axis)

    def slice(self, x: int, start: Sequence[int], stop: Sequence[int], step: Sequence[int] | None = None) -> int:
        """A part of a tensor; bounds lie within it, steps are positive."""
        steps = [1] * len(start) if step is None else list(step)
        shape = [len(range(a, b, s)) for a, b, s in zip(start, stop, steps, strict=True)]
        if tuple(shape) == self.shape(x):
            return x
        inputs = [x, self.integers(start), self.integers(stop), self.integers(steps)]
        return self.op("STRIDED_SLICE", inputs, shape, "StridedSliceOptions")

    def pad(self, x: int, widths: Sequence[tuple[int, int]], value: float = 0.0) -> int:
        """A border of one value."""
        if not any([w for pair in widths for w in pair]):
            return x
        shape = [d + a + b for d, (a, b) in zip(self.shape(x), widths, strict=True)]
        table = self.constant(np.asarray(widths, np.int32), np.int32)
        if value == 0:
            return self.op("PAD", [x, table], shape, "PadOptions")
        return self.op("PADV2", [x, table, self.constant(np.float32(value))], shape, "PadV2Options")

    def sum(self, x: int, axes: Sequence[int], keep: bool, code: str = "SUM") -> int:
        """Sum, or mean, over axes."""
        shape = [1 if a in axes else d for a, d in enumerate(self.shape(x)) if keep or a not in axes]
        return self.op(code, [x, self.integers(axes)], shape, "ReducerOptions", KeepDims=keep)

    def size(self, tensor: int) -> int:
        """Number of elements."""
        return math.prod(self.shape(tensor))


_OPTIONS_OF_BOTH = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "DIV": "DivOptions",
    "POW": "PowOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MAXIMUM": "MaximumMinimumOptions",
}
# TFLite's numbers of types.
_TYPE_NUMBERS = {"float32": 0, "int32": 2, "bool": 6}
