"""Protobuf messages declared in tables: Python classes for them, without generated code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO

from ..errors import ArgumentError, FormatError, shown
from .wire import number as varint

Field = tuple[str, int, str]
"""Name, number and type.

A type is ``"int64"``, ``"uint32"``, ``"float"``, ``"double"``, ``"bool"``, ``"string"``, ``"bytes"``, ``"array"`` or
the name of a message of the same schema. Before it may stand ``"repeated"``, ``"map"`` (from strings), or
``"oneof GROUP"``: at most one field of a group is set. An ``"array"`` is a packed ``repeated float`` of possibly many
numbers.
"""
Tables = Mapping[str, Sequence[Field]]

LARGEST = 2**31 - 1
"""Size in bytes that no protobuf message can exceed: its readers count in 32 bits."""

_SCALARS = ("int64", "uint32", "float", "double", "bool", "string", "bytes")


class Schema:
    """The messages of a table, in a descriptor pool of their own: other definitions of the same names do not matter.

    Args:
        tables: fields by message name, or a function that returns them, which is called when they are first needed.

    There are two classes for each message, which read and write the same bytes. In those of `message`, an array is a
    list of floats, as users of the model format know it. In those of `packed_message`, it is a list of `bytes` objects
    that hold little-endian float32 numbers one after the other: numbers move there without becoming Python objects.

    Example:
        >>> schema = Schema({"Point": [("name", 1, "string"), ("at", 2, "array")]})
        >>> point = schema.message("Point")(name="a", at=[1, 2])
        >>> schema.packed_message("Point").FromString(point.SerializeToString()).at
        [b'\\x00\\x00\\x80?\\x00\\x00\\x00@']
    """

    def __init__(self, tables: Tables | Callable[[], Tables]) -> None:
        self._given = [tables]

    def extend(self, tables: Tables | Callable[[], Tables]) -> None:
        """Add messages, and fields to messages that are there. Only before any of them is used."""
        if "tables" in self.__dict__:
            raise RuntimeError("Schema.extend: the classes are made already")
        self._given.append(tables)

    @cached_property
    def tables(self) -> Tables:
        """Fields by message name."""
        found: dict[str, list[Field]] = {}
        for given in self._given:
            for name, fields in (given() if callable(given) else given).items():
                found.setdefault(name, []).extend(fields)
        return found

    def message(self, name: str) -> Any:
        """The class of the message `name`, arrays being lists of floats."""
        return self._classes[name]

    @property
    def descriptor(self) -> Any:
        """The protobuf descriptor of the file that the classes of `message` are described in."""
        return next(iter(self._classes.values())).DESCRIPTOR.file

    def packed_message(self, name: str) -> Any:
        """The class of the message `name`, arrays being lists of bytes."""
        return self._packed_classes[name]

    @cached_property
    def inner(self) -> dict[str, dict[int, str]]:
        """For each message, the entries of maps among them: which messages its fields hold, by number."""
        found: dict[str, dict[int, str]] = {}
        for name, fields in self.tables.items():
            found[name] = {}
            for field, number, declared in fields:
                label, _, kind = declared.rpartition(" ")
                if label == "map":
                    found[f"{name}.{field}"] = {2: kind} if kind in self.tables else {}
                    kind = f"{name}.{field}"
                if kind in self.tables or label == "map":
                    found[name][number] = kind
        return found

    @cached_property
    def _classes(self) -> dict[str, Any]:
        return _classes(self.tables, "repeated float")

    @cached_property
    def _packed_classes(self) -> dict[str, Any]:
        # On the wire, a packed field is one of bytes. Writers may split it, hence repeated.
        return _classes(self.tables, "repeated bytes")


def _classes(tables: Tables, array: str) -> dict[str, Any]:
    """All classes by name, those of the entries of maps, too.

    All are kept because protobuf 4 loses classes without a reference, even while messages of them exist.
    """
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    file = FileDescriptorProto(name="nnabla.proto", syntax="proto3")
    for name, fields in tables.items():
        message = file.message_type.add(name=name)
        for field, number, declared in fields:
            _add_field(message, field, number, array if declared == "array" else declared)
    pool = DescriptorPool()
    pool.Add(file)
    descriptors = [pool.FindMessageTypeByName(name) for name in tables]
    entries = [entry for descriptor in descriptors for entry in descriptor.nested_types]
    return {descriptor.full_name: GetMessageClass(descriptor) for descriptor in (*descriptors, *entries)}


def _add_field(message: Any, name: str, number: int, declared: str) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto

    label, _, kind = declared.rpartition(" ")
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if label == "map":
        # A map is a list of messages with a key and a value, named after the field.
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, kind)
        kind = f"{message.name}.{entry.name}"
    elif label.startswith("oneof "):
        group = label.removeprefix("oneof ")
        names = [declaration.name for declaration in message.oneof_decl]
        if group not in names:
            message.oneof_decl.add(name=group)
            names.append(group)
        field.oneof_index = names.index(group)
    if label in ("repeated", "map"):
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if kind in _SCALARS:
        field.type = getattr(FieldDescriptorProto, f"TYPE_{kind.upper()}")
    else:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{kind}"


@contextmanager
def message_file(path: str | os.PathLike[str], where: str) -> Iterator[tuple[BinaryIO, int]]:
    """A file that should be a binary message, open, and its size, after a look at that and at its beginning.

    Raises:
        FormatError: `where`, and that it cannot be one.
    """
    # A message begins with a field, and field numbers begin with 1.
    with _opened(path, lambda head: not head or head[0] >= 1 << 3, f"{where} is not a readable protobuf file") as found:
        yield found


def message_in_file(path: str | os.PathLike[str], where: str) -> bytes:
    """The contents of a file that should be a binary message; see `message_file`."""
    with message_file(path, where) as (file, _):
        return file.read()


def text_in_file(path: str | os.PathLike[str], where: str) -> bytes:
    """The contents of a file that should be a message in text form, after a look at its size and its beginning.

    Raises:
        FormatError: `where`, and that it cannot be one.
    """
    with _opened(path, lambda head: b"\0" not in head, f"{where} is not text") as (file, _):
        return file.read()


@contextmanager
def _opened(
    path: str | os.PathLike[str], may_begin: Callable[[bytes], bool], where: str
) -> Iterator[tuple[BinaryIO, int]]:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        check_size(size, where)
        head = file.peek()
        if not may_begin(head):
            raise FormatError(f"{where}: it begins with {head[:8]!r}")
        yield file, size


def check_size(size: int, where: str) -> None:
    """Make sure that `size` bytes may be a message.

    Raises:
        FormatError: `where`, and that they are too many.
    """
    if size > LARGEST:
        raise FormatError(f"{where}: it is larger than a protobuf message can be ({LARGEST} bytes)")


def parse(message: Any, data: bytes, where: str, schema: Schema | None = None) -> None:
    """Fill an empty message from its binary form.

    Args:
        schema: that of the message, if the data comes from elsewhere: its density is checked.

    Raises:
        FormatError: `where`, and what is wrong with the data.
    """
    from google.protobuf.message import DecodeError

    if schema is not None:
        check_size(len(data), where)
        _check_density(data, schema.inner, message.DESCRIPTOR.name, where)
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise FormatError(f"{where}: {error}") from error


FREE, LENGTH = 10_000, 8
"""Messages that any data may hold, and the length that others must have on the average.

