"""Parameters as protobuf messages: NNabla's `.protobuf` parameter files, and those inside whole models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import numpy as np

from ..errors import ArgumentError, FormatError, shown
from .messages import FREE, LARGEST, LENGTH, check_size, parse, parse_text, serialize
from .model_messages import MODEL, get_array, put_array, shaped
from .renumbering import renumbered
from .stored import StoredParameter
from .wire import BYTES, FIXED32, FIXED64, VARINT, number


def write(file: BinaryIO, params: Sequence[StoredParameter]) -> None:
    """Write an `NNablaProtoBuf` that has only parameters. All numbers become float32.

    Raises:
        ArgumentError: there are too many for a protobuf message, or a name is not text. Nothing is written then.
    """
    # Twice the length of the name (UTF-8 and lengths), and a generous bound for the rest that is not numbers.
    size = sum(4 * values.size + 4 * len(name) + 11 * values.ndim + 100 for name, values, _ in params)
    if size > LARGEST:
        raise ArgumentError(
            f"save_parameters: {size} bytes are more than a protobuf message can have ({LARGEST}); save to .h5 instead"
        )
    # The bytes of a message with two parameters are those of two messages one after the other.
    for stored in params:
        message = MODEL.packed_message("NNablaProtoBuf")()
        _put(message.parameter.add(), stored)
        file.write(serialize(message, "save_parameters"))


def _put(message: Any, stored: StoredParameter) -> None:
    try:
        message.variable_name = stored.name
    except (UnicodeEncodeError, ValueError) as error:
        raise ArgumentError(f"save_parameters: {stored.name!r} cannot be the name of a parameter: {error}") from None
    put_array(message, stored.values)
    message.need_grad = bool(stored.need_grad)


def merged(proto: Any, model: Any, parameters: Iterable[StoredParameter]) -> Any:
    """`proto`, to which what it lacks of `model` and `parameters` is added.

    Args:
        proto: an `NNablaProtoBuf` of any definition, or None for a new one.
        model: an `NNablaProtoBuf`, or None.
        parameters: those that `model` has are left out.
    """
    there = set() if model is None else {message.variable_name for message in model.parameter}
    if proto is None:
        proto = MODEL.message("NNablaProtoBuf")() if model is None else model
    elif isinstance(proto, type(model)):
        proto.MergeFrom(model)
    elif model is not None:
        proto.MergeFromString(serialize(model, "load_parameters"))
    for stored in parameters:
        if stored.name not in there:
            message = MODEL.packed_message("Parameter")()
            _put(message, stored)
            proto.parameter.add().MergeFromString(serialize(message, "load_parameters"))
    return proto


def contents(model: Any, where: str) -> list[StoredParameter]:
    """The parameters in an `NNablaProtoBuf` of any definition.

    Raises:
        FormatError: `where`, and that the numbers of one do not fill its shape.
    """
    packed = MODEL.packed_message("Parameter")
    return [_stored(packed.FromString(message.SerializeToString()), where) for message in model.parameter]


def _stored(message: Any, where: str) -> StoredParameter:
    name = message.variable_name
    return StoredParameter(name, get_array(message, f"{where}: parameter {shown(name)!r}"), message.need_grad)


def read(file: BinaryIO, size: int, where: str) -> tuple[list[StoredParameter], Any]:
    """The parameters in a binary `NNablaProtoBuf`, and the message without them.

    Parameters are read one after the other, so that no more memory is taken than their numbers need.

    Args:
        file: from where it stands.
        size: bytes that it has there.
        where: what error messages begin with.

    Raises:
        FormatError: `where`, and what is wrong with the data.
    """
    what = f"{where} is not a readable protobuf file"
    check_size(size, what)
    allowed = min(FREE + size // LENGTH, _MOST)
    stream = _Stream(file, size)
    stored: list[StoredParameter] = []
    rest = bytearray()
    count = 0
    try:
        while stream.left:
            count += 1
            if count > allowed:
                raise FormatError(f"{what}: it holds more than {allowed} messages in {size} bytes")
            if stream.tag() == _PARAMETER:
                stream.number()
                stored.append(_read_parameter(stream, where, what))
            else:
                rest += stream.field()[1]
    except IndexError:
        raise FormatError(f"{what}: it is truncated or damaged") from None
    model = MODEL.message("NNablaProtoBuf")()
    parse(model, renumbered(bytes(rest)), what, MODEL)
    return stored, model


_MOST = 100_000
"""Parameters, networks and so on that a file may hold."""
_PARAMETER = 200 << 3 | BYTES
_DATA = 100 << 3 | BYTES
_LARGE = 1 << 16
"""Bytes from which on the numbers of a parameter are read where they will stay."""


_AHEAD = 1 << 16


class _Stream:
    """Reads numbers and bytes from a file. Reading past the end raises IndexError.

    Attributes:
        left: bytes that may still be read.
    """

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file = file
        self._chunk = b""
        self._at = 0
        self.left = left

    def _have(self, count: int) -> None:
        """Read ahead, so that `count` bytes lie in the chunk, or all that are left."""
        there = len(self._chunk) - self._at
        if there < count and there < self.left:
            more = self._file.read(min(max(count, _AHEAD), self.left) - there)
            self._chunk = self._chunk[self._at :] + more
            self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if not 0 <= count <= self.left:
            raise IndexError
        self._have(count)
        data = self._chunk[self._at : self._at + count]
        if len(data) != count:
            raise IndexError
        self._at += count
        self.left -= count
        return data

    def number(self) -> int:
        """A number of variable length."""
        self._have(10)
        value, end = number(self._chunk, self._at)
        self.left -= end - self._at
        self._at = end
        if self.left < 0:
            raise IndexError
        return value

    def field(self) -> tuple[int, bytes]:
        """The next field: its tag, and all of it."""
        self._have(20)
        chunk, start = self._chunk, self._at
        tag, end = number(chunk, start)
        kind = tag & 7
        if kind == BYTES:
            length, end = number(chunk, end)
            end += length
        elif kind == VARINT:
            end = number(chunk, end)[1]
        elif kind in (FIXED64, FIXED32):
            end += 8 if kind == FIXED64 else 4
        else:
            raise IndexError
        return tag, self.take(end - start)

    def tag(self) -> int:
        """The tag of the next field, without consuming it."""
        self._have(10)
        return number(self._chunk, self._at)[0]

    def floats(self, length: int) -> np.ndarray:
        """The next bytes as numbers."""
        if not 0 <= length <= self.left or length % 4:
            raise IndexError
        values = np.empty(length // 4, "<f4")
        view = values.view(np.uint8).data
        done = min(length, len(self._chunk) - self._at)
        view[:done] = self._chunk[self._at : self._at + done]
        self._at += done
        while done < length:
            count = self._file.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                raise IndexError
            done += count
        self.left -= length
        return values


def _read_parameter(stream: _Stream, where: str, what: str) -> StoredParameter:
    """The parameter whose message comes next."""
    length = stream.number()
    if not 0 <= length <= stream.left:
        raise IndexError
    after = stream.left - length
    if length < _LARGE:
        message = MODEL.packed_message("Parameter")()
        parse(message, stream.take(length), what)
        return _stored(message, where)
    head = bytearray()
    values: np.ndarray | None = None
    while stream.left > after:
        if stream.tag() != _DATA or values is not None:
            head += stream.field()[1]
            continue
        stream.number()
        values = stream.floats(stream.number())
    if stream.left != after:
        raise IndexError
    message = MODEL.packed_message("Parameter")()
    parse(message, bytes(head), what)
    if values is None or message.data:
        if values is not None:  # in several pieces
            message.data.insert(0, values.tobytes())
        return _stored(message, where)
    name, shape = message.variable_name, tuple(message.shape.dim)
    return StoredParameter(name, shaped(values, shape, f"{where}: parameter {shown(name)!r}"), message.need_grad)


def read_text(data: bytes, where: str) -> tuple[list[StoredParameter], Any]:
    """The parameters in an `NNablaProtoBuf` in text form, and the message.

    Raises:
        FormatError: `where`, and what is wrong with the text.
    """
    model = MODEL.message("NNablaProtoBuf")()
    parse_text(model, data, f"{where} is not a readable model in text form")
    return contents(model, where), model
