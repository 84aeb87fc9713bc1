"""A `Model` as the bytes of an NNB file."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import FormatError
from .function_ids import by_number
from .model import DataType, Function, Model, Variable
from .records import FUNCTION, HEADER, LIST, VARIABLE, fallback, fields, record_size

_LARGEST = 2**31 - 1


class _Memory:
    """The data area: what is added is found by a number, that of its entry in the index."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> int:
        self.offsets.append(self.size)
        padding = bytes(-len(data) % 4)
        self.parts += [data, padding]
        self.size += len(data) + len(padding)
        return len(self.offsets) - 1

    def integers(self, values: Sequence[int]) -> tuple[int, int]:
        """How many there are, and the number of their entry."""
        return len(values), self.add(struct.pack(f"<{len(values)}i", *values))


def to_bytes(model: Model) -> bytes:
    """The file.

    Raises:
        FormatError: numbers do not fit into 32 bits.
    """
    memory = _Memory()
    try:
        inputs, outputs = memory.integers(model.inputs), memory.integers(model.outputs)
        buffers = memory.integers(model.buffers)
        variables = memory.integers([_variable(memory, i, v) for i, v in enumerate(model.variables)])
        functions = memory.integers([_function(memory, f) for f in model.functions])
        lists = [*buffers, *variables, *functions, *inputs, *outputs]
        if memory.size > _LARGEST:
            raise FormatError(f"network {model.name!r}: NNB files hold at most 2 GB, not {memory.size} bytes")
        header = HEADER.pack(model.version, model.api_level, *lists, len(memory.offsets), memory.size)
    except struct.error as error:
        raise FormatError(f"network {model.name!r}: NNB files hold numbers of 32 bits: {error}") from None
    return b"".join([header, struct.pack(f"<{len(memory.offsets)}i", *memory.offsets), *memory.parts])


def _variable(memory: _Memory, number: int, variable: Variable) -> int:
    shape = memory.integers(variable.shape)
    index = -variable.buffer - 1 if variable.data is None else memory.add(_constant(variable))
    return memory.add(VARIABLE.pack(number, *shape, variable.type | variable.fp_pos << 4, index))


def _constant(variable: Variable) -> bytes:
    assert variable.data is not None
    if variable.type == DataType.SIGN:
        return np.packbits(variable.data > 0, bitorder="little").tobytes()
    return variable.data.astype(variable.type.dtype, copy=False).tobytes()


def _function(memory: _Memory, function: Function) -> int:
    _, number = by_number()[function.number]
    inputs, outputs = memory.integers(function.inputs), memory.integers(function.outputs)
    record = bytearray(record_size(function.type, number))
    FUNCTION.pack_into(record, 0, function.number, function.implement, *inputs, *outputs)
    for field in fields(function.type, number):
        value: Any = function.arguments.get(field.argument.name)
        if value is None:
            value = fallback(field.argument)
        if field.type == "iI":
            LIST.pack_into(record, field.offset, *memory.integers([int(each) for each in value]))
        elif field.type == "B":
            record[field.offset] = bool(value)
        elif field.type == "f":
            with np.errstate(over="ignore"):
                struct.pack_into("<f", record, field.offset, np.float32(value))
        else:
            choices = field.argument.choices if field.argument.stored == "string" else ()
            struct.pack_into("<i", record, field.offset, choices.index(value) if choices else int(value))
    return memory.add(bytes(record))
