"""From the bytes of a TFLite file to a `FlatGraph`."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ...errors import FormatError
from .flat_graph import FlatGraph, Operation, Quantization, Tensor
from .flatbuffer import Damaged, FlatBytes, Table
from .schema import CODES, DTYPES, IDENTIFIER, OPTION_NAMES, OPTIONS, TYPES

_LARGEST_NDIM = 64


@dataclasses.dataclass
class FlatFile:
    """What a file holds.

    Attributes:
        graph: tensors, with the values of constants, and operators.
        inputs, outputs: numbers of tensors.
        name: of the graph.
    """

    graph: FlatGraph
    inputs: list[int]
    outputs: list[int]
    name: str


def from_bytes(data: bytes, where: str) -> FlatFile:
    """Read the first graph of a file. Constants are views of `data`.

    Args:
        data: the file.
        where: what errors call it.

    Raises:
        FormatError: it is no TFLite file, damaged, or of a type that is not read.
    """
    if data[4:8] != IDENTIFIER:
        raise FormatError(f"{where}: this is no TFLite model: bytes 4 to 7 are {data[4:8]!r}, not {IDENTIFIER!r}")
    try:
        return _read(data)
    except Damaged as reason:
        raise FormatError(f"{where}: it is damaged: {reason}") from None


def _read(data: bytes) -> FlatFile:
    source = FlatBytes(data)
    model = source.root()
    codes = [_code(table) for table in model.tables(1)]
    graphs = model.tables(2)
    if not graphs:
        raise Damaged("it has no graph")
    buffers = [_buffer(table, data) for table in model.tables(4)]
    graph = graphs[0]
    g = FlatGraph()
    g.tensors = [_tensor(table, buffers) for table in graph.tables(0)]
    count = len(g.tensors)
    inputs, outputs = graph.numbers(1, "i"), graph.numbers(2, "i")
    for what, numbers in (("input", inputs), ("output", outputs)):
        for n in numbers:
            if not 0 <= n < count:
                raise Damaged(f"an {what} is tensor {n} of {count}")
    for table in graph.tables(3):
        operation = _operation(table, codes)
        if any(not -1 <= n < count for n in operation.inputs) or any(not 0 <= n < count for n in operation.outputs):
            raise Damaged(f"{operation.code} reads or computes a tensor that is not there")
        g.operations.append(operation)
    return FlatFile(g, inputs, outputs, graph.text(4))


def _code(table: Table) -> str:
    # The older field holds the number where it is less than 127.
    number = max(table.number(0, "b"), table.number(3, "i"))
    if CODES.get(number) == "CUSTOM":
        return f"CUSTOM {table.text(1)[:80]!r}"
    return CODES.get(number, f"number {number}")


def _buffer(table: Table, data: bytes) -> memoryview | None:
    offset, size = table.number(1, "Q"), table.number(2, "Q")
    if offset > 1:
        # Of a file beyond the reach of 32 bits.
        if offset + size > len(data):
            raise Damaged(f"an array of {size} bytes at byte {offset} does not end within {len(data)}")
        return memoryview(data)[offset : offset + size]
    row = table.row(0, 1)
    return None if row is None or not row.count else row.view


def _tensor(table: Table, buffers: list[memoryview | None]) -> Tensor:
    name = table.text(3)
    shape = tuple([int(d) for d in table.numbers(0, "i")])
    kind = TYPES.get(table.number(1, "b"), "not known")
    label = f"tensor {name[:80]!r}"
    if kind not in DTYPES:
        # Only refused if an operator reads it.
        return Tensor(shape, np.dtype("V1"), None, name, None, kind)
    if len(shape) > _LARGEST_NDIM or min(shape, default=0) < 0:
        raise Damaged(f"{label} has shape {shape[:9]}")
    number, dtype = table.number(2, "I"), DTYPES[kind].newbyteorder("<")
    if number >= max(len(buffers), 1):
        raise Damaged(f"{label} has buffer {number} of {len(buffers)}")
    content = buffers[number] if number else None
    array = None
    if content is not None:
        if math.prod(shape) * dtype.itemsize != len(content):
            raise Damaged(f"{label} of shape {shape} and type {kind} has {len(content)} bytes")
        array = np.frombuffer(content, dtype).reshape(shape)
    elif number and 0 in shape:
        array = np.zeros(shape, dtype)
    if table.table(6) is not None:
        return Tensor(shape, np.dtype("V1"), None, name, None, "sparse")
    return Tensor(shape, DTYPES[kind], array, name, _quantization(table.table(4), shape, label))


def _quantization(table: Table | None, shape: tuple[int, ...], label: str) -> Quantization | None:
    if table is None:
        return None
    scale = np.asarray(table.numbers(2, "f"), np.float32)
    if not scale.size:
        return None
    zero, axis = np.asarray(table.numbers(3, "q"), np.int64), table.number(6, "i")
    if zero.size == 0:
        zero = np.zeros(scale.size, np.int64)
    if zero.size == 1 and scale.size > 1:
        zero = np.repeat(zero, scale.size)
    fits = scale.size == 1 or (0 <= axis < len(shape) and shape[axis] == scale.size)
    if not fits or zero.size != scale.size:
        raise Damaged(f"{label} of shape {shape} has {scale.size} scales and {zero.size} zero points on axis {axis}")
    return Quantization(scale, zero, axis)


def _operation(table: Table, codes: list[str]) -> Operation:
    number = table.number(0, "I")
    if number >= len(codes):
        raise Damaged(f"an operator has kind {number} of {len(codes)}")
    name = OPTION_NAMES.get(table.number(3, "B"), "")
    values = {}
    options = table.table(4) if name in OPTIONS else None
    for field, place, letter, default in OPTIONS.get(name, ()):
        if letter == "v":
            values[field] = [] if options is None else options.numbers(place, "i")
        else:
            values[field] = default if options is None else options.number(place, letter, default)
    return Operation(codes[number], table.numbers(1, "i"), table.numbers(2, "i"), name, values)
