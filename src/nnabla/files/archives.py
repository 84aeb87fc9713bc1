"""NNabla's `.nnp` archives: zip files whose members are a model and its parameters."""

from __future__ import annotations

import bz2
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from ..errors import FormatError, shown
from .expansion import Allowance

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


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    contents: bytes
    packed: int
    """Bytes that it takes in the archive."""


def members(
    source: str | os.PathLike[str] | BinaryIO, extensions: Mapping[str, Allowance], where: str
) -> Iterator[Member]:
    """Each member of an archive that has one of the extensions, in their order.

    Memory is bounded by the size of the archive: members that claim to hold more than their extension allows for
    their bytes, alone or together, and members that share bytes, are refused.

    Raises:
        FormatError: `where`, and that it is truncated, damaged, encrypted, or packed by something other than deflate
            and bzip2.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [e for e in archive.infolist() if os.path.splitext(e.filename)[1] in extensions]
            _check(entries, extensions, archive, where)
            for entry in entries:
                unpack = _read_bzip2 if entry.compress_type == zipfile.ZIP_BZIP2 else zipfile.ZipFile.read
                yield Member(entry.filename, unpack(archive, entry), entry.compress_size)
    except FormatError:
        raise
    except _DAMAGE as error:
        raise FormatError(f"{where} is not a readable archive: {shown(str(error), 300)}") from error


def _check(
    entries: list[zipfile.ZipInfo], extensions: Mapping[str, Allowance], archive: zipfile.ZipFile, where: str
) -> None:
    totals: dict[Allowance, tuple[int, int]] = {}
    for entry in entries:
        member = f"{where}: member {shown(entry.filename)!r}"
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            raise FormatError(f"{member} is packed by an unknown method")
        allowance = extensions[os.path.splitext(entry.filename)[1]]
        allowance.check(entry.file_size, entry.compress_size, member)
        claimed, packed = totals.get(allowance, (0, 0))
        totals[allowance] = claimed + entry.file_size, packed + entry.compress_size
    for allowance, (claimed, packed) in totals.items():
        allowance.check(claimed, packed, where)
    file = archive.fp
    assert file is not None
    size = file.seek(0, io.SEEK_END)
    if sum(entry.compress_size for entry in entries) > size:
        raise FormatError(f"{where}: its members share bytes")


# The fixed part of the header before a member: of its 30 bytes, lengths of the name and of another field at the end.
_LOCAL_HEADER = struct.Struct("<26xHH")


def _read_bzip2(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The contents of a member that bzip2 has packed, up to the size that the archive's directory says.

    `zipfile` would unpack as much as there is, and in bzip2 that may be a million times as much.
    """
    if entry.flag_bits & 1:
        raise FormatError(f"member {shown(entry.filename)!r} is encrypted")
    file = archive.fp
    assert file is not None
    file.seek(entry.header_offset)
    name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    file.seek(name + extra, io.SEEK_CUR)
    data = bz2.BZ2Decompressor().decompress(file.read(entry.compress_size), entry.file_size + 1)
    if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
        raise zipfile.BadZipFile(f"member {shown(entry.filename)!r} is not what the archive's directory says")
    return data
