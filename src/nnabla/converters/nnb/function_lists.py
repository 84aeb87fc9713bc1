"""Lists of functions in text files, a line each: those that a target has, made by ``nnabla_cli function_info``."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import FormatError, shown
from .function_ids import numbers

COMMENTS = ("#", ";", "//")
TYPES = ("FLOAT32", "FIXED16", "FIXED8", "ALL")


def names_in(lines: Iterable[str], path: str) -> list[str]:
    """Type names of functions in lines such as ``Convolution``, ``Convolution_iiIiIiIiB`` or ``Convolution@9``.

    Types may follow, as in ``Convolution,FLOAT32,FIXED8``; they say what a runtime is built for, and change nothing
    here. Empty lines and those that begin with ``#``, ``;`` or ``//`` are passed over.

    Raises:
        FormatError: a line names no function, or a type that there is not.
    """
    known, found = numbers(), []
    for count, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(COMMENTS):
            continue
        text, *types = [part.strip() for part in text.split(",")]
        unknown = [each for each in types if each not in TYPES]
        if unknown:
            raise FormatError(f"{path}: line {count}: types are {', '.join(TYPES)}, not {shown(repr(unknown[0]))}")
        name = text.partition("@")[0].strip()
        name = name if name in known else name.rpartition("_")[0]
        if name not in known:
            raise FormatError(f"{path}: line {count} names no function: {shown(text)!r}")
        found.append(name)
    return list(dict.fromkeys(found))


def read_function_list(path: str) -> set[str]:
    """The functions that a file lists.

    Raises:
        FileNotFoundError: there is none.
        FormatError: a line names no function, or it is no text.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return set(names_in(file, path))
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a text: {error}") from None
