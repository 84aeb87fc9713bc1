"""A graph of float32 as one of 8-bit integers, as TFLite's specification of quantization has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .flat_graph import FlatGraph, Operation, Quantization
from .ranges import Ranges

# Operators whose results have the scale of their inputs, or which have to.
_SAME_SCALE = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "RESHAPE", "TRANSPOSE", "PAD", "PADV2",
               "STRIDED_SLICE", "GATHER", "PACK", "MAXIMUM", "MINIMUM", "RESIZE_BILINEAR",
               "RESIZE_NEAREST_NEIGHBOR")  # fmt: skip
# Operators whose results have a scale that the specification says: scale and zero point.
_FIXED = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}
# Layers: the axis of the scales of the weight, and which inputs are x, weight and bias.
_LAYERS = {
    "CONV_2D": (0, (0, 1, 2)),
    "DEPTHWISE_CONV_2D": (3, (0, 1, 2)),
    "FULLY_CONNECTED": (0, (0, 1, 2)),
    "TRANSPOSE_CONV": (0, (2, 1, 3)),
}
_OTHERS = ("ADD", "SUB", "MUL", "RELU", "RELU6", "LEAKY_RELU", "MEAN", "BATCH_MATMUL")
# A border that says only "less than anything".
_NO_BORDER = 1e37


def quantize(
    g: FlatGraph, inputs: Sequence[int], outputs: Sequence[int], ranges: Ranges, float_ends: bool
) -> tuple[list[int], list[int]]:
    """Compute with 8-bit integers wherever TFLite's operators do.

    Weights of layers get a scale for each channel of the results, and no zero point; all other tensors one scale and
    one zero point, so that the numbers of `ranges` fit. Biases are 32-bit integers. Operators that are not done with
    integers keep their floats, between operators that change to floats and back.

    Args:
        g: of float32; its operators are replaced.
        inputs, outputs: numbers of tensors.
        ranges: between which numbers the tensors lie.
        float_ends: whether inputs and outputs stay float32.

    Returns:
        The numbers of the inputs and outputs.
    """
    return _Quantizer(g, ranges).run(inputs, outputs, float_ends)


def between(low: float, high: float) -> Quantization:
    """The scale of 8-bit integers for numbers between two, with 0 at one of the integers."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255) if high > low else np.float32(1)
    scale = max(scale, np.float32(1e-30))
    zero = int(np.clip(np.rint(-128 - low / float(scale)), -128, 127))
    return Quantization(np.asarray([scale], np.float32), np.asarray([zero], np.int64))


