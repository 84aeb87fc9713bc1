"""Arrays in NumPy's own format, ``.npy``.

The header is a Python expression. NumPy parses it with Python's parser, which in CPython 3.11 fails at random where
several threads parse at a time (``SystemError: AST constructor recursion depth mismatch``), and which takes longer than
reading a small array. The headers that NumPy writes for numbers are so plain that a regular expression reads them.
"""

from __future__ import annotations

import re
import threading
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..errors import FormatError

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '([<>|=][a-zA-Z]\d*)', 'fortran_order': (True|False), 'shape': \(((?:\d+, ?)*\d*)\), ?\}\s*"
)
_parser = threading.Lock()


class Header(NamedTuple):
    """What stands before the values of an array."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]
    offset: int
    """Where the values begin."""

    @property
    def nbytes(self) -> int:
        """Size of the values."""
        # Python's integers, since sizes in broken files may exceed others.
        count = 1
        for n in self.shape:
            count *= n
        return count * self.dtype.itemsize


def read_header(stream: BinaryIO, where: str) -> Header:
    """The header at the stream's position; the stream is at the values then.

    Raises:
        FormatError: `where`, and that it is no such file, damaged, or holds Python objects, which are pickles.
    """
    start = stream.tell()
    begin = stream.read(12)
    if begin[:6] != _MAGIC or len(begin) < 12:
        raise FormatError(f"{where} is no .npy file, or truncated")
    size, at = (
        (int.from_bytes(begin[8:10], "little"), 10) if begin[6] == 1 else (int.from_bytes(begin[8:], "little"), 12)
    )
    stream.seek(start + at)
    text = stream.read(min(size, 2**16))
    found = _HEADER.fullmatch(text)
    if found is not None:
        shape = tuple(int(n) for n in found[3].split(b",") if n.strip())
        return _checked(Header(shape, found[2] == b"True", np.dtype(found[1].decode()), stream.tell()), where)
    stream.seek(start)
    npy = np.lib.format
    try:
        with _parser:
            version = npy.read_magic(stream)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            return _checked(Header(*read(stream), stream.tell()), where)
    except ValueError as error:
        raise FormatError(f"{where} is damaged: {error}") from error


def _checked(header: Header, where: str) -> Header:
    if header.dtype.itemsize == 0:
        raise FormatError(f"{where} holds values of no size, {header.dtype}")
    if header.dtype.hasobject:
        raise FormatError(f"{where} holds Python objects, which are never read: they are pickles")
    return header


def read_array(stream: BinaryIO, where: str) -> np.ndarray:
    """The array at the stream's position, in memory of its own.

    Raises:
        FormatError: as for `read_header`, or the file ends before the array does.
    """
    header = read_header(stream, where)
    data = stream.read(header.nbytes)
    if len(data) < header.nbytes:
        raise FormatError(f"{where} is truncated: {len(data)} of {header.nbytes} bytes of values are there")
    array = np.frombuffer(bytearray(data), header.dtype) if data else np.empty(0, header.dtype)
    return array.reshape(header.shape, order="F" if header.by_columns else "C")
