"""NNB files read: a `Model`, or an error that says where a file is damaged."""

from __future__ import annotations

import math
import os
import struct
from typing import Any

import numpy as np

from ...errors import FormatError
from .function_ids import HIGHEST_LEVEL, by_number
from .model import DataType, Function, Model, Variable, first_values
from .records import FUNCTION, HEADER, LIST, VARIABLE, VERSIONS, Field, fields, record_size

_LARGEST_NDIM = 64
_LARGEST_SIZE = 2**31 - 1


def load(path: str | os.PathLike[str]) -> Model:
    """Read a file.

    Raises:
        FileNotFoundError: there is none.
        FormatError: it is damaged, or no NNB file.
    """
    with open(path, "rb") as file:
        data = file.read()
    name = os.path.splitext(os.path.basename(os.fspath(path)))[0]
    try:
        return from_bytes(data, name)
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from None


def from_bytes(data: bytes, name: str = "network") -> Model:
    """The network in the bytes of a file.

    All that the file says is checked, so that what is read can be computed without looking beyond arrays.

    Raises:
        FormatError: it is damaged, or no NNB file.
    """
    return _Reader(data).model(name)


class _Reader:
    def __init__(self, data: bytes) -> None:
        if len(data) < HEADER.size:
            raise FormatError(f"an NNB file has at least {HEADER.size} bytes, not {len(data)}")
        self.data = data
        self.version, self.level, *lists, count, size = HEADER.unpack_from(data)
        if self.version not in VERSIONS:
            raise FormatError(
                f"the version of the format must be {' or '.join(map(str, VERSIONS))}, not {self.version}"
            )
        if not 1 <= self.level <= HIGHEST_LEVEL:
            raise FormatError(f"the API level must be from 1 to {HIGHEST_LEVEL}, not {self.level}")
        expected = HEADER.size + 4 * count + size
        if expected != len(data):
            raise FormatError(f"the file must have {expected} bytes by what its header says, not {len(data)}")
        self.lists = [(lists[i], lists[i + 1]) for i in range(0, len(lists), 2)]
        self.start = HEADER.size + 4 * count
        self.area = size
        self.offsets = np.frombuffer(data, "<i4", count, HEADER.size)
        # No part of a file stands for more than one list, so that a small one cannot ask for endless work.
        self.left = len(data)
        # Entries of the data of constants, by the numbers of these.
        self.constants: dict[int, int] = {}

    def _at(self, index: int, size: int, what: str) -> int:
        """Where in the data an entry of the index leads to."""
        if not 0 <= index < len(self.offsets):
            raise FormatError(f"{what}: there are {len(self.offsets)} entries in the index, no number {index}")
        offset = int(self.offsets[index])
        if offset < 0 or offset + size > self.area:
            raise FormatError(f"{what}: {size} bytes at {offset} are not within the {self.area} bytes of data")
        return self.start + offset

    def _integers(self, entry: tuple[int, int], what: str) -> list[int]:
        count, index = entry
        if count < 0 or 4 * count > self.left:
            raise FormatError(f"{what}: a list of {count} numbers is larger than the file")
        self.left -= 4 * count
        found: list[int] = np.frombuffer(self.data, "<i4", count, self._at(index, 4 * count, what)).tolist()
        return found

    def model(self, name: str) -> Model:
        buffers = self._integers(self.lists[0], "buffers")
        if any(size < 0 for size in buffers):
            raise FormatError(f"buffers: sizes must be at least 0, not {min(buffers)}")
        indices = self._integers(self.lists[1], "variables")
        variables = [self._variable(number, index) for number, index in enumerate(indices)]
        model = Model(name, variables, [], [], [], buffers, self.version, self.level)
        for number, variable in enumerate(variables):
            self._check_buffer(model, number, variable)
        indices = self._integers(self.lists[2], "functions")
        model.functions += [self._function(number, index, model) for number, index in enumerate(indices)]
        model.inputs += self._numbers(self.lists[3], "inputs", model)
        model.outputs += self._numbers(self.lists[4], "outputs", model)
        cut = first_values(model)
        for number, index in self.constants.items():
            variables[number].data = self._constant(number, variables[number], index, number in cut)
        return model

    def _numbers(self, entry: tuple[int, int], what: str, model: Model) -> list[int]:
        found = self._integers(entry, what)
        wrong = [v for v in found if not 0 <= v < len(model.variables)]
        if wrong:
            raise FormatError(f"{what}: there are {len(model.variables)} variables, no number {wrong[0]}")
        return found

    def _variable(self, number: int, index: int) -> Variable:
        what = f"variable {number}"
        self._spend(VARIABLE.size, what)
        given, count, shape_index, kind, data_index = VARIABLE.unpack_from(
            self.data, self._at(index, VARIABLE.size, what)
        )
        if given != number:
            raise FormatError(f"{what}: it says that it has number {given}")
        if count > _LARGEST_NDIM:
            raise FormatError(f"{what}: it has {count} axes")
        shape = tuple(self._integers((count, shape_index), f"shape of {what}"))
        if any(d < 1 for d in shape) or math.prod(shape) * 4 > _LARGEST_SIZE:
            raise FormatError(f"{what}: no array has shape {shape}")
        if kind & 15 > max(DataType):
            raise FormatError(f"{what}: there is no data type {kind & 15}")
        variable = Variable(f"v{number}", shape, DataType(kind & 15), kind >> 4)
        if data_index >= 0:
            self.constants[number] = data_index
        elif variable.type == DataType.SIGN:
            raise FormatError(f"{what}: only constants can be signs")
        else:
            variable.buffer = -data_index - 1
        return variable

    def _spend(self, size: int, what: str) -> None:
        self.left -= size
        if self.left < 0:
            raise FormatError(f"{what}: parts of the file stand for several things")

    def _constant(self, number: int, variable: Variable, index: int, cut: bool) -> np.ndarray:
        what = f"data of variable {number}"
        size = 1 if cut else variable.size
        nbytes = -(-size * variable.type.bits // 8)
        self._spend(nbytes, what)
        at = self._at(index, nbytes, what)
        if variable.type == DataType.SIGN:
            bits = np.unpackbits(np.frombuffer(self.data, np.uint8, nbytes, at), bitorder="little", count=size)
            return np.where(bits, 1, -1).astype(variable.type.dtype)
        return np.frombuffer(self.data, variable.type.dtype, size, at)

    def _check_buffer(self, model: Model, number: int, variable: Variable) -> None:
        # The first buffer also stands for "none", of variables that no function knows.
        if number not in self.constants and variable.buffer >= max(len(model.buffers), 1):
            raise FormatError(f"variable {number}: there are {len(model.buffers)} buffers, no number {variable.buffer}")

    def _function(self, number: int, index: int, model: Model) -> Function:
        what = f"function {number}"
        self._spend(FUNCTION.size, what)
        at = self._at(index, FUNCTION.size, what)
        given, implement, n_in, inputs, n_out, outputs = FUNCTION.unpack_from(self.data, at)
        known = by_number().get(given)
        if known is None:
            raise FormatError(f"{what}: there is no function with number {given}")
        type_name, entry = known
        what = f"{what}, {type_name}"
        try:
            layout = list(fields(type_name, entry))
        except ValueError as error:
            raise FormatError(f"{what}: {error}") from None
        self._at(index, record_size(type_name, entry), what)
        function = Function(f"f{number}", type_name, [], [], {}, implement, given)
        function.inputs += self._numbers((n_in, inputs), f"inputs of {what}", model)
        function.outputs += self._numbers((n_out, outputs), f"outputs of {what}", model)
        if not function.outputs or any(v in self.constants for v in function.outputs):
            raise FormatError(f"{what}: it must have outputs, and these be no constants")
        for v in (*function.inputs, *function.outputs):
            self._check_fits(model, v)
        for field in layout:
            function.arguments[field.argument.name] = self._value(field, at, what)
        return function

    def _check_fits(self, model: Model, number: int) -> None:
        variable = model.variables[number]
        if number not in self.constants:
            need = variable.size if model.version == 2 else variable.nbytes
            if variable.buffer >= len(model.buffers) or model.buffers[variable.buffer] < need:
                raise FormatError(f"variable {number}: buffer {variable.buffer} is not there or too small for {need}")

    def _value(self, field: Field, at: int, what: str) -> Any:
        place = at + field.offset
        if field.type == "iI":
            return self._integers(LIST.unpack_from(self.data, place), f"{field.argument.name} of {what}")
        if field.type == "B":
            return bool(self.data[place])
        if field.type == "f":
            return struct.unpack_from("<f", self.data, place)[0]
        value = struct.unpack_from("<i", self.data, place)[0]
        if field.argument.stored != "string":
            return value
        if not 0 <= value < len(field.argument.choices):
            raise FormatError(f"{what}: {field.argument.name} has no choice {value}")
        return field.argument.choices[value]
