"""NNabla's `.nnp` archives: zip files whose members are a model and its parameters."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO

from ..errors import FormatError
from .hdf5 import LARGEST_EXPANSION

# What zipfile raises for files that are no archives, or damaged ones.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    RuntimeError,
    ValueError,
    EOFError,
    OverflowError,
)


def members(
    source: str | os.PathLike[str] | BinaryIO, extensions: Collection[str], where: str
) -> Iterator[tuple[str, bytes]]:
    """Name and contents of each member of an archive that has one of the extensions, in their order.

    Memory is bounded by the size of the archive: a member that claims to hold more than can be packed into its bytes,
    and members that share bytes, are refused.

    Raises:
        FormatError: `where`, and that it is truncated, damaged, encrypted, or packed by something other than deflate.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [e for e in archive.infolist() if os.path.splitext(e.filename)[1] in extensions]
            _check(entries, archive, where)
            for entry in entries:
                yield entry.filename, archive.read(entry)
    except FormatError:
        raise
    except _DAMAGE as error:
        raise FormatError(f"{where} is not a readable archive: {error}") from error


def _check(entries: list[zipfile.ZipInfo], archive: zipfile.ZipFile, where: str) -> None:
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(f"{where}: member {entry.filename!r} is packed by an unknown method")
        if entry.file_size > LARGEST_EXPANSION * entry.compress_size:
            raise FormatError(
                f"{where}: member {entry.filename!r} claims {entry.file_size} bytes in {entry.compress_size}"
            )
    file = archive.fp
    assert file is not None
    size = file.seek(0, io.SEEK_END)
    if sum(entry.compress_size for entry in entries) > size:
        raise FormatError(f"{where}: its members share bytes")