An empty message is two or three bytes long, and takes about 50 in memory. A parameter, with its shape, takes 16.
"""


def _check_density(data: bytes, inner: Mapping[str, Mapping[int, str]], name: str, where: str) -> None:
    """Make sure that there are not far more messages inside of one than honest data has.

    Data that is not well-formed is left for protobuf to refuse.

    Raises:
        FormatError: `where`, and that it is so.
    """
    allowed = FREE + len(data) // LENGTH
    count = position = 0
    end = len(data)
    fields = inner[name]
    outer: list[tuple[int, Mapping[int, str]]] = []
    while True:
        if position >= end:
            if not outer or position > end:
                return
            end, fields = outer.pop()
            continue
        try:
            tag, position = varint(data, position)
            kind = tag & 7
            if kind == 2:
                length, position = varint(data, position)
            elif kind == 0:
                _, position = varint(data, position)
                continue
            else:
                position += {1: 8, 5: 4}.get(kind, 0)
                continue
        except IndexError:
            return
        found = fields.get(tag >> 3)
        if found is None:
            position += length
            continue
        count += 1
        if count > allowed:
            raise FormatError(f"{where}: it holds more than {allowed} messages in {len(data)} bytes")
        outer.append((end, fields))
        end, fields = position + length, inner[found]


def parse_text(message: Any, data: bytes, where: str) -> None:
    """Fill an empty message from its text form.

    Raises:
        FormatError: `where`, and what is wrong with the text, such as a field that the schema lacks.
    """
    from google.protobuf import text_format

    from .plain_text import parsed_lines

    try:
        text = data.decode()
        if not parsed_lines(message, text):
            text_format.Parse(text, message)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{where}: {shown(str(error), 300)}") from error


def serialize(message: Any, where: str) -> bytes:
    """The binary form; equal messages give equal bytes.

    Raises:
        ArgumentError: `where`, and that it is larger than a message may be.
    """
    from google.protobuf.message import EncodeError

    try:
        data = message.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise ArgumentError(f"{where}: {error}") from error
    if len(data) > LARGEST:
        raise ArgumentError(f"{where}: {len(data)} bytes are more than a protobuf message can have ({LARGEST})")
    return bytes(data)
