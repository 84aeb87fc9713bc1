"""Values that QuantizeLinear and DequantizeLinear round, as fixed point numbers of the runtime.

Quantization-aware training leaves such pairs in a network. The runtime has no functions for them: it stores a variable
with 8 bits, of which some are fraction bits, which is the same where the scale is a power of two and the zero point 0.
Results are rounded towards zero there, and to the nearest integer here, so both differ by at most one step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...network import ProtoFunction
from .model import FRACTION_BITS, DataType
from .rules import Call
from .runtime_network import RuntimeNetwork, Step, Unsupported
from .stored_types import StoredType

PAIRED = frozenset({"QuantizeLinear", "DequantizeLinear"})

# Rounding before them is the same as behind them.
_PASSING = frozenset({"ReLU", "MaxPooling", "Reshape", "Transpose", "Flip", "Slice", "Identity"})


class _Noted(NamedTuple):
    """What a QuantizeLinear reads, and how it rounds."""

    x: str
    call: Call
    scale: np.ndarray
    zero: np.ndarray


class QuantizedValues:
    """The pairs of a network.

    Args:
        functions: of the network.
    """

    def __init__(self, functions: Sequence[ProtoFunction]) -> None:
        self._readers: dict[str, set[str]] = {}
        for f in functions:
            for name in f.inputs:
                self._readers.setdefault(name, set()).add(str(f.type))
        self._noted: dict[str, _Noted] = {}
        self._roundings: list[Step] = []

    def write(self, g: RuntimeNetwork, f: Call, x: str, scale: str, zero_point: str) -> None:
        """Write a QuantizeLinear, or the DequantizeLinear behind it.

        Raises:
            Unsupported: the runtime has no such numbers.
        """
        values = g.value(scale, "the scale"), g.value(zero_point, "the zero point")
        if f.type == "QuantizeLinear":
            if f.outputs[0] in g.outputs or self._readers.get(f.outputs[0], set()) - {"DequantizeLinear"}:
                raise Unsupported("its integers may be read by DequantizeLinear only")
            self._noted[f.outputs[0]] = _Noted(x, f, *values)
            return
        noted = self._noted.get(x)
        if noted is None:
            raise Unsupported("it reads what no QuantizeLinear has computed")
        if not all(np.array_equal(a, b) for a, b in zip(values, noted[2:], strict=True)):
            raise Unsupported("it has another scale or zero point than the QuantizeLinear before it")
        name = f.outputs[0]
        g.types[name] = _type(noted)
        if noted.x in g.values:
            g.values[name] = _rounded(noted, g.values[noted.x])
        else:
            g.call("Identity", [noted.x], [name])
            self._roundings.append(g.steps[-1])

    def settle(self, g: RuntimeNetwork) -> None:
        """Let functions compute rounded values at once, where nothing reads the others."""
        for step in self._roundings:
            (x,), type = step.inputs, g.types[step.outputs[0]]
            readers = [other for other in g.steps if x in other.inputs]
            if x in g.outputs or x in g.types or any(not self._is_rounding(r, g, type) for r in readers):
                continue
            g.types[x] = type
            _replace(g, readers, x)
            _spread(g, x)

    def _is_rounding(self, step: Step, g: RuntimeNetwork, type: StoredType) -> bool:
        """Whether a step only rounds to a type, and gives none of the network's outputs."""
        y = step.outputs[0]
        return step in self._roundings and g.types[y] == type and y not in g.outputs


def _type(noted: _Noted) -> StoredType:
    scale = float(noted.scale.flat[0])
    bits = -math.log2(scale) if scale > 0 else math.inf
    if noted.call.dtype != 1:
        raise Unsupported("the runtime has no numbers of 8 bits without sign")
    if np.any(noted.zero) or np.any(noted.scale != scale):
        raise Unsupported("the runtime has one scale for an array, and the zero point 0")
    if not float(bits).is_integer() or not 0 <= bits <= FRACTION_BITS:
        raise Unsupported(
            f"the scale must be a power of two from 2^-{FRACTION_BITS} to 1, not {scale:.6g} (see pow2 of QATConfig)"
        )
    return StoredType(DataType.INT8, int(bits))


def _rounded(noted: _Noted, values: np.ndarray) -> np.ndarray:
    scale, operator = float(noted.scale.flat[0]), noted.call
    scaled = np.asarray(values, np.float64) / scale
    even = operator.round_mode == "HALF_TO_EVEN"
    whole = np.rint(scaled) if even else np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    return np.asarray(np.clip(whole, -128 + bool(operator.narrow_range), 127) * scale, np.float32)


def _replace(g: RuntimeNetwork, gone: Sequence[Step], name: str) -> None:
    """Leave out steps; what read their outputs reads a variable."""
    outputs = {step.outputs[0] for step in gone}
    g.steps = [step for step in g.steps if all(step is not each for each in gone)]
    for step in g.steps:
        step.inputs = [name if each in outputs else each for each in step.inputs]


def _spread(g: RuntimeNetwork, name: str) -> None:
    """Give what a variable is only chosen from, or the larger part of, the variable's type."""
    makers = {output: step for step in g.steps for output in step.outputs}
    while name in makers and makers[name].type in _PASSING:
        step = makers[name]
        source = step.inputs[0]
        read_elsewhere = any(source in other.inputs for other in g.steps if other is not step)
        if read_elsewhere or source in g.outputs or source in g.values or source in g.types:
            return
        g.types[source] = g.types[name]
        name = source
