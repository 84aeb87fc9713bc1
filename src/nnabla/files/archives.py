"""NNabla's `.nnp` archives: zip files whose members are a model and its parameters."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        FormatError: `where`, and that it is truncated, damaged, encrypted, or packed by something other than deflate.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [e for e in archive.infolist() if os.path.splitext(e.filename)[1] in extensions]
            _check(entries, extensions, archive, where)
            for entry in entries:
                yield Member(entry.filename, archive.read(entry), entry.compress_size)
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
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
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


Contents = bytes | Callable[[BinaryIO], None]
"""What a member is to hold, or what writes it to a file that can be sought in."""


def write(file: BinaryIO, members: Sequence[tuple[str, Contents]]) -> None:
    """Write an archive of members that are stored as they are."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, contents in members:
            if isinstance(contents, bytes):
                archive.writestr(name, contents)
                continue
            with tempfile.TemporaryFile() as temporary:
                contents(temporary)
                temporary.seek(0)
                # The size is not known before: room for a large one.
                with archive.open(zipfile.ZipInfo(name, time.localtime()[:6]), "w", force_zip64=True) as member:
                    shutil.copyfileobj(temporary, member, 1 << 20)
