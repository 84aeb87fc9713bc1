"""What an NNB file computes, in NumPy: function by function, each result stored in the type of its variable.

This is the judge of what is written, in tests and for users without a device. It computes in double precision and drops
what the types of variables cannot hold, as the C runtime does; the runtime's own kernels for fixed point may differ
from it by one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, FormatError, ShapeError
from .kernels import KERNELS
from .model import Function, Model, Variable, computed


def run(model: Model, inputs: Sequence[Any]) -> list[np.ndarray]:
    """Compute the outputs of a network, as float64.

    Args:
        model: the network.
        inputs: numbers for each of its inputs, in their order; stored in the type of the variable.

    Raises:
        ArgumentError: their number is wrong.
        ShapeError: one has another shape.
        FormatError: the network does not fit together, or has functions without a kernel.
    """
    if len(inputs) != len(model.inputs):
        raise ArgumentError(f"network {model.name!r} has {len(model.inputs)} inputs, {len(inputs)} were given")
    held: dict[int, np.ndarray] = {}
    for number, given in zip(model.inputs, inputs, strict=True):
        variable, array = model.variables[number], np.asarray(given)
        if array.shape != variable.shape:
            raise ShapeError(f"input {variable.name!r} must have shape {variable.shape}, not {array.shape}")
        held[number] = computed(array.ravel(), variable.type, variable.fp_pos)
    for function in model.functions:
        for number, result in zip(function.outputs, _results(model, function, held), strict=True):
            held[number] = result
    return [_numbers(model.variables[v], held.get(v)) for v in model.outputs]


def _numbers(variable: Variable, stored: np.ndarray | None) -> np.ndarray:
    data = variable.data if stored is None else stored
    if data is None:
        raise FormatError(f"variable {variable.name!r} is read before it is computed")
    numbers = variable.numbers(data)
    # Of a few weights that nothing reads, only the first value is there.
    return numbers.reshape(variable.shape) if numbers.size == variable.size else numbers


def _results(model: Model, function: Function, held: dict[int, np.ndarray]) -> list[np.ndarray]:
    what = f"{function.type} {function.name!r}"
    if function.type not in KERNELS:
        raise FormatError(f"{what}: the C runtime has no kernel for it")
    inputs = [_numbers(model.variables[v], held.get(v)) for v in function.inputs]
    outputs = [model.variables[v] for v in function.outputs]
    try:
        with np.errstate(all="ignore"):
            results = KERNELS[function.type](function.arguments, [y.shape for y in outputs], *inputs)
    except (ValueError, IndexError, TypeError, KeyError, ZeroDivisionError, OverflowError, MemoryError) as error:
        raise FormatError(f"{what}: arguments and shapes do not fit: {error}") from None
    found = results if isinstance(results, list) else [results]
    if len(found) != len(outputs):
        raise FormatError(f"{what}: it has {len(found)} outputs, not {len(outputs)}")
    stored = []
    for y, values in zip(outputs, found, strict=True):
        if values.size != y.size:
            raise FormatError(f"{what}: the result has {values.size} elements, and the variable shape {y.shape}")
        stored.append(computed(values.ravel(), y.type, y.fp_pos))
    return stored
