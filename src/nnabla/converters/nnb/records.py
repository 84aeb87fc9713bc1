"""Records of NNB files: how a number, a bool, a list or a choice stands in the record of a function."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...graph.argument import REQUIRED, Argument
from ...graph.operator import registry
from .function_ids import Number, types_of

HEADER = struct.Struct("<II IiIiIiIiIi II")
LIST = struct.Struct("<Ii")
VARIABLE = struct.Struct("<I Ii B3x i")
FUNCTION = struct.Struct("<HH iI iI")
VERSIONS = (2, 3)


class Field(NamedTuple):
    """An argument in the record of a function.

    Attributes:
        argument: as it is declared.
        type: see `function_ids.types_of`.
        offset: from the start of the record.
        size: in bytes.
    """

    argument: Argument
    type: str
    offset: int
    size: int


_SIZES = {"B": (1, 1), "i": (4, 4), "f": (4, 4), "iI": (8, 4)}


def fields(type_name: str, number: Number) -> Iterator[Field]:
    """The arguments that the record of a function has, in order.

    Raises:
        ValueError: the format has no place for one.
    """
    offset = FUNCTION.size
    arguments = registry[type_name].declaration.arguments
    for argument, kind in zip(arguments, types_of(number.format), strict=False):
        if kind not in _SIZES:
            raise ValueError(f"{type_name}: files have no place for {argument.name}")
        size, alignment = _SIZES[kind]
        offset = -(-offset // alignment) * alignment
        yield Field(argument, kind, offset, size)
        offset += size


def record_size(type_name: str, number: Number) -> int:
    """Bytes of the record of a function, without what follows to fill four."""
    return max([FUNCTION.size, *[f.offset + f.size for f in fields(type_name, number)]])


def fallback(argument: Argument) -> Any:
    """What the runtime takes for an argument that an older record does not have."""
    if argument.default is REQUIRED or argument.default is None:
        return [] if argument.stored in ("shape", "repeated int64") else 0
    return list(argument.default) if isinstance(argument.default, tuple) else argument.default
