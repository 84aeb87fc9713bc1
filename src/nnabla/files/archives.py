"""NNabla's `.nnp` archives: zip files whose members are a model and its parameters."""

from __future__ import annotations

import bz2
import io
import os
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

from ..errors import FormatError, shown
from .expansion import Allowance

# What zipfile raises for files that are not archives, or are damaged.
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
    file: BinaryIO
    """Its contents, which are there until the next member is asked for."""
    size: int
    packed: int
    """Bytes that it takes in the archive."""


class _Section(io.RawIOBase):
    """A part of a file, seen as a file. Nothing else may use the file meanwhile.

    Attributes:
        size: bytes in it, which grow as it is written to.
    """

    def __init__(self, file: Any, start: int, size: int = 0) -> None:
        self._file = file
        self._start = start
        self._position = 0
        self.size = size

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self.size - self._position))
        self._file.seek(self._start + self._position)
        if isinstance(self._file, (io.BufferedIOBase, io.RawIOBase)):
            count = self._file.readinto(view[:count]) or 0
        else:  # an object of the user's that can read and seek
            data = self._file.read(count)
            count = len(data)
            view[:count] = data
        self._position += count
        return count

    def write(self, data: Any) -> int:
        self._file.seek(self._start + self._position)
        self._file.write(data)
        count = memoryview(data).nbytes
        self._position += count
        self.size = max(self.size, self._position)
        return count

    def truncate(self, size: int | None = None) -> int:
        self.size = self._position if size is None else size
        return self._file.truncate(self._start + self.size) - self._start


_PIECE = 1 << 20
_IN_MEMORY = 1 << 25
"""Bytes up to which a packed member is unpacked in memory, and not in a temporary file."""


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
                with _contents(archive, entry) as file:
                    yield Member(entry.filename, file, entry.file_size, entry.compress_size)
    except FormatError:
        raise
    except _DAMAGE as error:
        raise FormatError(f"{where} is not a readable archive: {shown(str(error), 300)}") from error


@contextmanager
def _contents(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[BinaryIO]:
    """The contents of a member, as a seekable file; its checksum has been verified."""
    if entry.compress_type == zipfile.ZIP_BZIP2:
        yield io.BytesIO(_read_bzip2(archive, entry))
    elif entry.file_size <= _IN_MEMORY:
        yield io.BytesIO(archive.read(entry))
    elif entry.compress_type == zipfile.ZIP_STORED:
        with archive.open(entry) as member:
            while member.read(_PIECE):
                pass
        yield io.BufferedReader(_Section(archive.fp, _start_of(archive, entry), entry.file_size))
    else:
        with tempfile.TemporaryFile() as file:
            with archive.open(entry) as member:
                shutil.copyfileobj(member, file, _PIECE)
            file.seek(0)
            yield file


def _start_of(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Where the contents of a member begin: behind a header with its name and more."""
    file: Any = archive.fp
    file.seek(entry.header_offset)
    header = file.read(_HEADER)
    name, extra = struct.unpack("<HH", header[_HEADER - 4 :])
    return entry.header_offset + _HEADER + int(name) + int(extra)


_HEADER = 30


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


def _read_bzip2(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The contents of a member that bzip2 has packed, up to the size that the archive's directory says.

    `zipfile` would unpack as much as there is, and in bzip2 that may be a million times as much.
    """
    if entry.flag_bits & 1:
        raise FormatError(f"member {shown(entry.filename)!r} is encrypted")
    file: Any = archive.fp
    file.seek(_start_of(archive, entry))
    data = bz2.BZ2Decompressor().decompress(file.read(entry.compress_size), entry.file_size + 1)
    if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
        raise zipfile.BadZipFile(f"member {shown(entry.filename)!r} is not what the archive's directory says")
    return data


Contents = bytes | Callable[[BinaryIO], None]
"""What a member is to hold, or what writes it to a file that can be sought in."""


class _Target:
    """The file that an archive is written to, for `zipfile`.

    Attributes:
        there: whether what it writes stands in the file already, and has just been read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.there = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: Any) -> int:
        return len(data) if self.there else self._file.write(data)


def write(file: BinaryIO, members: Sequence[tuple[str, Contents]]) -> None:
    """Write an archive of members that are stored as they are.

    Args:
        file: best one that can be read, too: what writes a member then needs no temporary file.
    """
    target: Any = _Target(file)
    in_place = all([getattr(file, ask, lambda: False)() for ask in ("seekable", "readable")])
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, contents in members:
            if isinstance(contents, bytes):
                archive.writestr(name, contents)
                continue
            # The size is not known in advance: leave room for a large one.
            with archive.open(zipfile.ZipInfo(name, time.localtime()[:6]), "w", force_zip64=True) as member:
                if in_place:
                    section = _Section(file, file.tell())
                    contents(section)  # type: ignore[arg-type]
                    # zipfile wants to see it, for the checksum.
                    section.seek(0)
                    target.there = True
                    shutil.copyfileobj(section, member, _PIECE)
                    target.there = False
                else:
                    with tempfile.TemporaryFile() as temporary:
                        contents(temporary)
                        temporary.seek(0)
                        shutil.copyfileobj(temporary, member, _PIECE)