class _Quantizer:
    def __init__(self, g: FlatGraph, ranges: Ranges) -> None:
        self.g, self.ranges = g, ranges
        self.old = g.operations
        self.made: list[Operation] = []
        # By tensors of float32: those of integers, and whether the tensor itself is computed.
        self.integers: dict[int, int] = {}
        self.floats: set[int] = set()
        self.scales = _Scales(g, ranges, [o for o in self.old if self._possible(o)])

    def run(self, inputs: Sequence[int], outputs: Sequence[int], float_ends: bool) -> tuple[list[int], list[int]]:
        g = self.g
        given = []
        for n in inputs:
            if float_ends or g.tensors[n].dtype != np.float32:
                self.floats.add(n)
                given.append(n)
            else:
                given.append(self._integer_tensor(n))
        for o in self.old:
            if self._possible(o):
                self._with_integers(o)
            else:
                for n in o.inputs:
                    self._as_float(n)
                self.made.append(o)
                self.floats.update(o.outputs)
        found = []
        for n in outputs:
            if float_ends or g.tensors[n].dtype != np.float32:
                self._as_float(n)
                found.append(n)
            else:
                found.append(self._as_integer(n))
        g.operations = self.made
        ends = {*given, *found}
        names = {g.tensors[n].name for n in ends}
        for n, tensor in enumerate(g.tensors):
            if n not in ends and tensor.name in names:
                tensor.name += "_inner"
        return given, found

    # ---- which -------------------------------------------------------------------------------------------

    def _possible(self, o: Operation) -> bool:
        g = self.g
        if any(g.tensors[n].dtype != np.float32 for n in o.outputs):
            return False
        if o.code in _LAYERS:
            _, (x, weight, bias) = _LAYERS[o.code]
            given = len(o.inputs) <= bias or o.inputs[bias] < 0 or g.value(o.inputs[bias]) is not None
            return g.value(o.inputs[x]) is None and g.value(o.inputs[weight]) is not None and given
        return o.code in _SAME_SCALE or o.code in _FIXED or o.code in _OTHERS

    # ---- tensors -----------------------------------------------------------------------------------------

    def _integer_tensor(self, n: int) -> int:
        """The tensor of integers for one of floats, which the caller computes."""
        tensor = self.g.tensors[n]
        made = self.g.add(tensor.shape, tensor.name, np.int8)
        self.g.tensors[made].quantization = self.scales.of(n)
        self.integers[n] = made
        return made

    def _as_integer(self, n: int) -> int:
        if n not in self.integers:
            made = self._integer_tensor(n)
            self.made.append(Operation("QUANTIZE", [n], [made], "QuantizeOptions", {}))
        return self.integers[n]

    def _as_float(self, n: int) -> None:
        if n < 0 or n in self.floats or self.g.value(n) is not None or n not in self.integers:
            return
        self.made.append(Operation("DEQUANTIZE", [self.integers[n]], [n], "DequantizeOptions", {}))
        self.floats.add(n)

    def _constant(self, n: int, scale: Quantization) -> int:
        value = self.g.value(n)
        assert value is not None
        return self.g.constant(scale.quantized(value, np.int8), np.int8, scale, self.g.tensors[n].name)

    # ---- operators ---------------------------------------------------------------------------------------

    def _with_integers(self, o: Operation) -> None:
        g = self.g
        inputs = []
        for n in o.inputs:
            if n < 0 or g.tensors[n].dtype != np.float32:
                inputs.append(n)
            elif g.value(n) is None:
                inputs.append(self._as_integer(n))
            elif o.code in _LAYERS:
                inputs.append(n)
            elif o.code in _SAME_SCALE:
                inputs.append(self._constant(n, self.scales.of(o.outputs[0])))
            else:
                value = g.value(n)
                assert value is not None
                inputs.append(self._constant(n, between(float(value.min()), float(value.max()))))
        if o.code in _LAYERS:
            inputs = self._weights(o, inputs)
        (output,) = o.outputs
        made = self._integer_tensor(output)
        target = made
        if o.code in _FIXED:
            fixed = _fixed(o.code)
            if not _same(fixed, self.scales.of(output)):
                target = g.add(g.shape(output), "", np.int8)
                g.tensors[target].quantization = fixed
        self.made.append(Operation(o.code, inputs, [target], o.options, o.values))
        if target != made:
            self.made.append(Operation("QUANTIZE", [target], [made], "QuantizeOptions", {}))

    def _weights(self, o: Operation, inputs: list[int]) -> list[int]:
        """Inputs of a layer with integers for its weight and bias."""
        g = self.g
        axis, (x, weight, bias) = _LAYERS[o.code]
        table = g.value(o.inputs[weight])
        given = g.tensors[inputs[x]].quantization
        assert table is not None and given is not None
        rest = tuple([a for a in range(table.ndim) if a != axis])
        size = np.abs(table).max(axis=rest).astype(np.float64) / 127
        row = g.value(o.inputs[bias]) if len(o.inputs) > bias and o.inputs[bias] >= 0 else None
        factor = float(given.scale[0])
        if row is not None:
            # So that the bias fits into 32 bits, too.
            size = np.maximum(size, np.abs(row.astype(np.float64).ravel()) / (factor * 2**30))
        # A channel of zeros needs any scale.
        scale = np.where(size > 0, size, size.max() or 1.0).astype(np.float32)
        zeros = np.zeros(len(scale), np.int64)
        made = Quantization(scale, zeros, axis)
        found = list(inputs)
        found[weight] = self._constant(o.inputs[weight], made)
        if row is not None:
            wide = Quantization((scale.astype(np.float64) * factor).astype(np.float32), zeros, 0)
            integers = wide.quantized(row.ravel(), np.int32)
            found[bias] = g.constant(integers, np.int32, wide, g.tensors[o.inputs[bias]].name)
        return found


def _fixed(code: str) -> Quantization:
    scale, zero = _FIXED[code]
    return Quantization(np.asarray([scale], np.float32), np.asarray([zero], np.int64))


def _same(a: Quantization, b: Quantization) -> bool:
    return bool(a.scale[0] == b.scale[0] and a.zero_point[0] == b.zero_point[0])


class _Scales:
    """Which tensors share a scale, and which scale that is.

    Args:
        g: the graph.
        ranges: of its tensors.
        operations: those that are done with integers.
    """

    def __init__(self, g: FlatGraph, ranges: Ranges, operations: Sequence[Operation]) -> None:
        self._parents: dict[int, int] = {}
        constants: dict[int, tuple[float, float]] = {}
        fixed = {o.outputs[0]: o.code for o in operations if o.code in _FIXED}
        passed = set()
        for o in operations:
            if o.code not in _SAME_SCALE:
                continue
            passed.add(o.outputs[0])
            for n in o.inputs:
                value = g.value(n)
                if n >= 0 and value is None:
                    self._join(n, o.outputs[0])
                elif value is not None and value.dtype == np.float32:
                    inside = value[np.abs(value) < _NO_BORDER]
                    constants[o.outputs[0]] = (float(inside.min()), float(inside.max())) if inside.size else (0.0, 0.0)
        members: dict[int, set[int]] = {}
        for n in {*self._parents, *ranges, *fixed}:
            members.setdefault(self._root(n), set()).add(n)
        self._found: dict[int, Quantization] = {}
        for root, group in members.items():
            sources = {fixed.get(n, "") for n in group if n not in passed}
            bounded = any(n in constants for n in group)
            if len(sources) == 1 and (code := sources.pop()) and not bounded:
                self._found[root] = _fixed(code)
                continue
            spans = [ranges[n] for n in group if n in ranges] + [constants[n] for n in group if n in constants]
            self._found[root] = between(min([a for a, _ in spans], default=0), max([b for _, b in spans], default=0))

    def of(self, n: int) -> Quantization:
        """The scale of a tensor."""
        return self._found[self._root(n)]

    def _root(self, n: int) -> int:
        while self._parents.get(n, n) != n:
            n = self._parents[n]
        return n

    def _join(self, a: int, b: int) -> None:
        self._parents.setdefault(a, a)
        self._parents.setdefault(b, b)
        self._parents[self._root(a)] = self._root(b)
