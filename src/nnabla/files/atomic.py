"""Writing files and folders so that a reader, or a crash, never meets half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def replacing(path: str | os.PathLike[str], flush: bool = True) -> Iterator[str]:
    """The path of a temporary file beside `path`, which takes its place when the block ends without an error.

    With `flush`, the data is on the disk before the file is renamed, so that it survives a crash of the machine. After
    an error the temporary file is removed and what stood at `path` is unchanged.

    Raises:
        FileNotFoundError: the directory does not exist.
    """
    target = os.path.abspath(os.fspath(path))
    directory = os.path.dirname(target)
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"cannot write {os.fspath(path)!r}: there is no directory {directory!r}")
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=directory)
    os.close(handle)
    try:
        yield temporary
        if flush:
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
        # mkstemp makes private files; give the new one the permissions that any new file would have.
        os.chmod(temporary, _default_mode(target))
        os.replace(temporary, target)
    except BaseException:
        remove_if_there(temporary)
        raise


def _default_mode(target: str) -> int:
    try:
        return os.stat(target).st_mode & 0o777
    except FileNotFoundError:
        return 0o666 & ~_mask()


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[str]:
    """A temporary folder beside `path`, which takes its place when the block ends without an error.

    After an error the temporary folder is removed and what stood at `path` is unchanged. A folder that stands there is
    removed in the end, with all that is in it. Folders above are made if they are not there.
    """
    target = os.path.abspath(os.fspath(path))
    parent = os.path.dirname(target)
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=f".{os.path.basename(target)}.", dir=parent)
    try:
        yield temporary
        # mkdtemp makes private folders.
        os.chmod(temporary, 0o777 & ~_mask())
        _exchange(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _exchange(temporary: str, target: str) -> None:
    """Put a folder where another may be, which is removed when the new one is there."""
    if not os.path.isdir(target):
        os.replace(temporary, target)
        return
    aside = f"{temporary}.old"
    os.replace(target, aside)
    try:
        os.replace(temporary, target)
    except BaseException:
        os.replace(aside, target)
        raise
    shutil.rmtree(aside)


def remove_if_there(path: str) -> None:
    """Remove a file if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
