"""Protobuf's binary form: fields, one after the other, each with its number and a wire type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. There are two more, of groups, which today's messages do not have."""


class Field(NamedTuple):
    """Where a field lies."""

    number: int
    kind: int
    """Its wire type."""
    tag: int
    """Where it begins."""
    start: int
    end: int
    """Where its contents begin and end."""


def number(data: bytes | bytearray, position: int) -> tuple[int, int]:
    """The number of variable length at a position, and where it ends.

    Raises:
        IndexError: it does not end there.
    """
    value = data[position]
    position += 1
    if value < 0x80:
        return value, position
    value &= 0x7F
    shift = 7
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise IndexError


def head(field: int, size: int) -> bytes:
    """What stands before the contents of a field of bytes, a text or a message: its number, wire type and size."""
    written = bytearray()
    for value in (field << 3 | BYTES, size):
        while value >= 0x80:
            written.append(value & 0x7F | 0x80)
            value >>= 7
        written.append(value)
    return bytes(written)


def fields(data: bytes | bytearray, position: int, end: int) -> Iterator[Field]:
    """The fields of a message that lies between two positions.

    Raises:
        IndexError: it is none.
    """
    while position < end:
        tag = position
        key, start = number(data, tag)
        kind = key & 7
        if kind == BYTES:
            length, start = number(data, start)
            position = start + length
        elif kind == VARINT:
            position = number(data, start)[1]
        elif kind in (FIXED64, FIXED32):
            position = start + (8 if kind == FIXED64 else 4)
        else:
            raise IndexError
        if position > end:
            raise IndexError
        yield Field(key >> 3, kind, tag, start, position)
