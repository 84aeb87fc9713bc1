"""From a TFLite file to a described network."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from ...errors import ArgumentError, FormatError, ShapeError
from ...network import ProtoGraph
from ..obstacles import Unsupported
from ..reading.description import described
from ..reading.graph_reader import Budget, Value
from ..reading.readings import Reading, needed
from . import import_rules, import_window_rules  # noqa: F401  (enter their rules)
from .flat_file import FlatFile, from_bytes
from .flat_graph import FlatGraph, Operation, Tensor
from .flat_reader import RULES, TYPE_NUMBERS, FlatReader, Node

_MOST_NAMES = 4
# What rules and functions raise where inputs and options do not fit together.
_MISFITS = (ValueError, IndexError, KeyError, OverflowError, ZeroDivisionError, TypeError, RuntimeError)


def from_tflite(model: str | os.PathLike[str] | bytes) -> ProtoGraph:
    """Read a TFLite model as a network with parameters.

    The network computes in float32. Weights of float16 and of 8-bit integers become the numbers that they stand for,
    and what is computed between them is not rounded to integers, so that a quantized model is read as the network that
    it approximates. Inputs and outputs keep their names and the order of their axes; constants keep their names as
    parameters, which may be trained if they have a fraction. Axes that the model leaves open have the length that it
    gives as an example.

    Args:
        model: the path of a file, or its bytes.

    Returns:
        A graph with one network, its parameters, and the executor ``runtime``, which names inputs and outputs.

    Raises:
        ArgumentError: `model` is neither.
        FileNotFoundError: there is no such file.
        FormatError: the file is damaged; or operators, types or options have no counterpart in NNabla, all of which the
            message names.
    """
    where = "the model"
    if isinstance(model, (str, os.PathLike)):
        where = os.fspath(model)
        with open(where, "rb") as file:
            model = file.read()
    if not isinstance(model, bytes):
        raise ArgumentError(f"from_tflite: model must be a path or bytes, not {type(model).__name__}")
    file_ = from_bytes(model, where)
    names = unique_names([file_.graph.tensors[n].name for n in (*file_.inputs, *file_.outputs)], len(file_.inputs))
    count = len(file_.inputs)
    try:
        reading = reading_of(file_, len(model), where)
        return described(reading, file_.name or "model", names[:count], names[count:])
    except Unsupported as reason:
        raise FormatError(f"{where}: {reason}") from None


def reading_of(file: FlatFile, size: int, where: str) -> Reading:
    """What a file says, as NNabla's functions.

    Args:
        file: that was read.
        size: of the file in bytes, which bounds what is allocated.
        where: what errors call it.

    Raises:
        FormatError: operators, types or options have no counterpart in NNabla, all of which the message names.
    """
    g = file.graph
    reader = FlatReader(Budget(size))
    walk = Walk(reader, g, size)
    try:
        inputs = [walk.input(n) for n in file.inputs]
        walk.operators()
        walk.refuse(where)
        outputs = [walk.value(n) for n in file.outputs]
        ends, calls = needed(reader, outputs, [x.edge for x in inputs])
        return Reading([x.edge for x in inputs], ends, calls)
    except Unsupported as reason:
        walk.refuse(where)
        raise FormatError(f"{where}: {reason}") from None


def unique_names(given: list[str], inputs: int) -> list[str]:
    """Names of inputs and outputs, each there once but for an input that is an output, which its reader settles."""
    found: list[str] = []
    for i, name in enumerate(given):
        wanted = name or f"{'x' if i < inputs else 'y'}{i if i < inputs else i - inputs}"
        taken = found[:inputs] if i < inputs else found[inputs:]
        number, candidate = 1, wanted
        while candidate in taken or (i >= inputs and f"{candidate}_out" in found):
            candidate = f"{wanted}_{number}"
            number += 1
        found.append(candidate)
    return found


class Walk:
    """Reads the operators of a graph, one after the other.

    Args:
        reader: where functions go.
        graph: to be read.
        size: of the file in bytes, which bounds what constants may hold.

    Attributes:
        values: what tensors stand for, by their numbers.
    """

    def __init__(self, reader: FlatReader, graph: FlatGraph, size: int) -> None:
        self.reader, self.graph = reader, graph
        self.values: dict[int, Value | None] = {}
        self._obstacles: dict[tuple[str, str], list[str]] = {}
        # A constant takes a byte of the file for each element at least; several may share them.
        self._left = 2 * size + 4096

    def input(self, number: int) -> Value:
        """The value of an input, which has floats, whatever integers it is given in."""
        tensor = self.graph.tensors[number]
        if tensor.unread:
            raise Unsupported(f"input {tensor.name[:80]!r} is of type {tensor.unread}, which is not read")
        if number in self.values:
            raise Unsupported(f"tensor {tensor.name[:80]!r} is an input twice")
        value = self.reader.input(tensor.name, tensor.shape, self._type(tensor))
        self.values[number] = value
        return value

    def value(self, number: int) -> Value:
        """What a tensor stands for.

        Raises:
            Unsupported: nothing computes it.
        """
        if number not in self.values:
            tensor = self.graph.tensors[number]
            if tensor.unread:
                raise Unsupported(f"tensor {tensor.name[:80]!r} is of type {tensor.unread}, which is not read")
            if tensor.data is None:
                raise Unsupported(f"tensor {tensor.name[:80]!r} is computed by nothing")
            self.values[number] = self._constant(tensor, tensor.data)
        found = self.values[number]
        if found is None:
            raise _NotRead
        return found

    def operators(self) -> None:
        """Read all operators; `refuse` raises what was met."""
        for operation in self.graph.operations:
            try:
                self.reader.budget.node()
                self._operator(operation)
                continue
            except _NotRead:
                # What it reads was refused already.
                self.values.update(dict.fromkeys(operation.outputs))
                continue
            except (Unsupported, ShapeError, ArgumentError) as error:
                reason = str(error).split("\n", 1)[0]
            except _MISFITS as error:
                reason = f"its inputs and options do not fit together: {str(error)[:200]}"
            name = next((self.graph.tensors[n].name for n in operation.outputs), "")
            self._obstacles.setdefault((operation.code, reason), []).append(name)
            self.values.update(dict.fromkeys(operation.outputs))

    def refuse(self, where: str) -> None:
        """Raise what stands in the way, all of it.

        Raises:
            FormatError: something does.
        """
        if not self._obstacles:
            return
        raise FormatError(f"{where} cannot be read as a network:{_lines(self._obstacles)}")

    def _type(self, tensor: Tensor) -> int:
        return 1 if tensor.quantization is not None else TYPE_NUMBERS[tensor.dtype.name]

    def _constant(self, tensor: Tensor, data: np.ndarray) -> Value:
        self._left -= data.size
        if self._left < 0:
            raise Unsupported("constants hold more than the file")
        if tensor.quantization is not None:
            return self.reader.constant(tensor.quantization.numbers(data), 1, tensor.name, True)
        if data.dtype == np.float16:
            data = data.astype(np.float32)
        kind = TYPE_NUMBERS[data.dtype.name]
        return self.reader.constant(data, kind, tensor.name, data.dtype.kind == "f")

    def _operator(self, operation: Operation) -> None:
        if operation.code not in RULES:
            raise Unsupported("this operator has no counterpart")
        inputs = [None if n < 0 else self.value(n) for n in operation.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        if any(x is None for x in inputs):
            raise Unsupported(f"input {inputs.index(None)} is left out, which the operator needs")
        node = Node(operation, [self.graph.tensors[n] for n in operation.outputs])
        found = RULES[operation.code](self.reader, node, *inputs)
        results = found if isinstance(found, list) else [found]
        if len(results) != len(operation.outputs):
            raise Unsupported(f"it has {len(operation.outputs)} results, but computes {len(results)}")
        activation = operation.values.get("FusedActivationFunction", 0)
        for number, result in zip(operation.outputs, results, strict=True):
            self.values[number] = import_rules.activated(self.reader, result, activation)


class _NotRead(Exception):
    """An input that could not be read."""


def _lines(obstacles: Mapping[tuple[str, str], list[str]]) -> str:
    lines = []
    for (what, reason), names in list(obstacles.items())[:50]:
        some = ", ".join(repr(name[:80]) for name in names[:_MOST_NAMES])
        rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        lines.append(f"\n  {what} {some}{rest}: {reason}")
    if len(obstacles) > 50:
        lines.append(f"\n  and {len(obstacles) - 50} more")
    return "".join(lines)
