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
    # For the name twice its length (UTF-8 and lengths), for the rest of what is not numbers a generous bound.
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
    """`proto` with what it lacks of `model` and `parameters` added.

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
    check_size(size, where)
    stream = _Stream(file, size)
    stored: list[StoredParameter] = []
    rest: list[bytes] = []
    try:
        while stream.left:
            tag, head = stream.number()
            if tag == _PARAMETER:
                if len(stored) > FREE + size // LENGTH:
                    raise FormatError(f"{where}: it holds more than {len(stored)} messages in {size} bytes")
                stored.append(_read_parameter(stream, stream.number()[0], where, what))
            else:
                rest += [head, stream.contents(tag & 7)]
    except IndexError:
        raise FormatError(f"{what}: it is truncated or damaged") from None
    model = MODEL.message("NNablaProtoBuf")()
    parse(model, renumbered(b"".join(rest)), what, MODEL)
    return stored, model


_PARAMETER = 200 << 3 | BYTES
_DATA = 100 << 3 | BYTES
_LARGE = 1 << 16
"""Bytes from which on the numbers of a parameter are read where they will stay."""


class _Stream:
    """Reads numbers and bytes from a file.

    Attributes:
        left: bytes that may still be read.
    """

    def __init__(self, file: BinaryIO, left: int) -> None:
        self.file = file
        self.left = left

    def take(self, count: int) -> bytes:
        """The next bytes; IndexError if there are not as many."""
        if not 0 <= count <= self.left:
            raise IndexError
        data = self.file.read(count)
        if len(data) != count:
            raise IndexError
        self.left -= count
        return data

    def number(self) -> tuple[int, bytes]:
        """A number of variable length, and its bytes."""
        head = b""
        while len(head) < 10:
            head += self.take(1)
            if head[-1] < 0x80:
                return number(head, 0)[0], head
        raise IndexError

    def contents(self, kind: int) -> bytes:
        """What follows the tag of a field of a wire type."""
        if kind == BYTES:
            length, head = self.number()
            return head + self.take(length)
        if kind == VARINT:
            return self.number()[1]
        if kind in (FIXED64, FIXED32):
            return self.take(8 if kind == FIXED64 else 4)
        raise IndexError

    def floats(self, length: int) -> np.ndarray:
        """The next bytes as numbers."""
        if not 0 <= length <= self.left or length % 4:
            raise IndexError
        values = np.empty(length // 4, "<f4")
        view = values.view(np.uint8).data
        done = 0
        while done < length:
            count = self.file.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                raise IndexError
            done += count
        self.left -= length
        return values


def _read_parameter(stream: _Stream, length: int, where: str, what: str) -> StoredParameter:
    """The next parameter, whose message has that length."""
    if not 0 <= length <= stream.left:
        raise IndexError
    after = stream.left - length
    head: list[bytes] = []
    values: np.ndarray | None = None
    while stream.left > after:
        tag, start = stream.number()
        if tag == _DATA and values is None:
            size, begin = stream.number()
            if size >= _LARGE and size % 4 == 0:
                values = stream.floats(size)
            else:
                head += [start, begin, stream.take(size)]
        else:
            head += [start, stream.contents(tag & 7)]
    if stream.left != after:
        raise IndexError
    message = MODEL.packed_message("Parameter")()
    parse(message, b"".join(head), what)
    if values is None or message.data:
        if values is not None:  # in several pieces: the first of them is large
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
