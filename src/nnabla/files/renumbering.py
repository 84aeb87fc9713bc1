"""Binary models of other releases of NNabla.

The message with the arguments of a function has a number of its own in the message ``Function``, and that with the
settings of a solver in ``Solver``. NNabla numbers them anew in each release, so the same number may mean another
function. But each function and solver also states its type.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from .model_messages import MODEL
from .wire import BYTES, Field, fields

# By message: the range of these numbers, at whose end is one that nothing has, and the way from NNablaProtoBuf to it.
_PLACES = {"Function": (1001, 1999, (100, 200)), "Solver": (100, 199, (400, 30))}
_TYPE = 2


def renumbered(data: bytes) -> bytes:
    """A binary `NNablaProtoBuf`, with the numbers of this release for the arguments of functions and solvers.

    Data that is not a message is returned as it is.
    """
    changes: list[tuple[int, int]] = []
    try:
        for name, (low, high, path) in _PLACES.items():
            for start, end in _messages(data, 0, len(data), path):
                changes += _changes(data, start, end, _numbers(name), low, high)
    except IndexError:
        return data
    if not changes:
        return data
    changed = bytearray(data)
    for position, number in changes:
        # Tags of the numbers in both ranges take two bytes.
        tag = number << 3 | BYTES
        changed[position : position + 2] = bytes((tag & 0x7F | 0x80, tag >> 7))
    return bytes(changed)


@cache
def _numbers(name: str) -> dict[str, int]:
    """Numbers by type, of the messages with arguments in a message."""
    return {
        kind.removeprefix("oneof parameter ").removesuffix("Parameter"): number
        for _, number, kind in MODEL.tables[name]
        if kind.startswith("oneof parameter ")
    }


def _messages(data: bytes, start: int, end: int, path: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Where the messages lie that fields of the numbers in `path` hold, one inside the other."""
    if not path:
        yield start, end
        return
    for field in fields(data, start, end):
        if field.number == path[0] and field.kind == BYTES:
            yield from _messages(data, field.start, field.end, path[1:])


def _changes(
    data: bytes, start: int, end: int, numbers: dict[str, int], low: int, high: int
) -> Iterator[tuple[int, int]]:
    """Where the tag of a message with arguments has another number than it should, and which one."""
    kind = ""
    given: list[Field] = []
    for field in fields(data, start, end):
        if field.kind == BYTES and field.number == _TYPE:
            kind = data[field.start : field.end].decode("utf-8", "replace")
        elif field.kind == BYTES and low <= field.number <= high:
            given.append(field)
    wanted = numbers.get(kind, high)
    return ((field.tag, wanted) for field in given if field.number != wanted)
