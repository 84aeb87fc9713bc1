"""Files by name: of this machine, of web servers, of S3.

The libraries for web servers and S3 come with the extras ``http`` and ``s3``: ``pip install nnabla[s3]``.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import posixpath
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..config import nnabla_config
from ..errors import ArgumentError, ExtensionError

_REMOTE = {"s3": "s3", "http": "http", "https": "http"}
"""Schemes of addresses, and the extra that each needs."""


# Names of files below a folder that nothing has to be done for.
_PLAIN = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*")


def scheme_of(uri: str) -> str:
    """``"s3"``, ``"http"``, or ``"file"``."""
    return _REMOTE.get(uri.partition("://")[0], "file") if "://" in uri else "file"


def open_remote(uri: str, mode: str = "rb") -> Any:
    """Open a file of a web server or of S3.

    Raises:
        ExtensionError: the library for it is not installed.
        FileNotFoundError: there is no such file.
        OSError: the server could not be asked.
    """
    extra = scheme_of(uri)
    try:
        import fsspec

        return fsspec.open(uri, mode).open()
    except ImportError as error:
        raise ExtensionError(f"{uri} needs more packages: pip install nnabla[{extra}] ({error})") from error


def inside(base: str, name: str, caller: str, allow_outside: bool | None = None) -> str:
    """The path, or address, of a file that a data set names.

    Args:
        base: the folder of the data set, or its address.
        name: as it stands in the data set; backslashes separate folders, too.
        caller: what the error begins with.
        allow_outside: let `name` leave the folder; default: option ``allow_files_outside`` in section
            ``DATA_ITERATOR`` of the configuration, False.

    Raises:
        ArgumentError: it leaves the folder.
    """
    if os.path.isabs(base) and _PLAIN.fullmatch(name):
        return os.path.join(base, name)
    if scheme_of(name) != "file" or "\0" in name:
        path, within = name, False
    elif scheme_of(base) != "file":
        scheme, place, folder = urllib.parse.urlsplit(base)[:3]
        root = _joined("/", folder.strip("/")).rstrip("/") + "/"
        # Servers may take %2e for a dot.
        within = all(_joined(root, text).startswith(root) for text in (name, urllib.parse.unquote(name)))
        path = f"{scheme}://{place}{_joined(root, name)}"
    else:
        root = os.path.abspath(base)
        path = os.path.normpath(os.path.join(root, name.replace("\\", "/")))
        within = path == root or path.startswith(root.rstrip(os.sep) + os.sep)
    if allow_outside is None and not within:
        allow_outside = nnabla_config.getboolean("DATA_ITERATOR", "allow_files_outside")
    if not within and not allow_outside:
        raise ArgumentError(
            f"{caller}: {name!r} is not in the folder of the data set, {base}; allow_outside=True, or "
            "allow_files_outside in the configuration, lets data sets name such files"
        )
    return path


def _joined(root: str, name: str) -> str:
    return "/" + posixpath.normpath(posixpath.join(root, name.replace("\\", "/"))).lstrip("/")


class FileReader:
    """Opens files relative to a place.

    Args:
        base_uri: path of a folder or file, or an address ``http://...``, ``https://...``, ``s3://bucket/key``.
    """

    def __init__(self, base_uri: str | os.PathLike[str]) -> None:
        self._base_uri = os.fspath(base_uri)
        self.base_ext = os.path.splitext(self._base_uri)[1].lower()
        self._file_type = scheme_of(self._base_uri)

    @functools.cached_property
    def folder(self) -> str:
        """The folder that names are relative to: that of the file, or what ends in a slash."""
        if self._file_type == "file":
            return os.path.abspath(os.path.dirname(self._base_uri))
        return self._base_uri.rsplit("/", 1)[0]

    def read_s3_object(self, key: str) -> bytes:
        """The contents of an object in the bucket of the address."""
        bucket = self._base_uri.removeprefix("s3://").partition("/")[0]
        with open_remote(f"s3://{bucket}/{key}") as file:
            return bytes(file.read())

    def path(self, filename: str | None = None) -> str:
        """The path or address of a file; without a name, of what the reader was made for."""
        if filename is None:
            return self._base_uri
        if self._file_type == "file":
            return os.path.join(self.folder, filename.replace("\\", "/"))
        return filename if scheme_of(filename) != "file" else f"{self.folder}/{filename}"

    def opened(self, filename: str | None = None) -> BinaryIO:
        """A file, open for reading bytes."""
        path = self.path(filename)
        return open(path, "rb") if scheme_of(path) == "file" else open_remote(path)

    @contextlib.contextmanager
    def open(self, filename: str | None = None, textmode: bool = False, encoding: str = "utf-8-sig") -> Iterator[Any]:
        """A file, open in a ``with`` block.

        Args:
            filename: relative to the folder; default the file that the reader was made for.
            textmode: as text, and not as bytes; ends of lines are kept as they are.
            encoding: of the text; the default is UTF-8, with a byte order mark or without.
        """
        with self.opened(filename) as binary:
            if textmode:
                with io.TextIOWrapper(binary, encoding=encoding, newline="") as text:
                    yield text
            else:
                yield binary

    @contextlib.contextmanager
    def open_cache(self, cache_name: str) -> Iterator[Any]:
        """A ``.h5`` file of a cache in the folder, as h5py opens it."""
        import h5py

        path = (
            os.path.join(self._base_uri, cache_name) if self._file_type == "file" else f"{self._base_uri}/{cache_name}"
        )
        if self._file_type == "file":
            with h5py.File(path, "r") as file:
                yield file
        else:
            with open_remote(path) as remote, h5py.File(io.BytesIO(remote.read()), "r") as file:
                yield file

    def listdir(self) -> list[str]:
        """Names of the ``.h5`` files in a folder, sorted: what an HDF5 cache without an index consists of."""
        if self._file_type == "file":
            names = os.listdir(self._base_uri)
        elif self._file_type == "s3":
            import fsspec

            filesystem, root = fsspec.core.url_to_fs(self._base_uri)
            names = [path.rsplit("/", 1)[-1] for path in filesystem.ls(root, detail=False)]
        else:
            raise ArgumentError(f"FileReader.listdir: a web server does not list its files: {self._base_uri}")
        return sorted(name for name in names if os.path.splitext(name)[1].lower() == ".h5")


class ResourceFileReader:
    """A file given by name or open already.

    Args:
        source: path, address, or a file opened in binary mode.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        if isinstance(source, (str, os.PathLike)):
            self.handler: Any = FileReader(os.fspath(source))
            self.ext = self.handler.base_ext
        else:
            self.handler = source
            self.ext = get_file_extension(source)

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        """The file, open in binary mode in a ``with`` block; one that was given open is not closed."""
        if isinstance(self.handler, FileReader):
            with self.handler.open() as file:
                yield file
        else:
            yield self.handler


# By the first bytes of a file.
_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"RIFF": ".wav",
    b"\x93NUMPY": ".npy",
}


def get_file_extension(source: Any) -> str:
    """The extension of a path, address or open file, in lower case; of a file without a name, by its first bytes.

    Example:
        >>> get_file_extension("images/0.PNG")
        '.png'
    """
    name = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", None)
    if isinstance(name, (str, os.PathLike)):
        text = os.fspath(name)
        path = urllib.parse.urlsplit(text).path if scheme_of(text) != "file" else text
        return os.path.splitext(path)[1].lower()
    start = source.tell()
    head = source.read(132)
    source.seek(start)
    if head[128:132] == b"DICM":
        return ".dcm"
    return next((extension for beginning, extension in _BEGINNINGS.items() if head.startswith(beginning)), "")
