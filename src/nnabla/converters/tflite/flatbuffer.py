"""Reading of flatbuffers from strangers: every offset and length is checked against the file before it is followed."""

from __future__ import annotations

import struct
from typing import Any

from ...errors import FormatError


class Damaged(FormatError):
    """Why bytes are no flatbuffer."""


class FlatBytes:
    """The bytes of a flatbuffer.

    Args:
        data: all of it.

    Attributes:
        left: how many elements of rows may still be read. All of a sound file together have about as many as it has
            bytes at most, even if equal ones are there once.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left = 4 * len(data) + 64

    def number(self, place: int, letter: str) -> Any:
        """A number.

        Raises:
            Damaged: it is not within the file.
        """
        if not 0 <= place <= len(self.data) - struct.calcsize("<" + letter):
            raise Damaged(f"a number should stand at byte {place} of {len(self.data)}")
        return struct.unpack_from("<" + letter, self.data, place)[0]

    def target(self, place: int) -> int:
        """Where the offset at a place leads."""
        return place + int(self.number(place, "I"))

    def root(self) -> Table:
        """The table that the file begins with."""
        return Table(self, self.target(0))


class Row:
    """A vector: where its elements begin, and how many there are, all within the file.

    Args:
        source: the bytes.
        place: of the length.
        width: bytes of an element.
    """

    def __init__(self, source: FlatBytes, place: int, width: int) -> None:
        self.source = source
        self.count = int(source.number(place, "I"))
        self.start = place + 4
        self.width = width
        if self.start + self.count * width > len(source.data):
            raise Damaged(f"a row of {self.count} elements at byte {place} does not end within {len(source.data)}")

    def numbers(self, letter: str) -> list[Any]:
        """All elements."""
        self.source.left -= self.count
        if self.source.left < 0:
            raise Damaged("its rows overlap too often")
        return list(struct.unpack_from(f"<{self.count}{letter}", self.source.data, self.start))

    def tables(self) -> list[Table]:
        """The tables that the elements lead to."""
        offsets = self.numbers("I")
        return [Table(self.source, self.start + 4 * i + offset) for i, offset in enumerate(offsets)]

    @property
    def view(self) -> memoryview:
        """The bytes themselves."""
        return memoryview(self.source.data)[self.start : self.start + self.count * self.width]


class Table:
    """A table.

    Args:
        source: the bytes.
        place: of the table.
    """

    def __init__(self, source: FlatBytes, place: int) -> None:
        self.source, self.place = source, place
        self.fields = place - int(source.number(place, "i"))
        self.size = int(source.number(self.fields, "H"))
        self.length = int(source.number(self.fields + 2, "H"))
        if self.size < 4 or self.size % 2 or self.fields + self.size > len(source.data):
            raise Damaged(f"the table at byte {place} says nothing sound of its fields")
        if self.length < 4 or place + self.length > len(source.data):
            raise Damaged(f"the table at byte {place} does not end within {len(source.data)}")

    def _place(self, field: int, width: int) -> int | None:
        """Where a field stands; ``None`` where it is left out."""
        at = 4 + 2 * field
        if at + 2 > self.size:
            return None
        offset = int(self.source.number(self.fields + at, "H"))
        if not offset:
            return None
        if offset + width > self.length:
            raise Damaged(f"field {field} of the table at byte {self.place} is not within it")
        return self.place + offset

    def number(self, field: int, letter: str, default: Any = 0) -> Any:
        """A number, or its default."""
        place = self._place(field, struct.calcsize("<" + letter))
        return default if place is None else self.source.number(place, letter)

    def row(self, field: int, width: int) -> Row | None:
        """A vector."""
        place = self._place(field, 4)
        return None if place is None else Row(self.source, self.source.target(place), width)

    def numbers(self, field: int, letter: str) -> list[Any]:
        """A vector of numbers; none where it is left out."""
        row = self.row(field, struct.calcsize("<" + letter))
        return [] if row is None else row.numbers(letter)

    def tables(self, field: int) -> list[Table]:
        """A vector of tables; none where it is left out."""
        row = self.row(field, 4)
        return [] if row is None else row.tables()

    def table(self, field: int) -> Table | None:
        """A table."""
        place = self._place(field, 4)
        return None if place is None else Table(self.source, self.source.target(place))

    def text(self, field: int) -> str:
        """A text; what is not UTF-8 in it is replaced."""
        row = self.row(field, 1)
        if row is None:
            return ""
        self.source.left -= row.count
        if self.source.left < 0:
            raise Damaged("its texts overlap too often")
        return bytes(row.view).decode("utf-8", "replace")
